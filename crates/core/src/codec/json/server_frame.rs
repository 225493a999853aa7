//! What a server says, in JSON.

use super::event::read_recorded;
use super::frame::read_numbers;
use super::members::Members;
use super::page::read_page;
use super::presence::read_presence;
use super::tree::{Json, parse};
use super::verdict::{read_lost, read_refusal, read_verdict};
use super::{CodecError, Writer};
use crate::block::EventBlock;
use crate::codec::cbor::encode_recorded;
use crate::codec::check_run;
use crate::event::Recorded;
use crate::frame::{
    AckRun, ErrorCode, ErrorFrame, Events, LostOf, Opened, Readable, Resync, ResyncReason, ServerFrame, Welcome,
};
use crate::hash::{Chain, Digest};
use crate::limits;
use crate::name::Collection;
use crate::numbers::{EventNumber, Incarnation, Millis, Seq, View};

/// Encodes what a server says.
pub fn encode_server_frame(frame: &ServerFrame) -> Vec<u8> {
    let mut writer = Writer::default();
    match frame {
        ServerFrame::Welcome(welcome) => writer.frame("welcome", |frame| frame.welcome(welcome)),
        ServerFrame::Opened(opened) => writer.frame("opened", |frame| frame.opened(opened)),
        ServerFrame::Events(events) => writer.events_or_error(events),
        ServerFrame::Page(page) => writer.page_or_error(page),
        ServerFrame::Ack { channel, runs, lost } => {
            writer.frame("ack", |frame| frame.channel(*channel).ack(runs, lost))
        }
        ServerFrame::Refused { channel, n, refusal } => writer.frame("refused", |frame| {
            frame.channel(*channel).key("n").uint(n.0).refusal(refusal);
        }),
        ServerFrame::Resync(resync) => writer.frame("resync", |frame| {
            frame.channel(resync.channel).key("reason").text(resync.reason.code()).key("last").numbers(&resync.last);
        }),
        ServerFrame::Error(error) => writer.frame("error", |frame| frame.error(error)),
        ServerFrame::Presence(presence) => writer.presence(presence),
        ServerFrame::Pong => writer.frame("pong", |_| {}),
    }
    writer.finish().into()
}

impl Writer {
    fn welcome(&mut self, welcome: &Welcome) {
        self.key("protocol").uint(welcome.protocol.into()).key("server").text(&welcome.server);
        self.key("silence").uint(welcome.silence.0).key("frame_bytes").uint(welcome.frame_bytes);
        if let Some(left) = welcome.expires_in {
            self.key("expires_in").uint(left.0);
        }
    }

    fn opened(&mut self, opened: &Opened) {
        self.channel(opened.channel).key("incarnation").hex_64(opened.incarnation.0);
        self.key("head").uint(opened.head.0).key("digest").hex_128(opened.digest.0);
        self.key("last").numbers(&opened.last).key("verdicts").list_of(&opened.verdicts, Self::verdict);
        if let Some(Readable { view, continues, collections }) = &opened.readable {
            self.key("readable").object(|readable| {
                readable.key("view").hex_64(view.0).key("collections");
                readable.list_of(collections, |list, collection| list.text(collection.as_str()));
                readable.member_if_so("continues", *continues);
            });
        }
    }

    /// Events are recorded as CBOR. Where one of them cannot be read, the client is told so in place of all.
    fn events_or_error(&mut self, events: &Events) {
        match events.block.events().collect::<Result<Vec<_>, _>>() {
            Ok(recorded) => self.frame("events", |frame| frame.events(events, &recorded)),
            Err(error) => self.frame("error", |frame| frame.error(&unreadable(events, &error))),
        }
    }

    fn events(&mut self, events: &Events, recorded: &[Recorded]) {
        let block = &events.block;
        self.channel(events.channel).key("from").uint(block.from().0).key("to").uint(block.end().0);
        self.key("head").uint(events.head.0).key("chain").hex_64(block.before().0);
        if let Some(digest) = events.digest {
            self.key("digest").hex_128(digest.0);
        }
        self.key("events").list_of(recorded, Self::recorded);
    }

    fn ack(&mut self, runs: &[AckRun], lost: &[LostOf]) {
        self.key("runs").list_of(runs, |list, run| {
            list.object(|object| {
                object.key("n").uint(run.n.0).key("seq").uint(run.seq.0).key("count").uint(run.count);
            })
        });
        if lost.is_empty() {
            return;
        }
        self.key("lost").list_of(lost, |list, of| {
            list.object(|object| {
                object.key("n").uint(of.n.0).key("lost").lost(&of.lost);
            })
        });
    }

    pub(super) fn error(&mut self, error: &ErrorFrame) {
        if let Some(channel) = error.channel {
            self.channel(channel);
        }
        self.key("code").text(error.code.code()).key("message").text(&error.message);
        if let Some(n) = error.n {
            self.key("n").uint(n.0);
        }
        if let Some(retry) = error.retry {
            self.key("retry").uint(retry.0);
        }
    }
}

fn unreadable(events: &Events, error: &CodecError) -> ErrorFrame {
    let range = events.block.range();
    ErrorFrame {
        channel: Some(events.channel),
        code: ErrorCode::Internal,
        message: format!("an event from {} to {} on the log cannot be read: {error}", range.start, range.end),
        n: None,
        retry: None,
    }
}

