//! What was applied and is not in the store yet, coalesced.
//!
//! It is collected in one generation while another is being written; a generation is never changed once it is handed
//! to the writer, so readers may go on using it. What a pin holds of the current one is left as it is, too: what is
//! applied later goes into a new layer over it.

use std::sync::Arc;
use std::time::Instant;

use super::latest::Latest;
use rustc_hash::FxHashMap;
use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::name::{Key, StreamName};
use tapeline_core::numbers::{ClientId, Seq};
use tapeline_core::object::Entry;
use tapeline_core::state::{ClientState, StreamState};

use super::rows::Horizon;
use crate::contract::StateChanges;

/// What an entry or client takes in memory besides what is on the log, roughly.
const CHANGE_BYTES: usize = 256;

/// What was applied to all streams since the generation before.
#[derive(Default)]
pub(super) struct Generation {
    /// By the streams' numbers.
    pub(super) streams: FxHashMap<u64, Layers>,
    /// For each group of the journal, how many of its batches are here. Sorted by group.
    pub(super) covered: FxHashMap<u64, u32>,
    /// Roughly what it takes in memory.
    pub(super) bytes: usize,
    /// When the first of it came.
    pub(super) since: Option<Instant>,
}

/// What was applied to one stream: what pins hold of it, and over that what came later.
pub(super) struct Layers {
    below: Vec<Arc<Unflushed>>,
    top: Arc<Unflushed>,
}

/// What was applied to one stream between two moments.
pub(super) struct Unflushed {
    pub(super) stream: StreamName,
    /// The state after it.
    pub(super) state: StreamState,
    /// Bytes of all the stream's events after it.
    pub(super) bytes: u64,
    pub(super) batches: Vec<Arc<Batch>>,
    pub(super) entries: Latest<Key, Entry>,
    pub(super) clients: Latest<ClientId, ClientState>,
    /// Where it begins, where it comes from another log and is new.
    pub(super) begins: Option<Begins>,
    /// Events that were kept elsewhere of those before, and where their segments began.
    pub(super) kept: Vec<(Seq, EventBlock)>,
}

/// Where a stream begins that comes from another log.
#[derive(Clone, Copy)]
pub(super) struct Begins {
    pub(super) horizon: Horizon,
    /// The first event that comes with it.
    pub(super) events: Seq,
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
        self.bytes += (changes.entries.len() + changes.clients.len() + 1) * CHANGE_BYTES;
        for (group, batch) in &batches {
            *self.covered.entry(*group).or_default() += 1;
            self.bytes += batch.block.bytes().len();
        }
        let top = self.top(number, stream, changes.state);
        (top.state, top.bytes) = (changes.state, bytes);
        changes.entries.into_iter().for_each(|(key, entry)| top.entries.put(key, entry));
        changes.clients.into_iter().for_each(|(client, state)| top.clients.put(client, state));
        top.batches.extend(batches.into_iter().map(|(_, batch)| batch));
    }
}

impl Generation {
    /// A stream comes from another log, and begins there.
    pub(super) fn begin(&mut self, number: u64, stream: &StreamName, state: StreamState, begins: Begins) {
        self.top(number, stream, state).begins = Some(begins);
    }

    /// Takes events that were kept elsewhere.
    pub(super) fn keep(&mut self, number: u64, stream: &StreamName, state: StreamState, from: Seq, block: EventBlock) {
        self.bytes += block.bytes().len();
        let top = self.top(number, stream, state);
        top.kept.retain(|(known, _)| *known != from);
        top.kept.push((from, block));
    }

    fn top(&mut self, number: u64, stream: &StreamName, state: StreamState) -> &mut Unflushed {
        self.since.get_or_insert_with(Instant::now);
        self.streams.entry(number).or_insert_with(|| Layers::new(stream, state)).top()
    }
}

impl Layers {
    fn new(stream: &StreamName, state: StreamState) -> Self {
        Self { below: Vec::new(), top: Arc::new(Unflushed::new(stream.clone(), state)) }
    }

    /// The layer that takes changes: a new one where somebody holds the one before.
    fn top(&mut self) -> &mut Unflushed {
        if Arc::get_mut(&mut self.top).is_none() {
            let over = Arc::new(Unflushed::new(self.top.stream.clone(), self.top.state));
            self.below.push(std::mem::replace(&mut self.top, over));
        }
        Arc::get_mut(&mut self.top).expect("nobody else has a layer that was just made")
    }

    /// The last of it, which says how far the stream is.
    pub(super) fn last(&self) -> &Unflushed {
        &self.top
    }

    /// All layers, the oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Unflushed>> {
        self.below.iter().chain([&self.top])
    }

    /// The batches, in order.
    pub(super) fn batches(&self) -> impl Iterator<Item = &Arc<Batch>> {
        self.iter().flat_map(|layer| &layer.batches)
    }

    /// Each entry as it is after all of it.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        let each = self.iter().enumerate();
        each.flat_map(move |(place, layer)| {
            layer.entries.iter().filter(move |(key, _)| !self.later(place, |over| over.entries.get(key).is_some()))
        })
    }

    /// Each client as it is after all of it.
    pub(super) fn clients(&self) -> impl Iterator<Item = (&ClientId, &ClientState)> {
        let each = self.iter().enumerate();
        each.flat_map(move |(place, layer)| {
            layer
                .clients
                .iter()
                .filter(move |(client, _)| !self.later(place, |over| over.clients.get(client).is_some()))
        })
    }

    fn later(&self, place: usize, has: impl Fn(&Unflushed) -> bool) -> bool {
        self.iter().skip(place + 1).any(|over| has(over))
    }
}

impl Unflushed {
    fn new(stream: StreamName, state: StreamState) -> Self {
        let (batches, entries, clients) = (Vec::new(), Latest::new(), Latest::new());
        Self { stream, state, bytes: 0, batches, entries, clients, begins: None, kept: Vec::new() }
    }
}
