//! The state's side of the contract: what waits to be written hides what the store has.

use std::sync::{Arc, OnceLock};

use tapeline_core::name::{Key, StreamName};
use tapeline_core::numbers::ClientId;
use tapeline_core::object::Entry;
use tapeline_core::state::{ClientState, StreamState};

use super::Embedded;
use super::clients::Clients;
use super::load::{decode_client, get, load_row};
use super::pin::{Pinned, load_entry};
use super::rows::client_key;
use super::store::Snapshot;
use super::unflushed::Unflushed;
use crate::contract::{LogError, StateChanges, StateStore};
use crate::pin::Pin;

impl StateStore for Embedded {
    fn stream(&self, stream: &StreamName) -> Result<Option<StreamState>, LogError> {
        Ok(self.table(stream)?.streams.get(stream).and_then(|stream| stream.applied))
    }

    fn entries(&self, stream: &StreamName, keys: &[Key]) -> Result<Vec<Option<Entry>>, LogError> {
        let Some((number, recent, snapshot)) =
            self.recent(stream, keys, |unflushed, key| unflushed.entries.get(key).cloned())?
        else {
            return Ok(vec![None; keys.len()]);
        };
        let find = |(key, recent): (&Key, Option<Entry>)| match recent {
            Some(entry) => Ok(Some(entry)),
            None => load_entry(&snapshot, number, key),
        };
        keys.iter().zip(recent).map(find).collect()
    }

    fn clients(&self, stream: &StreamName, clients: &[ClientId]) -> Result<Vec<Option<ClientState>>, LogError> {
        let Some((number, recent, snapshot)) =
            self.recent(stream, clients, |unflushed, client| unflushed.clients.get(client).cloned())?
        else {
            return Ok(vec![None; clients.len()]);
        };
        let stored = load_row(&snapshot, stream)?.map(|row| row.clients).unwrap_or_default();
        let find = |(client, recent): (&ClientId, Option<ClientState>)| match recent {
            Some(state) => Ok(Some(state)),
            None => stored_client(&snapshot, number, &stored, *client),
        };
        clients.iter().zip(recent).map(find).collect()
    }

    fn apply(&self, stream: &StreamName, changes: StateChanges) -> Result<(), LogError> {
        let table = self.table(stream)?;
        self.shared.streams.apply(table, stream, changes)
    }

    fn takes_changes(&self) -> Result<(), LogError> {
        self.shared.streams.broken().map_or(Ok(()), Err)
    }

    fn pin(&self, stream: &StreamName) -> Result<Option<Arc<dyn Pin>>, LogError> {
        let table = self.table(stream)?;
        let Some((number, state)) = table.streams.get(stream).and_then(|found| Some((found.number, found.applied?)))
        else {
            return Ok(None);
        };
        let over = table.unflushed(number).cloned().collect();
        let snapshot = self.shared.store.snapshot();
        let (stream, sorted, indexes) = (stream.clone(), OnceLock::new(), OnceLock::new());
        Ok(Some(Arc::new(Pinned { stream, number, state, snapshot, over, sorted, indexes })))
    }
}

/// The number of a stream, what waits to be written under some keys, and the store for the rest.
type Recent<V> = (u64, Vec<Option<V>>, Snapshot);

impl Embedded {
    /// What waits to be written under some keys of a stream, and where the rest is.
    fn recent<K, V>(
        &self,
        stream: &StreamName,
        keys: &[K],
        find: impl Fn(&Unflushed, &K) -> Option<V>,
    ) -> Result<Option<Recent<V>>, LogError> {
        let table = self.table(stream)?;
        let Some(number) = table.streams.get(stream).map(|stream| stream.number) else { return Ok(None) };
        let found = |key| table.unflushed(number).rev().find_map(|layer| find(layer, key));
        Ok(Some((number, keys.iter().map(found).collect(), self.shared.store.snapshot())))
    }
}

fn stored_client(
    snapshot: &Snapshot,
    number: u64,
    clients: &Clients,
    client: ClientId,
) -> Result<Option<ClientState>, LogError> {
    let key = client_key(number, client);
    match clients {
        Clients::Apart => get(snapshot, &key, decode_client),
        Clients::Few(_) => clients.get(client).map(|state| decode_client(&key, state)).transpose(),
    }
}
