//! `GET /v1/streams` and `GET /v1/streams/{name}`: what exists, and how it is.

use std::sync::Arc;

use serde_json::{Value, json};
use tapeline_authority::Reading;
use tapeline_core::caller::Caller;
use tapeline_core::name::StreamName;
use tapeline_log::{EventLog, LogError, StateStore, StreamInfo};

use super::problem::Problem;
use super::query::Query;
use super::{Answer, json as json_answer};
use crate::limits;
use crate::shared::Shared;

/// Lists streams by name: so many as are asked for, or all that are left.
pub(super) async fn list<L: EventLog, S: StateStore>(
    shared: &Arc<Shared<L, S>>,
    caller: Arc<Caller>,
    query: &Query<'_>,
) -> Result<Answer, Problem> {
    let mut after = query.name("after", |text| StreamName::new(text))?;
    let limit = query.number("limit")?.unwrap_or(limits::LISTED_STREAMS).min(limits::LISTED_STREAMS);
    // Who asks for none wants to know whether they may ask, and need not wait for a log of many servers.
    let (mut rows, mut at_once, mut permit) = (Vec::new(), limit, None);
    while rows.len() < limit {
        let found = shared.log.streams(after.as_ref(), at_once).await?;
        let Some(last) = found.last() else { break };
        after = Some(last.stream.clone());
        let known = {
            let (shared, caller) = (shared.clone(), caller.clone());
            tokio::task::spawn_blocking(move || known(&shared, &caller, &found))
        };
        rows.extend(known.await.map_err(|_| Problem::stopping())??);
        if rows.len() < limit && permit.is_none() {
            // Where some may not be known, there may be many of those: few look on at once, and no longer than a request may take.
            permit = Some(shared.lists.acquire().await.map_err(|_| Problem::stopping())?);
            at_once = limits::LISTED_STREAMS;
        }
    }
    rows.truncate(limit);
    Ok(json_answer(&json!({ "streams": rows })))
}

/// Those that a caller may know of: of what somebody may not read whole, not even the name is theirs to know.
fn known<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    caller: &Caller,
    found: &[StreamInfo],
) -> Result<Vec<Value>, LogError> {
    let may_know = |info: &&StreamInfo| shared.authority.reading(&info.stream, caller) == Reading::Whole;
    found.iter().filter(may_know).map(|info| row(shared, info)).collect()
}

fn row<L: EventLog, S: StateStore>(shared: &Shared<L, S>, info: &StreamInfo) -> Result<Value, LogError> {
    // A stream that is not brought up, or was written to a moment ago, has other objects than the store knows of.
    let state = shared.store.stream(&info.stream)?.filter(|state| state.position == info.head.position);
    Ok(json!({
        "stream": info.stream.as_str(),
        "head": info.head.seq.0,
        "horizon": info.horizon.0,
        "objects": state.map(|state| state.live),
        "bytes": info.bytes,
        "subscribers": subscribers(shared, &info.stream),
    }))
}

/// Says how one stream is, as of all that was decided when this was asked.
pub(super) async fn status<L: EventLog, S: StateStore>(
    shared: &Arc<Shared<L, S>>,
    stream: &StreamName,
) -> Result<Answer, Problem> {
    info(shared, stream).await?;
    let pin = shared.settle(stream).await?;
    let (state, info) = (shared.store.stream(stream)?, shared.log.info(stream).await?);
    drop(pin);
    let (Some(state), Some(info)) = (state, info) else { return Err(Problem::no_such_stream(stream.as_str())) };
    Ok(json_answer(&json!({
        "stream": stream.as_str(),
        "incarnation": state.incarnation.0,
        "head": state.head.0,
        "horizon": info.horizon.0,
        "chain": state.chain.to_string(),
        "batches": state.position.0,
        "objects": state.live,
        "bytes": info.bytes,
        "digest": state.digest.to_string(),
        "subscribers": subscribers(shared, stream),
    })))
}

/// What is known of a stream's log, if it exists.
pub(super) async fn info<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    stream: &StreamName,
) -> Result<StreamInfo, Problem> {
    let info = shared.log.info(stream).await?;
    info.ok_or_else(|| Problem::no_such_stream(stream.as_str()))
}

fn subscribers<L: EventLog, S: StateStore>(shared: &Shared<L, S>, stream: &StreamName) -> usize {
    shared.hub.active(stream).map_or(0, |tape| tape.subscribers())
}
