//! Bringing streams, and what events touch on them, into memory.

use std::sync::Arc;
use std::time::Instant;

use tapeline_core::event::Body;
use tapeline_core::limits as core_limits;
use tapeline_core::name::Key;
use tapeline_core::numbers::ClientId;
use tapeline_log::play::{load_clients, load_keys, missing_clients, missing_keys};
use tapeline_log::{EventLog, LogError, StateStore};

use super::Shard;
use super::loading::Found;
use super::slots::Slot;
use crate::hub::Tape;

impl<L: EventLog, S: StateStore> Shard<L, S> {
    /// The slot of a stream, which is brought into memory where it is not.
    pub(super) fn slot(&mut self, tape: &Arc<Tape>) -> Result<usize, LogError> {
        if let Some(place) = self.slots.find(tape.stream()) {
            if let Some(slot) = self.slots.get(place) {
                slot.used = true;
            }
            return Ok(place);
        }
        let found = self.loader.load(tape.stream())?;
        self.insert(tape, found)
    }

    /// Takes a stream that was loaded into a slot.
    pub(super) fn insert(&mut self, tape: &Arc<Tape>, found: Found) -> Result<usize, LogError> {
        let Found { sequencer, stored, horizon } = found;
        tape.trimmed(horizon);
        let end = *sequencer.staged();
        self.lives += 1;
        let place = self.slots.insert(Slot::new(tape.clone(), sequencer, stored, self.lives));
        self.ring.push_back((place, self.lives));
        self.metrics.streams.inc();
        if self.log.is_shared() && tape.is_found() && end.head > tape.head() {
            self.tell_authors(place)?;
        }
        tape.is_at(end.position);
        tape.found(end.head, end.chain);
        self.weigh(place);
        if end.position > stored {
            self.is_dirty(place);
        }
        Ok(place)
    }

    /// Brings into memory what events touch.
    pub(super) fn load_touched<'b>(
        &mut self,
        place: usize,
        bodies: impl Iterator<Item = &'b Body>,
    ) -> Result<(), LogError> {
        let Some(Slot { sequencer, .. }) = self.slots.get(place) else { return Ok(()) };
        let keys = missing_keys(sequencer, bodies);
        self.load_keys(place, keys)
    }

    /// Brings into memory what is under keys.
    pub(super) fn load_keys(&mut self, place: usize, mut keys: Vec<Key>) -> Result<(), LogError> {
        let Some(Slot { tape, sequencer, packed, whole, .. }) = self.slots.get(place) else { return Ok(()) };
        keys.retain(|key| match packed.entry(key) {
            Some(entry) => {
                sequencer.load_entry(key.clone(), entry);
                false
            }
            None => !*whole,
        });
        load_keys(&*self.store, tape.stream(), sequencer, keys)
    }

    /// Brings into memory what was done to texts since an event was typed. What is not durable yet is there already.
    pub(super) fn load_text_history(&mut self, place: usize, body: &Body) -> Result<(), LogError> {
        let Some(Slot { tape, sequencer, .. }) = self.slots.get(place) else { return Ok(()) };
        let Some(needed) = sequencer.text_history_needed(body) else { return Ok(()) };
        let (mut from, mut events) = (needed.start, Vec::new());
        while from < needed.end {
            let block = match self.runtime.block_on(self.log.read(tape.stream(), from, core_limits::READ_BYTES)) {
                // Then it cannot be told what was done to the text.
                Err(LogError::Trimmed { .. }) => return Ok(()),
                block => block?,
            };
            if block.is_empty() {
                break;
            }
            for event in block.events() {
                events.extend(event.ok().filter(|event| event.seq < needed.end));
            }
            from = block.end();
        }
        sequencer.load_text_history(&events);
        Ok(())
    }

    /// Brings into memory what is known of clients.
    pub(super) fn load_clients(
        &mut self,
        place: usize,
        clients: impl Iterator<Item = ClientId>,
    ) -> Result<(), LogError> {
        let Some(Slot { tape, sequencer, packed, whole, .. }) = self.slots.get(place) else { return Ok(()) };
        let mut clients = missing_clients(sequencer, clients);
        clients.retain(|&client| match packed.client(client) {
            Some(state) => {
                sequencer.load_client(client, state);
                false
            }
            None => !*whole,
        });
        load_clients(&*self.store, tape.stream(), sequencer, clients)
    }

    /// A stream has changes to store.
    pub(super) fn is_dirty(&mut self, place: usize) {
        if let Some(slot) = self.slots.get(place).filter(|slot| !slot.dirty) {
            slot.dirty = true;
            self.dirty.push_back((place, slot.life, Instant::now()));
        }
    }
}
