//! What is in memory of the streams: where each is, and which of its batches are not in the store yet.
//!
//! ```text
//! append ─▶ staged ─(journal)─▶ pending ─(apply)─▶ current ─(write-behind)─▶ being written ─▶ store
//! ```
//!
//! A batch is in exactly one of these places, and readers look through them from the right to the left. One lock is
//! over all of it; nothing is read from disk or written to it while it is held.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tapeline_core::batch::Batch;
use tapeline_core::hash::Chain;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Incarnation, Position, Seq};
use tapeline_core::state::StreamState;

use super::outstanding::Outstanding;
use super::rows::{StreamRow, head_of};
use super::trim::Trim;
use super::unflushed::{Generation, Layers, Unflushed};
use crate::contract::{Head, LogError, StateChanges, StreamInfo};
use crate::limits;

/// All streams.
#[derive(Default)]
pub(super) struct Streams {
    table: Mutex<Table>,
    /// Tells those who wait for room in the current generation, and the flusher that there is much to do.
    changed: Condvar,
}

/// What the lock is over.
#[derive(Default)]
pub(super) struct Table {
    pub(super) streams: FxHashMap<StreamName, Stream>,
    /// The number that the next new stream gets.
    pub(super) next_number: u64,
    pub(super) current: Generation,
    pub(super) writing: Option<Arc<Generation>>,
    pub(super) outstanding: Outstanding,
    /// Bytes of all pending batches.
    pub(super) pending_bytes: usize,
    /// How often streams were dropped from memory.
    evictions: u64,
    /// Why nothing is written behind any more.
    pub(super) broken: Option<LogError>,
    pub(super) closing: bool,
    /// The flusher is to write now.
    pub(super) flush_now: bool,
    /// What the flusher is asked for, and who waits for it.
    requests: VecDeque<(Request, SyncSender<()>)>,
    /// Generations that were handed out to be written, and those that are in the store.
    handed_out: u64,
    written: u64,
}

/// What the flusher is asked for.
pub(super) enum Request {
    /// Events are to be let go.
    Trim(Trim),
    /// A stream is to be taken out.
    Forget(StreamName),
}

/// One stream.
pub(super) struct Stream {
    pub(super) number: u64,
    /// Where the next append goes, durable or not.
    pub(super) staged: Head,
    /// Where the durable ones end.
    pub(super) durable: Option<Head>,
    /// Bytes of all durable events.
    pub(super) bytes: u64,
    /// Bytes of all applied events.
    pub(super) applied_bytes: u64,
    /// How far the state is.
    pub(super) applied: Option<StreamState>,
    /// The first event that is there.
    pub(super) horizon: Seq,
    /// Durable and not applied.
    pub(super) pending: VecDeque<Pending>,
}

/// A durable batch that was not applied yet.
pub(super) struct Pending {
    /// The group of the journal that has it.
    pub(super) group: u64,
    /// Where the stream is after it.
    pub(super) position: Position,
    pub(super) batch: Arc<Batch>,
}

impl Stream {
    /// A stream of which nothing is durable yet.
    pub(super) fn new(number: u64, incarnation: Incarnation) -> Self {
        let staged = Head { incarnation, position: Position::FIRST, seq: Seq::FIRST, chain: Chain::EMPTY };
        let (pending, horizon) = (VecDeque::new(), Seq::FIRST);
        Self { number, staged, durable: None, bytes: 0, applied_bytes: 0, applied: None, horizon, pending }
    }

    /// A stream as the store has it.
    pub(super) fn stored(row: &StreamRow) -> Self {
        Self {
            number: row.number,
            staged: row.head(),
            durable: Some(row.head()),
            bytes: row.bytes,
            applied_bytes: row.bytes,
            applied: Some(row.state),
            horizon: row.horizon.seq,
            pending: VecDeque::new(),
        }
    }

    /// Whether a batch follows from what is staged.
    pub(super) fn continues(&self, batch: &Batch) -> bool {
        (batch.block.from(), batch.block.before()) == (self.staged.seq, self.staged.chain)
    }

    /// Counts a batch as staged.
    pub(super) fn stage(&mut self, batch: &Batch) {
        self.staged = after(&self.staged, batch);
    }

    /// Takes a batch that became durable.
    pub(super) fn durable(&mut self, pending: Pending) {
        let before = self.durable.unwrap_or(Head {
            incarnation: self.staged.incarnation,
            position: Position::FIRST,
            seq: Seq::FIRST,
            chain: Chain::EMPTY,
        });
        self.durable = Some(after(&before, &pending.batch));
        self.bytes += pending.batch.block.bytes().len() as u64;
        self.pending.push_back(pending);
    }

