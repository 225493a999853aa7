//! The objects of one stream as far as they are in memory, with the digest over all of them.
//!
//! The digest is kept by difference, once it was asked for: an object about to change leaves it, and joins it again when the
//! digest is next asked for. A burst of edits to one object so costs one hash, not one an edit.

use std::sync::Arc;

use crate::codec::cbor;
use crate::event::Recorded;
use crate::hash::Digest;
use crate::holders::{Holders, LookUp};
use crate::limits;
use crate::name::{Collection, Key, ObjectId};
use crate::object::{Entry, Object, Write, apply};
use crate::op::Op;
use crate::query::index::Index;
use crate::tables::Tables;

/// Objects by collection and id. Somebody may watch what becomes of them.
#[derive(Clone, Debug)]
pub struct Objects<W = ()> {
    tables: Tables<Slot>,
    live: u64,
    /// `None`: nobody has asked for it yet, and all objects are in memory.
    digest: Option<Digest>,
    uncounted: Vec<Key>,
    watcher: W,
}

/// Somebody who is told what becomes of the objects in memory.
pub trait Watcher {
    /// An object is in memory now, or is this now.
    fn joins(&mut self, key: &Key, object: &Object);
    /// An object is no more what it was.
    fn leaves(&mut self, key: &Key, object: &Object);
}

/// Nobody.
impl Watcher for () {
    fn joins(&mut self, _: &Key, _: &Object) {}
    fn leaves(&mut self, _: &Key, _: &Object) {}
}

#[derive(Clone, Debug)]
struct Slot {
    /// `None`: known to be absent.
    entry: Option<Entry>,
    counted: Counted,
}

/// Whether the digest holds the object of a slot.
#[derive(Clone, Copy, Debug)]
enum Counted {
    /// It does, with this hash.
    As(Digest),
    /// It does, with a hash to be computed when it is needed.
    Unknown,
    /// It does not; the key is in `uncounted`, where there is a digest.
    No,
}

impl Objects {
    /// No object in memory of a stream that has `live` objects with this digest.
    pub fn resume(live: u64, digest: Digest) -> Self {
        let (tables, uncounted) = Default::default();
        Self { tables, live, digest: Some(digest), uncounted, watcher: () }
    }
}

impl Default for Objects {
    fn default() -> Self {
        Self { digest: None, ..Self::resume(0, Digest::EMPTY) }
    }
}

impl Objects<Holders> {
    /// The same, where it is asked which objects hold a value in these fields.
    pub(crate) fn held_by(live: u64, digest: Digest, indexes: &[Index]) -> Self {
        let (tables, uncounted) = Default::default();
        Self { tables, live, digest: Some(digest), uncounted, watcher: Holders::of(indexes) }
    }

    /// Which of them hold what.
    pub(crate) fn holders(&self) -> &Holders {
        &self.watcher
    }

    /// All objects that storage has with a value are in memory.
    pub(crate) fn holds_all(&mut self, look: LookUp) {
        self.watcher.complete(look);
    }
}

