//! Log and state of one node of several: the log is on JetStream, and a directory beside it is its cache.
//!
//! ```text
//! append ─▶ JetStream ─ acknowledged ─▶ cache ─(apply)─▶ events and objects on this machine
//! replay ─▶ JetStream, what the cache has not ─▶ cache
//! read   ─▶ cache, or JetStream for what is past it
//! ```
//!
//! The truth is on JetStream: what is acknowledged is there. The cache has a stream up to some batch, in the very form in
//! which a server on one machine keeps it, and can be lost with the machine: on an empty one a stream is played from the
//! log when it is first needed, from its newest snapshot on where it has one ([`begin`]); streams get one as they grow
//! ([`growing`]). What retention lets go of the cache goes from the log, too ([`shorten`]).

mod begin;
mod growing;
mod log;
mod shorten;

use std::path::Path;
use std::sync::Arc;

use tapeline_core::name::{Key, StreamName};
use tapeline_core::numbers::ClientId;
use tapeline_core::object::Entry;
use tapeline_core::state::{ClientState, StreamState};

use crate::contract::{LogError, StateChanges, StateStore};
use crate::embedded::{Embedded, OpenError};
use crate::jetstream::{JetStream, Nodes};
use crate::pin::Pin;
use growing::Growing;

/// Log and state of one node.
pub struct Node {
    log: JetStream,
    cache: Arc<Embedded>,
    /// Held while a stream is brought from its snapshot.
    beginning: tokio::sync::Mutex<()>,
    growing: Growing,
}

impl Node {
    /// A node on a log, with its cache in a directory, which is made where there is none.
    ///
    /// # Errors
    /// Where the directory has something else than a cache of this log, or cannot be used.
    pub fn open(log: JetStream, directory: &Path) -> Result<Self, OpenError> {
        let cache = Arc::new(Embedded::open_cache(directory, log.id())?);
        let growing = Growing::start(&log, &cache);
        Ok(Self { log, cache, beginning: tokio::sync::Mutex::default(), growing })
    }

    /// The nodes that share the log.
    pub fn nodes(&self) -> Arc<Nodes> {
        self.log.nodes()
    }

    /// The cache, for those who watch the server, and to close it.
    pub fn cache(&self) -> &Embedded {
        &self.cache
    }
}

impl StateStore for Node {
    fn stream(&self, stream: &StreamName) -> Result<Option<StreamState>, LogError> {
        self.cache.stream(stream)
    }

    fn entries(&self, stream: &StreamName, keys: &[Key]) -> Result<Vec<Option<Entry>>, LogError> {
        self.cache.entries(stream, keys)
    }

    fn clients(&self, stream: &StreamName, clients: &[ClientId]) -> Result<Vec<Option<ClientState>>, LogError> {
        self.cache.clients(stream, clients)
    }

    fn apply(&self, stream: &StreamName, changes: StateChanges) -> Result<(), LogError> {
        let head = changes.state.head;
        self.cache.apply(stream, changes)?;
        self.growing.has_grown(stream, head);
        Ok(())
    }

    fn takes_changes(&self) -> Result<(), LogError> {
        self.cache.takes_changes()
    }

    fn pin(&self, stream: &StreamName) -> Result<Option<Arc<dyn Pin>>, LogError> {
        self.cache.pin(stream)
    }
}
