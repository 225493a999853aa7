//! Drafts: objects that never leave the device until they are published. They are shown with all others.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::rows::Row;
use super::{EditError, Replica};
use crate::event::Body;
use crate::name::{Collection, Key, ObjectId};
use crate::numbers::{EditId, Millis};
use crate::object::{Entry, Object, Write, apply};
use crate::op::{Action, Op};
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
        let op = self.published(key).ok_or_else(|| EditError::NotFound(key.clone()))?;
        let draft = self.drafts.get(key).cloned();
        self.drafts.put(key, None);
        let made = self.edit(now, vec![op]);
        if made.is_err() {
            self.drafts.put(key, draft);
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
        let write = Write::draft(body.at);
        for (place, op) in std::mem::take(&mut body.ops).into_iter().enumerate() {
            let there = self.drafts.get(&op.key).cloned();
            match (&op.action, there, place < drafts) {
                (Action::Insert(_), Some(_), false) => {
                    self.drafts.put(&op.key, None);
                    body.ops.push(op);
                }
                (_, None, false) | (Action::Update(_) | Action::Delete, None, true) => body.ops.push(op),
                (_, there, _) => {
                    let mut entry = there.map(Entry::Live);
                    apply(&mut entry, &op, &write);
                    self.drafts.put(&op.key, entry.as_ref().and_then(Entry::live).cloned());
                    self.changed.insert(op.key);
                }
            }
        }
        self.storing.meta();
    }

    /// Whether an edit touches drafts.
    pub(super) fn touches_drafts(&self, ops: &[Op]) -> bool {
        self.drafts.len() > 0 && ops.iter().any(|op| self.drafts.get(&op.key).is_some())
    }

    /// The op that makes an object of a draft, where there is one.
    pub(super) fn published(&self, key: &Key) -> Option<Op> {
        Some(Op { key: key.clone(), seen: None, action: self.drafts.get(key)?.insert() })
    }
}
