//! `tail` of what a query finds: each object as it enters, changes and leaves, live.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tapeline_client::Held;
use tapeline_core::codec::json;
use tapeline_core::name::{Collection, Key, ObjectId, StreamName};
use tapeline_core::object::Object;

use crate::arguments::Query;
use crate::failure::Failure;
use crate::{http, output, words};

/// Prints what a query finds, and what becomes of that, until it is stopped.
pub async fn tail(
    server: &str,
    stream: &StreamName,
    collection: &Collection,
    query: &Query,
    as_json: bool,
) -> Result<(), Failure> {
    let query = to_json(collection, query)?;
    http::check(server)?;
    let tapeline = http::client(server).open().await.map_err(Failure::failed)?;
    let part = tapeline.part(stream.as_str()).await.map_err(Failure::failed)?;
    let mut changes = part.changes();
    let held = part.hold(&query).map_err(|error| Failure::Usage(error.to_string()))?;
    held.ready().await.map_err(Failure::failed)?;
    let mut printer = Printer { collection: collection.clone(), as_json, shown: BTreeMap::new() };
    loop {
        printer.print(&held)?;
        if changes.next().await.is_none() {
            return Ok(());
        }
    }
}

fn to_json(collection: &Collection, query: &Query) -> Result<Value, Failure> {
    let conditions = query.filter.as_deref().map(serde_json::from_str::<Value>).transpose();
    let conditions = conditions.map_err(|error| Failure::Usage(format!("--where is not JSON: {error}")))?;
    let order: Option<Vec<&str>> = query.order_by.as_ref().map(|order| order.split(',').map(str::trim).collect());
    Ok(
        serde_json::json!({ "collection": collection.as_str(), "where": conditions, "orderBy": order, "limit": query.limit }),
    )
}

/// What was printed of a collection.
struct Printer {
    collection: Collection,
    as_json: bool,
    shown: BTreeMap<ObjectId, Arc<Object>>,
}

impl Printer {
    /// Prints how what is found differs from what was printed: what left first, then the others in their order.
    fn print(&mut self, held: &Held) -> Result<(), Failure> {
        let found = held.objects();
        let now: BTreeMap<ObjectId, Arc<Object>> = found.iter().cloned().collect();
        for (id, before) in self.shown.iter().filter(|(id, _)| !now.contains_key(*id)) {
            self.line(id, Some(before), None)?;
        }
        for (id, after) in &found {
            let before = self.shown.get(id);
            if before.is_none_or(|before| !before.has_fields_of(after)) {
                self.line(id, before, Some(after))?;
            }
        }
        self.shown = now;
        Ok(())
    }

    fn line(&self, id: &ObjectId, before: Option<&Arc<Object>>, after: Option<&Arc<Object>>) -> Result<(), Failure> {
        let key = Key { collection: self.collection.clone(), id: id.clone() };
        if !self.as_json {
            return output::line(words::line(&key, before.map(|object| &**object), after.map(|object| &**object)));
        }
        output::line(match (before, after) {
            (None, Some(object)) => format!("{{\"enters\":{}}}", json::object_to_json(&key, object)),
            (_, Some(object)) => format!("{{\"changes\":{}}}", json::object_to_json(&key, object)),
            (_, None) => {
                serde_json::json!({ "leaves": { "collection": key.collection.as_str(), "id": id.to_string() } })
                    .to_string()
            }
        })
    }
}
