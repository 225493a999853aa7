//! `GET /v1/streams/{name}/events`: what was recorded, and what will be.

mod sealed;
mod span;
mod tail;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::channel::Channel;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;
use tapeline_log::{EventLog, Head, StateStore, StreamInfo};

use super::problem::Problem;
use super::query::Query;
use super::rights::Rights;
use super::{Answer, EVENT_STREAM, JSON, accepts, empty, lines, streams, with_type};
use crate::hub::Tape;
use crate::limits;
use crate::shared::Shared;
use sealed::Sealed;
use span::Span;

/// Where the stream begins: events before it were let go.
const HORIZON: HeaderName = HeaderName::from_static("tapeline-horizon");

/// Which events are asked for.
struct Asked {
    from: Seq,
    /// Where they end, if that is said.
    to: Option<Seq>,
    /// How long to wait where there are none.
    wait: Option<Duration>,
}

impl Asked {
    fn read(query: &Query<'_>) -> Result<Self, Problem> {
        let from = Seq(query.number("from")?.unwrap_or(0));
        let to = query.number("to")?.map(Seq);
        if to.is_some_and(|to| to < from) {
            return Err(Problem::bad_request("to comes before from: the events are those from `from` on, before `to`"));
        }
        let limit = query.number("limit")?.map(|limit| from.plus(limit));
        let wait: Option<u64> = query.number("wait")?;
        let most = limits::WAIT.as_secs();
        if wait.is_some_and(|wait| wait > most) {
            return Err(Problem::bad_request(format!("wait: {most} seconds at most; then ask again")));
        }
        Ok(Self { from, to: to.into_iter().chain(limit).min(), wait: wait.map(Duration::from_secs) })
    }
}

/// Gives recorded events, one a line, or as one document where JSON is asked for, or as they come; and says where the stream
/// begins, so that nobody misses in silence what was let go.
pub(super) async fn read<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    rights: Rights<L, S>,
    stream: StreamName,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Result<Answer, Problem> {
    let asked = Asked::read(query)?;
    // Before it is looked where the stream ends: from here on, whatever is recorded is heard of.
    let tape = shared.hub.tape(&stream);
    let info = streams::info(&shared, &stream).await?;
    let mut answer = answer(shared, rights, tape, &asked, &info, headers).await?;
    answer.headers_mut().insert(HORIZON, HeaderValue::from(info.horizon.0));
    Ok(answer)
}

async fn answer<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    rights: Rights<L, S>,
    tape: Arc<Tape>,
    asked: &Asked,
    info: &StreamInfo,
    headers: &HeaderMap,
) -> Result<Answer, Problem> {
    if accepts(headers, &EVENT_STREAM) {
        return follow(shared, rights, tape, asked, info.head.seq, headers);
    }
    not_past(asked.from, info.head.seq)?;
    let head = match asked.wait {
        Some(most) => wait(&shared, &tape, asked, info.head.seq, most).await,
        None => info.head.seq,
    };
    rights.are_good()?;
    let span = Span { tape, from: asked.from, to: asked.to.map_or(head, |to| to.min(head)) };
    if accepts(headers, &JSON) {
        return document(&shared, span, head).await;
    }
    // Of events that may be let go, what is there changes.
    let is_there = asked.from >= info.horizon.max(span.tape.horizon());
    let is_sealed = is_there && asked.to.is_some_and(|to| asked.from < to && to <= info.head.seq);
    match is_sealed {
        true => sealed(shared, span, &info.head, headers).await,
        false => Ok(all(shared, span, 0..u64::MAX, head)),
    }
}

/// Gives what there is, and then what comes.
fn follow<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    rights: Rights<L, S>,
    tape: Arc<Tape>,
    asked: &Asked,
    head: Seq,
    headers: &HeaderMap,
) -> Result<Answer, Problem> {
    if asked.to.is_some() || asked.wait.is_some() {
        return Err(Problem::bad_request("a tail has no end, and waits: leave out to, limit and wait"));
    }
    let from = tail::after_last(headers)?.unwrap_or(asked.from);
    not_past(from, head)?;
    Ok(tail::answer(shared, rights, Span { tape, from, to: head }))
}

/// Waits for an event to give. Answers the head then.
async fn wait<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    tape: &Arc<Tape>,
    asked: &Asked,
    head: Seq,
    most: Duration,
) -> Seq {
    let span = Span { tape: tape.clone(), from: asked.from, to: head };
    head.max(tail::wait(shared, &span, most).await)
}

/// Whether a client that has seen so many events can have seen them on this stream.
fn not_past(from: Seq, head: Seq) -> Result<(), Problem> {
    if from > head { Err(Problem::past_the_head(from, head)) } else { Ok(()) }
}

/// Gives events that are all recorded, or what the client does not have of them.
async fn sealed<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    span: Span,
    end: &Head,
    headers: &HeaderMap,
) -> Result<Answer, Problem> {
    let sealed = Sealed::of(&shared, &span, end).await?;
    let mut answer = match sealed.is_held(headers) {
        true => empty(StatusCode::NOT_MODIFIED),
        false => match sealed.part(&shared, &span, headers).await? {
            None => all(shared, span, 0..u64::MAX, end.seq),
            Some(part) => {
                let mut answer = all(shared, span, part.window.clone(), end.seq);
                part.mark(&mut answer);
                answer
            }
        },
    };
    sealed.mark(&mut answer, headers);
    Ok(answer)
}

fn all<L: EventLog, S: StateStore>(shared: Arc<Shared<L, S>>, span: Span, window: Range<u64>, head: Seq) -> Answer {
    let (sender, body) = Channel::new(limits::PARTS);
    tokio::spawn(span.send(shared, window, sender));
    lines(body, head.0)
}

async fn document<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    mut span: Span,
    head: Seq,
) -> Result<Answer, Problem> {
    span.to = span.to.min(span.from.plus(limits::LISTED_EVENTS));
    let (mut events, mut bytes) = (Vec::new(), 0);
    while bytes < limits::LISTED_BYTES {
        let part = span.next(shared).await?;
        if part.is_empty() {
            break;
        }
        bytes += part.iter().map(|(_, event)| event.len()).sum::<usize>();
        events.extend(part.into_iter().map(|(_, event)| event));
    }
    // Each event is JSON already, so that its numbers stay as they are.
    let document = format!("{{\"events\":[{}],\"head\":{head}}}", events.join(","));
    debug_assert!(serde_json::from_str::<&RawValue>(&document).is_ok());
    Ok(with_type(JSON, document.into()))
}
