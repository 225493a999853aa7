//! What a server says, in CBOR.

use super::client_frame::read_collection;
use super::frame::{Entries, kind, read_numbers};
use super::op::read_bits;
use super::page::read_page;
use super::presence::read_presence;
use super::verdict::{read_lost, read_refusal, read_verdict, read_word};
use super::{CodecError, Reader, Writer, read_array, read_tuple};
use crate::block::EventBlock;
use crate::codec::check_run;
use crate::frame::{
    AckRun, ErrorCode, ErrorFrame, Events, LostOf, Opened, Readable, Resync, ResyncReason, ServerFrame, Welcome,
};
use crate::hash::{Chain, Digest};
use crate::limits;
use crate::numbers::{Channel, EventNumber, Incarnation, Millis, Seq, View};

mod welcome {
    pub(super) const PROTOCOL: u64 = 2;
    pub(super) const SERVER: u64 = 3;
    pub(super) const SILENCE: u64 = 4;
    pub(super) const FRAME_BYTES: u64 = 5;
    pub(super) const EXPIRES_IN: u64 = 6;
}

mod opened {
    pub(super) const INCARNATION: u64 = 2;
    pub(super) const HEAD: u64 = 3;
    pub(super) const DIGEST: u64 = 4;
    pub(super) const LAST: u64 = 5;
    pub(super) const VERDICTS: u64 = 6;
    pub(super) const READABLE: u64 = 7;
}

mod events {
    pub(super) const FROM: u64 = 2;
    pub(super) const HEAD: u64 = 3;
    pub(super) const CHAIN: u64 = 4;
    pub(super) const DIGEST: u64 = 5;
    pub(super) const EVENTS: u64 = 6;
}

mod ack {
    pub(super) const RUNS: u64 = 2;
    pub(super) const LOST: u64 = 3;
}

mod refused {
    pub(super) const N: u64 = 2;
    pub(super) const REFUSAL: u64 = 3;
}

mod resync {
    pub(super) const REASON: u64 = 2;
    pub(super) const LAST: u64 = 3;
}

mod error {
    pub(super) const CODE: u64 = 2;
    pub(super) const MESSAGE: u64 = 3;
    pub(super) const N: u64 = 4;
    pub(super) const RETRY: u64 = 5;
}

/// Encodes what a server says.
pub fn encode_server_frame(frame: &ServerFrame) -> Vec<u8> {
    let mut writer = Writer::new();
    match frame {
        ServerFrame::Welcome(welcome) => writer.welcome(welcome),
        ServerFrame::Opened(opened) => writer.opened(opened),
        ServerFrame::Events(events) => return encode_events_frame(events),
        ServerFrame::Page(page) => writer.page(page),
        ServerFrame::Ack { channel, runs, lost } => {
            writer.frame(kind::ACK, 2 + u64::from(!lost.is_empty())).channel(*channel).ack(runs, lost)
        }
        ServerFrame::Refused { channel, n, refusal } => {
            let writer = writer.frame(kind::REFUSED, 3).channel(*channel).uint(refused::N).uint(n.0);
            writer.uint(refused::REFUSAL).refusal(refusal)
        }
        ServerFrame::Resync(resync) => {
            let writer = writer.frame(kind::RESYNC, 3).channel(resync.channel);
            writer.uint(resync::REASON).text(resync.reason.code()).uint(resync::LAST).numbers(&resync.last)
        }
        ServerFrame::Error(error) => writer.error(error),
        ServerFrame::Presence(presence) => writer.presence(kind::PRESENCE_OF, presence),
        ServerFrame::Pong => writer.frame(kind::PONG, 0),
    };
    writer.finish()
}

/// Encodes an events frame.
pub fn encode_events_frame(events: &Events) -> Vec<u8> {
    let mut bytes = encode_events_head(events.channel, events.head, events.digest, &events.block);
    bytes.extend_from_slice(events.block.bytes());
    bytes
}

/// Encodes an events frame up to the bytes of its block, which end it: what differs between those who get the same
/// events, apart from what they share.
pub fn encode_events_head(channel: Channel, head: Seq, digest: Option<Digest>, block: &EventBlock) -> Vec<u8> {
    let mut writer = Writer::with_capacity(64);
    writer.frame(kind::EVENTS, 5 + u64::from(digest.is_some())).channel(channel);
    writer.uint(events::FROM).uint(block.from().0).uint(events::HEAD).uint(head.0);
    writer.uint(events::CHAIN).uint(block.before().0);
    if let Some(digest) = digest {
        writer.uint(events::DIGEST).bits(digest.0);
    }
    writer.uint(events::EVENTS).array(block.count());
    writer.finish()
}

