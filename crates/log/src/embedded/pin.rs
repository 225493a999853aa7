//! Pins of an embedded log: the store at one moment, with what was not in it yet over it.

use std::sync::{Arc, OnceLock};

use tapeline_core::codec::cbor;
use tapeline_core::name::{Key, StreamName};
use tapeline_core::numbers::Seq;
use tapeline_core::object::Entry;
use tapeline_core::query::index::{Index, Plan};
use tapeline_core::state::StreamState;

use super::indexes::{PinnedIndexes, read_rows};
use super::load::{get, load_row};
use super::rows::{entry_key, read_entry_key};
use super::scan::scan;
use super::store::{Snapshot, place_of};
use super::touched::touched;
use super::unflushed::Unflushed;
use crate::contract::LogError;
use crate::pin::{IndexRow, Part, Pin, Touched, Visit};

/// The state of a stream at one moment.
pub(super) struct Pinned {
    pub(super) stream: StreamName,
    pub(super) number: u64,
    pub(super) state: StreamState,
    pub(super) snapshot: Snapshot,
    /// What hides what the store has, the oldest first.
    pub(super) over: Vec<Arc<Unflushed>>,
    /// The entries over the store, sorted, once somebody has asked for entries in order.
    pub(super) sorted: OnceLock<Box<[(Key, Entry)]>>,
    /// The indexes, once somebody has asked for them.
    pub(super) indexes: OnceLock<PinnedIndexes>,
}

impl Pin for Pinned {
    fn state(&self) -> &StreamState {
        &self.state
    }

    fn entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, LogError> {
        let find = |key: &Key| match self.over.iter().rev().find_map(|layer| layer.entries.get(key)) {
            Some(entry) => Ok(Some(entry.clone())),
            None => load_entry(&self.snapshot, self.number, key),
        };
        keys.iter().map(find).collect()
    }

    fn scan(&self, part: Part<'_>, visit: &mut Visit<'_>) -> Result<(), LogError> {
        scan(&self.snapshot, self.number, self.over(), part, visit)
    }

    fn touched(&self, since: Seq, limit: usize) -> Result<Touched, LogError> {
        touched(self, since, limit)
    }

    fn indexes(&self) -> Result<Vec<Index>, LogError> {
        Ok(self.stored_indexes()?.declared().cloned().collect())
    }

    fn index_rows(&self, plan: &Plan, after: Option<&IndexRow>, most: usize) -> Result<Vec<IndexRow>, LogError> {
        let Some(pinned) = self.stored_indexes()?.find(&plan.index) else { return Ok(Vec::new()) };
        read_rows(&self.snapshot, self.number, pinned, self.over(), plan, after, most)
    }
}

impl Pinned {
    /// What is not in the store, sorted.
    fn over(&self) -> &[(Key, Entry)] {
        self.sorted.get_or_init(|| sort(&self.over))
    }

    /// The indexes of the stream, as they are in the store.
    fn stored_indexes(&self) -> Result<&PinnedIndexes, LogError> {
        if let Some(known) = self.indexes.get() {
            return Ok(known);
        }
        let stored = load_row(&self.snapshot, &self.stream)?.map(|row| row.indexes).unwrap_or_default();
        Ok(self.indexes.get_or_init(|| PinnedIndexes::of(&stored)))
    }
}

/// What the store has under a key.
pub(super) fn load_entry(snapshot: &Snapshot, number: u64, key: &Key) -> Result<Option<Entry>, LogError> {
    get(snapshot, &entry_key(number, key), |row, value| Ok(decode_entry(row, value)?.1))
}

/// Reads the row of an entry.
pub(super) fn decode_entry(row: &[u8], value: &[u8]) -> Result<(Key, Entry), LogError> {
    let damaged = |what: String| LogError::Damaged { place: place_of(row), what };
    let (_, key) = read_entry_key(row).ok_or_else(|| damaged("not the key of an object".into()))?;
    let entry = cbor::decode_entry(value).map_err(|error| damaged(error.to_string()))?;
    Ok((key, entry))
}

/// The newest entry under each key.
fn sort(layers: &[Arc<Unflushed>]) -> Box<[(Key, Entry)]> {
    let newest_first = layers.iter().rev().flat_map(|layer| layer.entries.iter());
    let mut entries: Vec<_> = newest_first.map(|(key, entry)| (key.clone(), entry.clone())).collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries.dedup_by(|(later, _), (first, _)| later == first);
    entries.into()
}
