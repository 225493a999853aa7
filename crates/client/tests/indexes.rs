//! Holding parts of a stream that a server finds through indexes: what is held is what a replica of all finds.

mod support;

use std::sync::Arc;

use fastrand::Rng;
use serde_json::{Value, json};
use support::{builder, soon};
use tapeline_client::{Held, ObjectId, Stream, Transport};
use tapeline_core::codec::json::value_from_json;
use tapeline_core::query::Query;
use tapeline_log::StateStore;
use tapeline_log::embedded::Embedded;
use tapeline_server::{Server, ServerConfig, read_schema};

const SCHEMA: &str = "[collections.messages]\nindexes = ['by', ['read', 'at'], 'at']";

/// What a replica of all finds.
fn expected(all: &Stream, query: &Value) -> Vec<ObjectId> {
    let query = Query::from_value(&value_from_json(&query.to_string()).unwrap()).unwrap();
    let mut rows = all.collection("messages").unwrap().all();
    rows.retain(|(id, object)| query.filter.matches(id, object));
    rows.sort_by(|a, b| query.order.compare((&a.0, &a.1), (&b.0, &b.1)));
    rows.truncate(query.limit.unwrap_or(usize::MAX));
    rows.into_iter().map(|(id, _)| id).collect()
}

fn question(random: &mut Rng) -> Value {
    let filter = random.choice([
        json!({}),
        json!({ "by": 2 }),
        json!({ "read": false, "at": { "ge": 5 } }),
        json!({ "by": { "in": [0, 1] }, "read": true }),
        json!({ "read": true }),
        json!({ "or": [{ "by": 1 }, { "read": true, "at": { "lt": 4 } }] }),
        json!({ "read": false, "or": [{ "by": 3 }, { "at": 7 }, { "id": "none" }] }),
        json!({ "or": [{ "by": 1 }, { "by": { "exists": false } }] }),
    ]);
    let (filter, order) = (filter.unwrap(), random.choice(["at", "-at", "id", "-id"]).unwrap());
    let mut query = json!({ "collection": "messages", "where": filter, "orderBy": order });
    if random.u8(..4) > 0 {
        query["limit"] = random.u8(1..40).into();
    }
    query
}

fn edit(room: &Stream, random: &mut Rng) {
    let messages = room.collection("messages").unwrap();
    let fields = [
        ("at", i64::from(random.u8(..20)).into()),
        ("by", i64::from(random.u8(..4)).into()),
        ("read", random.bool().into()),
    ];
    let all = messages.all();
    match random.choice(&all) {
        Some((id, _)) if random.u8(..4) == 0 => drop(messages.delete(id).unwrap()),
        Some((id, _)) if random.bool() => drop(messages.update(id, fields).unwrap()),
        _ => drop(messages.insert(fields).unwrap()),
    }
}

/// Waits until what is held is what is there.
async fn settle(room: &Stream, all: &Stream, held: &[(Value, Held)]) {
    let mut changes = room.changes();
    for (query, held) in held {
        soon(held.ready()).await.unwrap();
        let ids = || held.objects().into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        while ids() != expected(all, query) {
            soon(changes.next()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_held_by_an_index_is_what_is_there() {
    for seed in 0..4 {
        println!("seed {seed}");
        let (mut random, directory) = (Rng::with_seed(seed), tempfile::tempdir().unwrap());
        let log = Arc::new(Embedded::open(directory.path()).unwrap());
        let schema = Arc::new(read_schema(SCHEMA).unwrap().schema);
        let config = ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), schema, ..ServerConfig::default() };
        let server = Server::start_embedded(config, log.clone()).await.unwrap();
        let address = format!("ws://{}", server.address());
        let author = builder(&address, Transport::Auto).open().await.unwrap();
        let all = author.stream("room").await.unwrap();
        (0..400).for_each(|_| edit(&all, &mut random));
        soon(all.synced()).await.unwrap();
        let reader = builder(&address, Transport::Auto).open().await.unwrap();
        let room = reader.part("room").await.unwrap();
        let mut held: Vec<(Value, Held)> = Vec::new();
        for _ in 0..12 {
            let query = question(&mut random);
            held.push((query.clone(), room.hold(&query).unwrap()));
            if held.len() > 4 {
                drop(held.remove(random.usize(..held.len())));
            }
            (0..random.u8(..60)).for_each(|_| edit(&all, &mut random));
            soon(all.synced()).await.unwrap();
            log.flush_soon();
            settle(&room, &all, &held).await;
        }
        let stream = "room".parse().unwrap();
        assert_eq!(log.pin(&stream).unwrap().unwrap().indexes().unwrap().len(), 3);
        server.stop().await;
    }
}
