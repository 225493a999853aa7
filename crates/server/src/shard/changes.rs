//! Bringing what has changed to the state store, a while after it is durable on the log.

use std::sync::Arc;

use tapeline_log::{EventLog, StateStore};

use super::{Settled, Shard};
use crate::hub::Tape;

impl<L: EventLog, S: StateStore> Shard<L, S> {
    /// Somebody wants the state store to have all that was decided so far.
    pub(super) fn settle(&mut self, tape: &Arc<Tape>, settled: Settled) {
        let place = match self.slot(tape) {
            Ok(place) => place,
            Err(error) => {
                let _ = settled.send(Err(error));
                return;
            }
        };
        self.stage(place);
        let Some(slot) = self.slots.get(place) else { return };
        slot.waiting.push((slot.sequencer.staged().position, settled));
        if !self.store_changes(place) {
            self.is_dirty(place);
        }
    }

    /// Stores the changes of so many streams that have waited long enough.
    pub(super) fn store_due(&mut self, streams: usize) {
        for _ in 0..streams {
            let Some(&(place, life, since)) = self.dirty.front() else { return };
            if since.elapsed() < self.bounds.store_after && !self.stopping {
                return;
            }
            self.dirty.pop_front();
            let Some(slot) = self.slots.get(place).filter(|slot| slot.life == life) else { continue };
            slot.dirty = false;
            if !self.store_changes(place) {
                self.is_dirty(place);
            }
        }
    }

    /// Stores what is durable of a stream's changes. Answers whether that was all.
    pub(super) fn store_changes(&mut self, place: usize) -> bool {
        let Some(slot) = self.slots.get(place) else { return true };
        let is_all = loop {
            slot.changes = slot.changes.take().or_else(|| slot.sequencer.take_changes().map(Box::new));
            let Some(changes) = slot.changes.take() else { break true };
            let position = changes.state.position;
            let is_pinned = slot.pinned.strong_count() > 0 && !self.stopping;
            if position > slot.sequencer.durable() || is_pinned {
                slot.changes = Some(changes);
                break false;
            }
            if let Err(error) = self.store.apply(slot.tape.stream(), *changes) {
                self.abandon(place, &error.to_string());
                return true;
            }
            (slot.stored, slot.look) = (position, None);
        };
        slot.tell_settled();
        if is_all {
            self.wake_rested(place);
        }
        is_all
    }
}
