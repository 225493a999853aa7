//! Bringing streams, and what events touch on them, into memory.

use std::sync::Arc;
use std::time::Instant;

use tapeline_authority::StreamGate;
use tapeline_core::batch::Batch;
use tapeline_core::codec::CodecError;
use tapeline_core::event::{Body, Sealed};
use tapeline_core::limits as core_limits;
use tapeline_core::name::{Key, StreamName};
use tapeline_core::numbers::{ClientId, Incarnation, Position};
use tapeline_core::sequencer::{Gate, Sequencer};
use tapeline_core::state::StreamState;
use tapeline_log::{EventLog, LogError, StateStore};

use super::Shard;
use super::slots::Slot;
use crate::hub::Tape;
use crate::limits;

/// Bits of an incarnation, so that it is a number in any JSON.
const INCARNATION_BITS: u32 = 53;

impl<L: EventLog, S: StateStore> Shard<L, S> {
    /// The slot of a stream, which is brought into memory where it is not.
    pub(super) fn slot(&mut self, tape: &Arc<Tape>) -> Result<usize, LogError> {
        if let Some(place) = self.slots.find(tape.stream()) {
            if let Some(slot) = self.slots.get(place) {
                slot.used = true;
            }
            return Ok(place);
        }
        let info = self.runtime.block_on(self.log.info(tape.stream()))?;
        info.into_iter().for_each(|info| tape.trimmed(info.horizon));
        let (sequencer, stored) = self.load(tape.stream())?;
        let end = *sequencer.staged();
        tape.found(end.head, end.chain);
        self.lives += 1;
        let place = self.slots.insert(Slot::new(tape.clone(), sequencer, stored, self.lives));
        self.ring.push_back((place, self.lives));
        self.metrics.streams.inc();
        self.weigh(place);
        if end.position > stored {
            self.is_dirty(place);
        }
        Ok(place)
    }

    /// Goes on from the stored state and plays what is on the log past it.
    fn load(&self, stream: &StreamName) -> Result<(Sequencer, Position), LogError> {
        let state = match self.store.stream(stream)? {
            Some(state) => state,
            None => {
                let head = self.runtime.block_on(self.log.head(stream))?;
                let new = || Incarnation(fastrand::u64(..1 << INCARNATION_BITS));
                StreamState::empty(head.map_or_else(new, |head| head.incarnation))
            }
        };
        let mut sequencer = Sequencer::new(state, self.schema.clone(), self.gate(stream));
        let (mut stored, mut bytes) = (state.position, 0);
        loop {
            let at = sequencer.staged().position;
            let batches = self.runtime.block_on(self.log.replay(stream, at, limits::REPLAY_BYTES))?;
            if batches.is_empty() {
                return Ok((sequencer, stored));
            }
            for batch in batches {
                if stored > Position::FIRST {
                    self.load_played(stream, &mut sequencer, &batch)?;
                }
                sequencer.replay(&batch).map_err(|error| damaged(stream, &error))?;
                bytes += batch.block.bytes().len();
            }
            if bytes >= limits::REPLAY_BYTES {
                (stored, bytes) = (self.store_replayed(stream, &mut sequencer, stored)?, 0);
            }
        }
    }

    /// Gives the state store what was played so far of a log that has much more, so that memory need not hold it.
    fn store_replayed(
        &self,
        stream: &StreamName,
        sequencer: &mut Sequencer,
        stored: Position,
    ) -> Result<Position, LogError> {
        let Some(changes) = sequencer.take_changes() else { return Ok(stored) };
        let position = changes.state.position;
        self.store.apply(stream, changes)?;
        sequencer.forget();
        Ok(position)
    }

    /// What stands before a stream, where not everything is allowed and valid.
    fn gate(&self, stream: &StreamName) -> Option<Arc<dyn Gate>> {
        let has_say = !self.authority.is_empty() || self.authority.has_checks();
        has_say.then(|| Arc::new(StreamGate::new(self.authority.clone(), stream.clone())) as Arc<dyn Gate>)
    }

    /// Brings into memory what a batch on the log touches.
    fn load_played(&self, stream: &StreamName, sequencer: &mut Sequencer, batch: &Batch) -> Result<(), LogError> {
        let events = batch.events().map_err(|error| damaged(stream, &error))?;
        let keys = missing_keys(sequencer, events.iter().map(|event| &event.body));
        load_keys(&*self.store, stream, sequencer, keys)?;
        let authors = events.iter().map(|event| event.client);
        let clients = missing_clients(sequencer, authors.chain(batch.verdicts.iter().map(|verdict| verdict.client)));
        load_clients(&*self.store, stream, sequencer, clients)
    }

    /// Brings into memory what events touch.
    pub(super) fn load_touched(&mut self, place: usize, events: &[Sealed]) -> Result<(), LogError> {
        self.load_clients(place, events.iter().map(|sealed| sealed.event.client))?;
        let Some(Slot { sequencer, .. }) = self.slots.get(place) else { return Ok(()) };
        let keys = missing_keys(sequencer, events.iter().map(|sealed| &sealed.event.body));
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

fn damaged(stream: &StreamName, error: &CodecError) -> LogError {
    LogError::Damaged { place: format!("log of stream {stream}"), what: error.to_string() }
}

fn missing_keys<'b>(sequencer: &Sequencer, bodies: impl Iterator<Item = &'b Body>) -> Vec<Key> {
    let keys =
        bodies.flat_map(|body| body.ops.iter().map(|op| &op.key).chain(body.unchanged.iter().map(|read| &read.key)));
    keys.filter(|key| !sequencer.knows_key(key)).cloned().collect()
}

fn missing_clients(sequencer: &Sequencer, clients: impl Iterator<Item = ClientId>) -> Vec<ClientId> {
    let mut missing: Vec<_> = clients.filter(|client| !sequencer.knows_client(*client)).collect();
    missing.dedup();
    missing
}

fn load_keys(
    store: &impl StateStore,
    stream: &StreamName,
    sequencer: &mut Sequencer,
    keys: Vec<Key>,
) -> Result<(), LogError> {
    if !keys.is_empty() {
        let entries = store.entries(stream, &keys)?;
        keys.into_iter().zip(entries).for_each(|(key, entry)| sequencer.load_entry(key, entry));
    }
    Ok(())
}

fn load_clients(
    store: &impl StateStore,
    stream: &StreamName,
    sequencer: &mut Sequencer,
    clients: Vec<ClientId>,
) -> Result<(), LogError> {
    if !clients.is_empty() {
        let states = store.clients(stream, &clients)?;
        clients.into_iter().zip(states).for_each(|(client, state)| sequencer.load_client(client, state));
    }
    Ok(())
}
