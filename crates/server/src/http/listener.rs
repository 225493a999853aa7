//! A request that stays with a stream: for the verdicts on what it pushed, or for what is recorded next.

use std::sync::Arc;
use std::time::Duration;

use tapeline_core::numbers::{Channel, ClientId, Seq};
use tapeline_core::sequencer::Peer;

use crate::hub::{Hub, Opening, Tape};
use crate::inbox::{Answer, Inbox};
use crate::sessions::Sessions;

/// Somebody who waits on a stream without having it open; leaves it when dropped, also where the request is given up.
pub(crate) struct Listener {
    tape: Arc<Tape>,
    opening: Arc<Opening>,
    inbox: Arc<Inbox>,
}

impl Listener {
    /// Waits for answers to what `client` pushes, who speaks of the stream under a number of its own.
    pub(crate) fn join(hub: &Hub, tape: &Arc<Tape>, client: ClientId, channel: Channel) -> Self {
        let inbox = Arc::new(Inbox::default());
        let opening = Opening::new(hub, client, channel, inbox.clone());
        tape.join(&opening);
        Self { tape: tape.clone(), opening, inbox }
    }

    /// Whom a sequencer is to answer.
    pub(crate) fn peer(&self) -> Peer {
        self.opening.peer()
    }

    /// The next answers.
    pub(crate) async fn answers(&self) -> Vec<Answer> {
        self.inbox.answers().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.tape.close(&self.opening);
    }
}

/// Somebody who waits for what is recorded next, until the server stops.
pub(super) struct Follower {
    listener: Listener,
    sessions: Arc<Sessions>,
    number: u64,
}

/// What there is for somebody who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// There are events.
    Events,
    /// Nothing, for as long as was to be waited.
    Nothing,
    /// Who may read may have changed.
    Look,
    /// The server stops.
    Stop,
}

impl Follower {
    /// Follows a stream.
    pub(super) fn join(hub: &Hub, sessions: &Arc<Sessions>, tape: &Arc<Tape>) -> Self {
        let listener = Listener::join(hub, tape, ClientId(fastrand::u128(..)), Channel::default());
        tape.play_to(&listener.opening);
        let number = sessions.begin(&listener.inbox);
        Self { listener, sessions: sessions.clone(), number }
    }

    /// Waits until there is an event at `from`, but no longer than `most`.
    pub(super) async fn wait(&self, from: Seq, most: Duration) -> Heard {
        let Listener { tape, opening, inbox } = &self.listener;
        // Who waits here is there: a client that is gone takes nothing, and its answer is dropped.
        inbox.is_alive();
        let heard = async {
            loop {
                opening.has_seen_all();
                if from < tape.head() {
                    return Heard::Events;
                }
                std::future::poll_fn(|cx| inbox.poll(cx)).await;
                let mail = inbox.take();
                if mail.stop || mail.end {
                    return Heard::Stop;
                }
                if mail.is_to_look {
                    return Heard::Look;
                }
            }
        };
        tokio::time::timeout(most, heard).await.unwrap_or(Heard::Nothing)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.sessions.end(self.number);
    }
}
