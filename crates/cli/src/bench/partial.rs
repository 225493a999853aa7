//! A raw client that holds queries: as many channels on a socket as are opened, one query each.

use std::time::Duration;

use tapeline_core::codec::json;
use tapeline_core::frame::{ClientFrame, Live, Open, Page, ServerFrame, Subscription};
use tapeline_core::limits;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId, QueryNumber, Seq};
use tapeline_core::value::Value;
use tokio::time::{Instant, sleep_until};

use crate::failure::Failure;
use crate::wire::{self, Receiver, Sender};

/// How often a client says that it is still there, though it has nothing to say.
const HEARTBEAT: Duration = Duration::from_millis(limits::HEARTBEAT.0);

/// A socket of a client that holds queries.
pub struct Partial {
    sender: Sender,
    receiver: Receiver,
    /// When it says that it is still there.
    next_ping: Instant,
}

impl Partial {
    /// Connects.
    pub async fn connect(url: &str) -> Result<Self, Failure> {
        Ok(Self::on(wire::connect(url).await?))
    }

    /// One on a socket.
    pub fn on((sender, receiver): (Sender, Receiver)) -> Self {
        Self { sender, receiver, next_ping: Instant::now() + HEARTBEAT }
    }

    /// Asks for a stream under a channel, as a client that holds nothing and wants the result of one query.
    pub async fn open(&mut self, name: &StreamName, channel: u32, query: Value) -> Result<(), Failure> {
        let subscription = Subscription { number: QueryNumber(1), query, ready: false };
        let newcomer = ClientId(fastrand::u128(..));
        let open = Open::new(Channel(channel), name.clone(), newcomer, Live::From(Seq::FIRST));
        self.sender.send(&ClientFrame::Open(Open { pages: true, queries: Some(vec![subscription]), ..open })).await
    }

    /// The next page of any channel.
    pub async fn page(&mut self) -> Result<Page, Failure> {
        loop {
            let frame = tokio::select! {
                frame = self.receiver.next() => frame?,
                () = sleep_until(self.next_ping) => {
                    self.next_ping = Instant::now() + HEARTBEAT;
                    self.sender.send(&ClientFrame::Ping).await?;
                    continue;
                }
            };
            match frame {
                ServerFrame::Page(page) => return Ok(page),
                ServerFrame::Error(error) => return Err(Failure::Refused(error.message)),
                _ => {}
            }
        }
    }
}

/// A query, spelled in JSON.
pub fn query(text: &str) -> Result<Value, Failure> {
    json::value_from_json(text).map_err(Failure::failed)
}
