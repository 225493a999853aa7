//! What is copied: a directory, or a log on NATS that is played into a cache for it.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use tapeline_core::block::EventBlock;
use tapeline_core::hash::Chain;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;
use tapeline_log::embedded::{Carried, Embedded};
use tapeline_log::jetstream::JetStream;
use tapeline_log::node::Node;
use tapeline_log::{EventLog, LogError, StreamInfo};
use tokio::runtime::Handle;

use super::place::Place;
use super::play::play;
use crate::failure::Failure;
use crate::storage;

/// What is copied.
pub struct Source {
    runtime: Handle,
    kept: Kept,
}

enum Kept {
    /// A directory that nobody else uses, or whose server has us read it.
    Directory(Arc<Embedded>),
    /// A log that servers may go on writing.
    Log(Node),
}

impl Source {
    /// Opens a log, playing it in a directory where it is on NATS.
    pub async fn open(place: &Place, cache: &Path) -> Result<Self, Failure> {
        let kept = match place {
            Place::Directory(path) => Kept::Directory(Arc::new(open_directory(path)?)),
            Place::Log(settings) => {
                let log = JetStream::connect_to_existing(settings).await.map_err(Failure::failed)?;
                Kept::Log(Node::open(log, cache).map_err(Failure::failed)?)
            }
        };
        Ok(Self { runtime: Handle::current(), kept })
    }

    /// The directory of a server that runs.
    pub fn of(directory: Arc<Embedded>) -> Self {
        Self { runtime: Handle::current(), kept: Kept::Directory(directory) }
    }

    /// Whether others may write to it meanwhile.
    pub const fn is_shared(&self) -> bool {
        matches!(self.kept, Kept::Log(_))
    }

    /// Up to so many streams, those after one of them.
    pub fn streams(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<StreamInfo>, LogError> {
        match &self.kept {
            Kept::Directory(log) => self.runtime.block_on(log.streams(after, limit)),
            Kept::Log(node) => self.runtime.block_on(node.streams(after, limit)),
        }
    }

    /// One stream, as it is listed.
    pub fn info(&self, stream: &StreamName) -> Result<Option<StreamInfo>, LogError> {
        match &self.kept {
            Kept::Directory(log) => self.runtime.block_on(log.info(stream)),
            Kept::Log(node) => self.runtime.block_on(node.info(stream)),
        }
    }

    /// A stream as it is now, to be carried elsewhere.
    pub fn carry(&self, stream: &StreamName) -> Result<Option<Carried>, LogError> {
        match &self.kept {
            Kept::Directory(log) => log.carry(stream),
            Kept::Log(node) => {
                play(&self.runtime, node, stream)?;
                node.cache().carry(stream)
            }
        }
    }

    /// The next events of a stream.
    pub fn read(&self, stream: &StreamName, from: Seq, most_bytes: usize) -> Result<EventBlock, LogError> {
        match &self.kept {
            Kept::Directory(log) => self.runtime.block_on(log.read(stream, from, most_bytes)),
            Kept::Log(node) => self.runtime.block_on(node.read(stream, from, most_bytes)),
        }
    }

    /// The chain of a stream before an event.
    pub fn chain_at(&self, stream: &StreamInfo, seq: Seq) -> Result<Chain, LogError> {
        if seq == stream.head.seq {
            return Ok(stream.head.chain);
        }
        Ok(self.read(&stream.stream, seq, 0)?.before())
    }

    /// Lets a directory go.
    pub fn close(&self) -> Result<(), Failure> {
        match &self.kept {
            Kept::Directory(log) => log.close().map_err(Failure::failed),
            Kept::Log(node) => node.cache().close().map_err(Failure::failed),
        }
    }

    /// Plays what the server of a directory that was killed did not get to, or one that has stopped.
    pub fn settle(&self) -> Result<(), LogError> {
        let Kept::Directory(log) = &self.kept else { return Ok(()) };
        log.unapplied_streams().iter().try_for_each(|stream| play(&self.runtime, &**log, stream))
    }
}

/// Opens the directory of a stopped server.
fn open_directory(path: &Path) -> Result<Embedded, Failure> {
    match path.join("FORMAT").metadata() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(storage::cannot_open(path, error.into())),
        Ok(format) if format.is_file() => storage::open(path),
        _ => Err(Failure::Usage(format!("there is no log in {}: name a server's data directory", path.display()))),
    }
}
