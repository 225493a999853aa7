//! Pinned states of streams: read by all who are filled at about the same time, and let go where nobody goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rustc_hash::FxHashMap;
use tapeline_core::limits as core_limits;
use tapeline_core::name::{Key, StreamName};
use tapeline_core::numbers::{Incarnation, Seq};
use tapeline_core::object::Entry;
use tapeline_core::state::StreamState;
use tapeline_log::{LogError, Part, Pin, Touched, Visit};

use super::shelf::Shelf;
use crate::lock::lock;

/// A stream as it was at one moment, for as long as somebody reads on.
pub(crate) struct Pinned {
    state: StreamState,
    pin: Mutex<Option<Arc<dyn Pin>>>,
    /// Whether somebody read since it was last looked at.
    used: AtomicBool,
    shelf: Shelf,
}

/// All that is pinned.
#[derive(Default)]
pub(crate) struct Pins(Mutex<FxHashMap<StreamName, Vec<Weak<Pinned>>>>);

impl Pinned {
    /// How far the state is.
    pub(crate) fn state(&self) -> &StreamState {
        &self.state
    }

    /// What is read. `None` where nobody read on for a while: it is to be pinned anew.
    pub(crate) fn read(&self) -> Option<Arc<dyn Pin>> {
        self.used.store(true, Ordering::Relaxed);
        lock(&self.pin).clone()
    }

    /// Pages that were made of it for those who had nothing.
    pub(super) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Lets it go where nobody read since this was last asked.
    fn let_go_unless_used(&self) {
        if !self.used.swap(false, Ordering::Relaxed) {
            lock(&self.pin).take();
        }
    }

    fn is_held(&self) -> bool {
        lock(&self.pin).is_some()
    }
}

impl Pins {
    /// A pinned state of a stream that is past `from`, and not far behind `head`.
    pub(crate) fn find(&self, stream: &StreamName, from: Seq, head: Seq) -> Option<Arc<Pinned>> {
        let known = lock(&self.0);
        let fits = |pinned: &Arc<Pinned>| {
            let at = pinned.state.head;
            at >= from && head.since(at) <= core_limits::EVENTS_RATHER && pinned.is_held()
        };
        known.get(stream)?.iter().rev().filter_map(Weak::upgrade).find(fits)
    }

    /// Keeps a pin for others who come. Where there is none, nothing is on the stream.
    pub(crate) fn keep(&self, stream: &StreamName, pin: Option<Arc<dyn Pin>>) -> Arc<Pinned> {
        let pin = pin.unwrap_or_else(|| Arc::new(Nothing(StreamState::empty(Incarnation(0)))));
        let (state, used) = (*pin.state(), AtomicBool::new(true));
        let pinned = Arc::new(Pinned { state, pin: Mutex::new(Some(pin)), used, shelf: Shelf::default() });
        let mut known = lock(&self.0);
        let of_stream = known.entry(stream.clone()).or_default();
        of_stream.retain(|known| known.strong_count() > 0);
        of_stream.push(Arc::downgrade(&pinned));
        pinned
    }

    /// Lets those go that nobody has read from since this was last called.
    pub(crate) fn let_idle_go(&self) {
        let mut known = lock(&self.0);
        known.retain(|_, of_stream| {
            of_stream.retain(|known| known.strong_count() > 0);
            of_stream.iter().filter_map(Weak::upgrade).for_each(|pinned| pinned.let_go_unless_used());
            !of_stream.is_empty()
        });
    }

    /// How many are held.
    pub(crate) fn held(&self) -> usize {
        let known = lock(&self.0);
        known.values().flatten().filter_map(Weak::upgrade).filter(|pinned| pinned.is_held()).count()
    }
}

/// A stream on which there is nothing.
struct Nothing(StreamState);

impl Pin for Nothing {
    fn state(&self) -> &StreamState {
        &self.0
    }

    fn entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, LogError> {
        Ok(vec![None; keys.len()])
    }

    fn scan(&self, _: Part<'_>, _: &mut Visit<'_>) -> Result<(), LogError> {
        Ok(())
    }

    fn touched(&self, _: Seq, _: usize) -> Result<Touched, LogError> {
        Ok(Touched::Keys(Vec::new()))
    }
}
