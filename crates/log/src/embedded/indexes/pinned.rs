//! The indexes of a stream as they were at one moment, with the rows of what was not in the store then. Those are made once,
//! for all who read.

use std::sync::OnceLock;

use tapeline_core::name::Key;
use tapeline_core::object::Entry;
use tapeline_core::query::index::Index;

use super::list::{Indexes, StreamIndex};
use crate::pin::IndexRow;

/// The indexes that can be read.
pub(in crate::embedded) struct PinnedIndexes(Vec<PinnedIndex>);

/// One of them.
pub(in crate::embedded) struct PinnedIndex {
    pub(super) own: StreamIndex,
    unstored: OnceLock<Box<[IndexRow]>>,
}

impl PinnedIndexes {
    /// Those that can be read of all that a stream has.
    pub(in crate::embedded) fn of(indexes: &Indexes) -> Self {
        let pinned = |own: &StreamIndex| PinnedIndex { own: own.clone(), unstored: OnceLock::new() };
        Self(indexes.ready().map(pinned).collect())
    }

    /// What they are of.
    pub(in crate::embedded) fn declared(&self) -> impl Iterator<Item = &Index> {
        self.0.iter().map(|pinned| &pinned.own.index)
    }

    /// The one of this.
    pub(in crate::embedded) fn find(&self, index: &Index) -> Option<&PinnedIndex> {
        self.0.iter().find(|pinned| pinned.own.index == *index)
    }
}

impl PinnedIndex {
    /// The rows of what is not in the store, from the first to the last.
    pub(super) fn unstored(&self, over: &[(Key, Entry)]) -> &[IndexRow] {
        self.unstored.get_or_init(|| rows(&self.own.index, over))
    }
}

fn rows(index: &Index, over: &[(Key, Entry)]) -> Box<[IndexRow]> {
    let start = over.partition_point(|(key, _)| key.collection < index.collection);
    let of_collection = over[start..].iter().take_while(|(key, _)| key.collection == index.collection);
    let row = |(key, entry): &(Key, Entry)| {
        entry.live().map(|object| IndexRow { place: index.place(object), id: key.id.clone() })
    };
    let mut rows: Vec<IndexRow> = of_collection.filter_map(row).collect();
    rows.sort_by(|a, b| a.place.bytes.cmp(&b.place.bytes).then_with(|| a.id.cmp(&b.id)));
    rows.into()
}
