//! What a sequencer has in memory of objects and clients: loaded before it is needed, and forgotten to bound memory.

use rustc_hash::FxHashMap;

use super::Sequencer;
use crate::holders::Holders;
use crate::name::Key;
use crate::numbers::ClientId;
use crate::object::Entry;
use crate::objects::Objects;
use crate::state::ClientState;

/// What a sequencer knew of objects and clients.
#[derive(Debug)]
pub struct Forgotten {
    objects: Objects<Holders>,
    clients: FxHashMap<ClientId, Option<ClientState>>,
}

impl Forgotten {
    /// What was under each key, in no particular order.
    pub fn entries(&self) -> impl Iterator<Item = (Key, Option<&Entry>)> {
        self.objects.entries()
    }

    /// What was known of each client that may speak again, in no particular order.
    #[expect(clippy::disallowed_methods, reason = "no order is promised; whoever shows one sorts")]
    pub fn clients(&self) -> impl Iterator<Item = (ClientId, Option<&ClientState>)> {
        let again = self.clients.iter().filter(|(client, _)| !client.is_once());
        again.map(|(client, state)| (*client, state.as_ref()))
    }
}

impl Sequencer {
    /// Whether it is in memory what is under a key. What is nowhere need not be loaded.
    pub fn knows_key(&self, key: &Key) -> bool {
        self.objects.knows(key)
    }

    /// Whether it is in memory what is known of a client. One that is known nowhere need not be loaded.
    pub fn knows_client(&self, client: ClientId) -> bool {
        client.is_once() || self.clients.contains_key(&client)
    }

    /// Takes what storage has under a key.
    pub fn load_entry(&mut self, key: Key, entry: Option<Entry>) {
        if !self.objects.knows(&key) {
            self.objects.load(key, entry);
        }
    }

    /// Takes what storage knows of a client.
    pub fn load_client(&mut self, client: ClientId, state: Option<ClientState>) {
        self.clients.entry(client).or_insert(state);
    }

    /// Forgets objects and clients that storage holds, to bound memory; who keeps them elsewhere is handed them. Call
    /// only when all changes were taken and stored.
    pub fn forget(&mut self) -> Forgotten {
        let digest = self.objects.digest();
        let left = Objects::held_by(self.objects.live(), digest, self.schema.held());
        Forgotten { objects: std::mem::replace(&mut self.objects, left), clients: std::mem::take(&mut self.clients) }
    }

    /// How many objects and clients are in memory, and values of which is known who holds them.
    pub fn resident(&self) -> usize {
        self.objects.resident() + self.clients.len() + self.objects.holders().len()
    }
}
