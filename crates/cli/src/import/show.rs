//! A difference, for people and for programs.

use std::sync::Arc;

use serde::Deserialize;
use tapeline_client::{Difference, Object, Stream};
use tapeline_core::codec::json;
use tapeline_core::event::{Body, Recorded};
use tapeline_core::numbers::{ClientId, EventNumber, Millis, Seq};
use tapeline_core::object::{Entry, Write, apply};
use tapeline_core::op::Op;

use crate::failure::Failure;
use crate::{output, words};

/// Prints a line for each object that is not as it should be.
pub fn print(stream: &Stream, difference: &Difference) -> Result<(), Failure> {
    difference.ops.iter().try_for_each(|op| output::line(line(stream.get(&op.key), op)))
}

/// The ops as programs read them.
pub fn to_json(difference: &Difference) -> Result<Vec<serde_json::Value>, Failure> {
    #[derive(Deserialize)]
    struct Event {
        ops: Vec<serde_json::Value>,
    }

    let body = Body { ops: difference.ops.clone(), ..Body::default() };
    let event = Recorded { seq: Seq(0), client: ClientId(0), n: EventNumber(0), actor: None, body, lost: Vec::new() };
    let event: Event = serde_json::from_str(&json::recorded_to_json(&event)).map_err(Failure::failed)?;
    Ok(event.ops)
}

fn line(before: Option<Arc<Object>>, op: &Op) -> String {
    let mut entry = before.clone().map(Entry::Live);
    apply(&mut entry, op, &Write::pending(ClientId(0), Seq(0), Millis(0)));
    words::line(&op.key, before.as_deref(), entry.as_ref().and_then(Entry::live).map(|object| &**object))
}
