//! `objects`, `get` and `history`: what is there now, and how it came to be.

use serde_json::Value;
use tapeline_core::name::{Collection, StreamName};

use crate::arguments::Object;
use crate::failure::Failure;
use crate::{http, output};

/// Prints all objects of a stream, or of one of its collections.
pub fn run(server: &str, stream: &StreamName, collection: Option<&Collection>) -> Result<(), Failure> {
    let query = collection.map_or(String::new(), |name| format!("?collection={}", http::encode(name.as_str())));
    let path = format!("/v1/streams/{}/objects{query}", http::encode(stream.as_str()));
    http::get_lines(server, &path)?.try_for_each(|line| output::line(line?))
}

/// Prints one object.
pub fn get(server: &str, object: &Object) -> Result<(), Failure> {
    let Object { stream, collection, id } = object;
    let (name, id_text) = (http::encode(collection.as_str()), http::encode(&id.to_string()));
    let path = format!("/v1/streams/{}/objects?collection={name}&id={id_text}", http::encode(stream.as_str()));
    match http::get_lines(server, &path)?.next() {
        Some(line) => output::line(line?),
        None => Err(Failure::Failed(format!("{collection}/{id} does not exist on {stream}"))),
    }
}

/// Prints every event that touched an object.
pub fn history(server: &str, object: &Object) -> Result<(), Failure> {
    let Object { stream, collection, id } = object;
    let id = id.to_string();
    let path = format!("/v1/streams/{}/events?from=0", http::encode(stream.as_str()));
    for line in http::get_lines(server, &path)? {
        let line = line?;
        let event: Value = serde_json::from_str(&line).map_err(Failure::failed)?;
        if touches(&event, collection.as_str(), &id) {
            output::line(line)?;
        }
    }
    Ok(())
}

/// Whether an event changed an object, or meant to.
fn touches(event: &Value, collection: &str, id: &str) -> bool {
    let took_effect = event["ops"].as_array().into_iter().flatten();
    let lost = event["lost"].as_array().into_iter().flatten().map(|lost| &lost["op"]);
    let names = |op: &Value, verb: &str| op[verb].as_str() == Some(collection);
    took_effect.chain(lost).any(|op| {
        op["id"].as_str() == Some(id) && ["insert", "update", "upsert", "delete"].iter().any(|verb| names(op, verb))
    })
}
