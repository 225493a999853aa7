//! What a client says, in CBOR.

use super::event::read_authored;
use super::frame::{Entries, kind};
use super::op::read_client;
use super::page::{read_filling, read_subscription};
use super::presence::read_presence;
use super::verdict::read_word;
use super::{CodecError, Reader, Writer, read_array};
use crate::frame::{ClientFrame, Hello, Live, Open};
use crate::hash::Chain;
use crate::limits;
use crate::name::{Collection, StreamName};
use crate::numbers::{EventNumber, Incarnation, QueryNumber, SchemaVersion, Seq, View};

mod hello {
    pub(super) const PROTOCOL: u64 = 2;
    pub(super) const AGENT: u64 = 3;
    pub(super) const TOKEN: u64 = 4;
    pub(super) const DEFLATE: u64 = 5;
    pub(super) const SCHEMA: u64 = 6;
}

mod open {
    pub(super) const STREAM: u64 = 2;
    pub(super) const CLIENT: u64 = 3;
    pub(super) const FORMER: u64 = 4;
    pub(super) const SETTLED: u64 = 5;
    pub(super) const INCARNATION: u64 = 6;
    pub(super) const PLAYED: u64 = 7;
    pub(super) const CHAIN: u64 = 8;
    pub(super) const LIVE: u64 = 9;
    pub(super) const PAGES: u64 = 10;
    pub(super) const FIRST: u64 = 11;
    pub(super) const FILLING: u64 = 12;
    pub(super) const QUERIES: u64 = 13;
    pub(super) const VIEW: u64 = 14;
}

mod push {
    pub(super) const EVENTS: u64 = 2;
}

mod fetch {
    pub(super) const FROM: u64 = 2;
    pub(super) const TO: u64 = 3;
}

mod subscribe {
    pub(super) const SUBSCRIPTION: u64 = 2;
    pub(super) const NUMBER: u64 = 2;
}

/// Encodes what a client says.
pub fn encode_client_frame(frame: &ClientFrame) -> Vec<u8> {
    let mut writer = Writer::new();
    match frame {
        ClientFrame::Hello(hello) => writer.hello(hello),
        ClientFrame::Open(open) => writer.open(open),
        ClientFrame::Push { channel, events } => {
            let array = writer.frame(kind::PUSH, 2).channel(*channel).uint(push::EVENTS).array(events.len() as u64);
            events.iter().fold(array, Writer::authored)
        }
        ClientFrame::Fetch { channel, from, to } => {
            let writer = writer.frame(kind::FETCH, 3).channel(*channel);
            writer.uint(fetch::FROM).uint(from.0).uint(fetch::TO).uint(to.0)
        }
        ClientFrame::Subscribe { channel, subscription } => {
            let writer = writer.frame(kind::SUBSCRIBE, 2).channel(*channel);
            writer.uint(subscribe::SUBSCRIPTION).subscription(subscription)
        }
        ClientFrame::Unsubscribe { channel, number } => {
            writer.frame(kind::UNSUBSCRIBE, 2).channel(*channel).uint(subscribe::NUMBER).uint(number.0.into())
        }
        ClientFrame::Close { channel } => writer.frame(kind::CLOSE, 1).channel(*channel),
        ClientFrame::Presence(presence) => writer.presence(kind::PRESENCE, presence),
        ClientFrame::Ping => writer.frame(kind::PING, 0),
    };
    writer.finish()
}

impl Writer {
    fn hello(&mut self, hello: &Hello) -> &mut Self {
        let optional = [hello.token.is_some(), hello.deflate, hello.schema.is_some()];
        self.frame(kind::HELLO, 2 + optional.map(u64::from).iter().sum::<u64>());
        self.uint(hello::PROTOCOL).uint(hello.protocol.into()).uint(hello::AGENT).text(&hello.agent);
        if let Some(token) = &hello.token {
            self.uint(hello::TOKEN).text(token);
        }
        self.entry_if_so(hello::DEFLATE, hello.deflate);
        if let Some(schema) = hello.schema {
            self.uint(hello::SCHEMA).uint(schema.0.into());
        }
        self
    }

    fn open(&mut self, open: &Open) -> &mut Self {
        let optional = [
            !open.former.is_empty(),
            open.incarnation.is_some(),
            open.live != Live::No,
            open.pages,
            !open.first.is_empty(),
            open.filling.is_some(),
            open.queries.is_some(),
            open.view != View::ALL,
        ];
        self.frame(kind::OPEN, 6 + optional.into_iter().map(u64::from).sum::<u64>()).channel(open.channel);
        self.uint(open::STREAM).text(open.stream.as_str()).uint(open::CLIENT).client(open.client);
        if !open.former.is_empty() {
            let former = self.uint(open::FORMER).array(open.former.len() as u64);
            open.former.iter().fold(former, |former, client| former.client(*client));
        }
        self.uint(open::SETTLED).uint(open.settled.0);
        self.entry_if(open::INCARNATION, open.incarnation.map(|incarnation| incarnation.0));
        self.uint(open::PLAYED).uint(open.played.0).uint(open::CHAIN).uint(open.chain.0);
        match open.live {
            Live::No => &mut *self,
            Live::From(seq) => self.uint(open::LIVE).uint(seq.0),
            Live::Head => self.uint(open::LIVE).text("head"),
        };
        self.entry_if_so(open::PAGES, open.pages).pages_wanted(open)
    }

