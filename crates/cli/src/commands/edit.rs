//! `insert`, `update`, `upsert` and `delete`: one edit through a real replica.

use std::time::Duration;

use tapeline_client::Outcome;
use tapeline_core::codec::json;
use tapeline_core::event::Lost;
use tapeline_core::name::{FieldName, Key, StreamName};
use tapeline_core::numbers::Seq;
use tapeline_core::op::{self, Action, FieldMap, Op};
use tapeline_core::value::Value;
use tokio::time::timeout;

use crate::arguments::{Edit, Object};
use crate::failure::Failure;
use crate::{coming, http, output, words};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be done with the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A new object.
    Insert,
    /// Other values for fields of one that exists.
    Update,
    /// Either.
    Upsert,
}

/// Makes one edit and prints the recorded event.
pub async fn run(server: &str, verb: Verb, edit: Edit) -> Result<(), Failure> {
    let action = action(verb, &edit)?;
    make(server, edit.object, action).await
}

/// Deletes an object and prints the recorded event.
pub async fn delete(server: &str, object: Object) -> Result<(), Failure> {
    make(server, object, Action::Delete).await
}

fn action(verb: Verb, edit: &Edit) -> Result<Action, Failure> {
    let fields = |text: &str| {
        let fields = json::fields_from_json(text);
        fields.map_err(|error| Failure::Usage(format!("{} is no JSON object of fields: {error}", words::cut(text, 0))))
    };
    let set = fields(&edit.fields)?;
    match (verb, &edit.inc) {
        (Verb::Update, inc) => {
            let set: Vec<(FieldName, op::Edit)> = map(&set, op::Edit::Set);
            let inc = inc.as_deref().map(fields).transpose()?.unwrap_or_default();
            if set.is_empty() && inc.is_empty() {
                return Err(Failure::Usage("nothing is to be changed: give fields, or numbers with --inc".into()));
            }
            let edits = FieldMap::new(set.into_iter().chain(map(&inc, op::Edit::Inc)).collect());
            Ok(Action::Update(edits.map_err(|error| Failure::Usage(error.to_string()))?))
        }
        (_, Some(_)) => Err(Failure::Usage("--inc goes with update alone".into())),
        (Verb::Insert, None) => Ok(Action::Insert(set)),
        (Verb::Upsert, None) => Ok(Action::Upsert(set)),
    }
}

fn map(fields: &FieldMap<Value>, of: fn(Value) -> op::Edit) -> Vec<(FieldName, op::Edit)> {
    fields.iter().map(|(name, value)| (name.clone(), of(value.clone()))).collect()
}

async fn make(server: &str, object: Object, action: Action) -> Result<(), Failure> {
    http::check(server)?;
    let tapeline = http::client(server).open().await.map_err(Failure::failed)?;
    let stream = tapeline.stream(object.stream.as_str()).await.map_err(Failure::failed)?;
    coming::all(server, &stream).await?;
    let key = Key { collection: object.collection, id: object.id };
    if action == Action::Delete && stream.get(&key).is_none() {
        return Err(Failure::Refused(format!("{key} does not exist: there is nothing to delete")));
    }
    let receipt = stream.edit(vec![Op { key, seen: None, action }]);
    let receipt = receipt.map_err(|error| Failure::Refused(error.to_string()))?;
    let slow =
        |_| Failure::Unreachable { server: server.into(), why: format!("no answer in {} s", PATIENCE.as_secs()) };
    let outcome = timeout(PATIENCE, receipt.recorded()).await.map_err(slow)?.map_err(Failure::failed)?;
    // What the server has said stands, however the client ends.
    tapeline.close().await.unwrap_or_default();
    match outcome {
        Outcome::Cancelled => Ok(()),
        Outcome::Refused(refusal) => Err(Failure::Refused(refusal.reason)),
        Outcome::Recorded { seq, lost } => print(server, &object.stream, seq, &lost),
    }
}

/// Prints the recorded event, or what the verdict says of it where it cannot be had: recorded it is, whatever the server says now.
fn print(server: &str, stream: &StreamName, seq: Seq, lost: &[Lost]) -> Result<(), Failure> {
    let known = json::outcome_to_json(seq, lost);
    match fetch(server, stream, seq) {
        Ok(Some(event)) => output::line(event),
        Ok(None) => output::line(known),
        Err(failure) => {
            eprintln!("tapeline: it is recorded, and is not shown whole: {failure}");
            output::line(known)
        }
    }
}

fn fetch(server: &str, stream: &StreamName, seq: Seq) -> Result<Option<String>, Failure> {
    let name = http::encode(stream.as_str());
    http::get_lines(server, &format!("/v1/streams/{name}/events?from={seq}&limit=1"))?.next().transpose()
}
