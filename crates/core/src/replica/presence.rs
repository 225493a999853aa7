//! Who else is there: what this client's peers say of themselves, and what others do. Nothing of it is stored.
//!
//! What peers say is sent at most once a [`PRESENCE_PAUSE`](limits::PRESENCE_PAUSE), the latest wins, and again each
//! [`PRESENCE_RENEWAL`](limits::PRESENCE_RENEWAL) so that the server knows that they are still there.

use super::Replica;
use super::connect::{Link, Phase};
use crate::frame::{ClientFrame, Presence};
use crate::limits;
use crate::numbered::Numbered;
use crate::numbers::{Channel, Millis, PeerId};
use crate::value::Value;

/// Who is present.
#[derive(Debug, Default)]
pub(super) struct Peers {
    own: Numbered<PeerId, Own>,
    others: Numbered<PeerId, Value>,
    changed: bool,
    /// Whether to hear of others.
    watching: bool,
    /// Whether the server was asked on this connection.
    asked: bool,
    sent: Option<Millis>,
}

/// A peer of this client.
#[derive(Debug)]
struct Own {
    /// `None`: it has gone, which is yet to be said.
    state: Option<Value>,
    /// When that was last said on this connection.
    said: Option<Millis>,
}

impl Own {
    /// When it is to be said: at once, or again.
    fn due(&self) -> Millis {
        self.said.map_or(Millis(0), |said| said.plus(limits::PRESENCE_RENEWAL))
    }
}

impl Peers {
    /// Nothing that was known or said holds for another opening, or none.
    pub(super) fn forget(&mut self) {
        (self.asked, self.sent) = (false, None);
        self.changed |= !self.others.is_empty();
        self.others.clear();
        self.own.iter_mut().for_each(|(_, own)| own.said = None);
    }

    pub(super) fn receive(&mut self, presence: Presence) {
        if presence.anew {
            self.others.clear();
        }
        for (peer, state) in presence.peers {
            match state {
                Some(state) if self.others.contains(peer) || self.others.len() < limits::PEERS => {
                    self.others.insert(peer, state);
                }
                _ => drop(self.others.remove(peer)),
            }
        }
        self.changed = true;
    }

    /// What to say now, where there is something.
    pub(super) fn poll_frame(&mut self, channel: Channel, now: Millis) -> Option<ClientFrame> {
        let due = |own: &Own| is_over(now, own.said, limits::PRESENCE_RENEWAL);
        let anew = self.watching && !self.asked;
        if !is_over(now, self.sent, limits::PRESENCE_PAUSE) || !anew && !self.own.iter().any(|(_, own)| due(own)) {
            return None;
        }
        let to_say = self.own.iter().filter(|(_, own)| due(own)).take(limits::PRESENCE_PEERS);
        let peers: Vec<_> = to_say.map(|(peer, own)| (peer, own.state.clone())).collect();
        for (peer, state) in &peers {
            match (state, self.own.get_mut(*peer)) {
                (Some(_), Some(own)) => own.said = Some(now),
                _ => drop(self.own.remove(*peer)),
            }
        }
        (self.asked, self.sent) = (self.watching, Some(now));
        Some(ClientFrame::Presence(Presence { channel, anew, peers }))
    }

    /// When something is to be said.
    pub(super) fn due(&self) -> Option<Millis> {
        let first = match self.watching && !self.asked {
            true => Millis(0),
            false => self.own.values().map(Own::due).min()?,
        };
        Some(self.sent.map_or(first, |sent| first.max(sent.plus(limits::PRESENCE_PAUSE))))
    }
}

/// Whether a pause since then is over. A clock that jumps back ends it.
fn is_over(now: Millis, since: Option<Millis>, pause: Millis) -> bool {
    since.is_none_or(|since| now < since || now >= since.plus(pause))
}

impl Replica {
    /// A peer of this client says something of itself, up to [`PRESENCE_BYTES`](limits::PRESENCE_BYTES); `None`: it
    /// goes.
    ///
    /// # Errors
    /// How many bytes it has, where they are too many, or it nests too deep.
    pub fn present(&mut self, peer: PeerId, state: Option<Value>) -> Result<(), PresenceError> {
        if let Some(state) = &state {
            let bytes = crate::codec::cbor::encode_value(state).len();
            if bytes > limits::PRESENCE_BYTES {
                return Err(PresenceError::TooLarge(bytes));
            }
            if !state.nests_within(limits::VALUE_DEPTH) {
                return Err(PresenceError::TooDeep);
            }
        }
        self.peers.own.insert(peer, Own { state, said: None });
        Ok(())
    }

    /// Hears of others from now on.
    pub fn watch_peers(&mut self) {
        self.peers.watching = true;
    }

    /// Everybody who is present, peers of this client too.
    pub fn peers(&self) -> impl Iterator<Item = (PeerId, &Value)> {
        self.peers.others.iter()
    }

    /// Whether that has changed since this was last asked.
    pub fn take_peers_changed(&mut self) -> bool {
        std::mem::take(&mut self.peers.changed)
    }

    pub(super) fn poll_presence(&mut self, now: Millis) -> Option<ClientFrame> {
        match self.link {
            Link::Up { channel, phase: Phase::Open { .. }, .. } => self.peers.poll_frame(channel, now),
            _ => None,
        }
    }
}

/// Why somebody's presence cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresenceError {
    /// It has too many bytes.
    #[error("what a peer says of itself has {0} bytes; the most is {most}: say less", most = limits::PRESENCE_BYTES)]
    TooLarge(usize),
    /// It nests too deep.
    #[error("what a peer says of itself nests deeper than {most} levels", most = limits::VALUE_DEPTH)]
    TooDeep,
}
