//! Which keys events touch, gathered until they are too many.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rustc_hash::FxHashSet;
use tapeline_core::block::EventBlock;
use tapeline_core::codec::CodecError;
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::numbers::Seq;

use crate::pin::Touched;

/// Distinct keys, at most so many.
pub(crate) struct Touches {
    collections: BTreeMap<Collection, Ids>,
    limit: usize,
}

/// Ids of one collection. Most come again and again, and are made ids only once.
#[derive(Default)]
pub(crate) struct Ids {
    uuids: FxHashSet<u128>,
    texts: FxHashSet<String>,
}

impl Ids {
    pub(crate) fn add_uuid(&mut self, uuid: u128) {
        self.uuids.insert(uuid);
    }

    pub(crate) fn add_text(&mut self, text: &str) {
        if !self.texts.contains(text) {
            self.texts.insert(text.to_owned());
        }
    }

    fn add(&mut self, id: &ObjectId) {
        match id.as_uuid() {
            Some(uuid) => self.add_uuid(uuid),
            None => id.with_str(|text| self.add_text(text)),
        }
    }

    fn count(&self) -> usize {
        self.uuids.len() + self.texts.len()
    }

    /// All of them, sorted. What is no id is left out.
    fn sorted(self) -> Vec<ObjectId> {
        let texts = self.texts.into_iter().filter_map(|text| ObjectId::new(text).ok());
        let mut ids: Vec<_> = self.uuids.into_iter().map(ObjectId::from_uuid).chain(texts).collect();
        ids.sort_unstable();
        ids
    }
}

impl Touches {
    /// None yet, and at most `limit`.
    pub(crate) fn new(limit: usize) -> Self {
        Self { collections: BTreeMap::new(), limit }
    }

    /// The ids of a collection, to take more of them.
    pub(crate) fn ids(&mut self, collection: &Collection) -> &mut Ids {
        self.collections.entry(collection.clone()).or_default()
    }

    /// Breaks where there are too many.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        let count: usize = self.collections.values().map(Ids::count).sum();
        if count > self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Takes the keys that the events of a block touch, from `since` on. Breaks where there are too many.
    pub(crate) fn add_block(&mut self, block: &EventBlock, since: Seq) -> Result<ControlFlow<()>, CodecError> {
        let skipped = since.since(block.from()) as usize;
        for keys in block.keys().skip(skipped) {
            keys?.iter().for_each(|key| self.ids(&key.collection).add(&key.id));
            if self.flow().is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether something of a collection was touched.
    pub(crate) fn has(&self, collection: &Collection) -> bool {
        self.collections.contains_key(collection)
    }

    /// What was gathered, sorted.
    pub(crate) fn done(self) -> Touched {
        if self.flow().is_break() {
            return Touched::More;
        }
        let sorted = self.collections.into_iter().flat_map(|(collection, ids)| {
            ids.sorted().into_iter().map(move |id| Key { collection: collection.clone(), id })
        });
        Touched::Keys(sorted.collect())
    }
}

/// The events of a block that touch one of these collections, one after the other: a block in which seqs are not dense.
pub(crate) fn kept_of(block: &EventBlock, keep: &[Collection]) -> EventBlock {
    let mut kept = EventBlock::empty(block.from(), Chain::EMPTY);
    for (event, keys) in block.encoded().zip(block.keys()) {
        if keys.is_ok_and(|keys| keys.iter().any(|key| keep.contains(&key.collection))) {
            kept.push(event);
        }
    }
    kept
}
