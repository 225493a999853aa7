//! Who else is there: cursors, "typing", names of those who look at the same stream. It is never stored or recorded.

use std::sync::Arc;

use tapeline_core::numbers::PeerId;
use tapeline_core::replica::PresenceError;
use tapeline_core::value::Value;
use tokio::sync::watch;

use crate::cell::Cell;
use crate::chance;
use crate::hub::Shared;

/// One peer of this client on a stream, and the others there. It is gone for others when it is dropped.
///
/// ```no_run
/// # async fn example(board: tapeline_client::Stream) -> Result<(), Box<dyn std::error::Error>> {
/// let mut presence = board.presence();
/// presence.set("at the third card")?;
/// while presence.changed().await {
///     println!("{:?}", presence.peers());
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Presence {
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    peer: PeerId,
    changes: watch::Receiver<()>,
}

impl Presence {
    pub(crate) fn new(shared: Arc<Shared>, cell: Arc<Cell>) -> Self {
        cell.with(|replica| replica.watch_peers());
        shared.attend(&cell);
        let (peer, changes) = (PeerId(chance::random() as u64), cell.peers_changed());
        Self { shared, cell, peer, changes }
    }

    /// Says something of oneself: shown to the others within a moment, the latest wins.
    ///
    /// # Errors
    /// Where it is larger than 4 KB, or nests too deep.
    pub fn set(&self, state: impl Into<Value>) -> Result<(), PresenceError> {
        self.say(Some(state.into()))
    }

    /// Goes, for the others, but still sees them.
    pub fn clear(&self) {
        // To go is always possible.
        self.say(None).unwrap_or_default();
    }

    /// The others, each with what it says of itself, sorted by id; none while there is no connection.
    pub fn peers(&self) -> Vec<(PeerId, Value)> {
        let others = |replica: &mut tapeline_core::replica::Replica| {
            let peers = replica.peers().filter(|(peer, _)| *peer != self.peer);
            peers.map(|(peer, state)| (peer, state.clone())).collect()
        };
        self.cell.with(others)
    }

    /// Waits until somebody came, went or said something new. `false`: the client is closed.
    pub async fn changed(&mut self) -> bool {
        let Self { cell, changes, .. } = self;
        matches!(cell.unless_closed(changes.changed()).await, Ok(Ok(())))
    }

    fn say(&self, state: Option<Value>) -> Result<(), PresenceError> {
        self.cell.with(|replica| replica.present(self.peer, state))?;
        self.shared.attend(&self.cell);
        Ok(())
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.clear();
    }
}
