//! What an event must pass once it has taken effect on the objects, before it is recorded: its author may do what it does,
//! and what is there afterwards is valid, with what follows from it.

use rustc_hash::FxHashSet;

use super::Need;
use super::resolve::{Before, Ground, Guard, Stop, not_found, refuse};
use crate::event::{Refusal, RefusalCode};
use crate::object::{Entry, Object, Stamp, Write};
use crate::op::Op;
use crate::shape;
use crate::valid::{Change, Objection};

impl Ground<'_> {
    /// Whether somebody has a say in what becomes of objects.
    pub(super) fn is_guarded(&self) -> bool {
        self.guard.is_some() || self.schema.has_shapes() || !self.schema.held().is_empty()
    }

    /// Asks whether what has become of objects may be, and lets follow what follows from it: these ops, of which there is
    /// room for so many. Those touch what comes behind in `before`.
    pub(super) fn pass(&mut self, before: &mut Before<'_>, room: usize, write: &Write<'_>) -> Result<Vec<Op>, Stop> {
        self.permit(before, write.stamp)?;
        let authored = before.len();
        let following = self.follow(before, room, write)?;
        let mut needs = Vec::new();
        for (place, change) in self.changes(before) {
            match self.check(&change, &mut needs) {
                // It is no doing of the author, who hears nothing of it.
                Err(_) if place >= authored => return Err(self.must_stay(change.key, before).into()),
                checked => checked?,
            }
        }
        if !needs.is_empty() {
            return Err(Stop::Needs(needs));
        }
        self.hear(before).map(|()| following)
    }

    /// What its author may do. What follows from it needs no right: the schema says so, for everybody.
    fn permit(&self, before: &Before<'_>, by: Stamp) -> Result<(), Box<Refusal>> {
        let Some(Guard { gate, caller, .. }) = self.guard else { return Ok(()) };
        let mut permit = |change: Change<'_>| match gate.objection(caller, &change) {
            Some(objection) => Err(objected(&change, objection)),
            None => Ok(()),
        };
        self.changes(before).try_for_each(|(_, change)| permit(change))?;
        self.pass_through(before, by, &mut permit)?;
        self.permit_nothing(before)
    }

    /// Whether its author may name objects that are there neither before nor after it. There is nothing that rules could be
    /// asked about but whether they could write at all; otherwise they hear what they would if it was hidden from them.
    fn permit_nothing(&self, before: &Before<'_>) -> Result<(), Box<Refusal>> {
        let Some(Guard { gate, caller, .. }) = self.guard.filter(|guard| !guard.caller.is_trusted) else {
            return Ok(());
        };
        let mut asked = FxHashSet::default();
        let nowhere = before.iter().filter(|(key, entry)| live(entry).is_none() && self.objects.get(key).is_none());
        let mut new = nowhere.map(|(key, _)| key).filter(|key| asked.insert(&key.collection));
        match new.find(|key| !gate.may_write(caller, &key.collection)) {
            Some(key) => Err(refuse(RefusalCode::NotFound, not_found(key), key, None)),
            None => Ok(()),
        }
    }

    /// What is valid. What cannot be told yet is put to what is needed.
    fn check(&self, change: &Change<'_>, needs: &mut Vec<Need>) -> Result<(), Box<Refusal>> {
        let checked = || self.guard.and_then(|Guard { gate, caller, .. }| gate.invalid(caller, change));
        let shapes = self.schema.shapes(&change.key.collection);
        if let Some(objection) = shape::objection(shapes, change).or_else(checked) {
            return Err(objected(change, objection));
        }
        self.check_unique(change, needs)?;
        self.check_references(change, needs)
    }

    /// What became of each object, with the place of its first op.
    pub(super) fn changes<'b>(&'b self, before: &'b Before<'_>) -> impl Iterator<Item = (usize, Change<'b>)> {
        let mut seen = FxHashSet::default();
        let first = before.iter().enumerate().filter(move |(_, (key, _))| before.len() == 1 || seen.insert(&**key));
        first.filter_map(|(place, (key, entry))| {
            let change = Change { key, before: live(entry), after: self.objects.get(key).map(AsRef::as_ref) };
            (change.before.is_some() || change.after.is_some()).then_some((place, change))
        })
    }
}

pub(super) fn live(entry: &Option<Entry>) -> Option<&Object> {
    entry.as_ref().and_then(Entry::live).map(AsRef::as_ref)
}

pub(super) fn objected(change: &Change<'_>, Objection { code, field, reason }: Objection) -> Box<Refusal> {
    Box::new(Refusal { field, ..*refuse(code, reason, change.key, change.before) })
}