    /// As it is listed under its name, where anything of it is durable.
    pub(super) fn info(&self, name: &StreamName) -> Option<StreamInfo> {
        Some(StreamInfo { stream: name.clone(), head: self.durable?, horizon: self.horizon, bytes: self.bytes })
    }

    fn is_clean(&self) -> bool {
        self.pending.is_empty() && self.durable == Some(self.staged)
    }
}

fn after(head: &Head, batch: &Batch) -> Head {
    Head { position: head.position.next(), seq: batch.block.end(), chain: batch.block.after(), ..*head }
}

impl Table {
    /// No streams; the next one gets the number `next_number`, and the store has all groups below `journal`.
    pub(super) fn new(next_number: u64, journal: u64) -> Self {
        Self { next_number, outstanding: Outstanding::new(journal), ..Self::default() }
    }

    /// What of a stream is being written, and what waits to be: the oldest first.
    pub(super) fn unflushed(&self, number: u64) -> impl DoubleEndedIterator<Item = &Arc<Unflushed>> {
        let writing = self.writing.as_ref().and_then(|generation| generation.streams.get(&number));
        [writing, self.current.streams.get(&number)].into_iter().flatten().flat_map(Layers::iter)
    }

    /// The batches of a stream that may not be in the store, in order.
    pub(super) fn batches<'t>(&'t self, stream: &'t Stream) -> impl Iterator<Item = &'t Arc<Batch>> {
        let applied = self.unflushed(stream.number).flat_map(|unflushed| &unflushed.batches);
        applied.chain(stream.pending.iter().map(|pending| &pending.batch))
    }

    fn backlog(&self) -> usize {
        self.current.bytes + self.writing.as_ref().map_or(0, |generation| generation.bytes)
    }

    /// Applies changes that were checked: moves batches from pending to the current generation.
    fn apply(&mut self, name: &StreamName, changes: StateChanges) {
        let Some(stream) = self.streams.get_mut(name) else { return };
        let mut batches = Vec::new();
        while stream.pending.front().is_some_and(|pending| pending.position <= changes.state.position) {
            let Some(pending) = stream.pending.pop_front() else { break };
            let bytes = pending.batch.block.bytes().len();
            self.pending_bytes -= bytes;
            stream.applied_bytes += bytes as u64;
            batches.push((pending.group, pending.batch));
        }
        stream.applied = Some(changes.state);
        self.current.take(stream.number, name, stream.applied_bytes, changes, batches);
    }

    /// Drops streams of which nothing waits, where there are too many.
    fn evict(&mut self) {
        if self.streams.len() > limits::RESIDENT_STREAMS {
            let current = &self.current.streams;
            self.streams.retain(|_, stream| !stream.is_clean() || current.contains_key(&stream.number));
            self.evictions += 1;
        }
    }
}