    fn pages_wanted(&mut self, open: &Open) -> &mut Self {
        if !open.first.is_empty() {
            let first = self.uint(open::FIRST).array(open.first.len() as u64);
            open.first.iter().fold(first, |first, collection| first.text(collection.as_str()));
        }
        if let Some(filling) = &open.filling {
            self.uint(open::FILLING).filling(filling);
        }
        if let Some(queries) = &open.queries {
            let array = self.uint(open::QUERIES).array(queries.len() as u64);
            queries.iter().fold(array, Self::subscription);
        }
        self.entry_if(open::VIEW, Some(open.view.0).filter(|view| *view != 0))
    }
}

/// Reads what a client says.
///
/// # Errors
/// Where the bytes are no client frame, or break a limit.
pub fn decode_client_frame(bytes: &[u8]) -> Result<ClientFrame, Box<CodecError>> {
    let entries = Entries::find(bytes)?;
    Ok(match entries.kind {
        kind::HELLO => ClientFrame::Hello(Hello {
            protocol: entries.need(hello::PROTOCOL, "protocol", Reader::u32)?,
            agent: entries.text(hello::AGENT)?.unwrap_or_default(),
            token: entries.text(hello::TOKEN)?,
            deflate: entries.is_so(hello::DEFLATE)?,
            schema: entries.get(hello::SCHEMA, Reader::u32)?.map(SchemaVersion),
        }),
        kind::OPEN => ClientFrame::Open(read_open(&entries)?),
        kind::PUSH => {
            let events = |reader: &mut _| read_array(reader, "events in one push", limits::PUSH_EVENTS, read_authored);
            ClientFrame::Push { channel: entries.channel()?, events: entries.need(push::EVENTS, "events", events)? }
        }
        kind::FETCH => ClientFrame::Fetch {
            channel: entries.channel()?,
            from: Seq(entries.count(fetch::FROM, "from")?),
            to: Seq(entries.count(fetch::TO, "to")?),
        },
        kind::SUBSCRIBE => ClientFrame::Subscribe {
            channel: entries.channel()?,
            subscription: entries.need(subscribe::SUBSCRIPTION, "subscription", read_subscription)?,
        },
        kind::UNSUBSCRIBE => ClientFrame::Unsubscribe {
            channel: entries.channel()?,
            number: QueryNumber(entries.need(subscribe::NUMBER, "number", Reader::u32)?),
        },
        kind::CLOSE => ClientFrame::Close { channel: entries.channel()? },
        kind::PRESENCE => ClientFrame::Presence(read_presence(&entries, limits::PRESENCE_PEERS)?),
        kind::PING => ClientFrame::Ping,
        other => return Err(CodecError::UnknownFrame(other.to_string()).into()),
    })
}

fn read_open(entries: &Entries<'_>) -> Result<Open, Box<CodecError>> {
    let former = |reader: &mut _| read_array(reader, "former clients", limits::FORMER_CLIENTS, read_client);
    let first = |reader: &mut _| read_array(reader, "first collections", limits::FIRST_COLLECTIONS, read_collection);
    let queries = |reader: &mut _| read_array(reader, "queries", limits::QUERIES, read_subscription);
    Ok(Open {
        channel: entries.channel()?,
        stream: StreamName::new(entries.need(open::STREAM, "stream", Reader::str)?)?,
        client: entries.need(open::CLIENT, "client", read_client)?,
        former: entries.get(open::FORMER, former)?.unwrap_or_default(),
        settled: EventNumber(entries.get(open::SETTLED, Reader::count)?.unwrap_or_default()),
        incarnation: entries.get(open::INCARNATION, Reader::u64)?.map(Incarnation),
        played: Seq(entries.get(open::PLAYED, Reader::count)?.unwrap_or_default()),
        chain: Chain(entries.get(open::CHAIN, Reader::u64)?.unwrap_or_default()),
        live: entries.get(open::LIVE, read_live)?.unwrap_or(Live::No),
        pages: entries.is_so(open::PAGES)?,
        first: entries.get(open::FIRST, first)?.unwrap_or_default(),
        filling: entries.get(open::FILLING, read_filling)?,
        queries: entries.get(open::QUERIES, queries)?,
        view: View(entries.get(open::VIEW, Reader::u64)?.unwrap_or_default()),
    })
}

pub(crate) fn read_collection(reader: &mut Reader<'_>) -> Result<Collection, Box<CodecError>> {
    Ok(Collection::new(reader.str()?)?)
}

fn read_live(reader: &mut Reader<'_>) -> Result<Live, Box<CodecError>> {
    if !reader.is_text() {
        return Ok(Live::From(Seq(reader.count()?)));
    }
    read_word(reader, "place to play from", |word| (word == "head").then_some(Live::Head))
}
