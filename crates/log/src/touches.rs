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
    collections: BTreeMap<Collection, FxHashSet<ObjectId>>,
    count: usize,
    limit: usize,
}

impl Touches {
    /// None yet, and at most `limit`.
    pub(crate) fn new(limit: usize) -> Self {
        Self { collections: BTreeMap::new(), count: 0, limit }
    }

    /// Takes ids of a collection. Breaks where there are too many.
    pub(crate) fn add(&mut self, collection: &Collection, ids: impl IntoIterator<Item = ObjectId>) -> ControlFlow<()> {
        if !self.collections.contains_key(collection) {
            self.collections.insert(collection.clone(), FxHashSet::default());
        }
        let Some(known) = self.collections.get_mut(collection) else { return ControlFlow::Continue(()) };
        for id in ids {
            self.count += usize::from(known.insert(id));
            if self.count > self.limit {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes the keys that the events of a block touch, from `since` on. Breaks where there are too many.
    pub(crate) fn add_block(&mut self, block: &EventBlock, since: Seq) -> Result<ControlFlow<()>, CodecError> {
        let skipped = since.since(block.from()) as usize;
        for keys in block.keys().skip(skipped) {
            for Key { collection, id } in keys? {
                if self.add(&collection, [id]).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
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
        if self.count > self.limit {
            return Touched::More;
        }
        let sorted = self.collections.into_iter().flat_map(|(collection, ids)| {
            let mut ids: Vec<_> = ids.into_iter().collect();
            ids.sort_unstable();
            ids.into_iter().map(move |id| Key { collection: collection.clone(), id })
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
