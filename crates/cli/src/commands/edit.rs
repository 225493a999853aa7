//! `insert`, `update`, `upsert` and `delete`: one edit through a real replica.

use std::time::Duration;

use tapeline_client::Outcome;
use tapeline_core::codec::json;
use tapeline_core::name::{FieldName, Key};
use tapeline_core::op::{self, Action, FieldMap, Op};
use tapeline_core::value::Value;
use tokio::time::timeout;

use crate::arguments::{Edit, Object};
use crate::failure::Failure;
use crate::{coming, http, output};

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
        fields.map_err(|error| Failure::Usage(format!("{text} is no JSON object of fields: {error}")))
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
    tapeline.close().await.map_err(Failure::failed)?;
    match outcome {
        Outcome::Cancelled => Ok(()),
        Outcome::Refused(refusal) => Err(Failure::Refused(refusal.reason)),
        Outcome::Recorded { seq, .. } => {
            let name = http::encode(object.stream.as_str());
            let mut lines = http::get_lines(server, &format!("/v1/streams/{name}/events?from={seq}&limit=1"))?;
            lines.next().map_or(Ok(()), |line| output::line(line?))
        }
    }
}
