//! What a server keeps things in: a directory that has everything, or a cluster's log with a directory as its cache.

use std::path::Path;
use std::sync::Arc;

use tapeline_core::name::StreamName;
use tapeline_log::cluster::Cluster;
use tapeline_log::embedded::{Embedded, OpenError, Stats};
use tapeline_log::jetstream::{JetStream, Settings};
use tapeline_log::node::Node;
use tapeline_log::{EventLog, LogError};
use tapeline_server::{Reading, Readings, Server, ServerConfig, Starting};

use crate::failure::Failure;

/// What a server keeps things in.
#[derive(Clone)]
pub enum Storage {
    /// A directory of its own.
    Alone(Arc<Embedded>),
    /// A log that it shares with others.
    Shared(Arc<Node>),
}

impl Storage {
    /// Opens a directory, as the cache of a log where there is one.
    pub async fn open(data: &Path, log: Option<&Settings>) -> Result<Self, Failure> {
        let Some(settings) = log else { return Ok(Self::Alone(Arc::new(open(data)?))) };
        let log = JetStream::connect(settings).await.map_err(Failure::failed)?;
        let node = Node::open(log, data).map_err(|error| cannot_open(data, error))?;
        Ok(Self::Shared(Arc::new(node)))
    }

    /// Starts a server on it.
    pub fn serve(&self, config: ServerConfig) -> Starting {
        match self {
            Self::Alone(log) => Server::start_embedded(config, log.clone()),
            Self::Shared(node) => Server::start_node(config, node.clone()),
        }
    }

    /// The nodes that share the log, where it is shared.
    pub fn nodes(&self) -> Option<Arc<dyn Cluster>> {
        match self {
            Self::Alone(_) => None,
            Self::Shared(node) => Some(node.nodes()),
        }
    }

    /// The directory, where it has everything.
    pub fn alone(&self) -> Option<Arc<Embedded>> {
        match self {
            Self::Alone(log) => Some(log.clone()),
            Self::Shared(_) => None,
        }
    }

    /// Streams whose stored state is behind their log.
    pub fn unapplied(&self) -> Vec<StreamName> {
        self.directory().unapplied_streams()
    }

    /// What it says in the server's metrics.
    pub fn readings(&self) -> Readings {
        let storage = self.clone();
        Arc::new(move || readings(&storage.directory().stats()))
    }

    /// Makes durable what it has, and lets it go.
    pub fn close(&self) -> Result<(), Failure> {
        self.directory().close().map_err(Failure::failed)
    }

    fn directory(&self) -> &Embedded {
        match self {
            Self::Alone(log) => log,
            Self::Shared(node) => node.cache(),
        }
    }
}

/// Checks that there is a directory, for what makes none.
pub fn check_there(data: &Path) -> Result<(), Failure> {
    match data.is_dir() {
        true => Ok(()),
        false => Err(Failure::Usage(format!("there is no directory {}: name one with --data", data.display()))),
    }
}

/// Opens a data directory.
pub fn open(data: &Path) -> Result<Embedded, Failure> {
    Embedded::open(data).map_err(|error| cannot_open(data, error))
}

/// Why a data directory cannot be used.
pub fn cannot_open(data: &Path, error: OpenError) -> Failure {
    match error {
        OpenError::Log(LogError::Damaged { .. }) => Failure::Damaged(error.to_string()),
        OpenError::NoLog { .. } => Failure::Usage(format!("{error}: name a server's data directory with --data")),
        OpenError::Io(error) => Failure::File { place: data.display().to_string(), error },
        other => Failure::failed(other),
    }
}

/// What the storage says in the server's metrics.
fn readings(stats: &Stats) -> Vec<Reading> {
    let reading = |name, help, value| Reading { name, help, value };
    vec![
        reading(
            "unflushed_bytes",
            "What is durable in the journal and not yet in the store",
            stats.unflushed_bytes as f64,
        ),
        reading("unflushed_age_seconds", "How late the write-behind is", stats.unflushed_age.as_secs_f64()),
        reading("journal_bytes", "What the journal takes on the disk", stats.journal_bytes as f64),
        reading("store_bytes", "What the store takes on the disk", stats.store_bytes as f64),
        reading(
            "building_indexes",
            "1 while streams are looked through for declared indexes that they lack, then 0",
            f64::from(u8::from(stats.building_indexes)),
        ),
        reading("journal_groups", "Groups committed, each with one fdatasync", stats.groups as f64),
        reading("journal_commit_seconds", "Time spent on committing groups", stats.commit_time.as_secs_f64()),
    ]
}
