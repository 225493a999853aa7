//! The streams of which one receiver is to be told something, each once: those that wait longest first.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;
use tapeline_core::name::StreamName;
use tapeline_core::retention::StreamPattern;

use super::super::concerns;
use crate::limits;
use crate::lock::lock;

/// The streams of which one receiver is to be told something.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Of which it is told at all; all where there is none.
    streams: Vec<StreamPattern>,
    state: Mutex<State>,
    arrived: Condvar,
}

/// A stream, and since when it waits.
pub(super) type Waiting = (StreamName, Instant);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    names: FxHashSet<StreamName>,
    /// Whether there was no room for some.
    is_lacking: bool,
    is_stopping: bool,
}

impl Queue {
    pub(super) fn new(streams: Vec<StreamPattern>) -> Self {
        Self { streams, state: Mutex::default(), arrived: Condvar::new() }
    }

    /// Whether the receiver is told of a stream.
    pub(super) fn fits(&self, stream: &StreamName) -> bool {
        concerns(&self.streams, stream)
    }

    /// Something was recorded on a stream.
    pub(crate) fn hear(&self, stream: &StreamName) {
        if self.fits(stream) {
            self.put([(stream.clone(), Instant::now())]);
        }
    }

    /// Streams are to wait again.
    pub(super) fn put(&self, streams: impl IntoIterator<Item = Waiting>) {
        let mut state = lock(&self.state);
        for (stream, since) in streams {
            if state.names.contains(&stream) {
                continue;
            }
            if state.names.len() >= limits::RECEIVER_STREAMS {
                state.is_lacking = true;
                break;
            }
            state.names.insert(stream.clone());
            state.waiting.push_back((stream, since));
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// Takes so many.
    pub(super) fn take(&self, most: usize) -> Vec<Waiting> {
        let mut state = lock(&self.state);
        let count = most.min(state.waiting.len());
        let taken: Vec<Waiting> = state.waiting.drain(..count).collect();
        for (stream, _) in &taken {
            state.names.remove(stream);
        }
        taken
    }

    /// Whether there was no room for some since this was last asked, and there is now.
    pub(super) fn is_lacking(&self) -> bool {
        let mut state = lock(&self.state);
        state.waiting.is_empty() && std::mem::take(&mut state.is_lacking)
    }

    /// How many wait, and since when the first of them does.
    pub(super) fn waiting(&self) -> (usize, Option<Instant>) {
        let state = lock(&self.state);
        (state.waiting.len(), state.waiting.iter().map(|(_, since)| *since).min())
    }

    /// Waits for news, but no longer than `most`. Answers whether to go on.
    pub(super) fn wait(&self, most: Duration) -> bool {
        self.wait_while(most, |state| state.waiting.is_empty())
    }

    /// Waits for so long. Answers whether to go on.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        self.wait_while(pause, |_| true)
    }

    fn wait_while(&self, most: Duration, is_to_wait: impl Fn(&State) -> bool) -> bool {
        let state = lock(&self.state);
        let waits = |state: &mut State| !state.is_stopping && is_to_wait(state);
        let waited = self.arrived.wait_timeout_while(state, most, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_stopping
    }

    pub(super) fn stop(&self) {
        lock(&self.state).is_stopping = true;
        self.arrived.notify_one();
    }
}
