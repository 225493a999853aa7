//! `POST /v1/streams/{name}/events`: recording events without a socket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::Request;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;
use tapeline_core::caller::Caller;
use tapeline_core::codec::json;
use tapeline_core::event::{Authored, OwnVerdict, Sealed, Verdict};
use tapeline_core::frame::ServerFrame;
use tapeline_core::hash::ContentHash;
use tapeline_core::limits as core_limits;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Millis, Seq};
use tapeline_log::{EventLog, StateStore};

use super::body::take_body;
use super::listener::Listener;
use super::problem::Problem;
use super::rights::Rights;
use super::{Answer, JSON, with_type};
use crate::hub::Tape;
use crate::limits;
use crate::shard::{Closed, Push, Words};
use crate::shared::Shared;

/// What a body looks like, for who sent another one.
const WANTED: &str = "a body is an event, as {\"ops\":[{\"insert\":\"tasks\",\"id\":\"t1\",\"set\":{}}]}, or several, as \
                      {\"events\":[{\"ops\":[…]},{\"ops\":[…]}]}";

/// What a request says: one event, or several.
#[derive(Deserialize)]
struct Given<'t> {
    client: Option<&'t str>,
    n: Option<u64>,
    base: Option<u64>,
    at: Option<u64>,
    #[serde(borrow)]
    ops: Option<&'t RawValue>,
    #[serde(borrow)]
    events: Option<Vec<&'t RawValue>>,
}

impl<'t> Given<'t> {
    fn read(text: &'t str) -> Result<Self, Problem> {
        // Of a list its items would be taken for the fields, one after the other.
        if !text.trim_start().starts_with('{') {
            return Err(Problem::bad_request(WANTED));
        }
        serde_json::from_str(text).map_err(|error| Problem::bad_request(error.to_string()))
    }
}

/// Records events, and says what became of each once that is durable.
pub(super) async fn append<L: EventLog, S: StateStore>(
    shared: &Arc<Shared<L, S>>,
    stream: StreamName,
    rights: &Rights<L, S>,
    request: Request<Incoming>,
) -> Result<Answer, Problem> {
    if shared.is_stopping() {
        return Err(Problem::stopping());
    }
    let (body, _held) = take_body(&shared.unfinished, request.into_body(), limits::REQUEST_BODY_BYTES).await?;
    rights.count_bytes(body.len());
    let text = std::str::from_utf8(&body).map_err(|_| Problem::bad_request("the body is not UTF-8"))?;
    let head = shared.log.head(&stream).await?.map_or(Seq::FIRST, |head| head.seq);
    let (events, is_one) = read_events(text, head)?;
    let Some(client) = events.first().map(|sealed| sealed.event.client) else {
        return Err(Problem::bad_request("there are no events"));
    };
    let tape = shared.hub.tape(&stream);
    let verdicts = push(shared, &tape, (client, rights.caller()), events, text.len()).await?;
    if let [OwnVerdict { verdict: Verdict::Refused(refusal), .. }] = &*verdicts
        && is_one
    {
        return Err(Problem::refused(refusal));
    }
    let verdicts: Vec<_> = verdicts.iter().map(json::verdict_to_json).collect();
    let document = format!("{{\"client\":\"{client}\",\"verdicts\":[{}]}}", verdicts.join(","));
    Ok(with_type(JSON, document.into()))
}

