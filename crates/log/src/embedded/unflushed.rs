//! What was applied and is not in the store yet, coalesced.
//!
//! It is collected in one generation while another is being written; a generation is never changed once it is handed
//! to the writer, so readers may go on using it.

use std::sync::Arc;
use std::time::Instant;

use super::latest::Latest;
use rustc_hash::FxHashMap;
use tapeline_core::batch::Batch;
use tapeline_core::name::{Key, StreamName};
use tapeline_core::numbers::ClientId;
use tapeline_core::object::Entry;
use tapeline_core::state::{ClientState, StreamState};

use crate::contract::StateChanges;

/// What an entry or client takes in memory besides what is on the log, roughly.
const CHANGE_BYTES: usize = 256;

/// What was applied to all streams since the generation before.
#[derive(Default)]
pub(super) struct Generation {
    /// By the streams' numbers.
    pub(super) streams: FxHashMap<u64, Unflushed>,
    /// For each group of the journal, how many of its batches are here. Sorted by group.
    pub(super) covered: FxHashMap<u64, u32>,
    /// Roughly what it takes in memory.
    pub(super) bytes: usize,
    /// When the first of it came.
    pub(super) since: Option<Instant>,
}

/// What was applied to one stream.
pub(super) struct Unflushed {
    pub(super) stream: StreamName,
    /// The state after it.
    pub(super) state: StreamState,
    /// Bytes of all the stream's events after it.
    pub(super) bytes: u64,
    pub(super) batches: Vec<Arc<Batch>>,
    pub(super) entries: Latest<Key, Entry>,
    pub(super) clients: Latest<ClientId, ClientState>,
}

impl Generation {
    /// Takes changes to a stream and the batches, each with its group, that they come from.
    pub(super) fn take(
        &mut self,
        number: u64,
        stream: &StreamName,
        bytes: u64,
        changes: StateChanges,
        batches: Vec<(u64, Arc<Batch>)>,
    ) {
        self.since.get_or_insert_with(Instant::now);
        self.bytes += (changes.entries.len() + changes.clients.len() + 1) * CHANGE_BYTES;
        let unflushed = self.streams.entry(number).or_insert_with(|| Unflushed::new(stream.clone(), changes.state));
        (unflushed.state, unflushed.bytes) = (changes.state, bytes);
        changes.entries.into_iter().for_each(|(key, entry)| unflushed.entries.put(key, entry));
        changes.clients.into_iter().for_each(|(client, state)| unflushed.clients.put(client, state));
        for (group, batch) in batches {
            *self.covered.entry(group).or_default() += 1;
            self.bytes += batch.block.bytes().len();
            unflushed.batches.push(batch);
        }
    }
}

impl Unflushed {
    fn new(stream: StreamName, state: StreamState) -> Self {
        let (batches, entries, clients) = (Vec::new(), Latest::new(), Latest::new());
        Self { stream, state, bytes: 0, batches, entries, clients }
    }
}
