//! What comes, as it comes: a request that waits for the next events, or Server-Sent Events without an end.
//!
//! Each event has its seq as its id, so that who was cut off says the last one it has and misses nothing.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::Response;
use hyper::header::{self, HeaderMap, HeaderValue};
use tapeline_core::numbers::Seq;
use tapeline_log::{EventLog, LogError, StateStore};

use super::span::{Span, Spelled, send};
use crate::http::listener::{Follower, Heard};
use crate::http::problem::Problem;
use crate::http::rights::Rights;
use crate::http::{Answer, EVENT_STREAM, UNBUFFERED};
use crate::limits;
use crate::shared::Shared;

/// The event after the one that the client has last.
pub(super) fn after_last(headers: &HeaderMap) -> Result<Option<Seq>, Problem> {
    let Some(last) = headers.get("last-event-id") else { return Ok(None) };
    let seq = last.to_str().ok().and_then(|last| last.parse().ok());
    let wrong = || Problem::bad_request("Last-Event-ID is the seq of the last event that came, a number");
    seq.map(|seq| Some(Seq(seq).next())).ok_or_else(wrong)
}

/// Gives what there is from `from` on, then what comes, for as long as who asks may have it.
pub(super) fn answer<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    rights: Rights<L, S>,
    span: Span,
) -> Answer {
    let (sender, body) = Channel::new(limits::PARTS);
    tokio::spawn(play(shared, rights, span, sender));
    let mut answer = Response::new(body.boxed_unsync());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    answer
}

async fn play<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    rights: Rights<L, S>,
    mut span: Span,
    mut sender: Sender<Bytes, LogError>,
) {
    let follower = Follower::join(&shared.hub, &shared.sessions, &span.tape);
    while rights.are_good().is_ok() {
        let part = match span.next(&shared).await {
            Ok(events) if !events.is_empty() => spell(&events),
            Ok(_) => match follower.wait(span.from, limits::TAIL_BEAT).await {
                Heard::Stop => return,
                Heard::Look => continue,
                Heard::Nothing => Bytes::from_static(b":\n\n"),
                Heard::Events => {
                    span.to = span.tape.head();
                    continue;
                }
            },
            Err(error) => {
                tracing::error!(%error, "a tail of events breaks off");
                return sender.abort(error);
            }
        };
        if !send(&mut sender, part).await {
            return;
        }
    }
}

fn spell(events: &[Spelled]) -> Bytes {
    let spelled = events.iter().map(|(seq, event)| format!("id: {seq}\ndata: {event}\n\n"));
    spelled.collect::<String>().into()
}

/// Waits until there is an event to be read. Answers how many there are then.
pub(super) async fn wait<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    span: &Span,
    most: std::time::Duration,
) -> Seq {
    if span.from >= span.to {
        let follower = Follower::join(&shared.hub, &shared.sessions, &span.tape);
        follower.wait(span.from, most).await;
    }
    span.tape.head()
}
