//! Drafts: objects that never leave the device until they are published. They are shown with all others.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::rows::Row;
use super::{EditError, Replica};
use crate::event::Body;
use crate::name::{Collection, Key, ObjectId};
use crate::numbers::{EditId, Millis};
use crate::object::{Entry, Object, Write, apply};
use crate::op::{Action, FieldMap, Op};
use crate::tables::Tables;

/// The drafts of a stream.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    objects: Tables<Arc<Object>>,
    /// To be stored.
    dirty: FxHashSet<Key>,
}

impl Drafts {
    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }

    pub(super) fn has(&self, collection: &Collection, id: &ObjectId) -> bool {
        self.objects.table(collection).is_some_and(|table| table.contains_key(id))
    }

    pub(super) fn collection(&self, collection: &Collection) -> impl Iterator<Item = (&ObjectId, &Arc<Object>)> {
        self.objects.rows(collection)
    }

    pub(super) fn collections(&self) -> impl Iterator<Item = &Collection> {
        self.objects.collections()
    }

    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn restore(&mut self, key: Key, object: Option<Arc<Object>>) {
        match object {
            Some(object) => self.objects.insert(key, object),
            None => self.objects.remove(&key),
        };
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub(super) fn clean(&mut self) {
        self.dirty.clear();
    }

    pub(super) fn mark_all(&mut self) {
        self.dirty.extend(self.objects.keys());
    }

    pub(super) fn take_rows(&mut self) -> Vec<Row> {
        let mut keys: Vec<Key> = std::mem::take(&mut self.dirty).into_iter().collect();
        keys.sort_unstable();
        keys.iter().map(|key| Row::draft(key, self.objects.get(key))).collect()
    }

    fn put(&mut self, key: &Key, object: Option<Arc<Object>>) {
        self.restore(key.clone(), object);
        self.dirty.insert(key.clone());
    }
}

impl Replica {
    /// A draft becomes an object like others, and is sent.
    ///
    /// # Errors
    /// Where there is no such draft, or it breaks a limit. Nothing has changed then.
    pub fn publish(&mut self, now: Millis, key: &Key) -> Result<EditId, EditError> {
        let draft = self.drafts.get(key).cloned().ok_or_else(|| EditError::NotFound(key.clone()))?;
        let op = published(key, &draft);
        self.drafts.put(key, None);
        let made = self.edit(now, vec![op]);
        if made.is_err() {
            self.drafts.put(key, Some(draft));
        }
        made
    }

    /// How many drafts there are.
    pub fn drafts(&self) -> usize {
        self.drafts.len()
    }

    /// Takes the ops on drafts out of an edit whose first `drafts` make some, and lets them take effect. Another insert of
    /// what is a draft takes its place.
    pub(super) fn take_drafts(&mut self, body: &mut Body, drafts: usize) {
        if drafts == 0 && !body.ops.iter().any(|op| self.drafts.get(&op.key).is_some()) {
            return;
        }
        let write = Write::draft(body.at);
        for (place, op) in std::mem::take(&mut body.ops).into_iter().enumerate() {
            let there = self.drafts.get(&op.key).cloned();
            let makes = place < drafts && matches!(op.action, Action::Insert(_) | Action::Upsert(_));
            match there {
                Some(_) if place >= drafts && matches!(op.action, Action::Insert(_)) => {
                    self.drafts.put(&op.key, None);
                    body.ops.push(op);
                }
                None if !makes => body.ops.push(op),
                there => {
                    let mut entry = there.map(Entry::Live);
                    apply(&mut entry, &op, &write);
                    self.drafts.put(&op.key, entry.as_ref().and_then(Entry::live).cloned());
                    self.changed.insert(op.key);
                }
            }
        }
        self.storing.meta();
    }

    /// The ops that make objects of drafts, of those that are there. Others were published, or dropped, in another tab.
    pub(super) fn published(&self, ops: &[Op]) -> Vec<Op> {
        ops.iter().filter_map(|op| Some(published(&op.key, self.drafts.get(&op.key)?))).collect()
    }
}

/// The op that makes an object of a draft.
fn published(key: &Key, draft: &Object) -> Op {
    let fields = draft.values().map(|(name, value)| (name.clone(), value.clone()));
    Op { key: key.clone(), seen: None, action: Action::Insert(FieldMap::new(fields.collect()).unwrap_or_default()) }
}
