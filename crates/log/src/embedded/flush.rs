//! Writes behind: brings what was applied into the store, and decides when the store is made durable.
//!
//! Three threads. The flusher writes a generation every so often and, when a checkpoint is due, seals the memtable.
//! The checkpointer makes sealed memtables durable and lets the journal go that they cover. The compactor merges files.

use std::collections::hash_map::Entry as MapEntry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tapeline_core::codec::cbor;
use tapeline_core::name::StreamName;
use tapeline_core::query::index::Index;

use super::clients::Clients;
use super::forget::forget;
use super::indexes::{Building, Indexes, put_rows};
use super::journal::Journal;
use super::kept;
use super::load::load_row;
use super::reclaim::Reclaim;
use super::rows::{Horizon, MetaRow, Row, StreamRow, Tail, entry_key};
use super::slot::Slot;
use super::stats::Counters;
use super::store::{Snapshot, Store};
use super::streams::{Request, Streams};
use super::tape::write_events;
use super::trim::Trim;
use super::unflushed::{Generation, Layers, Unflushed};
use crate::contract::LogError;
use crate::limits;

/// Streams the flusher remembers; past it it asks the store again.
const REMEMBERED: usize = 1 << 18;

/// What the threads share.
pub(super) struct Shared {
    pub(super) streams: Arc<Streams>,
    pub(super) store: Arc<Store>,
    pub(super) journal: Journal,
    pub(super) counters: Arc<Counters>,
    pub(super) checkpoints: Slot<Checkpoint>,
    pub(super) compactions: Slot<Compaction>,
    pub(super) reclaim: Reclaim,
    /// The indexes of all streams, once they are declared.
    pub(super) declared: OnceLock<Vec<Index>>,
    /// The threads are to stop as they are, writing nothing more.
    pub(super) abandoned: AtomicBool,
}

/// The sealed memtables are to be made durable.
pub(super) struct Checkpoint {
    /// Below this group the journal is not needed after it.
    journal: u64,
    /// Nothing is going on: a good moment to tidy up.
    settle: bool,
}

/// Files are to be merged.
pub(super) struct Compaction {
    settle: bool,
}

/// What the flusher knows.
pub(super) struct Flusher {
    shared: Arc<Shared>,
    remembered: FxHashMap<u64, Remembered>,
    /// The journal position last written to the store.
    journal: u64,
    last_write: Instant,
    /// Since when the store has something that is not durable.
    dirty: Option<Instant>,
    /// Bytes that were let go since they were last given back.
    freed: u64,
    /// They are to be given back.
    reclaim: bool,
    building: Building,
}

/// What the row of a stream says that does not come with every change.
#[derive(Default)]
struct Remembered {
    tail: Tail,
    clients: Clients,
    horizon: Horizon,
    indexes: Indexes,
}

impl Remembered {
    /// What is to be remembered of a stream: of one that is there, or of a new one.
    fn of(row: Option<StreamRow>, declared: Option<&Vec<Index>>) -> Self {
        let Some(StreamRow { tail, clients, horizon, mut indexes, .. }) = row else {
            let indexes = declared.map_or_else(Indexes::default, |declared| Indexes::of_new(declared));
            return Self { indexes, ..Self::default() };
        };
        declared.into_iter().for_each(|declared| indexes.follow(declared));
        Self { tail, clients, horizon, indexes }
    }
}

impl Flusher {
    pub(super) fn new(shared: Arc<Shared>, journal: u64) -> Self {
        Self {
            shared,
            remembered: FxHashMap::default(),
            journal,
            last_write: Instant::now(),
            dirty: None,
            freed: 0,
            reclaim: false,
            building: Building::default(),
        }
    }

    /// Runs until the log is closed; then everything is in the store and sealed.
    pub(super) fn run(mut self) {
        let mut woken = Instant::now();
        loop {
            if self.has_to_build() {
                self.shared.streams.hurry(false);
            }
            let closing = self.shared.streams.wait_for_work(woken);
            woken = Instant::now();
            if self.shared.abandoned.load(Ordering::Acquire) {
                return;
            }
            if let Err(error) = self.write().and_then(|()| self.take_requests()).and_then(|()| self.build()) {
                self.shared.streams.break_off("writing behind", error);
            }
            self.seal(closing);
            if closing {
                return;
            }
        }
    }

