//! `tail`: recorded events as they are, one JSON a line. What was let go is told beside them.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use tapeline_core::codec::json;
use tapeline_core::frame::{ClientFrame, Live, Opened, ServerFrame};
use tapeline_core::limits;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId, Seq};

use crate::arguments::Tail;
use crate::failure::Failure;
use crate::{http, output, wire};

/// How long to wait before connecting again, while following.
const PAUSE: Duration = Duration::from_millis(500);

/// Pings in a row that nothing answers, after which the server is taken to be gone.
const PINGS: u32 = 3;

/// Prints events.
pub async fn run(server: &str, tail: Tail) -> Result<(), Failure> {
    if !tail.follow {
        return print_recorded(server, &tail.stream, tail.from);
    }
    let mut from = tail.from;
    let mut was_there = false;
    loop {
        match follow(server, &tail.stream, &mut from, &mut was_there).await {
            Ok(()) => {}
            Err(Failure::Unreachable { .. } | Failure::Failed(_)) if was_there => tokio::time::sleep(PAUSE).await,
            Err(failure) => return Err(failure),
        }
    }
}

fn print_recorded(server: &str, stream: &StreamName, from: Seq) -> Result<(), Failure> {
    let path = format!("/v1/streams/{}/events?from={from}", http::encode(stream.as_str()));
    let mut next = from;
    let events = http::get_lines(server, &path)?.map(|line| {
        let line = line?;
        let event: Event = serde_json::from_str(&line).map_err(Failure::failed)?;
        tell_gone(next, event.seq);
        next = event.seq.next();
        Ok(line)
    });
    output::lines(events, "events")
}

/// What counts here of an event as the server spells it.
#[derive(Deserialize)]
struct Event {
    #[serde(deserialize_with = "read_seq")]
    seq: Seq,
}

/// What counts here of a stream.
#[derive(Deserialize)]
struct Stream {
    #[serde(deserialize_with = "read_seq")]
    horizon: Seq,
}

fn read_seq<'de, D: Deserializer<'de>>(number: D) -> Result<Seq, D::Error> {
    u64::deserialize(number).map(Seq)
}

/// Tells that events are missing before one, where any are.
fn tell_gone(next: Seq, seq: Seq) {
    if next < seq {
        eprintln!("tapeline: {} events from {next} on, before {seq}, were let go", seq.since(next));
    }
}

async fn follow(server: &str, stream: &StreamName, from: &mut Seq, was_there: &mut bool) -> Result<(), Failure> {
    let (mut sender, mut receiver) = wire::connect(server).await?;
    *was_there = true;
    // Of a stream that is not there yet nothing was let go.
    if let Ok(Stream { horizon }) = http::get_json(server, &format!("/v1/streams/{}", http::encode(stream.as_str()))) {
        tell_gone(*from, horizon);
        *from = horizon.max(*from);
    }
    let nobody = ClientId(fastrand::u128(..));
    sender.send(&wire::open(Channel(0), stream, nobody, Live::From(*from))).await?;
    let mut ping = tokio::time::interval(Duration::from_millis(limits::HEARTBEAT.0));
    let mut unanswered = 0;
    loop {
        tokio::select! {
            _ = ping.tick() => {
                if unanswered == PINGS {
                    return Err(Failure::Failed("the server has not answered for long".into()));
                }
                unanswered += 1;
                sender.send(&ClientFrame::Ping).await?;
            }
            frame = receiver.next() => {
                unanswered = 0;
                hear(frame?, stream, from)?;
            }
        }
    }
}

/// Prints the events that come, where the stream is one to which they can come.
fn hear(frame: ServerFrame, stream: &StreamName, from: &mut Seq) -> Result<(), Failure> {
    match frame {
        ServerFrame::Opened(Opened { readable: Some(_), .. }) => Err(Failure::Refused(format!(
            "only a part of {stream} may be read by you: follow what a query finds, with --collection"
        ))),
        ServerFrame::Opened(Opened { head, .. }) if *from > head => Err(Failure::Refused(format!(
            "{stream} has {head} events, not {from}: it is another stream than was read, or its server was restored; \
             begin at 0"
        ))),
        ServerFrame::Events(events) => events.block.events().try_for_each(|event| {
            let event = event.map_err(Failure::failed)?;
            output::line(json::recorded_to_json(&event))?;
            *from = event.seq.next();
            Ok(())
        }),
        // It stops, most likely, and another one will take its place.
        ServerFrame::Error(error) if error.code.is_retryable() => Err(Failure::Failed(error.message)),
        ServerFrame::Error(error) => Err(Failure::Refused(error.message)),
        _ => Ok(()),
    }
}
