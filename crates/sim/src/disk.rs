//! What the server has on disk: a log of batches, durable up to a point, and the state beside it with its checkpoint.
//!
//! A crash takes what was not synced, or only the end of it: batches that reached the disk by chance stay. The state
//! falls back to its last checkpoint and is played forward from the log.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use fastrand::Rng;
use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::codec::cbor;
use tapeline_core::event::Recorded;
use tapeline_core::hash::Chain;
use tapeline_core::name::Key;
use tapeline_core::numbers::{ClientId, Incarnation, Position, Seq};
use tapeline_core::object::Entry;
use tapeline_core::state::{ClientState, StateChanges, StreamState};

/// A server's disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    incarnation: Option<Incarnation>,
    batches: Vec<Arc<Batch>>,
    synced: usize,
    applied: State,
    checkpoint: State,
}

/// The state beside the log, in the bytes in which a store would keep it.
#[derive(Clone, Debug, Default)]
pub struct State {
    stream: Option<Vec<u8>>,
    entries: BTreeMap<Key, Vec<u8>>,
    clients: BTreeMap<ClientId, Vec<u8>>,
}

impl Disk {
    /// Which life of the stream is on it, where there is one.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation
    }

    /// Where the log ends, synced or not.
    pub fn end(&self) -> Position {
        Position(self.batches.len() as u64)
    }

    /// Writes a batch, yet to be synced. Answers the new end.
    pub fn append(&mut self, incarnation: Incarnation, batch: &Batch) -> Position {
        self.incarnation.get_or_insert(incarnation);
        self.batches.push(Arc::new(Batch::decode(&batch.encode()).expect("a batch reads back")));
        self.end()
    }

    /// All batches before `end` are durable.
    pub fn sync(&mut self, end: Position) {
        self.synced = self.synced.max(end.0 as usize).min(self.batches.len());
    }

    /// The end of what is durable.
    pub fn synced(&self) -> Position {
        Position(self.synced as u64)
    }

    /// The durable batches after a position.
    pub fn durable(&self, after: Position) -> &[Arc<Batch>] {
        &self.batches[(after.0 as usize).min(self.synced)..self.synced]
    }

    /// How many durable events there are.
    pub fn head(&self) -> Seq {
        self.durable(Position(0)).last().map_or(Seq::FIRST, |batch| batch.block.end())
    }

    /// The chain after the first `at` durable events, where there are so many.
    pub fn chain_at(&self, at: Seq) -> Option<Chain> {
        if at == Seq::FIRST {
            return Some(Chain::EMPTY);
        }
        let batch = self.durable(Position(0)).iter().find(|batch| batch.block.end() >= at)?;
        Some(if batch.block.end() == at { batch.block.after() } else { batch.block.slice(at, 0).before() })
    }

    /// The durable events from `from` on that one frame takes.
    pub fn read(&self, from: Seq, most_bytes: usize) -> Option<EventBlock> {
        let batch = self.durable(Position(0)).iter().find(|batch| batch.block.end() > from)?;
        Some(batch.block.slice(from, most_bytes))
    }

    /// The durable events of a range.
    pub fn events(&self, range: Range<Seq>) -> Vec<Recorded> {
        let events = self.durable(Position(0)).iter().filter_map(|batch| batch.events().ok()).flatten();
        events.filter(|event| range.contains(&event.seq)).collect()
    }

    /// Takes changes of the state, not yet durable.
    pub fn apply(&mut self, changes: StateChanges) {
        assert!(changes.state.position <= self.synced(), "only what is durable is applied");
        self.applied.stream = Some(changes.state.encode());
        for (key, entry) in changes.entries {
            self.applied.entries.insert(key, cbor::encode_entry(&entry));
        }
        for (client, state) in changes.clients {
            self.applied.clients.insert(client, state.encode());
        }
    }

    /// Makes the state durable.
    pub fn checkpoint(&mut self) {
        self.checkpoint = self.applied.clone();
    }

    /// What is durable.
    pub fn image(&self) -> Self {
        let mut image = self.clone();
        image.fall_back(self.synced);
        image
    }

    /// The process ends. Of the batches that were not synced some stay. Answers how many were lost.
    pub fn crash(&mut self, random: &mut Rng) -> usize {
        let kept = random.usize(self.synced..=self.batches.len());
        let lost = self.batches.len() - kept;
        self.fall_back(kept);
        lost
    }

    /// Sabotage: the last durable batch is gone as well.
    pub fn lose_synced(&mut self) {
        if self.synced > 1 && self.state().is_none_or(|state| state.position < self.synced()) {
            self.fall_back(self.synced - 1);
        }
    }

    /// Sabotage: the objects are newer than the checkpoint says.
    pub fn checkpoint_entries_only(&mut self) {
        self.checkpoint.entries = self.applied.entries.clone();
    }

    fn fall_back(&mut self, kept: usize) {
        self.batches.truncate(kept);
        self.synced = kept;
        self.applied = self.checkpoint.clone();
        if kept == 0 {
            self.incarnation = None;
        }
    }

    /// How far the state is.
    pub fn state(&self) -> Option<StreamState> {
        self.applied.stream.as_ref().map(|bytes| StreamState::decode(bytes).expect("a state reads back"))
    }

    /// What the state has under a key.
    pub fn entry(&self, key: &Key) -> Option<Entry> {
        self.applied.entries.get(key).map(|bytes| cbor::decode_entry(bytes).expect("an entry reads back"))
    }

    /// All that the state has.
    pub fn entries(&self) -> impl Iterator<Item = (Key, Entry)> {
        let decoded = |bytes: &Vec<u8>| cbor::decode_entry(bytes).expect("an entry reads back");
        self.applied.entries.iter().map(move |(key, bytes)| (key.clone(), decoded(bytes)))
    }

    /// What the state has of a client.
    pub fn client(&self, client: ClientId) -> Option<ClientState> {
        self.applied.clients.get(&client).map(|bytes| ClientState::decode(bytes).expect("a client's state reads back"))
    }
}
