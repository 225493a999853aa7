//! First syncs and returns with a real server, over lines that are cut and with a server that is killed meanwhile.

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::read::GzDecoder;
use support::proxy::Proxy;
use support::{builder, converged, soon};
use tapeline_client::{Stream, Tapeline, Transport, Value};
use tapeline_core::codec::json;
use tapeline_core::name::{Key, ObjectId, StreamName};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Server, ServerConfig};
use tempfile::TempDir;

const OBJECTS: usize = 4_000;

async fn start(log: &Arc<MemoryLog>) -> (Server, SocketAddr) {
    let config = ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), ..ServerConfig::default() };
    let server = Server::start_in_memory(config, log.clone()).await.unwrap();
    let address = server.address();
    (server, address)
}

/// A client in memory, with stream `list`.
async fn joins(address: impl ToString, transport: Transport) -> (Tapeline, Stream) {
    let client = builder(address.to_string(), transport).open().await.unwrap();
    let stream = client.stream("list").await.unwrap();
    (client, stream)
}

fn direct(server: SocketAddr) -> String {
    format!("ws://{server}")
}

/// Makes objects, and then writes each of them again.
async fn history(stream: &Stream) -> Vec<ObjectId> {
    let tasks = stream.collection("tasks").unwrap();
    let mut ids = Vec::new();
    for number in 0..OBJECTS {
        let fields = [("title", Value::text(format!("the task with number {number}"))), ("n", Value::Int(0))];
        ids.push(tasks.insert(fields).unwrap().0);
    }
    soon(stream.synced()).await.unwrap();
    for round in 1..3 {
        for id in &ids {
            tasks.increment(id, "n", round).unwrap();
        }
        soon(stream.synced()).await.unwrap();
    }
    for id in ids.iter().step_by(10) {
        tasks.delete(id).unwrap();
    }
    soon(stream.synced()).await.unwrap();
    ids
}

by_each_transport! {
    who_is_new_gets_what_is_there_and_who_returns_what_became_of_it,
    a_client_that_is_cut_five_times_goes_on_where_it_was,
    a_server_that_is_killed_in_the_middle_of_a_filling,
}

async fn who_is_new_gets_what_is_there_and_who_returns_what_became_of_it(transport: Transport) {
    let log = Arc::new(MemoryLog::default());
    let (server, address) = start(&log).await;
    let (_author, here) = joins(direct(address), Transport::WebSocket).await;
    let ids = history(&here).await;
    let proxy = Proxy::new(address, Vec::new()).await;
    let (reader, there) = joins(&proxy.address, transport).await;
    converged(&here, &there).await;
    let first = proxy.bytes();
    assert!(there.digest() == here.digest() && first < (OBJECTS * 150) as u64, "{first} bytes");
    reader.go_offline();
    let tasks = here.collection("tasks").unwrap();
    for round in 0..100 {
        for id in ids.iter().skip(1).step_by(100) {
            tasks.update(id, [("title", Value::text(format!("round {round}")))]).unwrap();
        }
        soon(here.synced()).await.unwrap();
    }
    reader.go_online();
    converged(&here, &there).await;
    let returned = proxy.bytes();
    println!("first sync {first} bytes, return {returned} bytes after {} updates of {} objects", 100 * 40, 40);
    assert!(returned < 40 * 300, "{returned} bytes");
    server.stop().await;
}

