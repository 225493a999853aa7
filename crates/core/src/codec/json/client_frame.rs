//! What a client says, in JSON.

use super::event::read_authored;
use super::members::Members;
use super::op::read_client;
use super::page::{read_filling, read_subscription};
use super::presence::read_presence;
use super::tree::{Json, parse};
use super::{CodecError, Writer};
use crate::frame::{ClientFrame, Filling, Hello, Live, Open};
use crate::hash::Chain;
use crate::limits;
use crate::name::{Collection, StreamName};
use crate::numbers::{EventNumber, Incarnation, QueryNumber, SchemaVersion, Seq, View};

/// Encodes what a client says.
pub fn encode_client_frame(frame: &ClientFrame) -> Vec<u8> {
    let mut writer = Writer::default();
    match frame {
        ClientFrame::Hello(hello) => writer.frame("hello", |frame| frame.hello(hello)),
        ClientFrame::Open(open) => writer.frame("open", |frame| frame.open(open)),
        ClientFrame::Push { channel, events } => writer.frame("push", |frame| {
            frame.channel(*channel).key("events").list_of(events, Writer::authored);
        }),
        ClientFrame::Fetch { channel, from, to } => writer.frame("fetch", |frame| {
            frame.channel(*channel).key("from").uint(from.0).key("to").uint(to.0);
        }),
        ClientFrame::Subscribe { channel, subscription } => writer.frame("subscribe", |frame| {
            frame.channel(*channel).key("subscription").subscription(subscription);
        }),
        ClientFrame::Unsubscribe { channel, number } => writer.frame("unsubscribe", |frame| {
            frame.channel(*channel).key("number").uint(number.0.into());
        }),
        ClientFrame::Close { channel } => writer.frame("close", |frame| {
            frame.channel(*channel);
        }),
        ClientFrame::Presence(presence) => writer.presence(presence),
        ClientFrame::Ping => writer.frame("ping", |_| {}),
    }
    writer.finish().into()
}

impl Writer {
    fn hello(&mut self, hello: &Hello) {
        self.key("protocol").uint(hello.protocol.into()).key("agent").text(&hello.agent);
        if let Some(token) = &hello.token {
            self.key("token").text(token);
        }
        self.member_if_so("deflate", hello.deflate);
        if let Some(schema) = hello.schema {
            self.key("schema").uint(schema.0.into());
        }
    }

    fn open(&mut self, open: &Open) {
        self.channel(open.channel).key("stream").text(open.stream.as_str()).key("client").client(open.client);
        if !open.former.is_empty() {
            self.key("former").list_of(&open.former, |list, client| list.client(*client));
        }
        self.key("settled").uint(open.settled.0);
        if let Some(incarnation) = open.incarnation {
            self.key("incarnation").hex_64(incarnation.0);
        }
        self.key("played").uint(open.played.0).key("chain").hex_64(open.chain.0);
        match open.live {
            Live::No => &mut *self,
            Live::From(seq) => self.key("live").uint(seq.0),
            Live::Head => self.key("live").text("head"),
        };
        self.member_if_so("pages", open.pages);
        if !open.first.is_empty() {
            self.key("first").list_of(&open.first, |list, collection| list.text(collection.as_str()));
        }
        if let Some(Filling { to, latest, chain, after }) = &open.filling {
            self.key("filling").object(|object| {
                object
                    .key("to")
                    .uint(to.0)
                    .key("latest")
                    .uint(latest.0)
                    .key("chain")
                    .hex_64(chain.0)
                    .key("after")
                    .place(after, None);
            });
        }
        if let Some(queries) = &open.queries {
            self.key("queries").list_of(queries, Self::subscription);
        }
        if open.view != View::ALL {
            self.key("view").hex_64(open.view.0);
        }
    }
}

/// Reads what a client says.
///
/// # Errors
/// Where the text is no client frame, or breaks a limit.
pub fn decode_client_frame(text: &[u8]) -> Result<ClientFrame, CodecError> {
    let mut frame = Members::of(parse(text)?, "the frame")?;
    Ok(match frame.kind()?.as_str() {
        "hello" => ClientFrame::Hello(Hello {
            protocol: frame.small("protocol")?,
            agent: frame.text_if_any("agent")?.map(String::from).unwrap_or_default(),
            token: frame.text_if_any("token")?.map(String::from),
            deflate: frame.is_so("deflate"),
            schema: frame.small_if_any("schema")?.map(SchemaVersion),
        }),
        "open" => ClientFrame::Open(read_open(frame)?),
        "push" => ClientFrame::Push {
            channel: frame.channel()?,
            events: frame.need("events")?.list_of("events in one push", limits::PUSH_EVENTS, read_authored)?,
        },
        "fetch" => ClientFrame::Fetch {
            channel: frame.channel()?,
            from: Seq(frame.count("from")?),
            to: Seq(frame.count("to")?),
        },
        "subscribe" => ClientFrame::Subscribe {
            channel: frame.channel()?,
            subscription: read_subscription(frame.need("subscription")?)?,
        },
        "unsubscribe" => {
            ClientFrame::Unsubscribe { channel: frame.channel()?, number: QueryNumber(frame.small("number")?) }
        }
        "close" => ClientFrame::Close { channel: frame.channel()? },
        "presence" => ClientFrame::Presence(read_presence(frame, limits::PRESENCE_PEERS)?),
        "ping" => ClientFrame::Ping,
        other => return Err(CodecError::UnknownFrame(other.into())),
    })
}

fn read_open(mut frame: Members) -> Result<Open, CodecError> {
    let former = |json: Json| json.list_of("former clients", limits::FORMER_CLIENTS, read_client);
    let collection = |json: Json| Ok(Collection::new(json.text("a first collection")?)?);
    let first = |json: Json| json.list_of("first collections", limits::FIRST_COLLECTIONS, collection);
    let queries = |json: Json| json.list_of("queries", limits::QUERIES, read_subscription);
    Ok(Open {
        channel: frame.channel()?,
        stream: StreamName::new(frame.text("stream")?)?,
        client: read_client(frame.need("client")?)?,
        former: frame.read_if_any("former", former)?.unwrap_or_default(),
        settled: EventNumber(frame.count_if_any("settled")?.unwrap_or_default()),
        incarnation: frame.read_if_any("incarnation", |json| json.hex_64("incarnation"))?.map(Incarnation),
        played: Seq(frame.count_if_any("played")?.unwrap_or_default()),
        chain: Chain(frame.read_if_any("chain", |json| json.hex_64("chain"))?.unwrap_or_default()),
        live: frame.read_if_any("live", read_live)?.unwrap_or(Live::No),
        pages: frame.is_so("pages"),
        first: frame.read_if_any("first", first)?.unwrap_or_default(),
        filling: frame.read_if_any("filling", read_filling)?,
        queries: frame.read_if_any("queries", queries)?,
        view: View(frame.read_if_any("view", |json| json.hex_64("view"))?.unwrap_or_default()),
    })
}

fn read_live(json: Json) -> Result<Live, CodecError> {
    match json.is_text("head") {
        true => Ok(Live::Head),
        false => Ok(Live::From(Seq(json.count("live")?))),
    }
}
