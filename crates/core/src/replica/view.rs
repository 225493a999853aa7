//! What is shown: confirmed objects with pending edits on top, for the objects that pending edits touch.
//!
//! Only those objects stand here; all others show as they are confirmed. When events arrive, only the objects that
//! both they and pending edits touch are rolled back and applied again: cost follows the overlap, not the length of
//! the outbox.

use crate::name::{Collection, Key, ObjectId};
use crate::numbers::EditId;
use crate::object::{Entry, Object};
use crate::tables::Tables;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct View(Tables<Touched>);

/// A key that pending edits touch.
#[derive(Debug, Default)]
struct Touched {
    /// What it shows.
    entry: Option<Entry>,
    /// The pending ops on it in order: which edit, and which op there.
    ops: Vec<(EditId, usize)>,
}

impl View {
    /// What a touched key shows; `None` where no pending edit touches it.
    pub(super) fn shown(&self, key: &Key) -> Option<Option<&Entry>> {
        self.touched(key).map(|touched| touched.entry.as_ref())
    }

    pub(super) fn touches(&self, collection: &Collection, id: &ObjectId) -> bool {
        self.0.table(collection).is_some_and(|table| table.contains_key(id))
    }

    /// The live objects of a collection among the touched.
    pub(super) fn collection(&self, collection: &Collection) -> impl Iterator<Item = (&ObjectId, &Arc<Object>)> {
        self.0.rows(collection).filter_map(|(id, touched)| Some((id, touched.entry.as_ref()?.live()?)))
    }

    pub(super) fn collections(&self) -> impl Iterator<Item = &Collection> {
        self.0.collections()
    }

    /// The ids of a collection among the touched.
    pub(super) fn ids(&self, collection: &Collection) -> impl Iterator<Item = &ObjectId> {
        self.0.rows(collection).map(|(id, _)| id)
    }

    /// The last pending edit that touches a key.
    pub(super) fn last(&self, key: &Key) -> Option<EditId> {
        self.touched(key)?.ops.last().map(|&(edit, _)| edit)
    }

    /// The first pending edit that touches a key.
    pub(super) fn first(&self, key: &Key) -> Option<EditId> {
        self.touched(key)?.ops.first().map(|&(edit, _)| edit)
    }

    /// The first pending edit that touches an object of this id, in any collection.
    pub(super) fn first_of(&self, id: &ObjectId) -> Option<EditId> {
        let tables = self.0.collections().filter_map(|collection| self.0.table(collection));
        tables.filter_map(|table| Some(table.get(id)?.ops.first()?.0)).min()
    }

    /// All touched keys.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.0.keys()
    }

    /// A pending op touches a key, after all that touch it already.
    pub(super) fn add(&mut self, key: &Key, edit: EditId, place: usize) {
        let table = self.0.table_mut(&key.collection);
        table.entry(key.id.clone()).or_default().ops.push((edit, place));
    }

    /// A pending op touches a key, before others that touch it already.
    pub(super) fn add_in_order(&mut self, key: &Key, edit: EditId, place: usize) {
        let table = self.0.table_mut(&key.collection);
        let ops = &mut table.entry(key.id.clone()).or_default().ops;
        ops.insert(ops.partition_point(|&other| other < (edit, place)), (edit, place));
    }

    /// A key shows something else.
    pub(super) fn show(&mut self, key: &Key, entry: Option<Entry>) {
        if let Some(touched) = self.0.get_mut(key) {
            touched.entry = entry;
        }
    }

    /// An edit touches a key no longer. Answers whether it was the first that did.
    pub(super) fn remove(&mut self, key: &Key, edit: EditId) -> bool {
        let Some(touched) = self.0.get_mut(key) else { return false };
        let first = touched.ops.first().is_some_and(|&(other, _)| other == edit);
        touched.ops.retain(|&(other, _)| other != edit);
        if touched.ops.is_empty() {
            self.0.remove(key);
        }
        first
    }

    /// An op touches a key no longer, though its edit may.
    pub(super) fn remove_one(&mut self, key: &Key, edit: EditId, place: usize) {
        let Some(touched) = self.0.get_mut(key) else { return };
        touched.ops.retain(|&op| op != (edit, place));
        if touched.ops.is_empty() {
            self.0.remove(key);
        }
    }

    /// The pending ops on a key, in order.
    pub(super) fn ops(&self, key: &Key) -> &[(EditId, usize)] {
        self.touched(key).map_or(&[], |touched| &touched.ops)
    }

    fn touched(&self, key: &Key) -> Option<&Touched> {
        self.0.get(key)
    }
}
