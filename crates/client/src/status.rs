//! The status that tells the truth.

use std::sync::Arc;

use tapeline_core::numbers::Millis;
use tapeline_core::replica;
use tokio::sync::watch;

use crate::error::StoreError;

/// How the client stands to its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Offline by choice: see [`Tapeline::go_offline`](crate::Tapeline::go_offline).
    Offline,
    /// An attempt is under way.
    Connecting,
    /// Server and client have greeted each other.
    Connected,
    /// The last attempt failed, or the connection was lost; the next attempt is due.
    Waiting {
        /// When, in wall-clock time.
        retry_at: Millis,
        /// What happened.
        why: Arc<str>,
    },
    /// The server does not speak this client's protocol any more. Nothing is tried until
    /// [`Tapeline::go_online`](crate::Tapeline::go_online) says so; edits go on to be kept.
    UpgradeRequired {
        /// What the server said.
        why: Arc<str>,
    },
    /// The client was closed.
    Closed,
}

/// How a stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The connection it shares with the client's other streams.
    pub connection: Connection,
    /// What keeps edits from being stored on the device, while something does. They are kept in memory and tried again.
    pub storage: Option<StoreError>,
    /// How far it has played, what is pending, what is parked.
    pub replica: replica::Status,
}

/// A subscription to the status of a stream. It ends when it is dropped.
#[derive(Debug)]
pub struct StatusChanges {
    pub(crate) stream: crate::Stream,
    pub(crate) turned: watch::Receiver<()>,
    pub(crate) connection: watch::Receiver<Connection>,
    pub(crate) storage: watch::Receiver<Option<StoreError>>,
    pub(crate) last: Option<Status>,
}

impl StatusChanges {
    /// The status at first, and then whenever it is another one. `None` after the client was closed.
    pub async fn next(&mut self) -> Option<Status> {
        loop {
            if self.last.as_ref().is_some_and(|last| last.connection == Connection::Closed) {
                return None;
            }
            self.turned.mark_unchanged();
            self.connection.mark_unchanged();
            self.storage.mark_unchanged();
            let status = self.stream.status();
            if self.last.as_ref() != Some(&status) {
                self.last = Some(status.clone());
                return Some(status);
            }
            tokio::select! {
                turned = self.turned.changed() => turned.ok()?,
                changed = self.connection.changed() => changed.ok()?,
                Ok(()) = self.storage.changed() => {}
            }
        }
    }
}

/// Waits until the client is closed.
pub(crate) async fn closed(connection: &mut watch::Receiver<Connection>) {
    // An error says that the client is gone, which is closed as well.
    drop(connection.wait_for(|connection| *connection == Connection::Closed).await);
}
