//! Log and state in memory: deterministic, and easy to sabotage.
//!
//! By default an append is durable at once. A log made with [`MemoryLog::lazy`] makes appends durable, and answers them,
//! only when it is told to [`sync`](MemoryLog::sync); a [`crash`](MemoryLog::crash) in between loses those that were not,
//! or as many of them as the caller likes, and everything that was applied since the last
//! [`flush`](MemoryLog::flush). What survives is an [`Image`], from which a log can be opened again, also an older one.

mod pin;
mod tape;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::event::Recorded;
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, Key, StreamName};
use tapeline_core::numbers::{ClientId, Position, Seq};
use tapeline_core::object::Entry;
use tapeline_core::state::{ClientState, StreamState};

use crate::contract::{Append, AppendError, Done, EventLog, LogError, StateChanges, StateStore, StreamInfo, first_of};
use crate::pin::Pin;
use pin::{Pinned, State};
use tape::Tape;

/// Log and state in memory.
#[derive(Default)]
pub struct MemoryLog {
    inner: Mutex<Inner>,
    lazy: bool,
}

/// What survives of a log: everything that was durable at some moment.
#[derive(Clone, Debug, Default)]
pub struct Image {
    streams: BTreeMap<StreamName, Tape>,
    states: BTreeMap<StreamName, Arc<State>>,
}

#[derive(Default)]
struct Inner {
    durable: Image,
    /// What was applied, durable or not.
    applied: BTreeMap<StreamName, Arc<State>>,
    /// Appends that are not durable yet and answers that have to wait for them, in order.
    unsynced: Vec<Unsynced>,
}

struct Unsynced {
    append: Append,
    answer: Result<Position, AppendError>,
    done: Done,
}

impl Inner {
    /// Where a stream ends, unsynced appends included.
    fn staged(&self, stream: &StreamName) -> Option<(Position, Seq, Chain)> {
        let durable = self.durable.streams.get(stream).map(Tape::head);
        let unsynced = self.unsynced.iter().rev().filter(|unsynced| unsynced.append.stream == *stream);
        let last = unsynced.filter(|unsynced| unsynced.answer.is_ok()).map(|unsynced| &unsynced.append).next();
        match last {
            Some(last) => Some((last.expected.next(), last.batch.block.end(), last.batch.block.after())),
            None => durable.map(|head| (head.position, head.seq, head.chain)),
        }
    }

    /// Decides on an append.
    fn decide(&self, append: &Append) -> Result<Position, AppendError> {
        let (position, seq, chain) = self.staged(&append.stream).unwrap_or((Position::FIRST, Seq::FIRST, Chain::EMPTY));
        let block = &append.batch.block;
        match position == append.expected && (block.from(), block.before()) == (seq, chain) {
            true => Ok(position.next()),
            false => Err(AppendError::Conflict { position }),
        }
    }

    /// Makes the first of the unsynced appends durable. Answers those who wait for them.
    fn sync(&mut self, count: usize) -> Vec<Unsynced> {
        let synced: Vec<_> = self.unsynced.drain(..count.min(self.unsynced.len())).collect();
        for Unsynced { append, .. } in synced.iter().filter(|unsynced| unsynced.answer.is_ok()) {
            let new = || Tape::new(append.incarnation);
            let tape = self.durable.streams.entry(append.stream.clone()).or_insert_with(new);
            tape.push(append.batch.clone());
        }
        synced
    }
}

impl MemoryLog {
    /// A log whose appends are durable at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// A log whose appends wait for [`sync`](Self::sync).
    pub fn lazy() -> Self {
        Self { lazy: true, ..Self::default() }
    }

    /// Opens a log from what survived of another, lazy or not.
    pub fn restore(image: Image, lazy: bool) -> Self {
        let applied = image.states.clone();
        Self { inner: Mutex::new(Inner { durable: image, applied, unsynced: Vec::new() }), lazy }
    }

    /// Makes all appends durable and answers them.
    pub fn sync(&self) {
        let synced = self.lock().sync(usize::MAX);
        synced.into_iter().for_each(|unsynced| (unsynced.done)(unsynced.answer));
    }

    /// How many appends wait for [`sync`](Self::sync).
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    /// Makes everything that was applied durable.
    pub fn flush(&self) {
        let mut inner = self.lock();
        inner.durable.states = inner.applied.clone();
    }

    /// Ends the log as a crash would: the first `keep` of the unsynced appends survive, the others are lost, and nobody
    /// hears of either.
    pub fn crash(&self, keep: usize) -> Image {
        let mut inner = self.lock();
        drop(inner.sync(keep));
        inner.unsynced.clear();
        inner.durable.clone()
    }

