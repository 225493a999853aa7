//! A difference in words: `+` what is new, `~` what changes from what to what, `-` what goes.

use std::sync::Arc;

use serde::Deserialize;
use tapeline_client::{Difference, Object, Stream, Value};
use tapeline_core::codec::json;
use tapeline_core::event::{Body, Recorded};
use tapeline_core::name::FieldName;
use tapeline_core::numbers::{ClientId, EventNumber, Millis, Seq};
use tapeline_core::object::{Entry, Write, apply};
use tapeline_core::op::{Action, Op};

use crate::failure::Failure;
use crate::output;

/// Characters of a value that are shown.
const SHOWN: usize = 48;
/// Characters shown around what changes in a text.
const AROUND: usize = 12;

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
    let key = &op.key;
    let mut entry = before.clone().map(Entry::Live);
    apply(&mut entry, op, &Write::pending(ClientId(0), Seq(0), Millis(0)));
    let after = entry.as_ref().and_then(Entry::live);
    match (&op.action, before, after) {
        (Action::Update(edits), Some(before), Some(after)) => {
            let change = |name: &FieldName| {
                let of = |object: &Object| object.get(name.as_str()).cloned().unwrap_or(Value::Null);
                format!("{name}: {}", change(&of(&before), &of(after)))
            };
            format!("~ {key}  {}", edits.iter().map(|(name, _)| change(name)).collect::<Vec<_>>().join(", "))
        }
        (_, Some(object), None) => format!("- {key}  {}", fields(&object)),
        (_, _, Some(object)) => format!("+ {key}  {}", fields(object)),
        (_, None, None) => format!("- {key}"),
    }
}

fn fields(object: &Object) -> String {
    let shown = object.fields().filter(|(_, field)| *field.value != Value::Null);
    let shown = shown.map(|(name, field)| format!("{name}: {}", cut(&json::value_to_json(&field.value), 0)));
    shown.collect::<Vec<_>>().join(", ")
}

/// From what to what. Of long texts, the part that differs.
fn change(before: &Value, after: &Value) -> String {
    let (before, after) = (json::value_to_json(before), json::value_to_json(after));
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
    let long = before.chars().count().max(after.chars().count()) > SHOWN;
    let skip = if long { same.saturating_sub(AROUND) } else { 0 };
    format!("{} → {}", cut(&before, skip), cut(&after, skip))
}

/// As much of a text from a character on as is shown.
fn cut(text: &str, skip: usize) -> String {
    let mut rest = text.chars().skip(skip);
    let shown: String = rest.by_ref().take(SHOWN).collect();
    let (head, tail) = (if skip > 0 { "…" } else { "" }, if rest.next().is_some() { "…" } else { "" });
    format!("{head}{shown}{tail}")
}
