//! Frames in CBOR: maps with the frame's kind under 0 and its channel under 1.

use super::event::{read_authored, read_lost, read_refusal};
use super::stored::read_digest;
use super::value::read_client;
use super::{CodecError, Reader, Writer, check_end, read_array, read_map, read_verdicts, write_verdicts};
use crate::block::EventBlock;
use crate::frame::{
    AckRun, ClientFrame, ErrorCode, ErrorFrame, Events, Hello, Live, LostOf, Open, Opened, Resync, ResyncReason,
    ServerFrame, Welcome,
};
use crate::hash::Chain;
use crate::limits;
use crate::name::StreamName;
use crate::numbers::{Channel, EventNumber, Incarnation, Millis, Seq};

/// Frame kinds. Numbers not listed are free; `presence` (5, 23) and `page` (19) are set aside.
mod kind {
    pub(super) const HELLO: u64 = 1;
    pub(super) const OPEN: u64 = 2;
    pub(super) const PUSH: u64 = 3;
    pub(super) const FETCH: u64 = 4;
    pub(super) const CLOSE: u64 = 6;
    pub(super) const PING: u64 = 7;
    pub(super) const WELCOME: u64 = 17;
    pub(super) const OPENED: u64 = 18;
    pub(super) const EVENTS: u64 = 20;
    pub(super) const ACK: u64 = 21;
    pub(super) const REFUSED: u64 = 22;
    pub(super) const RESYNC: u64 = 24;
    pub(super) const ERROR: u64 = 25;
    pub(super) const PONG: u64 = 26;
}

const KIND: u64 = 0;
const CHANNEL: u64 = 1;

impl Writer {
    fn frame(&mut self, kind: u64, entries: u64) -> &mut Self {
        self.map(1 + entries).uint(KIND).uint(kind)
    }

    fn channel(&mut self, channel: Channel) -> &mut Self {
        self.uint(CHANNEL).uint(u64::from(channel.0))
    }

    fn numbers(&mut self, numbers: &[EventNumber]) -> &mut Self {
        self.array(numbers.len() as u64);
        numbers.iter().for_each(|n| drop(self.uint(n.0)));
        self
    }
}

/// Encodes what a client says.
pub fn encode_client_frame(frame: &ClientFrame) -> Vec<u8> {
    let mut writer = Writer::new();
    match frame {
        ClientFrame::Hello(hello) => {
            writer.frame(kind::HELLO, 2 + u64::from(hello.token.is_some()));
            writer.uint(2).uint(u64::from(hello.protocol)).uint(3).text(&hello.agent);
            hello.token.iter().for_each(|token| drop(writer.uint(4).text(token)));
        }
        ClientFrame::Open(open) => write_open(&mut writer, open),
        ClientFrame::Push { channel, events } => {
            writer.frame(kind::PUSH, 2).channel(*channel).uint(2).array(events.len() as u64);
            events.iter().for_each(|event| drop(writer.authored(event)));
        }
        ClientFrame::Fetch { channel, from, to } => {
            writer.frame(kind::FETCH, 3).channel(*channel).uint(2).uint(from.0).uint(3).uint(to.0);
        }
        ClientFrame::Close { channel } => drop(writer.frame(kind::CLOSE, 1).channel(*channel)),
        ClientFrame::Ping => drop(writer.frame(kind::PING, 0)),
    }
    writer.finish()
}

fn write_open(writer: &mut Writer, open: &Open) {
    let former = u64::from(!open.former.is_empty());
    let incarnation = u64::from(open.incarnation.is_some());
    let live = u64::from(open.live != Live::No);
    writer.frame(kind::OPEN, 6 + former + incarnation + live).channel(open.channel);
    writer.uint(2).text(open.stream.as_str()).uint(3).client(open.client);
    if former > 0 {
        writer.uint(4).array(open.former.len() as u64);
        open.former.iter().for_each(|&client| drop(writer.client(client)));
    }
    writer.uint(5).uint(open.settled.0);
    open.incarnation.iter().for_each(|incarnation| drop(writer.uint(6).uint(incarnation.0)));
    writer.uint(7).uint(open.played.0).uint(8).uint(open.chain.0);
    match open.live {
        Live::No => {}
        Live::From(seq) => drop(writer.uint(9).uint(seq.0)),
        Live::Head => drop(writer.uint(9).text("head")),
    }
}

