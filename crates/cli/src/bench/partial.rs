//! A raw client that holds queries: as many channels on a socket as are opened, one query each.

use tapeline_core::codec::json;
use tapeline_core::frame::{ClientFrame, Live, Open, Page, ServerFrame, Subscription};
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId, QueryNumber, Seq};
use tapeline_core::value::Value;

use crate::failure::Failure;
use crate::wire::{self, Receiver, Sender};

/// A socket of a client that holds queries.
pub struct Partial {
    sender: Sender,
    receiver: Receiver,
}

impl Partial {
    /// Connects.
    pub async fn connect(url: &str) -> Result<Self, Failure> {
        let (sender, receiver) = wire::connect(url).await?;
        Ok(Self { sender, receiver })
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
            match self.receiver.next().await? {
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
