//! Objects over plain HTTP, found through indexes: the same ones, in the same order, as without.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use fastrand::Rng;
use serde_json::{Value, json};
use support::http::{get, post};
use tapeline_log::embedded::Embedded;
use tapeline_log::{Pin, StateStore};
use tapeline_server::{Server, ServerConfig, read_schema};

const SCHEMA: &str = "[collections.tasks]\nindexes = ['owner', ['state', 'position'], 'title']";

async fn start(schema: &str) -> (Server, Arc<Embedded>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let log = Arc::new(Embedded::open(directory.path()).unwrap());
    let schema = Arc::new(read_schema(schema).unwrap().schema);
    let config = ServerConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), schema, ..ServerConfig::default() };
    (Server::start_embedded(config, log.clone()).await.unwrap(), log, directory)
}

/// Some edits of tasks that differ little.
fn edits(random: &mut Rng) -> Value {
    let count = random.usize(1..60);
    let op = |_| {
        let id = format!("t{}", random.u16(..300));
        let set = json!({
            "state": random.choice(["open", "done", "new"]).unwrap(),
            "position": random.i32(..20),
            "owner": random.choice([json!(null), json!("ana"), json!(3), json!(3.5)]).unwrap(),
            "title": format!("{}{}", "long ".repeat(random.usize(..2) * 14), random.u8(..5)),
        });
        if random.u8(..5) == 0 {
            json!({"delete": "tasks", "id": id})
        } else {
            json!({"upsert": "tasks", "id": id, "set": set})
        }
    };
    json!({ "ops": (0..count).map(op).collect::<Vec<_>>() })
}

fn question(random: &mut Rng) -> String {
    let mut query = form_urlencoded::Serializer::new("collection=tasks".to_owned());
    let filter = random.choice([
        json!({}),
        json!({"state": "done"}),
        json!({"state": "open", "position": {"ge": 5, "lt": 12}}),
        json!({"state": {"in": ["open", "new"]}, "owner": "ana"}),
        json!({"owner": 3, "title": {"contains": "2"}}),
        json!({"owner": {"ge": 3}}),
        json!({"title": {"prefix": "long long"}}),
        json!({"title": "3"}),
    ]);
    query.append_pair("where", &filter.unwrap().to_string());
    let order = random.choice(["position", "-position", "title", "-title", "id", "-id", "-position,-id", "owner"]);
    query.append_pair("order_by", order.unwrap());
    query.append_pair("limit", &random.choice([0, 1, 7, 40, 1_000]).unwrap().to_string());
    query.finish()
}

#[tokio::test]
async fn what_an_index_finds_is_what_is_there() {
    for seed in 0..4 {
        println!("seed {seed}");
        let mut random = Rng::with_seed(seed);
        let ((with, log, _with), (without, _log, _without)) = (start(SCHEMA).await, start("").await);
        let stream = "s".parse().unwrap();
        for _ in 0..6 {
            for _ in 0..random.u8(1..4) {
                let edits = edits(&mut random).to_string();
                for server in [&with, &without] {
                    assert_eq!(post(server.address(), "/v1/streams/s/events", &edits).await.status, 200);
                }
            }
            if random.bool() {
                log.flush_soon();
            }
            for _ in 0..40 {
                let path = format!("/v1/streams/s/objects?{}", question(&mut random));
                let [indexed, plain] = [&with, &without].map(|server| get(server.address(), &path));
                let (indexed, plain) = (indexed.await, plain.await);
                assert_eq!((indexed.status, indexed.body), (plain.status, plain.body), "seed {seed}: {path}");
            }
        }
        let pin: Arc<dyn Pin> = log.pin(&stream).unwrap().unwrap();
        assert_eq!(pin.indexes().unwrap().len(), 3, "what was found was found through indexes");
        for server in [with, without] {
            server.stop().await;
        }
    }
}