async fn a_client_that_is_cut_five_times_goes_on_where_it_was(transport: Transport) {
    let log = Arc::new(MemoryLog::default());
    let (server, address) = start(&log).await;
    let (_author, here) = joins(direct(address), Transport::WebSocket).await;
    history(&here).await;
    let uncut = Proxy::new(address, Vec::new()).await;
    let (_other, there) = joins(&uncut.address, transport).await;
    converged(&here, &there).await;
    let whole = uncut.bytes();
    let proxy = Proxy::new(address, vec![whole / 3; 5]).await;
    let directory = TempDir::new().unwrap();
    let client = builder(&proxy.address, transport).store(directory.path().join("a.tapeline")).open().await.unwrap();
    let cut = client.stream("list").await.unwrap();
    // Edits of its own come between.
    cut.collection("tasks").unwrap().insert([("title", Value::text("mine"))]).unwrap();
    soon(async {
        while proxy.cut() < 2 {
            client.go_online();
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.go_online();
    converged(&here, &cut).await;
    let bytes = proxy.bytes();
    println!("{whole} bytes without, {bytes} bytes with {} cuts", proxy.cut());
    assert!(bytes < whole * 3, "{bytes} bytes came in place of {whole}");
    server.stop().await;
}

async fn a_server_that_is_killed_in_the_middle_of_a_filling(transport: Transport) {
    let log = Arc::new(MemoryLog::default());
    let (server, address) = start(&log).await;
    let (author, here) = joins(direct(address), Transport::WebSocket).await;
    history(&here).await;
    author.go_offline();
    let proxy = Proxy::new(address, vec![30_000, 30_000]).await;
    let client = builder(&proxy.address, transport).open().await.unwrap();
    let there = client.stream("list").await.unwrap();
    soon(async {
        while proxy.cut() < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // What was applied and not flushed is lost; the log is all there is.
    let log = Arc::new(MemoryLog::restore(log.crash(usize::MAX), false));
    let (again, address) = start(&log).await;
    proxy.to(address);
    client.go_online();
    soon(there.synced()).await.unwrap();
    assert_eq!(there.digest(), here.digest());
    again.stop().await;
    drop(server);
}

/// A recording of people working together: what its authors did, in an order in which it could have been recorded.
fn recording(name: &str) -> Vec<Vec<Op>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    let lines = BufReader::new(GzDecoder::new(std::fs::File::open(path).unwrap())).lines();
    let ops = |line: String| -> Vec<Op> {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let ops = line["ops"].as_array().unwrap().iter();
        ops.map(|op| json::op_from_json(&op.to_string()).unwrap()).collect()
    };
    lines.map(|line| ops(line.unwrap())).collect()
}

/// As a person would who sees the objects: what is gone is made anew, what is there is changed.
fn as_seen(stream: &Stream, op: Op) -> Option<Op> {
    let is_there = |key: &Key| stream.collection(key.collection.as_str()).unwrap().get(&key.id).is_some();
    let there = is_there(&op.key);
    let action = match op.action {
        Action::Insert(fields) => Action::Upsert(fields),
        Action::Update(edits) if !there => {
            let set = |(name, edit): (_, &Edit)| match edit {
                Edit::Set(value) => Some((Clone::clone(name), value.clone())),
                _ => None,
            };
            Action::Upsert(FieldMap::new(edits.iter().filter_map(set).collect()).unwrap())
        }
        Action::Delete if !there => return None,
        other => other,
    };
    Some(Op { action, ..op })
}

async fn play(stream: &Stream, events: &[Vec<Op>]) {
    for ops in events {
        for op in ops {
            let Some(op) = as_seen(stream, op.clone()) else { continue };
            stream.edit(vec![op]).unwrap();
        }
    }
    soon(stream.synced()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_in_a_recording_at_thirty_percent_and_returns_at_its_end() {
    for name in ["history-linear.ndjson.gz", "history-branches.ndjson.gz"] {
        let log = Arc::new(MemoryLog::default());
        let (server, address) = start(&log).await;
        let (_author, here) = joins(direct(address), Transport::WebSocket).await;
        let proxy = Proxy::new(address, Vec::new()).await;
        let (reader, there) = joins(&proxy.address, Transport::WebSocket).await;
        let events = recording(name);
        let (early, late) = events.split_at(events.len() * 3 / 10);
        play(&here, early).await;
        converged(&here, &there).await;
        reader.go_offline();
        play(&here, late).await;
        proxy.bytes();
        reader.go_online();
        converged(&here, &there).await;
        let (returned, recorded) = (proxy.bytes(), log_bytes(&log).await);
        println!("{name}: {returned} bytes to return, {recorded} bytes of events in all");
        assert!(returned * 2 < recorded, "{name}: {returned} of {recorded} bytes");
        server.stop().await;
    }
}

async fn log_bytes(log: &MemoryLog) -> u64 {
    use tapeline_log::EventLog;
    log.info(&StreamName::new("list").unwrap()).await.unwrap().unwrap().bytes
}
