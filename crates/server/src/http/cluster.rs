//! `GET /v1/cluster`: the nodes that share the log, and which of them decides on a stream.

use serde_json::{Value, json};
use tapeline_core::name::StreamName;
use tapeline_log::{EventLog, StateStore};

use super::problem::Problem;
use super::query::Query;
use super::{Answer, json as json_answer};
use crate::shared::Shared;

pub(super) fn show<L: EventLog, S: StateStore>(shared: &Shared<L, S>, query: &Query<'_>) -> Result<Answer, Problem> {
    let stream = query.name("stream", |text| StreamName::new(text))?;
    let Some(nodes) = &shared.nodes else { return Err(Problem::alone()) };
    let mut shown = json!({ "node": nodes.me(), "nodes": nodes.list() });
    if let Some(stream) = stream {
        shown["stream"] = stream.as_str().into();
        shown["holder"] = nodes.holder(&stream).map_or(Value::Null, |holder| holder.to_string().into());
    }
    Ok(json_answer(&shown))
}