impl Writer {
    fn welcome(&mut self, welcome: &Welcome) -> &mut Self {
        self.frame(kind::WELCOME, 4 + u64::from(welcome.expires_in.is_some()))
            .uint(welcome::PROTOCOL)
            .uint(welcome.protocol.into());
        self.uint(welcome::SERVER).text(&welcome.server).uint(welcome::SILENCE).uint(welcome.silence.0);
        self.uint(welcome::FRAME_BYTES).uint(welcome.frame_bytes);
        self.entry_if(welcome::EXPIRES_IN, welcome.expires_in.map(|left| left.0))
    }

    fn opened(&mut self, opened: &Opened) -> &mut Self {
        self.frame(kind::OPENED, 6 + u64::from(opened.readable.is_some())).channel(opened.channel);
        self.uint(opened::INCARNATION).uint(opened.incarnation.0).uint(opened::HEAD).uint(opened.head.0);
        self.uint(opened::DIGEST).bits(opened.digest.0).uint(opened::LAST).numbers(&opened.last);
        self.uint(opened::VERDICTS).verdicts(opened.verdicts.iter());
        match &opened.readable {
            None => self,
            Some(readable) => self.uint(opened::READABLE).readable(readable),
        }
    }

    /// `[view, [collection, …], continues]`
    fn readable(&mut self, readable: &Readable) -> &mut Self {
        let collections = self.array(3).uint(readable.view.0).array(readable.collections.len() as u64);
        let collections = readable.collections.iter().fold(collections, |list, it| list.text(it.as_str()));
        collections.uint(readable.continues.into())
    }

    fn ack(&mut self, runs: &[AckRun], lost: &[LostOf]) -> &mut Self {
        let array = self.uint(ack::RUNS).array(runs.len() as u64);
        runs.iter().fold(array, |array, run| array.array(3).uint(run.n.0).uint(run.seq.0).uint(run.count));
        if lost.is_empty() {
            return self;
        }
        let array = self.uint(ack::LOST).array(lost.len() as u64);
        lost.iter().fold(array, |array, of| array.array(2).uint(of.n.0).lost(&of.lost))
    }

    fn error(&mut self, error: &ErrorFrame) -> &mut Self {
        let optional = [error.channel.is_some(), error.n.is_some(), error.retry.is_some()];
        self.frame(kind::ERROR, 2 + optional.into_iter().map(u64::from).sum::<u64>());
        if let Some(channel) = error.channel {
            self.channel(channel);
        }
        self.uint(error::CODE).text(error.code.code()).uint(error::MESSAGE).text(&error.message);
        self.entry_if(error::N, error.n.map(|n| n.0)).entry_if(error::RETRY, error.retry.map(|retry| retry.0))
    }
}

/// What kind of frame a server's is, and of which stream, without reading the rest of it.
///
/// # Errors
/// Where the bytes are no frame.
pub fn glance(bytes: &[u8]) -> Result<Glance, Box<CodecError>> {
    let entries = Entries::find(bytes)?;
    Ok(match entries.kind {
        kind::WELCOME | kind::ERROR => Glance::Whole(decode_server_frame(bytes)?),
        _ => Glance::Stream(entries.channel_if_any()?),
    })
}

/// What a glance at a server's frame tells.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time, for a moment")]
pub enum Glance {
    /// It concerns the socket, or perhaps one stream: this is all of it.
    Whole(ServerFrame),
    /// It is for the stream with this channel; a sign of life where there is none.
    Stream(Option<Channel>),
}

/// Reads what a server says.
///
/// # Errors
/// Where the bytes are no server frame, or break a limit.
pub fn decode_server_frame(bytes: &[u8]) -> Result<ServerFrame, Box<CodecError>> {
    let entries = Entries::find(bytes)?;
    Ok(match entries.kind {
        kind::WELCOME => ServerFrame::Welcome(read_welcome(&entries)?),
        kind::OPENED => ServerFrame::Opened(read_opened(&entries)?),
        kind::EVENTS => ServerFrame::Events(read_events(&entries)?),
        kind::PAGE => ServerFrame::Page(read_page(&entries)?),
        kind::ACK => read_ack(&entries)?,
        kind::REFUSED => ServerFrame::Refused {
            channel: entries.channel()?,
            n: EventNumber(entries.count(refused::N, "n")?),
            refusal: entries.need(refused::REFUSAL, "refusal", read_refusal)?,
        },
        kind::RESYNC => ServerFrame::Resync(read_resync(&entries)?),
        kind::ERROR => ServerFrame::Error(read_error(&entries)?),
        kind::PRESENCE_OF => ServerFrame::Presence(read_presence(&entries, limits::PEERS)?),
        kind::PONG => ServerFrame::Pong,
        other => return Err(CodecError::UnknownFrame(other.to_string()).into()),
    })
}

