//! The state's side of the contract: what waits to be written hides what the store has.

use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tapeline_core::name::{Collection, Key, StreamName};
use tapeline_core::numbers::ClientId;
use tapeline_core::object::{Entry, Object};
use tapeline_core::state::{ClientState, StreamState};

use super::clients::Clients;
use super::load::{decode_client, get, load_row};
use super::rows::{client_key, entry_key};
use super::store::Snapshot;
use super::unflushed::Unflushed;
use super::{Embedded, objects};
use crate::contract::{LogError, StateChanges, StateStore};

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
            None => get(&snapshot, &entry_key(number, key), |key, value| Ok(objects::decode(key, value)?.1)),
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

    fn objects(
        &self,
        stream: &StreamName,
        collection: Option<&Collection>,
        visit: &mut dyn FnMut(&Key, &Arc<Object>) -> ControlFlow<()>,
    ) -> Result<Option<StreamState>, LogError> {
        let table = self.table(stream)?;
        let found = table.streams.get(stream).and_then(|stream| Some((stream.number, stream.applied?)));
        let Some((number, state)) = found else { return Ok(None) };
        let mut over = FxHashMap::default();
        for unflushed in table.unflushed(number).into_iter().flatten() {
            let entries =
                unflushed.entries.iter().filter(|(key, _)| collection.is_none_or(|only| key.collection == *only));
            over.extend(entries.map(|(key, entry)| (key.clone(), entry.clone())));
        }
        let snapshot = self.shared.store.snapshot();
        drop(table);
        objects::visit_objects(&snapshot, number, over.into_iter().collect(), collection, visit)?;
        Ok(Some(state))
    }
}

/// The number of a stream, what waits to be written under some keys, and the store for the rest.
type Recent<'s, V> = (u64, Vec<Option<V>>, Snapshot<'s>);

impl Embedded {
    /// What waits to be written under some keys of a stream, and where the rest is.
    fn recent<K, V>(
        &self,
        stream: &StreamName,
        keys: &[K],
        find: impl Fn(&Unflushed, &K) -> Option<V>,
    ) -> Result<Option<Recent<'_, V>>, LogError> {
        let table = self.table(stream)?;
        let Some(number) = table.streams.get(stream).map(|stream| stream.number) else { return Ok(None) };
        let [writing, current] = table.unflushed(number);
        let newest_first = [current, writing];
        let found = |key| newest_first.iter().flatten().find_map(|unflushed| find(unflushed, key));
        Ok(Some((number, keys.iter().map(found).collect(), self.shared.store.snapshot())))
    }
}

fn stored_client(
    snapshot: &Snapshot<'_>,
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