impl<W: Watcher> Objects<W> {
    /// The object under a key, where there is a live one.
    pub fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.entry(key)?.live()
    }

    /// What is under a key, tombstones included.
    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.slot(key)?.entry.as_ref()
    }

    /// Whether it is known what is under a key, or that nothing is. Matters only where not all is in memory.
    pub fn knows(&self, key: &Key) -> bool {
        self.slot(key).is_some()
    }

    /// All live objects of a collection, in no particular order.
    pub fn collection(&self, collection: &Collection) -> impl Iterator<Item = (&ObjectId, &Arc<Object>)> {
        self.tables.rows(collection).filter_map(|(id, slot)| Some((id, slot.entry.as_ref()?.live()?)))
    }

    /// The names of all collections that have or had an object, sorted.
    pub fn collections(&self) -> impl Iterator<Item = &Collection> {
        self.tables.collections()
    }

    /// All keys in memory, in no particular order.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.tables.keys().into_iter()
    }

    /// All keys in memory and what is under them, in no particular order.
    pub fn entries(&self) -> impl Iterator<Item = (Key, Option<&Entry>)> {
        self.tables.iter().map(|(key, slot)| (key, slot.entry.as_ref()))
    }

    /// How many live objects the stream has, in memory or not.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// How many keys are in memory.
    pub fn resident(&self) -> usize {
        self.tables.len()
    }

    /// Takes what storage holds under a key. It is part of the digest already.
    pub fn load(&mut self, key: Key, entry: Option<Entry>) {
        if let Some(object) = entry.as_ref().and_then(Entry::live) {
            self.watcher.joins(&key, object);
        }
        let slot = Slot { entry, counted: Counted::Unknown };
        self.tables.insert(key, slot);
    }

    /// Takes an object that is not yet part of the digest and the count, over what was there.
    pub fn replace(&mut self, key: &Key, entry: Option<Entry>) {
        let mut entry = entry;
        self.change(key, &mut |there| std::mem::swap(there, &mut entry));
    }

    /// Forgets what is in memory under a key that storage holds. The stream keeps the object. Not where holders are asked
    /// for: what is said of them would not be all any more.
    pub fn evict(&mut self, key: &Key) {
        match self.get(key) {
            Some(_) => drop(self.digest()),
            None => self.count_all(),
        }
        self.tables.remove(key);
    }

    /// Lets a recorded event take effect.
    pub fn play(&mut self, event: &Recorded) {
        let write = Write::of(event);
        event.body.ops.iter().for_each(|op| self.play_op(op, &write));
    }

    /// Lets one op of a recorded event take effect.
    pub(crate) fn play_op(&mut self, op: &Op, write: &Write<'_>) {
        self.change(&op.key, &mut |entry| apply(entry, op, write));
    }

    /// Changes what is under a key.
    pub fn change(&mut self, key: &Key, change: &mut dyn FnMut(&mut Option<Entry>)) {
        let table = self.tables.table_mut(&key.collection);
        let slot = table.entry(key.id.clone()).or_insert(Slot { entry: None, counted: Counted::Unknown });
        let counted = std::mem::replace(&mut slot.counted, Counted::No);
        if let (Some(digest), Counted::As(_) | Counted::Unknown) = (&mut self.digest, counted) {
            *digest = digest.minus(match counted {
                Counted::As(hash) => hash,
                _ => hash_of(key, slot.entry.as_ref()),
            });
            self.uncounted.push(key.clone());
        }
        let was_live = slot.entry.as_ref().is_some_and(|entry| entry.live().is_some());
        if let Some(was) = slot.entry.as_ref().and_then(Entry::live) {
            self.watcher.leaves(key, was);
        }
        change(&mut slot.entry);
        let is_live = slot.entry.as_ref().is_some_and(|entry| entry.live().is_some());
        if let Some(is) = slot.entry.as_ref().and_then(Entry::live) {
            self.watcher.joins(key, is);
        }
        self.live = self.live + u64::from(is_live) - u64::from(was_live);
        if self.uncounted.len() > limits::UNCOUNTED_OBJECTS {
            self.count_all();
        }
    }

    /// The digest over all live objects of the stream.
    pub fn digest(&mut self) -> Digest {
        if self.digest.is_none() {
            self.uncounted = self.keys().collect();
        }
        let digest = self.digest.insert(self.digest.unwrap_or_default());
        for key in std::mem::take(&mut self.uncounted) {
            let Some(slot) = self.tables.get_mut(&key) else { continue };
            let hash = hash_of(&key, slot.entry.as_ref());
            slot.counted = Counted::As(hash);
            *digest = digest.plus(hash);
        }
        *digest
    }

    /// Takes into the digest what has left it, where it was asked for.
    fn count_all(&mut self) {
        if self.digest.is_some() {
            self.digest();
        }
    }

    fn slot(&self, key: &Key) -> Option<&Slot> {
        self.tables.get(key)
    }
}

/// What an entry adds to the digest: live fields count, tombstones and versions do not.
fn hash_of(key: &Key, entry: Option<&Entry>) -> Digest {
    match entry.and_then(Entry::live) {
        Some(object) => Digest::of(&cbor::canonical_object(key, object)),
        None => Digest::EMPTY,
    }
}
