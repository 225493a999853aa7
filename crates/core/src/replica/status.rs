//! The status that tells the truth.

use super::Replica;
use super::part::Part;
use crate::frame::Progress;
use crate::numbers::{Millis, Seq};

/// How a replica stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether the stream is open on a connection.
    pub open: bool,
    /// Why nothing of the stream may be read, where the server said so.
    pub denied: Option<Box<str>>,
    /// Whether the log says something that this version does not know: a newer program is needed to go on.
    pub outdated: bool,
    /// How many events were played.
    pub played: Seq,
    /// The server's head as last heard.
    pub head: Seq,
    /// How many events the replica is behind that head.
    pub behind: u64,
    /// How far it is with taking over what the events that it is behind came to, where it does.
    pub filling: Option<Progress>,
    /// How many edits are not yet confirmed.
    pub pending: usize,
    /// When the oldest of them was made.
    pub oldest_pending: Option<Millis>,
    /// How many edits were refused and wait for a decision.
    pub parked: usize,
    /// How many drafts are on the device alone.
    pub drafts: usize,
    /// Whether everything decided and edited is on the device.
    pub stored: bool,
    /// Up to where, and when, the digest last agreed with the server's.
    pub agreed: Option<(Seq, Millis)>,
    /// How often it did not.
    pub diverged: u64,
}

impl Replica {
    /// How the replica stands.
    pub fn status(&self) -> Status {
        let history = &self.history;
        Status {
            open: self.link.is_open(),
            denied: self.denied.clone(),
            outdated: self.outdated,
            played: history.played,
            head: history.head.max(history.played),
            behind: history.head.since(history.played),
            filling: self.filling(),
            pending: self.outbox.len(),
            oldest_pending: self.outbox.oldest(),
            parked: self.outbox.parked.len(),
            drafts: self.drafts.len(),
            stored: self.storing.is_idle(),
            agreed: history.agreed,
            diverged: history.diverged,
        }
    }

    /// How many events were played.
    pub fn played(&self) -> Seq {
        self.history.played
    }

    /// How many edits are not yet confirmed.
    pub fn pending(&self) -> usize {
        self.outbox.len()
    }

    /// Whether all that the server was last heard to have is played, and the stream is open.
    pub fn is_caught_up(&self) -> bool {
        let is_filled = self.part.as_ref().is_none_or(Part::has_all_it_may);
        self.link.is_open() && is_filled && self.history.played >= self.history.head
    }
}