impl Streams {
    /// Begins with what was found on disk.
    pub(super) fn new(table: Table) -> Self {
        Self { table: Mutex::new(table), changed: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table with a stream in memory, as `load` finds it in the store; not there where there is no such stream.
    pub(super) fn with(
        &self,
        name: &StreamName,
        load: impl Fn() -> Result<Option<StreamRow>, LogError>,
    ) -> Result<MutexGuard<'_, Table>, LogError> {
        loop {
            let table = self.lock();
            if table.streams.contains_key(name) {
                return Ok(table);
            }
            let evictions = table.evictions;
            drop(table);
            let row = load()?;
            let mut table = self.lock();
            // What was loaded is old where the stream came, changed and went meanwhile.
            if table.evictions != evictions {
                continue;
            }
            if let Some(row) = row.filter(|_| !table.streams.contains_key(name)) {
                table.streams.insert(name.clone(), Stream::stored(&row));
            }
            return Ok(table);
        }
    }

    /// Applies changes to a stream that is in memory, waiting while too much is unflushed.
    pub(super) fn apply(
        &self,
        mut table: MutexGuard<'_, Table>,
        name: &StreamName,
        changes: StateChanges,
    ) -> Result<(), LogError> {
        while table.backlog() > limits::UNFLUSHED_BYTES && table.broken.is_none() && !table.closing {
            table = self.changed.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(broken) = &table.broken {
            return Err(broken.clone());
        }
        check_apply(table.streams.get(name), &changes.state)?;
        table.apply(name, changes);
        if table.current.bytes > limits::FLUSH_BYTES {
            drop(table);
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Waits until there is much to write, or the time has come. Answers whether the log is closing.
    pub(super) fn wait_for_work(&self, since: Instant) -> bool {
        let mut table = self.lock();
        loop {
            let left = limits::FLUSH_EVERY.saturating_sub(since.elapsed());
            if table.closing || table.flush_now || left == Duration::ZERO || table.current.bytes > limits::FLUSH_BYTES {
                table.flush_now = false;
                return table.closing;
            }
            table = self.changed.wait_timeout(table, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Hands the current generation out to be written, with the group below which all is in the store after it.
    pub(super) fn begin_write(&self) -> Option<(Arc<Generation>, u64, u64)> {
        let mut table = self.lock();
        if table.current.streams.is_empty() || table.broken.is_some() {
            return None;
        }
        let generation = Arc::new(std::mem::take(&mut table.current));
        table.outstanding.settle(&generation.covered);
        table.writing = Some(generation.clone());
        table.handed_out += 1;
        Some((generation, table.outstanding.lowest(), table.next_number))
    }

    /// The generation that was handed out is in the store.
    pub(super) fn end_write(&self) {
        let mut table = self.lock();
        table.writing = None;
        table.written = table.handed_out;
        table.evict();
        drop(table);
        self.changed.notify_all();
    }

    /// Waits until what was applied to a stream so far is in the store.
    pub(super) fn write_out(&self, mut table: MutexGuard<'_, Table>, name: &StreamName) -> Result<(), LogError> {
        let Some(number) = table.streams.get(name).map(|stream| stream.number) else { return Ok(()) };
        let is_in = |generation: &Generation| generation.streams.contains_key(&number);
        let wanted = match (is_in(&table.current), table.writing.as_deref().is_some_and(is_in)) {
            (true, _) => table.handed_out + 1,
            (false, true) => table.handed_out,
            (false, false) => return Ok(()),
        };
        while table.written < wanted {
            if let Some(broken) = &table.broken {
                return Err(broken.clone());
            }
            if table.closing {
                return Err(LogError::Storage("the log is closed".into()));
            }
            table.flush_now = true;
            self.changed.notify_all();
            table = self.changed.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Asks the flusher for something; `done` hears of it, or goes where that will never be.
    pub(super) fn request(&self, request: Request, done: SyncSender<()>) -> Result<(), LogError> {
        let mut table = self.lock();
        if let Some(broken) = &table.broken {
            return Err(broken.clone());
        }
        if !table.closing {
            table.requests.push_back((request, done));
            table.flush_now = true;
        }
        drop(table);
        self.changed.notify_all();
        Ok(())
    }

    /// What the flusher is to do next.
    pub(super) fn next_request(&self) -> Option<(Request, SyncSender<()>)> {
        self.lock().requests.pop_front()
    }

    /// A stream is not there any more. What was applied to it meanwhile goes, too.
    pub(super) fn forgotten(&self, name: &StreamName) {
        let mut table = self.lock();
        if let Some(stream) = table.streams.remove(name) {
            table.pending_bytes -=
                stream.pending.iter().map(|pending| pending.batch.block.bytes().len()).sum::<usize>();
            table.current.streams.remove(&stream.number);
        }
        table.evictions += 1;
    }

    /// A stream begins later.
    pub(super) fn trimmed(&self, name: &StreamName, horizon: Seq) {
        if let Some(stream) = self.lock().streams.get_mut(name) {
            stream.horizon = horizon;
        }
    }

    /// Nothing can be written behind any more, since `what` failed. Says so the first time.
    pub(super) fn break_off(&self, what: &str, why: LogError) {
        let mut table = self.lock();
        if table.broken.is_none() {
            eprintln!("tapeline: {what} failed, and nothing is taken until the server is started again: {why}");
        }
        table.broken.get_or_insert(why);
        table.requests.clear();
        drop(table);
        self.changed.notify_all();
    }

    /// Why nothing can be written behind any more, where that is so.
    pub(super) fn broken(&self) -> Option<LogError> {
        self.lock().broken.clone()
    }

    /// Has what was applied written now, or for the last time.
    pub(super) fn hurry(&self, closing: bool) {
        let mut table = self.lock();
        table.flush_now = true;
        table.closing |= closing;
        drop(table);
        self.changed.notify_all();
    }
}

/// Only what is durable may be applied, and only forward.
fn check_apply(stream: Option<&Stream>, state: &StreamState) -> Result<(), LogError> {
    let durable = stream.and_then(|stream| stream.durable);
    let applied = stream.and_then(|stream| stream.applied.as_ref()).map_or(Position::FIRST, |state| state.position);
    let Some(durable) = durable.filter(|durable| durable.position >= state.position && applied <= state.position)
    else {
        let what = format!("a state at batch {} cannot follow one at {applied} on this log", state.position);
        return Err(LogError::Storage(what));
    };
    let same = durable.position > state.position || durable == head_of(state);
    let what = || format!("a state at batch {} that is not the log's: {state:?}, {durable:?}", state.position);
    if same { Ok(()) } else { Err(LogError::Storage(what())) }
}
