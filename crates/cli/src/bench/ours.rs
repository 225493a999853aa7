//! A stream of ours as a target of the load.

use tapeline_core::frame::{Live, ServerFrame};
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, Seq};

use super::drive::{Reader, Target};
use super::load::{Todos, Writer, opened, stream};
use crate::failure::Failure;
use crate::wire::{self, Receiver};

/// A stream of a server.
pub struct Ours {
    url: String,
    name: StreamName,
}

impl Ours {
    /// A stream that nobody has used.
    pub fn new(url: &str, purpose: &str) -> Self {
        Self { url: url.into(), name: stream(format!("bench/{purpose}-{:x}", fastrand::u32(..))) }
    }
}

impl Target for Ours {
    type Writer = Writer;
    type Reader = Subscriber;

    async fn writer(&self, seed: u64) -> Result<Writer, Failure> {
        Writer::open(&self.url, &self.name, seed).await
    }

    async fn reader(&self, seed: u64) -> Result<Subscriber, Failure> {
        Subscriber::open(&self.url, &self.name, seed).await
    }
}

/// A client that plays a stream from its start.
pub struct Subscriber {
    _sender: wire::Sender,
    receiver: Receiver,
    seen: Seq,
}

impl Subscriber {
    /// Connects and opens the stream.
    pub async fn open(url: &str, name: &StreamName, seed: u64) -> Result<Self, Failure> {
        Self::open_at(url, name, seed, Seq::FIRST).await
    }

    /// Connects and opens the stream, to play it from `from` on.
    pub async fn open_at(url: &str, name: &StreamName, seed: u64, from: Seq) -> Result<Self, Failure> {
        Self::open_on(wire::connect(url).await?, name, seed, from).await
    }

    /// Opens the stream on a socket.
    pub async fn open_on(
        (mut sender, mut receiver): (wire::Sender, Receiver),
        name: &StreamName,
        seed: u64,
        from: Seq,
    ) -> Result<Self, Failure> {
        let client = Todos::new(seed).client();
        sender.send(&wire::open(Channel(0), name, client, Live::From(from))).await?;
        opened(&mut receiver).await?;
        Ok(Self { _sender: sender, receiver, seen: from })
    }
}

impl Reader for Subscriber {
    async fn seen(&mut self) -> Result<u64, Failure> {
        loop {
            if let ServerFrame::Events(events) = self.receiver.next().await? {
                let seen = events.block.end().since(self.seen);
                self.seen = events.block.end();
                return Ok(seen);
            }
        }
    }
}