/// Reads what a server says.
///
/// # Errors
/// Where the text is no server frame, or breaks a limit.
pub fn decode_server_frame(text: &[u8]) -> Result<ServerFrame, CodecError> {
    let mut frame = Members::of(parse(text)?, "the frame")?;
    Ok(match frame.kind()?.as_str() {
        "welcome" => ServerFrame::Welcome(read_welcome(frame)?),
        "opened" => ServerFrame::Opened(read_opened(frame)?),
        "events" => ServerFrame::Events(read_events(frame)?),
        "page" => ServerFrame::Page(read_page(frame)?),
        "ack" => read_ack(frame)?,
        "refused" => ServerFrame::Refused {
            channel: frame.channel()?,
            n: EventNumber(frame.count("n")?),
            refusal: read_refusal(&mut frame)?,
        },
        "resync" => ServerFrame::Resync(Resync {
            channel: frame.channel()?,
            reason: frame.word("reason", ResyncReason::from_code)?,
            last: frame.read_if_any("last", read_numbers)?.unwrap_or_default(),
        }),
        "error" => ServerFrame::Error(read_error(frame)?),
        "presence" => ServerFrame::Presence(read_presence(frame, limits::PEERS)?),
        "pong" => ServerFrame::Pong,
        other => return Err(CodecError::UnknownFrame(other.into())),
    })
}

fn read_welcome(mut frame: Members) -> Result<Welcome, CodecError> {
    Ok(Welcome {
        protocol: frame.small("protocol")?,
        server: frame.text_if_any("server")?.map(String::from).unwrap_or_default(),
        silence: frame.count_if_any("silence")?.map_or(limits::SILENCE, Millis),
        frame_bytes: frame.count_if_any("frame_bytes")?.unwrap_or(limits::FRAME_BYTES as u64),
        expires_in: frame.count_if_any("expires_in")?.map(Millis),
    })
}

fn read_opened(mut frame: Members) -> Result<Opened, CodecError> {
    Ok(Opened {
        channel: frame.channel()?,
        incarnation: Incarnation(frame.need("incarnation")?.hex_64("incarnation")?),
        head: Seq(frame.count("head")?),
        digest: Digest(frame.need("digest")?.hex_128("digest")?),
        last: read_numbers(frame.need("last")?)?,
        verdicts: frame.need("verdicts")?.list_of("verdicts", limits::UNSETTLED_EVENTS, read_verdict)?,
        readable: frame.read_if_any("readable", read_readable)?,
    })
}

fn read_readable(json: Json) -> Result<Readable, CodecError> {
    let mut readable = Members::of(json, "what can be read")?;
    let collection = |json: Json| Ok(Collection::new(json.text("a collection")?)?);
    Ok(Readable {
        view: View(readable.need("view")?.hex_64("view")?),
        continues: readable.is_so("continues"),
        collections: readable.need("collections")?.list_of("collections", limits::QUERIES, collection)?,
    })
}

fn read_events(mut frame: Members) -> Result<Events, CodecError> {
    Ok(Events {
        channel: frame.channel()?,
        head: Seq(frame.count("head")?),
        digest: frame.read_if_any("digest", |json| json.hex_128("digest"))?.map(Digest),
        block: read_block(frame)?,
    })
}

/// Writes the events again as they are recorded, so that the chain over them is the same.
fn read_block(mut frame: Members) -> Result<EventBlock, CodecError> {
    let before = Chain(frame.need("chain")?.hex_64("chain")?);
    let mut block = EventBlock::empty(Seq(frame.count("from")?), before);
    for event in frame.need("events")?.list_of("events", usize::MAX, read_recorded)? {
        if event.seq != block.end() {
            return Err(CodecError::Json(format!("event {} stands where {} is due", event.seq, block.end())));
        }
        block.push(&encode_recorded(&event));
    }
    match frame.count_if_any("to")? {
        Some(to) if to != block.end().0 => {
            Err(CodecError::Json(format!("the events end at {}, not at {to} as the frame says", block.end())))
        }
        _ => Ok(block),
    }
}

fn read_ack(mut frame: Members) -> Result<ServerFrame, CodecError> {
    let lost = |json: Json| json.list_of("events with lost ops", usize::MAX, read_lost_of);
    Ok(ServerFrame::Ack {
        channel: frame.channel()?,
        runs: frame.need("runs")?.list_of("runs", usize::MAX, read_run)?,
        lost: frame.read_if_any("lost", lost)?.unwrap_or_default(),
    })
}

fn read_run(json: Json) -> Result<AckRun, CodecError> {
    let mut run = Members::of(json, "a run")?;
    check_run(AckRun { n: EventNumber(run.count("n")?), seq: Seq(run.count("seq")?), count: run.count("count")? })
}

fn read_lost_of(json: Json) -> Result<LostOf, CodecError> {
    let mut of = Members::of(json, "what an event lost")?;
    Ok(LostOf { n: EventNumber(of.count("n")?), lost: read_lost(of.need("lost")?)? })
}

fn read_error(mut frame: Members) -> Result<ErrorFrame, CodecError> {
    let channel = frame.has("channel").then(|| frame.channel()).transpose()?;
    Ok(ErrorFrame {
        channel,
        code: frame.word("code", ErrorCode::from_code)?,
        message: frame.text_if_any("message")?.map(String::from).unwrap_or_default(),
        n: frame.count_if_any("n")?.map(EventNumber),
        retry: frame.count_if_any("retry")?.map(Millis),
    })
}