    /// What would survive a crash now that loses all unsynced appends.
    pub fn image(&self) -> Image {
        self.lock().durable.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_now(&self, stream: &StreamName, from: Seq, most_bytes: usize) -> Result<EventBlock, LogError> {
        let inner = self.lock();
        let Some(tape) = inner.durable.streams.get(stream) else {
            return Ok(EventBlock::empty(Seq::FIRST, Chain::EMPTY));
        };
        tape.read(from, most_bytes)
    }

    fn replay_now(&self, stream: &StreamName, after: Position, most_bytes: usize) -> Vec<Arc<Batch>> {
        let inner = self.lock();
        let Some(tape) = inner.durable.streams.get(stream) else { return Vec::new() };
        first_of(tape.after(after), most_bytes)
    }

    /// The state is made durable first: what is let go must not be needed to make it anew.
    fn trim_now(&self, stream: &StreamName, before: Seq, keep: &[Collection]) -> Seq {
        let mut inner = self.lock();
        let Inner { durable: Image { streams, states }, applied, .. } = &mut *inner;
        let (Some(tape), Some(state)) = (streams.get_mut(stream), applied.get_mut(stream)) else { return Seq::FIRST };
        let horizon = tape.trim(before, state.state.position, keep);
        Arc::make_mut(state).forget_deleted(horizon);
        states.insert(stream.clone(), state.clone());
        horizon
    }

    fn kept_now(&self, stream: &StreamName, from: Seq, most_bytes: usize) -> Vec<Recorded> {
        let inner = self.lock();
        inner.durable.streams.get(stream).map_or_else(Vec::new, |tape| tape.kept(from, most_bytes))
    }

    fn streams_now(&self, after: Option<&StreamName>, limit: usize) -> Vec<StreamInfo> {
        let inner = self.lock();
        let streams = inner.durable.streams.iter().filter(|(name, _)| after.is_none_or(|after| *name > after));
        streams.take(limit).map(|(stream, tape)| tape.info(stream)).collect()
    }
}

impl EventLog for MemoryLog {
    fn append(&self, append: Append, done: Done) {
        let mut inner = self.lock();
        let answer = inner.decide(&append);
        inner.unsynced.push(Unsynced { append, answer, done });
        drop(inner);
        if !self.lazy {
            self.sync();
        }
    }

    async fn info(&self, stream: &StreamName) -> Result<Option<StreamInfo>, LogError> {
        Ok(self.lock().durable.streams.get(stream).map(|tape| tape.info(stream)))
    }

    async fn read(&self, stream: &StreamName, from: Seq, most_bytes: usize) -> Result<EventBlock, LogError> {
        self.read_now(stream, from, most_bytes)
    }

    async fn replay(
        &self,
        stream: &StreamName,
        after: Position,
        most_bytes: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        Ok(self.replay_now(stream, after, most_bytes))
    }

    async fn trim(&self, stream: &StreamName, before: Seq, keep: &[Collection]) -> Result<Seq, LogError> {
        Ok(self.trim_now(stream, before, keep))
    }

    async fn kept(&self, stream: &StreamName, from: Seq, most_bytes: usize) -> Result<Vec<Recorded>, LogError> {
        Ok(self.kept_now(stream, from, most_bytes))
    }

    async fn streams(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<StreamInfo>, LogError> {
        Ok(self.streams_now(after, limit))
    }

    fn unapplied_streams(&self) -> Vec<StreamName> {
        let inner = self.lock();
        let position = |name| inner.applied.get(name).map_or(Position::FIRST, |state| state.state.position);
        let behind = inner.durable.streams.iter().filter(|(name, tape)| position(name) < tape.head().position);
        behind.map(|(name, _)| name.clone()).collect()
    }
}

impl StateStore for MemoryLog {
    fn stream(&self, stream: &StreamName) -> Result<Option<StreamState>, LogError> {
        Ok(self.lock().applied.get(stream).map(|state| state.state))
    }

    fn entries(&self, stream: &StreamName, keys: &[Key]) -> Result<Vec<Option<Entry>>, LogError> {
        let inner = self.lock();
        let state = inner.applied.get(stream);
        Ok(keys.iter().map(|key| state?.entries.get(key).cloned()).collect())
    }

    fn clients(&self, stream: &StreamName, clients: &[ClientId]) -> Result<Vec<Option<ClientState>>, LogError> {
        let inner = self.lock();
        let state = inner.applied.get(stream);
        Ok(clients.iter().map(|client| state?.clients.get(client).cloned()).collect())
    }

    fn apply(&self, stream: &StreamName, changes: StateChanges) -> Result<(), LogError> {
        let mut inner = self.lock();
        let durable = inner.durable.streams.get(stream).map(Tape::head).map_or(Position::FIRST, |head| head.position);
        let applied = inner.applied.get(stream).map_or(Position::FIRST, |state| state.state.position);
        if changes.state.position > durable || changes.state.position < applied {
            let position = changes.state.position;
            return Err(LogError::Storage(format!(
                "a state at batch {position} cannot follow one at {applied} on this log"
            )));
        }
        let new = || Arc::new(State { state: changes.state, entries: BTreeMap::new(), clients: BTreeMap::new() });
        let state = Arc::make_mut(inner.applied.entry(stream.clone()).or_insert_with(new));
        state.state = changes.state;
        state.entries.extend(changes.entries);
        state.clients.extend(changes.clients);
        Ok(())
    }

    fn pin(&self, stream: &StreamName) -> Result<Option<Arc<dyn Pin>>, LogError> {
        let inner = self.lock();
        let Some(state) = inner.applied.get(stream).cloned() else { return Ok(None) };
        let Some(tape) = inner.durable.streams.get(stream).cloned() else { return Ok(None) };
        Ok(Some(Arc::new(Pinned { state, tape })))
    }
}
