//! What an event makes of objects on the way to what it comes to, and what it puts beside what is there, as a conflict.
//! That stands on the log like the rest, for whoever follows it: its author must be allowed to have it there.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use rustc_hash::FxHashMap;

use super::pass::live;
use super::resolve::{Before, Ground};
use crate::event::Refusal;
use crate::name::{FieldName, Key};
use crate::object::{Object, Stamp};
use crate::valid::Change;
use crate::value::Value;

/// Answers whether a change may be.
type Permit<'p> = dyn FnMut(Change<'_>) -> Result<(), Box<Refusal>> + 'p;

/// What an event by `by` makes of an object on the way.
struct Passing<'a> {
    key: &'a Key,
    was: Option<&'a Object>,
    meanwhile: &'a Object,
    now: Option<&'a Object>,
    by: Stamp,
}

impl Ground<'_> {
    /// Asks about what an event makes of objects and does not stay, as if it did.
    pub(super) fn pass_through(
        &self,
        before: &Before<'_>,
        by: Stamp,
        permit: &mut Permit<'_>,
    ) -> Result<(), Box<Refusal>> {
        let mut first = FxHashMap::default();
        for (key, entry) in before.iter().filter(|_| before.len() > 1) {
            match (first.entry(&**key), live(entry)) {
                (Vacant(new), object) => drop(new.insert(object)),
                (Occupied(was), Some(meanwhile)) => {
                    let now = self.objects.get(key).map(AsRef::as_ref);
                    Passing { key, was: *was.get(), meanwhile, now, by }.pass(permit)?;
                }
                _ => {}
            }
        }
        for (_, Change { key, before: was, after: now }) in self.changes(before) {
            if let Some(meanwhile) = now.filter(|now| now.conflicts().iter().any(|conflict| conflict.stamp == by)) {
                Passing { key, was, meanwhile, now, by }.pass(permit)?;
            }
        }
        Ok(())
    }
}

impl Passing<'_> {
    fn pass(&self, permit: &mut Permit<'_>) -> Result<(), Box<Refusal>> {
        let Self { key, was, meanwhile, now, by } = *self;
        let mut ask = |before, after| permit(Change { key, before, after });
        // Of what it deletes as it was, all that is asked is whether it may be deleted.
        if now.is_none() && !was.is_some_and(|was| was.has_fields_of(meanwhile)) {
            ask(was, Some(meanwhile))?;
        }
        let beside = meanwhile.conflicts().iter().filter(|conflict| conflict.stamp == by);
        let beside = self.as_if_it_stayed(beside.map(|conflict| (&conflict.field, &conflict.value)));
        let within = self.as_if_it_stayed(meanwhile.values());
        for stays in [&within, &beside].into_iter().flatten() {
            ask(was, Some(stays))?;
        }
        if was.is_none() && now.is_none() { ask(Some(meanwhile), None) } else { Ok(()) }
    }

    /// The object with some values of fields. `None`: they are nothing else than it held before or holds in it.
    fn as_if_it_stayed<'v>(&self, values: impl Iterator<Item = (&'v FieldName, &'v Value)>) -> Option<Object> {
        let now = self.now.unwrap_or(self.meanwhile);
        let has = |object: &Object, name: &FieldName, value: &Value| object.get(name.as_str()) == Some(value);
        let passes = |(name, value): &(&FieldName, &Value)| {
            !has(now, name, value) && !self.was.is_some_and(|was| has(was, name, value))
        };
        let passing: BTreeMap<_, _> =
            values.filter(passes).map(|(name, value)| (name.clone(), value.clone())).collect();
        let fields: Vec<_> = passing.into_iter().collect();
        (!fields.is_empty()).then(|| now.merged(&Object::from_sorted(now.created(), now.version(), fields)))
    }
}