    /// Writes the current generation to the store.
    fn write(&mut self) -> Result<(), LogError> {
        let Some((generation, journal, next_number)) = self.shared.streams.begin_write() else { return Ok(()) };
        let mut rows = self.rows(&generation)?;
        rows.push((MetaRow::KEY.into(), Some(MetaRow { journal, next_number }.encode().into())));
        self.shared.store.write(rows);
        self.shared.streams.end_write();
        self.journal = journal;
        self.last_write = Instant::now();
        self.dirty.get_or_insert(self.last_write);
        Ok(())
    }

    /// Lets go what is to go.
    fn take_requests(&mut self) -> Result<(), LogError> {
        while let Some((request, done)) = self.shared.streams.next_request() {
            match request {
                Request::Trim(trim) => self.let_go(trim)?,
                Request::Forget(stream) => self.forget(&stream)?,
            }
            done.send(()).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes a stream out, with all its rows.
    fn forget(&mut self, stream: &StreamName) -> Result<(), LogError> {
        let store = &self.shared.store;
        if let Some(row) = load_row(&store.snapshot(), stream)? {
            forget(&store.snapshot(), stream, &row, |rows| store.write(rows))?;
            self.remembered.remove(&row.number);
            self.dirty.get_or_insert_with(Instant::now);
        }
        self.shared.streams.forgotten(stream);
        Ok(())
    }

    fn let_go(&mut self, trim: Trim) -> Result<(), LogError> {
        let (stream, number, horizon, freed) = (trim.stream.clone(), trim.number, trim.horizon, trim.freed);
        if let Some(rows) = trim.rows(&self.shared.store.snapshot())? {
            self.shared.store.write(rows);
            self.remembered.remove(&number);
            self.shared.streams.trimmed(&stream, horizon.seq);
            self.freed += freed;
            self.dirty.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Whether there are indexes that are not known to be built, and may be.
    fn has_to_build(&self) -> bool {
        self.shared.declared.get().is_some() && !self.building.is_over() && self.shared.streams.broken().is_none()
    }

    /// Goes on building indexes.
    fn build(&mut self) -> Result<(), LogError> {
        let shared = self.shared.clone();
        let Some(declared) = shared.declared.get().filter(|_| self.has_to_build()) else { return Ok(()) };
        if let Some(step) = self.building.next(&shared.store.snapshot(), declared)? {
            shared.store.write(step.rows);
            self.remembered.remove(&step.number);
            self.last_write = Instant::now();
            self.dirty.get_or_insert(self.last_write);
        }
        shared.counters.building_indexes.store(!self.building.is_over(), Ordering::Relaxed);
        Ok(())
    }

    fn rows(&mut self, generation: &Generation) -> Result<Vec<Row>, LogError> {
        let shared = self.shared.clone();
        let snapshot = shared.store.snapshot();
        let mut streams: Vec<_> = generation.streams.iter().collect();
        streams.sort_unstable_by_key(|(number, _)| **number);
        let mut rows = Vec::with_capacity(streams.len() * 4);
        for (&number, unflushed) in streams {
            self.put_stream(&mut rows, &snapshot, number, unflushed)?;
        }
        Ok(rows)
    }

    /// Puts down all rows of a stream. Each key once: they come from maps.
    fn put_stream(
        &mut self,
        rows: &mut Vec<Row>,
        snapshot: &Snapshot,
        number: u64,
        unflushed: &Layers,
    ) -> Result<(), LogError> {
        let Remembered { tail, clients, horizon, indexes } = self.remember(snapshot, number, unflushed)?;
        if let Some(begins) = unflushed.iter().find_map(|layer| layer.begins) {
            (*tail, *horizon) = (Tail { from: begins.events, bytes: 0 }, begins.horizon);
        }
        for (from, block) in unflushed.iter().flat_map(|layer| &layer.kept) {
            rows.push(kept::row_of(number, *from, block)?);
        }
        *tail = write_events(rows, snapshot, number, *tail, unflushed.batches())?;
        clients.take(rows, number, unflushed);
        let Unflushed { stream, state, bytes, .. } = unflushed.last();
        let (state, bytes) = (*state, *bytes);
        let (clients_now, indexes_now) = (std::mem::take(clients), std::mem::take(indexes));
        let (tail, horizon) = (*tail, *horizon);
        let row = StreamRow { number, state, bytes, tail, clients: clients_now, horizon, indexes: indexes_now };
        rows.push((StreamRow::key(stream).into(), Some(row.encode().into())));
        (*clients, *indexes) = (row.clients, row.indexes);
        put_rows(rows, snapshot, number, indexes, unflushed.entries())?;
        let entry_row = |(key, entry)| (entry_key(number, key).into(), Some(cbor::encode_entry(entry).into()));
        rows.extend(unflushed.entries().map(entry_row));
        Ok(())
    }

    fn remember(&mut self, snapshot: &Snapshot, number: u64, unflushed: &Layers) -> Result<&mut Remembered, LogError> {
        if self.remembered.len() > REMEMBERED {
            self.remembered.clear();
        }
        Ok(match self.remembered.entry(number) {
            MapEntry::Occupied(remembered) => remembered.into_mut(),
            MapEntry::Vacant(vacant) => {
                let row = load_row(snapshot, &unflushed.last().stream)?;
                vacant.insert(Remembered::of(row, self.shared.declared.get()))
            }
        })
    }

    /// Ends the memtable where a checkpoint is due.
    fn seal(&mut self, closing: bool) {
        let shared = &self.shared;
        self.reclaim |= shared.reclaim.is_asked() || self.has_freed_much();
        let worth_it = shared.store.unsealed_bytes().max(shared.journal.bytes()) >= limits::IDLE_BYTES;
        let idle = worth_it && self.last_write.elapsed() >= limits::IDLE;
        let due = self.dirty.is_some_and(|dirty| {
            closing
                || idle
                || dirty.elapsed() >= limits::CHECKPOINT_EVERY
                || shared.store.unsealed_bytes() >= limits::MEMTABLE_BYTES
                || shared.journal.bytes_below(self.journal) >= limits::JOURNAL_BYTES
        });
        if (due || self.reclaim) && self.wait_for_checkpoints() {
            shared.store.seal();
            if std::mem::take(&mut self.reclaim) {
                self.freed = 0;
                shared.reclaim.is_sealed();
            }
            shared.checkpoints.put(Checkpoint { journal: self.journal, settle: idle && !closing });
            self.dirty = None;
        }
    }

    /// Whether so much was let go that giving it back is worth merging everything.
    fn has_freed_much(&self) -> bool {
        self.freed >= limits::IDLE_BYTES && self.freed >= self.shared.store.disk_bytes() / limits::FREED_PART
    }

    /// Waits while too many memtables are sealed. `false` where that will not end.
    fn wait_for_checkpoints(&self) -> bool {
        while self.shared.store.sealed() >= limits::SEALED_MEMTABLES {
            if self.shared.streams.broken().is_some() || self.shared.abandoned.load(Ordering::Acquire) {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

/// The checkpointer: runs until its slot is closed.
pub(super) fn run_checkpoints(shared: &Shared) {
    while let Some(checkpoint) = shared.checkpoints.take() {
        if let Err(error) = make_checkpoint(shared, &checkpoint) {
            shared.streams.break_off("a checkpoint", error);
        }
    }
}

fn make_checkpoint(shared: &Shared, checkpoint: &Checkpoint) -> Result<(), LogError> {
    let reclaim = shared.reclaim.take_sealed();
    shared.store.checkpoint()?;
    if reclaim {
        shared.reclaim.is_durable();
    }
    shared.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
    shared.journal.release(checkpoint.journal)?;
    shared.compactions.put(Compaction { settle: checkpoint.settle });
    Ok(())
}

/// The compactor: runs until its slot is closed.
pub(super) fn run_compactions(shared: &Shared) {
    let mut settled = 0;
    while let Some(compaction) = shared.compactions.take() {
        if let Err(error) = compact(shared, &compaction, &mut settled) {
            shared.streams.break_off("a compaction", error);
        }
    }
}

/// Merges files. `settled` is how large the store was when it was last settled: a store that has hardly grown since
/// is not worth it.
fn compact(shared: &Shared, compaction: &Compaction, settled: &mut u64) -> Result<(), LogError> {
    let bytes = shared.store.disk_bytes();
    let grown = bytes > *settled + *settled / 8 + limits::IDLE_BYTES;
    let reclaim = shared.reclaim.take_durable();
    if reclaim || compaction.settle && grown && bytes <= limits::SETTLE_BYTES {
        shared.store.settle()?;
        *settled = shared.store.disk_bytes();
        return Ok(());
    }
    shared.store.compact()
}
