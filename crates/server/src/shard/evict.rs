//! Keeping the streams in memory within their bounds: idle ones are packed, then let go; large busy ones rest for a
//! moment.

use std::collections::VecDeque;
use std::sync::Arc;

use tapeline_core::numbers::Position;
use tapeline_log::{EventLog, StateStore};

use super::packed::Packed;
use super::slots::Slot;
use super::{Settled, Shard};
use crate::limits;

impl<L: EventLog, S: StateStore> Shard<L, S> {
    /// Counts a stream's size anew.
    pub(super) fn weigh(&mut self, place: usize) {
        let Some(slot) = self.slots.get(place) else { return };
        let size = slot.measure();
        self.resident = self.resident + size - slot.size.counted;
        slot.size.counted = size;
    }

    /// Looks at so many streams, as long as memory is short. One that was not used since it was last looked at is packed,
    /// the next time let go; where that is not enough, those in use are packed, too.
    pub(super) fn let_go(&mut self, streams: usize) {
        let most = self.bounds.resident;
        for _ in 0..streams {
            if self.resident <= most {
                break;
            }
            let is_very_short = self.resident > most + most / limits::RESIDENT_SHORT_PART;
            let Some((place, life)) = self.ring.pop_front() else { break };
            let Some(slot) = self.slots.get(place).filter(|slot| slot.life == life) else { continue };
            let (was_used, is_packed) = (std::mem::take(&mut slot.used), slot.sequencer.resident() == 0);
            if !was_used && is_packed && slot.is_idle() {
                self.remove(place);
                continue;
            }
            self.ring.push_back((place, life));
            if slot.is_idle() && !is_packed && (!was_used || is_very_short) {
                self.forget(place, self.bounds.packed);
            } else if !was_used && slot.size.counted > self.bounds.large {
                self.rest(place);
            }
        }
        self.metrics.resident_bytes.set(self.resident as i64);
    }

    /// Lets the objects of an idle stream go; keeps them packed where it has at most so many bytes.
    fn forget(&mut self, place: usize, packed: usize) {
        let Some(slot) = self.slots.get(place) else { return };
        let forgotten = slot.sequencer.forget();
        slot.look = None;
        match slot.size.counted <= packed {
            true => slot.packed.add(&forgotten),
            false => (slot.packed, slot.whole) = (Packed::default(), false),
        }
        self.weigh(place);
    }

    /// Takes a stream out of memory.
    pub(super) fn remove(&mut self, place: usize) -> Option<Slot> {
        let slot = self.slots.remove(place)?;
        self.resident -= slot.size.counted;
        self.metrics.streams.dec();
        Some(slot)
    }

    /// Lets a busy stream rest: what comes for it waits until all it has is stored and its objects can be let go.
    pub(super) fn rest(&mut self, place: usize) {
        let Some(slot) = self.slots.get(place) else { return };
        if slot.resting.is_some() || slot.touched {
            return;
        }
        slot.resting = Some(VecDeque::new());
        if !self.store_changes(place) {
            self.is_dirty(place);
        }
    }

    /// Lets the objects of a resting stream go, and takes up what has waited.
    pub(super) fn wake_rested(&mut self, place: usize) {
        let Some(slot) = self.slots.get(place) else { return };
        if slot.resting.is_none() || !slot.sequencer.is_idle() {
            return;
        }
        let waited = slot.resting.take();
        self.forget(place, 0);
        waited.into_iter().flatten().for_each(|command| self.take(command));
    }
}

impl Slot {
    /// Whether somebody waits for its changes to be stored.
    pub(super) fn is_awaited(&self) -> bool {
        self.changes.is_some() || !self.waiting.is_empty() || self.resting.is_some()
    }

    /// Tells those who waited for what is stored by now.
    pub(super) fn tell_settled(&mut self) {
        let stored = self.stored;
        let done: Vec<(Position, Settled)> = self.waiting.extract_if(.., |(position, _)| *position <= stored).collect();
        for (_, settled) in done {
            let pin = self.pinned.upgrade().unwrap_or_else(|| Arc::new(()));
            self.pinned = Arc::downgrade(&pin);
            // Whoever asked may have gone.
            let _ = settled.send(Ok(pin));
        }
    }
}