fn read_welcome(entries: &Entries<'_>) -> Result<Welcome, Box<CodecError>> {
    Ok(Welcome {
        protocol: entries.need(welcome::PROTOCOL, "protocol", Reader::u32)?,
        server: entries.text(welcome::SERVER)?.unwrap_or_default(),
        silence: entries.get(welcome::SILENCE, Reader::count)?.map_or(limits::SILENCE, Millis),
        frame_bytes: entries.get(welcome::FRAME_BYTES, Reader::count)?.unwrap_or(limits::FRAME_BYTES as u64),
        expires_in: entries.get(welcome::EXPIRES_IN, Reader::count)?.map(Millis),
    })
}

fn read_opened(entries: &Entries<'_>) -> Result<Opened, Box<CodecError>> {
    let verdicts = |reader: &mut _| read_array(reader, "verdicts", limits::UNSETTLED_EVENTS, read_verdict);
    Ok(Opened {
        channel: entries.channel()?,
        incarnation: Incarnation(entries.need(opened::INCARNATION, "incarnation", Reader::u64)?),
        head: Seq(entries.count(opened::HEAD, "head")?),
        digest: entries.need(opened::DIGEST, "digest", read_digest)?,
        last: entries.need(opened::LAST, "last", read_numbers)?,
        verdicts: entries.need(opened::VERDICTS, "verdicts", verdicts)?,
        readable: entries.get(opened::READABLE, read_readable)?,
    })
}

fn read_readable(reader: &mut Reader<'_>) -> Result<Readable, Box<CodecError>> {
    read_tuple(reader, 3, "what can be read")?;
    let view = View(reader.u64()?);
    let collections = read_array(reader, "collections", limits::QUERIES, read_collection)?;
    Ok(Readable { view, continues: reader.u64()? != 0, collections })
}

fn read_events(entries: &Entries<'_>) -> Result<Events, Box<CodecError>> {
    let from = Seq(entries.count(events::FROM, "from")?);
    let before = Chain(entries.need(events::CHAIN, "chain", Reader::u64)?);
    Ok(Events {
        channel: entries.channel()?,
        head: Seq(entries.count(events::HEAD, "head")?),
        digest: entries.get(events::DIGEST, read_digest)?,
        block: EventBlock::from_bytes(from, before, entries.need(events::EVENTS, "events", read_run_of_bytes)?)?,
    })
}

/// The items of an array, as they are: that they are byte strings shows when they are counted, and events are read when
/// they are played.
fn read_run_of_bytes(reader: &mut Reader<'_>) -> Result<Vec<u8>, Box<CodecError>> {
    reader.array()?;
    Ok(reader.rest().to_vec())
}

fn read_ack(entries: &Entries<'_>) -> Result<ServerFrame, Box<CodecError>> {
    let runs = |reader: &mut _| read_array(reader, "runs", usize::MAX, read_run);
    let lost = |reader: &mut _| read_array(reader, "events with lost ops", usize::MAX, read_lost_of);
    Ok(ServerFrame::Ack {
        channel: entries.channel()?,
        runs: entries.need(ack::RUNS, "runs", runs)?,
        lost: entries.get(ack::LOST, lost)?.unwrap_or_default(),
    })
}

fn read_run(reader: &mut Reader<'_>) -> Result<AckRun, Box<CodecError>> {
    read_tuple(reader, 3, "a run")?;
    Ok(check_run(AckRun { n: EventNumber(reader.count()?), seq: Seq(reader.count()?), count: reader.count()? })?)
}

fn read_lost_of(reader: &mut Reader<'_>) -> Result<LostOf, Box<CodecError>> {
    read_tuple(reader, 2, "what an event lost")?;
    Ok(LostOf { n: EventNumber(reader.count()?), lost: read_lost(reader)? })
}

fn read_resync(entries: &Entries<'_>) -> Result<Resync, Box<CodecError>> {
    let reason = |reader: &mut _| read_word(reader, "reason to resync", ResyncReason::from_code);
    Ok(Resync {
        channel: entries.channel()?,
        reason: entries.need(resync::REASON, "reason", reason)?,
        last: entries.get(resync::LAST, read_numbers)?.unwrap_or_default(),
    })
}

fn read_error(entries: &Entries<'_>) -> Result<ErrorFrame, Box<CodecError>> {
    let code = |reader: &mut _| read_word(reader, "error code", ErrorCode::from_code);
    Ok(ErrorFrame {
        channel: entries.channel_if_any()?,
        code: entries.need(error::CODE, "code", code)?,
        message: entries.text(error::MESSAGE)?.unwrap_or_default(),
        n: entries.get(error::N, Reader::count)?.map(EventNumber),
        retry: entries.get(error::RETRY, Reader::count)?.map(Millis),
    })
}

pub(super) fn read_digest(reader: &mut Reader<'_>) -> Result<Digest, Box<CodecError>> {
    read_bits(reader, "a digest has 16 bytes").map(Digest)
}
