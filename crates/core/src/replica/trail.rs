//! What pending edits were made on, when something before them turns out to be something else: their splices are moved
//! to it.
//!
//! What has become of a text is found by comparing, and each splice goes to where least has changed around it: often
//! nobody knows by which edits it came to be.

use super::Replica;
use super::outbox::Pending;
use super::texts::{texts, value};
use crate::event::Recorded;
use crate::name::{FieldName, Key};
use crate::numbers::EditId;
use crate::object::Entry;
use crate::op::{Edit, Op};
use crate::splice::Splices;
use crate::value::Value;

/// What is under a key before each of the pending ops on it, and after the last.
#[derive(Debug)]
pub(super) struct Trail {
    key: Key,
    before: Vec<((EditId, usize), Option<Entry>)>,
    shown: Option<Entry>,
}

impl Replica {
    /// What is under keys, before something there changes. Tell the trails of it afterwards
    /// ([`move_along`](Self::move_along)).
    pub(super) fn trails(&self, keys: &[Key]) -> Vec<Trail> {
        keys.iter().map(|key| self.trail(key)).collect()
    }

    fn trail(&self, key: &Key) -> Trail {
        let mut entry = self.confirmed.entry(key).cloned();
        let mut before = Vec::new();
        for &(edit, place) in self.view.ops(key) {
            before.push(((edit, place), entry.clone()));
            self.apply_pending(&mut entry, edit, place);
        }
        Trail { key: key.clone(), before, shown: entry }
    }

    /// Moves the splices of pending edits to what is before them now.
    pub(super) fn move_along(&mut self, trails: Vec<Trail>) {
        for Trail { key, before, shown } in trails {
            let mut entry = self.confirmed.entry(&key).cloned();
            for (edit, place) in self.view.ops(&key).to_vec() {
                if let Ok(at) = before.binary_search_by(|(op, _)| op.cmp(&(edit, place))) {
                    self.move_op(edit, place, before[at].1.as_ref(), entry.as_ref());
                }
                self.apply_pending(&mut entry, edit, place);
            }
            for name in texts_of(shown.as_ref(), entry.as_ref()) {
                let (was, is) = (text(shown.as_ref(), &name), text(entry.as_ref(), &name));
                if let Some(done) = Splices::between(was, is).filter(|_| was != is) {
                    self.moves.push(&key, &name, &done, None);
                }
            }
        }
    }

    fn move_op(&mut self, edit: EditId, place: usize, was: Option<&Entry>, is: Option<&Entry>) {
        let Some(pending) = self.outbox.pending.get_mut(edit) else { return };
        let Some(op) = pending.ops().get(place) else { return };
        let own: Vec<(FieldName, Splices)> = op.splices().map(|(name, own)| (name.clone(), own.clone())).collect();
        for (name, own) in own {
            let (was, is) = (text(was, &name), text(is, &name));
            if was == is {
                continue;
            }
            // What does not fit was not typed on what was here: nothing tells where it belongs.
            let moved = if own.check(was).is_ok() { own.moved_to(was, is) } else { None };
            pending.voided |= moved.is_none();
            pending.show(place, &name, moved.map(Edit::Splice));
            self.storing.pending(edit);
        }
    }
}

/// Texts that somebody else's event sets anew, and what pending splices were made on before it.
#[derive(Debug)]
pub(super) struct Assigned<'e> {
    by: &'e Op,
    trail: Trail,
}

impl Assigned<'_> {
    /// Whether this text is one of them.
    pub(super) fn has(&self, key: &Key, name: &FieldName) -> bool {
        self.by.key == *key && self.by.sets(name)
    }
}

impl Replica {
    /// The texts with pending splices that an event sets anew, before it is played. Tell of them afterwards
    /// ([`void_along`](Self::void_along)).
    pub(super) fn assigned_by<'e>(&self, event: &'e Recorded) -> Vec<Assigned<'e>> {
        let pending = |&(edit, place): &(EditId, usize)| {
            self.outbox.pending.get(edit).and_then(|pending: &Pending| pending.ops().get(place))
        };
        let is_typed_on = |by: &&Op| {
            let mut pending = self.view.ops(&by.key).iter().filter_map(pending);
            pending.any(|op| op.splices().any(|(name, _)| by.sets(name)))
        };
        let by = event.body.ops.iter().filter(is_typed_on);
        by.map(|by| Assigned { by, trail: self.trail(&by.key) }).collect()
    }

    /// Pending splices show no more where their text was set anew.
    pub(super) fn void_along(&mut self, assigned: Vec<Assigned<'_>>) {
        for Assigned { by, trail: Trail { key, before, .. } } in assigned {
            let mut entry = self.confirmed.entry(&key).cloned();
            for (edit, place) in self.view.ops(&key).to_vec() {
                if let Ok(at) = before.binary_search_by(|(op, _)| op.cmp(&(edit, place))) {
                    self.void_op(edit, place, |name| {
                        by.sets(name) && text(before[at].1.as_ref(), name) != text(entry.as_ref(), name)
                    });
                }
                self.apply_pending(&mut entry, edit, place);
            }
        }
    }

    /// Those splices of an op show no more.
    pub(super) fn void_op(&mut self, edit: EditId, place: usize, is_void: impl Fn(&FieldName) -> bool) {
        let Some(pending) = self.outbox.pending.get_mut(edit) else { return };
        let Some(op) = pending.ops().get(place) else { return };
        let void: Vec<FieldName> = op.splices().map(|(name, _)| name).filter(|name| is_void(name)).cloned().collect();
        for name in &void {
            pending.show(place, name, None);
            pending.voided = true;
            self.storing.pending(edit);
        }
    }
}

fn text<'e>(entry: Option<&'e Entry>, name: &FieldName) -> Option<&'e Value> {
    value(entry.and_then(Entry::live).map(AsRef::as_ref), name)
}

/// The fields that hold text or bytes, once or now.
fn texts_of(was: Option<&Entry>, is: Option<&Entry>) -> Vec<FieldName> {
    let mut names = Vec::new();
    for object in [was, is].map(|entry| entry.and_then(Entry::live)).into_iter().flatten() {
        names.extend(texts(object).cloned());
    }
    names.sort_unstable();
    names.dedup();
    names
}
