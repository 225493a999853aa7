//! Logs on NATS JetStream, for servers that share them.
//!
//! ```text
//! stream "lists/groceries" ── hash ──▶ JetStream stream "tapeline-7", subject "tapeline.7.lists/groceries"
//! batches that wait ───────── one ───▶ message, stored if the subject's last sequence is the expected one
//! ```
//!
//! The condition is what makes any number of writers safe: two can never both append at one place. It needs the
//! acknowledgement of the message before, so a stream has one message on its way, and what arrives meanwhile becomes the
//! next one ([`lanes`]). A message says in its header where the stream is with it, so the last message of a subject says
//! all about a stream, and a place in it is found by looking at a few messages ([`read`]). The last message is never removed.
//!
//! Where the first events of a stream were let go, a snapshot has what they made ([`snapshots`]).
//!
//! Nothing is kept here of what was read, but for where the streams end that were written to last.

mod carry;
mod cluster;
mod connect;
mod copying;
mod lanes;
mod list;
mod message;
mod publish;
mod read;
mod settings;
mod snapshots;
mod subject;
mod watch;

use std::error::Error;
use std::fmt::Write;
use std::sync::{Arc, Condvar, Mutex};

use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::Stream;
use tapeline_core::name::StreamName;
use tokio::runtime::Handle;

use crate::contract::LogError;
use lanes::Table;

pub use cluster::Nodes;
pub use connect::ConnectError;
pub use message::End;
pub use read::{Batches, Start};
pub use settings::{Settings, SettingsError, Storage};

/// Logs on NATS JetStream.
#[derive(Clone)]
pub struct JetStream {
    shared: Arc<Shared>,
}

/// What tasks share.
struct Shared {
    runtime: Handle,
    client: Client,
    context: Context,
    prefix: String,
    /// The identity of the log, from when it was made.
    id: String,
    /// The JetStream streams that ours are spread over.
    streams: Vec<Stream>,
    /// The one that has their snapshots.
    snapshots: Stream,
    /// Held while one is made: they are large.
    making: tokio::sync::Mutex<()>,
    table: Mutex<Table>,
    /// Tells those who wait for room in the queue.
    room: Condvar,
}

/// A place in a JetStream stream, shared by all its subjects: 1, 2, 3, … Zero means "none yet".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Sequence(u64);

impl Sequence {
    const FIRST: Self = Self(1);

    const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl JetStream {
    /// The identity of the log: a log that is removed and made again has another.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Runs something where it finds what it needs, whoever waits for it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, LogError>> + Send + 'static,
    ) -> Result<T, LogError> {
        let done = self.shared.runtime.spawn(work).await;
        done.map_err(|_| LogError::Storage("the server stops".into()))?
    }

    /// Runs something that blocks, on a thread that may.
    pub(crate) async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let done = self.shared.runtime.spawn_blocking(work).await;
        done.map_err(|_| LogError::Storage("the server stops".into()))?
    }

    /// Runs something that nobody waits for.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.shared.runtime.spawn(work);
    }
}

impl Shared {
    /// The JetStream stream that has a stream.
    fn home(&self, stream: &StreamName) -> &Stream {
        &self.streams[subject::place(stream, self.streams.len())]
    }

    /// The subject of a stream.
    fn subject(&self, stream: &StreamName) -> String {
        subject::of(&self.prefix, subject::place(stream, self.streams.len()), stream)
    }
}

/// An error with what it comes from.
fn words(error: &dyn Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

/// The cluster did not answer as it should: trying again may help.
fn failed(error: &dyn Error) -> LogError {
    LogError::Storage(format!("JetStream: {}", words(error)))
}
