//! Bringing into a sequencer's memory what is to be played or decided on, from where the objects of its stream are kept.

use tapeline_core::batch::Batch;
use tapeline_core::codec::CodecError;
use tapeline_core::event::Body;
use tapeline_core::name::{Key, StreamName};
use tapeline_core::numbers::ClientId;
use tapeline_core::sequencer::Sequencer;

use crate::contract::{LogError, StateStore};

/// Brings into memory what a batch on the log touches: then it can be replayed.
///
/// # Errors
/// Where the batch cannot be read, or the store.
pub fn load_touched(
    store: &impl StateStore,
    stream: &StreamName,
    sequencer: &mut Sequencer,
    batch: &Batch,
) -> Result<(), LogError> {
    let events = batch.events().map_err(|error| damaged(stream, &error))?;
    let keys = missing_keys(sequencer, events.iter().map(|event| &event.body));
    load_keys(store, stream, sequencer, keys)?;
    let authors = events.iter().map(|event| event.client);
    let clients = missing_clients(sequencer, authors.chain(batch.verdicts.iter().map(|verdict| verdict.client)));
    load_clients(store, stream, sequencer, clients)
}

/// The log of a stream has what cannot be read.
pub fn damaged(stream: &StreamName, error: &CodecError) -> LogError {
    LogError::Damaged { place: format!("log of stream {stream}"), what: error.to_string() }
}

/// The keys that events touch and a sequencer does not know, some of them more than once.
pub fn missing_keys<'b>(sequencer: &Sequencer, bodies: impl Iterator<Item = &'b Body>) -> Vec<Key> {
    let keys =
        bodies.flat_map(|body| body.ops.iter().map(|op| &op.key).chain(body.unchanged.iter().map(|read| &read.key)));
    keys.filter(|key| !sequencer.knows_key(key)).cloned().collect()
}

/// The clients that a sequencer does not know, some of them more than once.
pub fn missing_clients(sequencer: &Sequencer, clients: impl Iterator<Item = ClientId>) -> Vec<ClientId> {
    let mut missing: Vec<_> = clients.filter(|client| !sequencer.knows_client(*client)).collect();
    missing.dedup();
    missing
}

/// Brings into memory what is under keys.
///
/// # Errors
/// Where the store cannot be read.
pub fn load_keys(
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

/// Brings into memory what is known of clients.
///
/// # Errors
/// Where the store cannot be read.
pub fn load_clients(
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