/// Reads the events of a request, and whether it is a single one. Where nothing is said of it, the author knows the
/// stream up to `head`.
fn read_events(text: &str, head: Seq) -> Result<(Vec<Sealed>, bool), Problem> {
    let given = Given::read(text)?;
    let client = match given.client {
        None => ClientId::once(fastrand::u64(..)),
        Some(client) => read_client(client)?,
    };
    let first = match (given.client, given.n) {
        (Some(_), None) => return Err(Problem::bad_request("a client says which of its events this is: n")),
        (None, Some(_)) => return Err(Problem::bad_request("n counts the events of a client: say which client")),
        (_, Some(0)) => {
            return Err(Problem::bad_request("n begins with 1: it counts the client's events on the stream"));
        }
        (_, first) => EventNumber(first.unwrap_or(EventNumber::FIRST.0)),
    };
    let Some(events) = &given.events else {
        return Ok((vec![read_event(text, &given, client, first, first, head)?], true));
    };
    if given.base.is_some() || given.at.is_some() || given.ops.is_some() {
        return Err(Problem::bad_request("of several events each has its own base, at and ops: they stand in it"));
    }
    if events.len() > core_limits::PUSH_EVENTS {
        return Err(Problem::bad_request(format!("the most is {} events at once", core_limits::PUSH_EVENTS)));
    }
    let events = events.iter().zip(0..);
    let events = events.map(|(event, place)| {
        let of = Given::read(event.get())?;
        if of.client.is_some() || of.n.is_some() {
            return Err(Problem::bad_request(
                "of several events client and n stand beside events: n is that of the first",
            ));
        }
        read_event(event.get(), &of, client, first, first.plus(place), head)
    });
    Ok((events.collect::<Result<_, _>>()?, false))
}

fn read_client(text: &str) -> Result<ClientId, Problem> {
    let client = ClientId::parse(text).ok_or_else(|| Problem::bad_request("a client id has 26 characters"))?;
    if client.is_once() {
        return Err(Problem::bad_request("this client id was made for one request: make one of your own, at random"));
    }
    Ok(client)
}

/// Reads one event, the `n`th of its client, which has the verdicts on those before `first`.
fn read_event(
    text: &str,
    given: &Given<'_>,
    client: ClientId,
    first: EventNumber,
    n: EventNumber,
    head: Seq,
) -> Result<Sealed, Problem> {
    let mut body = json::body_from_json(text).map_err(|error| Problem::bad_request(error.to_string()))?;
    if given.base.is_none() {
        body.base = head;
    }
    if given.at.is_none() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        body.at = Millis(now.as_millis() as u64);
    }
    let settled = EventNumber(first.0.saturating_sub(1));
    Ok(Sealed::new(Authored { client, n, settled, body }))
}

/// Pushes events as a session would, and waits for the verdict on each.
pub(crate) async fn push<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    tape: &Arc<Tape>,
    (client, caller): (ClientId, Arc<Caller>),
    events: Vec<Sealed>,
    bytes: usize,
) -> Result<Vec<OwnVerdict>, Problem> {
    let listener = Listener::join(&shared.hub, tape, client, Channel::default());
    let mut hashes: BTreeMap<_, _> = events.iter().map(|sealed| (sealed.event.n, sealed.hash)).collect();
    let _room = shared.shards.room(tape.stream(), bytes).await.map_err(|Closed| Problem::stopping())?;
    let push = Push { tape: tape.clone(), peer: listener.peer(), caller, events, words: Words::default(), _room };
    shared.push(push);
    let mut verdicts = Vec::new();
    while !hashes.is_empty() {
        for answer in listener.answers().await {
            take_verdicts(answer.frame, &mut hashes, &mut verdicts)?;
        }
    }
    Ok(verdicts)
}

/// Takes verdicts out of a sequencer's answer.
fn take_verdicts(
    frame: ServerFrame,
    hashes: &mut BTreeMap<EventNumber, ContentHash>,
    verdicts: &mut Vec<OwnVerdict>,
) -> Result<(), Problem> {
    let mut take = |n, verdict| {
        verdicts.extend(hashes.remove(&n).map(|hash| OwnVerdict { n, hash, verdict }));
    };
    match frame {
        ServerFrame::Ack { runs, mut lost, .. } => {
            for (run, place) in runs.iter().flat_map(|run| (0..run.count).map(move |place| (run, place))) {
                let (n, seq) = (run.n.plus(place), run.seq.plus(place));
                let lost = lost.iter_mut().find(|of| of.n == n).map(|of| std::mem::take(&mut of.lost));
                take(n, Verdict::Recorded { seq, lost: lost.unwrap_or_default() });
            }
        }
        ServerFrame::Refused { n, refusal, .. } => take(n, Verdict::Refused(Box::new(refusal))),
        ServerFrame::Error(error) => return Err(Problem::undecided(&error)),
        _ => {}
    }
    Ok(())
}
