//! Measures the client on this machine: `cargo run --release -p tapeline-client --example speed`.
//!
//! The server is the one of the tests, in the same process: what is measured is the client, with a server that costs
//! little beside it.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use support::TestServer;
use tapeline_client::{Changed, Tapeline, Value};
use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::codec::cbor;
use tapeline_core::event::{Body, Recorded};
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::numbers::{ClientId, EventNumber, Millis, Seq};
use tapeline_core::op::{Action, FieldMap, Op};

const EDITS: i64 = 10_000;
const EVENTS: u64 = 1_000_000;
const OBJECTS: u64 = 100_000;
const BATCH: u64 = 2_048;

#[tokio::main(worker_threads = 2)]
async fn main() {
    for objects in [EDITS, 100] {
        offline(objects).await;
    }
    replay().await;
    live().await;
}

/// Edits offline, then comes back.
async fn offline(objects: i64) {
    let server = TestServer::start().await;
    let directory = tempfile::TempDir::new().expect("a directory to measure in");
    let store = directory.path().join("app.tapeline");
    let here = Tapeline::builder(server.address()).store(store).offline().open().await.expect("it opens");
    let there = Tapeline::builder(server.address()).open().await.expect("it opens");
    let (list, other) = (here.stream("list").await.expect("it opens"), there.stream("list").await.expect("it opens"));
    let (tasks, seen) = (list.collection("tasks").expect("a name"), other.collection("tasks").expect("a name"));
    other.caught_up().await.expect("it is open");
    list.stored().await.expect("it is open");

    let began = Instant::now();
    let mut last = None;
    for i in 0..EDITS {
        let id = ObjectId::from_uuid((i % objects) as u128);
        last = tasks.upsert(&id, [("title", "Buy milk, bread and butter".into()), ("i", Value::Int(i))]).ok();
    }
    let last = last.expect("an edit was made");
    let shown = (tasks.all().len(), began.elapsed());
    last.stored().await.expect("it is open");
    let stored = began.elapsed();

    let mut changes = seen.changes();
    let began = Instant::now();
    here.go_online();
    while other.status().replica.played < Seq(EDITS as u64) {
        assert!(matches!(changes.next().await, Some(Changed::Keys(_))));
    }
    let elsewhere = began.elapsed();
    list.synced().await.expect("it is open");
    let settled = began.elapsed();
    assert_eq!((shown.0, list.digest()), (objects as usize, other.digest()));
    println!(
        "{EDITS} offline edits of {objects} objects: shown after {:?}, on the device after {stored:?}; \
         seen elsewhere {elsewhere:?} after going online, confirmed here after {settled:?}",
        shown.1
    );
}

/// Plays a long tape into a replica in memory.
async fn replay() {
    let server = TestServer::start().await;
    let mut chain = Chain::EMPTY;
    let mut bytes = 0;
    for from in (0..EVENTS).step_by(BATCH as usize) {
        let mut block = EventBlock::empty(Seq(from), chain);
        (from..EVENTS.min(from + BATCH)).for_each(|seq| block.push(&cbor::encode_recorded(&event(seq))));
        chain = block.after();
        bytes += block.bytes().len();
        server.put("list", Batch { block, verdicts: Vec::new() });
    }
    for _ in 0..3 {
        let began = Instant::now();
        let client = Tapeline::builder(server.address()).open().await.expect("it opens");
        let list = client.stream("list").await.expect("it opens");
        list.caught_up().await.expect("it is open");
        let took = began.elapsed();
        assert_eq!(list.status().replica.played, Seq(EVENTS));
        let rate = EVENTS as f64 / took.as_secs_f64();
        println!(
            "{EVENTS} events of {} bytes on {OBJECTS} objects: {took:?}, {rate:.0} a second",
            bytes as u64 / EVENTS
        );
        client.close().await.expect("there is no store");
    }
}

/// One edit after another, each stored on the device before it is sent, until another client shows it.
async fn live() {
    let server = TestServer::start().await;
    let directory = tempfile::TempDir::new().expect("a directory to measure in");
    let store = directory.path().join("app.tapeline");
    let here = Tapeline::builder(server.address()).store(store).open().await.expect("it opens");
    let there = Tapeline::builder(server.address()).open().await.expect("it opens");
    let (list, other) = (here.stream("list").await.expect("it opens"), there.stream("list").await.expect("it opens"));
    let tasks = list.collection("tasks").expect("a name");
    other.caught_up().await.expect("it is open");
    list.caught_up().await.expect("it is open");
    let mut changes = other.changes();
    let mut took = Vec::new();
    for _ in 0..1_000 {
        let began = Instant::now();
        tasks.insert([("title", "Buy milk".into())]).expect("it is taken");
        changes.next().await.expect("it is open");
        took.push(began.elapsed());
    }
    took.sort();
    println!("one edit, stored, sent and seen elsewhere: p50 {:?}, p99 {:?}", took[500], took[990]);
}

fn event(seq: u64) -> Recorded {
    let key = Key {
        collection: Collection::new("tasks").expect("a name"),
        id: ObjectId::from_uuid(u128::from(seq % OBJECTS) << 64 | 7),
    };
    let field = |name: &str, value: Value| (FieldName::new(name).expect("a name"), value);
    let title = format!("Buy milk, bread and butter, {seq}");
    let set = vec![field("done", seq.is_multiple_of(2).into()), field("title", title.as_str().into())];
    let action = Action::Upsert(FieldMap::new(set).expect("two fields"));
    let body = Body { at: Millis(seq), ops: vec![Op { key, seen: None, action }], ..Body::default() };
    Recorded { seq: Seq(seq), client: ClientId(9), n: EventNumber(seq + 1), actor: None, body, lost: Vec::new() }
}