/// Encodes what a server says.
pub fn encode_server_frame(frame: &ServerFrame) -> Vec<u8> {
    let mut writer = Writer::new();
    match frame {
        ServerFrame::Welcome(welcome) => {
            writer.frame(kind::WELCOME, 4).uint(2).uint(u64::from(welcome.protocol)).uint(3).text(&welcome.server);
            writer.uint(4).uint(welcome.silence.0).uint(5).uint(welcome.frame_bytes);
        }
        ServerFrame::Opened(opened) => {
            writer.frame(kind::OPENED, 6).channel(opened.channel).uint(2).uint(opened.incarnation.0);
            writer.uint(3).uint(opened.head.0).uint(4).bytes(&opened.digest.0.to_be_bytes());
            writer.uint(5).numbers(&opened.last).uint(6);
            write_verdicts(&mut writer, opened.verdicts.iter());
        }
        ServerFrame::Events(events) => return encode_events_frame(events),
        ServerFrame::Ack { channel, runs, lost } => {
            writer.frame(kind::ACK, 2 + u64::from(!lost.is_empty())).channel(*channel);
            writer.uint(2).array(runs.len() as u64);
            for run in runs {
                writer.array(3).uint(run.n.0).uint(run.seq.0).uint(run.count);
            }
            if !lost.is_empty() {
                writer.uint(3).array(lost.len() as u64);
                lost.iter().for_each(|of| drop(writer.array(2).uint(of.n.0).lost(&of.lost)));
            }
        }
        ServerFrame::Refused { channel, n, refusal } => {
            writer.frame(kind::REFUSED, 3).channel(*channel).uint(2).uint(n.0).uint(3).refusal(refusal);
        }
        ServerFrame::Resync(resync) => {
            writer.frame(kind::RESYNC, 3).channel(resync.channel);
            writer.uint(2).text(resync.reason.code()).uint(3).numbers(&resync.last);
        }
        ServerFrame::Error(error) => write_error(&mut writer, error),
        ServerFrame::Pong => drop(writer.frame(kind::PONG, 0)),
    }
    writer.finish()
}

/// Encodes an events frame. Apart from the rest because it is what a server mostly says.
pub fn encode_events_frame(events: &Events) -> Vec<u8> {
    let block = &events.block;
    let mut writer = Writer::with_capacity(64 + block.bytes().len());
    writer.frame(kind::EVENTS, 5 + u64::from(events.digest.is_some())).channel(events.channel);
    writer.uint(2).uint(block.from().0).uint(3).uint(events.head.0).uint(4).uint(block.before().0);
    events.digest.iter().for_each(|digest| drop(writer.uint(5).bytes(&digest.0.to_be_bytes())));
    writer.uint(6).array(block.count()).raw(block.bytes());
    writer.finish()
}

fn write_error(writer: &mut Writer, error: &ErrorFrame) {
    let entries = [error.channel.is_some(), error.n.is_some(), error.retry.is_some()];
    writer.frame(kind::ERROR, 2 + entries.into_iter().map(u64::from).sum::<u64>());
    error.channel.iter().for_each(|channel| drop(writer.channel(*channel)));
    writer.uint(2).text(error.code.code()).uint(3).text(&error.message);
    error.n.iter().for_each(|n| drop(writer.uint(4).uint(n.0)));
    error.retry.iter().for_each(|retry| drop(writer.uint(5).uint(retry.0)));
}

/// The entries of a frame, found before they are read: kinds may stand anywhere in the map.
struct Entries<'b> {
    kind: u64,
    what: &'static str,
    entries: Vec<(u64, Reader<'b>)>,
}

impl<'b> Entries<'b> {
    fn find(bytes: &'b [u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let mut entries = Vec::with_capacity(10);
        let mut kind = None;
        read_map(&mut reader, |key, reader| {
            if key == KIND {
                kind = Some(reader.u64()?);
                return Ok(true);
            }
            if entries.len() < 32 {
                entries.push((key, reader.clone()));
            }
            Ok(false)
        })?;
        check_end(&reader, "a frame")?;
        let kind = kind.ok_or(CodecError::Missing { what: "a frame", part: "kind" })?;
        Ok(Self { kind, what: "a frame", entries })
    }

    fn of(mut self, what: &'static str) -> Self {
        self.what = what;
        self
    }

