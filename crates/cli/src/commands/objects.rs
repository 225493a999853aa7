//! `objects`, `get` and `history`: what is there, what was there, and how it came to be.

use tapeline_core::codec::json;
use tapeline_core::name::{Collection, Key};
use tapeline_core::numbers::Seq;
use tapeline_core::objects::Objects as Tables;
use tapeline_core::query::Query;
use tapeline_core::value::{Entries, Value};

use crate::arguments::{self, Object, Objects};
use crate::failure::Failure;
use crate::{http, output, past};

/// Prints the objects of a stream that are asked for, as they are now or as they were.
pub async fn run(server: &str, asked: Objects) -> Result<(), Failure> {
    match asked.at {
        Some(at) => print_past(server, &asked, at).await,
        None => print_present(server, &asked),
    }
}

fn print_present(server: &str, asked: &Objects) -> Result<(), Failure> {
    let query = &asked.query;
    let parts = [
        ("collection", query.collection.as_ref().map(ToString::to_string)),
        ("where", query.filter.clone()),
        ("order_by", query.order_by.clone()),
        ("limit", query.limit.map(|limit| limit.to_string())),
        ("with", asked.with.clone()),
    ];
    let parts = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", http::encode(&value?))));
    let query = parts.collect::<Vec<_>>().join("&");
    let path = format!("/v1/streams/{}/objects?{query}", http::encode(asked.stream.as_str()));
    output::lines(http::get_lines(server, &path)?, "objects")
}

/// Plays the log up to `at`, and prints what was there then.
async fn print_past(server: &str, asked: &Objects, at: Seq) -> Result<(), Failure> {
    let queries = asked.query.collection.clone().map(|name| query(&asked.query, name)).transpose()?;
    let mut objects = Tables::default();
    past::play(server, &asked.stream, at, |event| objects.play(event)).await?;
    let queries = match queries {
        Some(query) => vec![query],
        None => objects.collections().cloned().map(Query::all).collect(),
    };
    for query in queries {
        for (id, object) in query.find(objects.collection(&query.collection)) {
            let key = Key { collection: query.collection.clone(), id };
            output::line(json::object_to_json(&key, &object))?;
        }
    }
    Ok(())
}

/// What is asked for of a collection.
fn query(asked: &arguments::Query, collection: Collection) -> Result<Query, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
    let mut parts = vec![("collection".into(), Value::text(&collection))];
    if let Some(text) = &asked.filter {
        let conditions = json::value_from_json(text);
        parts.push(("where".into(), conditions.map_err(|error| usage(&format!("--where is not JSON: {error}")))?));
    }
    if let Some(order) = &asked.order_by {
        let list = order.split(',').map(|field| Value::text(field.trim())).collect::<Vec<_>>();
        parts.push(("orderBy".into(), Value::List(list.into())));
    }
    let parts = Entries::new(parts).map_err(|name| usage(&format!("{name} is said twice")))?;
    let query = Query::from_value(&Value::Map(parts)).map_err(|error| usage(&error))?;
    Ok(Query { limit: asked.limit, ..query })
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
    let bar = output::bar(past::head(server, stream)?.0, "reading");
    let mut touched = false;
    for line in http::get_lines(server, &path)? {
        let line = line?;
        bar.inc(1);
        let event: serde_json::Value = serde_json::from_str(&line).map_err(Failure::failed)?;
        if touches(&event, collection.as_str(), &id) {
            touched = true;
            bar.suspend(|| output::line(line))?;
        }
    }
    bar.finish_and_clear();
    match touched {
        true => Ok(()),
        false => Err(Failure::Failed(format!("no event of {stream} touched {collection}/{id}"))),
    }
}

/// Whether an event changed an object, or meant to.
fn touches(event: &serde_json::Value, collection: &str, id: &str) -> bool {
    let took_effect = event["ops"].as_array().into_iter().flatten();
    let lost = event["lost"].as_array().into_iter().flatten().map(|lost| &lost["op"]);
    let names = |op: &serde_json::Value, verb: &str| op[verb].as_str() == Some(collection);
    took_effect.chain(lost).any(|op| {
        op["id"].as_str() == Some(id) && ["insert", "update", "upsert", "delete"].iter().any(|verb| names(op, verb))
    })
}
