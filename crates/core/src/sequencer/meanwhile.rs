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
        let Self { key, was, meanwhile, now, .. } = *self;
        let stays = self.as_if_it_stayed(now.unwrap_or(meanwhile));
        let mut ask = |before, after| permit(Change { key, before, after });
        match (was, now, stays.as_ref()) {
            (_, Some(_), None) => Ok(()),
            (_, Some(_), stays) => ask(was, stays),
            // All that is asked of it is whether it may be deleted.
            (Some(was), None, None) if was.has_fields_of(meanwhile) => Ok(()),
            (Some(_), None, stays) => ask(was, stays.or(Some(meanwhile))),
            (None, None, stays) => {
                ask(None, stays.or(Some(meanwhile)))?;
                ask(Some(meanwhile), None)
            }
        }
    }

    /// An object with what fields held meanwhile, or have beside them. `None`: that is nothing else than they held before
    /// or hold in it.
    fn as_if_it_stayed(&self, now: &Object) -> Option<Object> {
        let beside = self.meanwhile.conflicts().iter().filter(|conflict| conflict.stamp == self.by);
        let all = self.meanwhile.values().chain(beside.map(|conflict| (&conflict.field, &conflict.value)));
        let has = |object: &Object, name: &FieldName, value: &Value| object.get(name.as_str()) == Some(value);
        let passes = |(name, value): &(&FieldName, &Value)| {
            !has(now, name, value) && !self.was.is_some_and(|was| has(was, name, value))
        };
        let passing: BTreeMap<_, _> = all.filter(passes).map(|(name, value)| (name.clone(), value.clone())).collect();
        let fields: Vec<_> = passing.into_iter().collect();
        (!fields.is_empty()).then(|| now.merged(&Object::from_sorted(now.created(), now.version(), fields)))
    }
}