    fn get<T>(
        &mut self,
        key: u64,
        read: impl FnOnce(&mut Reader<'b>) -> Result<T, CodecError>,
    ) -> Result<Option<T>, CodecError> {
        let Some((_, reader)) = self.entries.iter_mut().find(|(found, _)| *found == key) else { return Ok(None) };
        read(reader).map(Some)
    }

    fn need<T>(
        &mut self,
        key: u64,
        part: &'static str,
        read: impl FnOnce(&mut Reader<'b>) -> Result<T, CodecError>,
    ) -> Result<T, CodecError> {
        self.get(key, read)?.ok_or(CodecError::Missing { what: self.what, part })
    }

    fn channel(&mut self) -> Result<Channel, CodecError> {
        self.need(CHANNEL, "channel", read_channel)
    }
}

fn uint(reader: &mut Reader<'_>) -> Result<u64, CodecError> {
    Ok(reader.u64()?)
}

fn text(reader: &mut Reader<'_>) -> Result<String, CodecError> {
    Ok(reader.str()?.into())
}

fn read_channel(reader: &mut Reader<'_>) -> Result<Channel, CodecError> {
    Ok(Channel(reader.u32()?))
}

fn read_numbers(reader: &mut Reader<'_>) -> Result<Vec<EventNumber>, CodecError> {
    read_array(reader, "clients named", limits::FORMER_CLIENTS + 1, |reader| Ok(EventNumber(reader.u64()?)))
}

/// Reads what a client says.
///
/// # Errors
/// Where the bytes are no client frame, or break a limit.
pub fn decode_client_frame(bytes: &[u8]) -> Result<ClientFrame, CodecError> {
    let entries = Entries::find(bytes)?;
    Ok(match entries.kind {
        kind::HELLO => {
            let mut entries = entries.of("hello");
            ClientFrame::Hello(Hello {
                protocol: entries.need(2, "protocol", |reader| Ok(reader.u32()?))?,
                agent: entries.get(3, text)?.unwrap_or_default(),
                token: entries.get(4, text)?,
            })
        }
        kind::OPEN => ClientFrame::Open(read_open(entries.of("open"))?),
        kind::PUSH => {
            let mut entries = entries.of("push");
            let events = |reader: &mut _| read_array(reader, "events in one push", limits::PUSH_EVENTS, read_authored);
            ClientFrame::Push { channel: entries.channel()?, events: entries.need(2, "events", events)? }
        }
        kind::FETCH => {
            let mut entries = entries.of("fetch");
            let (from, to) = (Seq(entries.need(2, "from", uint)?), Seq(entries.need(3, "to", uint)?));
            ClientFrame::Fetch { channel: entries.channel()?, from, to }
        }
        kind::CLOSE => ClientFrame::Close { channel: entries.of("close").channel()? },
        kind::PING => ClientFrame::Ping,
        other => return Err(CodecError::UnknownFrame(other.to_string())),
    })
}

fn read_open(mut entries: Entries<'_>) -> Result<Open, CodecError> {
    Ok(Open {
        channel: entries.channel()?,
        stream: entries.need(2, "stream", |reader| Ok(StreamName::new(reader.str()?)?))?,
        client: entries.need(3, "client", read_client)?,
        former: entries
            .get(4, |reader| read_array(reader, "former clients", limits::FORMER_CLIENTS, read_client))?
            .unwrap_or_default(),
        settled: EventNumber(entries.get(5, uint)?.unwrap_or_default()),
        incarnation: entries.get(6, uint)?.map(Incarnation),
        played: Seq(entries.get(7, uint)?.unwrap_or_default()),
        chain: Chain(entries.get(8, uint)?.unwrap_or_default()),
        live: entries.get(9, read_live)?.unwrap_or(Live::No),
    })
}

fn read_live(reader: &mut Reader<'_>) -> Result<Live, CodecError> {
    if reader.datatype()? != minicbor::data::Type::String {
        return Ok(Live::From(Seq(reader.u64()?)));
    }
    match reader.str()? {
        "head" => Ok(Live::Head),
        other => Err(CodecError::Unknown { what: "place to play from", found: other.into() }),
    }
}

/// Reads what a server says.
///
/// # Errors
/// Where the bytes are no server frame.
pub fn decode_server_frame(bytes: &[u8]) -> Result<ServerFrame, CodecError> {
    let entries = Entries::find(bytes)?;
    Ok(match entries.kind {
        kind::WELCOME => {
            let mut entries = entries.of("welcome");
            ServerFrame::Welcome(Welcome {
                protocol: entries.need(2, "protocol", |reader| Ok(reader.u32()?))?,
                server: entries.get(3, text)?.unwrap_or_default(),
                silence: Millis(entries.get(4, uint)?.unwrap_or(limits::SILENCE.0)),
                frame_bytes: entries.get(5, uint)?.unwrap_or(limits::FRAME_BYTES as u64),
            })
        }
        kind::OPENED => {
            let mut entries = entries.of("opened");
            ServerFrame::Opened(Opened {
                channel: entries.channel()?,
                incarnation: Incarnation(entries.need(2, "incarnation", uint)?),
                head: Seq(entries.need(3, "head", uint)?),
                digest: entries.need(4, "digest", read_digest)?,
                last: entries.need(5, "last", read_numbers)?,
                verdicts: entries.need(6, "verdicts", read_verdicts)?,
            })
        }
        kind::EVENTS => ServerFrame::Events(read_events(entries.of("events"))?),
        kind::ACK => {
            let mut entries = entries.of("ack");
            ServerFrame::Ack {
                channel: entries.channel()?,
                runs: entries.need(2, "runs", |reader| read_array(reader, "runs", usize::MAX, read_run))?,
                lost: entries.get(3, |reader| read_array(reader, "lost", usize::MAX, read_lost_of))?.unwrap_or_default(),
            }
        }
        kind::REFUSED => {
            let mut entries = entries.of("refused");
            ServerFrame::Refused {
                channel: entries.channel()?,
                n: EventNumber(entries.need(2, "n", uint)?),
                refusal: entries.need(3, "refusal", read_refusal)?,
            }
        }
        kind::RESYNC => {
            let mut entries = entries.of("resync");
            ServerFrame::Resync(Resync {
                channel: entries.channel()?,
                reason: entries.need(2, "reason", |reader| {
                    let word = reader.str()?;
                    let unknown = || CodecError::Unknown { what: "reason to resync", found: word.into() };
                    ResyncReason::from_code(word).ok_or_else(unknown)
                })?,
                last: entries.get(3, read_numbers)?.unwrap_or_default(),
            })
        }
        kind::ERROR => ServerFrame::Error(read_error(entries.of("error"))?),
        kind::PONG => ServerFrame::Pong,
        other => return Err(CodecError::UnknownFrame(other.to_string())),
    })
}

fn read_events(mut entries: Entries<'_>) -> Result<Events, CodecError> {
    let from = Seq(entries.need(2, "from", uint)?);
    let before = Chain(entries.need(4, "chain", uint)?);
    let (count, bytes) = entries.need(6, "events", |reader| {
        let count = super::array_len(reader)?;
        let start = reader.position();
        // Only the outer byte strings are walked here; events are decoded when they are played.
        for _ in 0..count {
            reader.bytes()?;
        }
        Ok((count, &reader.input()[start..reader.position()]))
    })?;
    let block = EventBlock::from_bytes(from, before, bytes.to_vec())?;
    debug_assert_eq!(block.count(), count as u64);
    Ok(Events {
        channel: entries.channel()?,
        head: Seq(entries.need(3, "head", uint)?),
        digest: entries.get(5, read_digest)?,
        block,
    })
}

fn read_run(reader: &mut Reader<'_>) -> Result<AckRun, CodecError> {
    super::event::read_tuple(reader, 3, "a run")?;
    Ok(AckRun { n: EventNumber(reader.u64()?), seq: Seq(reader.u64()?), count: reader.u64()? })
}

fn read_lost_of(reader: &mut Reader<'_>) -> Result<LostOf, CodecError> {
    super::event::read_tuple(reader, 2, "what an event lost")?;
    Ok(LostOf { n: EventNumber(reader.u64()?), lost: read_lost(reader)? })
}

fn read_error(mut entries: Entries<'_>) -> Result<ErrorFrame, CodecError> {
    Ok(ErrorFrame {
        channel: entries.get(CHANNEL, read_channel)?,
        code: entries.need(2, "code", |reader| {
            let word = reader.str()?;
            let unknown = || CodecError::Unknown { what: "error code", found: word.into() };
            ErrorCode::from_code(word).ok_or_else(unknown)
        })?,
        message: entries.get(3, text)?.unwrap_or_default(),
        n: entries.get(4, uint)?.map(EventNumber),
        retry: entries.get(5, uint)?.map(Millis),
    })
}
