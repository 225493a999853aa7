//! `GET /v1/streams/{name}/events`: what was recorded.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use hyper::header::{self, HeaderMap};
use serde_json::value::RawValue;
use tapeline_core::codec::json;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;
use tapeline_log::{EventLog, LogError, StateStore};

use super::problem::Problem;
use super::query::Query;
use super::{Answer, JSON, lines, streams, with_type};
use crate::hub::Tape;
use crate::limits;
use crate::shared::Shared;

/// Gives recorded events, one a line, or as one document where JSON is asked for.
pub(super) async fn read<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    stream: StreamName,
    query: &str,
    headers: &HeaderMap,
) -> Result<Answer, Problem> {
    let query = Query::new(query);
    let from = Seq(query.number("from")?.unwrap_or(0));
    let head = streams::exists(&shared, &stream).await?;
    let as_document = headers.get(header::ACCEPT).is_some_and(|accept| accept == JSON);
    let limit = query.number("limit")?.unwrap_or(u64::MAX);
    let limit = if as_document { limit.min(limits::LISTED_EVENTS) } else { limit };
    let range = Range { tape: shared.hub.tape(&stream), from, to: from.plus(limit).min(Seq(head)) };
    if as_document {
        return document(&shared, range, head).await;
    }
    let (sender, body) = Channel::new(limits::PARTS);
    tokio::spawn(send(shared, range, sender));
    Ok(lines(body, head))
}

/// Events that are to be read.
struct Range {
    tape: Arc<Tape>,
    from: Seq,
    to: Seq,
}

impl Range {
    /// The next events as JSON, as many as fit one part; none at the end.
    async fn next<L: EventLog, S: StateStore>(&mut self, shared: &Shared<L, S>) -> Result<Vec<String>, LogError> {
        if self.from >= self.to {
            return Ok(Vec::new());
        }
        let run = shared.reader.read(&self.tape, self.from).await?.before(self.to);
        let events = run.block().events().map(|event| event.map(|event| json::recorded_to_json(&event)));
        let damaged = |error| {
            let place = format!("log of stream {}, events from {}", self.tape.stream(), self.from);
            LogError::Damaged { place, what: format!("{error}") }
        };
        let events = events.collect::<Result<_, _>>().map_err(damaged)?;
        self.from = run.block().end();
        Ok(events)
    }
}

/// Sends events line by line, as fast as the client takes them.
async fn send<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    mut range: Range,
    mut sender: Sender<Bytes, LogError>,
) {
    loop {
        let part = match range.next(&shared).await {
            Ok(events) if events.is_empty() => return,
            Ok(events) => events.into_iter().flat_map(|event| [event, "\n".into()]).collect::<String>(),
            Err(error) => {
                tracing::error!(%error, "a list of events breaks off");
                return sender.abort(error);
            }
        };
        match tokio::time::timeout(limits::REQUEST_WITHIN, sender.send_data(part.into())).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}

async fn document<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    mut range: Range,
    head: u64,
) -> Result<Answer, Problem> {
    let (mut events, mut bytes) = (Vec::new(), 0);
    while bytes < limits::LISTED_BYTES {
        let part = range.next(shared).await?;
        if part.is_empty() {
            break;
        }
        bytes += part.iter().map(String::len).sum::<usize>();
        events.extend(part);
    }
    // Each event is JSON already, so that its numbers stay as they are.
    let document = format!("{{\"events\":[{}],\"head\":{head}}}", events.join(","));
    debug_assert!(serde_json::from_str::<&RawValue>(&document).is_ok());
    Ok(with_type(JSON, document.into()))
}
