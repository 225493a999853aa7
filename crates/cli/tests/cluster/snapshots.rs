//! A node that has nothing of a long stream, or too little, begins from its snapshot: also where the stream keeps all its events,
//! and whoever was killed while making one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Position, Seq};
use tapeline_log::jetstream::JetStream;
use tapeline_log::limits::SNAPSHOT_EVENTS;

use super::front::Front;
use super::nats::Nats;
use super::support::Server;
use super::world::{World, in_time};

const STREAM: &str = "large";
/// Events in a request.
const EVENTS: usize = 250;
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes things, an event each. `text` says what is in them.
pub fn write(node: &Server, ids: std::ops::Range<usize>, text: impl Fn(usize) -> String) {
    for first in ids.clone().step_by(EVENTS) {
        let event =
            |id: usize| json!({ "ops": [{ "upsert": "things", "id": format!("t{id}"), "set": { "text": text(id) } }] });
        let events: Vec<Value> = (first..ids.end.min(first + EVENTS)).map(event).collect();
        push(node, &events);
    }
}

fn push(node: &Server, events: &[Value]) {
    let url = format!("{}/v1/streams/{STREAM}/events", node.url.replace("ws://", "http://"));
    let body = json!({ "events": events }).to_string();
    ureq::post(url).content_type("application/json").send(&body).expect("recorded");
}

/// Starts a node with an empty disk, which soon has a first page of the stream and then is where another one is.
pub fn with_an_empty_disk(nats: &Nats, node: &Server) -> Server {
    let begun = Instant::now();
    let fresh = Server::start_with(&["--log", &nats.address(), "--read-only"]);
    let listening = begun.elapsed();
    let page = ureq::get(format!("{}/v1/streams/{STREAM}/snapshot", fresh.url.replace("ws://", "http://"))).call();
    let text = page.expect("a page").body_mut().read_to_string().expect("text");
    assert!(text.lines().count() > 1_000);
    eprintln!("listening after {listening:?}, its first page after {:?}", begun.elapsed());
    assert_eq!(status(&fresh), status(node));
    fresh
}

/// What a node says of the stream, but for who has it open.
pub fn status(node: &Server) -> Value {
    let mut status = node.lines(&["status", STREAM, "--json"]).remove(0);
    status.as_object_mut().expect("an object").remove("subscribers");
    status
}

fn connect(runtime: &tokio::runtime::Runtime, nats: &Nats) -> JetStream {
    let settings = nats.address().parse().expect("an address");
    runtime.block_on(JetStream::connect(&settings)).expect("the log")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

fn name() -> StreamName {
    StreamName::new(STREAM).expect("a name")
}

fn wait_until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Of how many events there is a snapshot.
fn snapshot(runtime: &tokio::runtime::Runtime, log: &JetStream) -> Seq {
    runtime.block_on(log.snapshot_end(&name())).expect("an answer").map_or(Seq::FIRST, |end| end.head.seq)
}

#[test]
fn a_node_with_an_empty_disk_serves_a_stream_that_keeps_all_events_from_a_snapshot() {
    let (nats, runtime) = (Nats::start(3), runtime());
    let (node, log) = (Server::start_with(&["--log", &nats.address()]), connect(&runtime, &nats));
    let objects = 2 * SNAPSHOT_EVENTS as usize;
    write(&node, 0..objects, |id| format!("thing {id}"));
    wait_until(|| snapshot(&runtime, &log) >= Seq(SNAPSHOT_EVENTS));
    // What comes behind it is played.
    let change = |id: usize| json!({ "update": "things", "id": format!("t{id}"), "set": { "text": "changed" } });
    let delete = |id: usize| json!({ "delete": "things", "id": format!("t{id}") });
    push(&node, &[json!({ "ops": [change(3), delete(4)] }), json!({ "ops": [delete(objects - 1)] })]);
    assert!(snapshot(&runtime, &log) <= Seq(objects as u64));
    let fresh = with_an_empty_disk(&nats, &node);
    assert_eq!(status(&fresh)["horizon"].as_u64(), Some(0));
    assert_eq!(fresh.lines(&["objects", STREAM]), node.lines(&["objects", STREAM]));
    // All events are there, and it has them from the log.
    assert_eq!(fresh.lines(&["tail", STREAM]), node.lines(&["tail", STREAM]));
    assert_eq!(fresh.lines(&["tail", STREAM]).len(), objects + 2);
}

#[test]
fn who_is_killed_while_a_snapshot_is_made_changes_nothing() {
    let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    eprintln!("SEED={seed}");
    let (nats, runtime, mut random) = (Nats::start(3), runtime(), fastrand::Rng::with_seed(seed));
    let log = connect(&runtime, &nats);
    let mut maker = Server::start_with(&["--log", &nats.address()]);
    // Such text is hardly compressed, so that a snapshot has many parts.
    let text = |id: usize| {
        let mut random = fastrand::Rng::with_seed(id as u64);
        std::iter::repeat_with(|| random.alphanumeric()).take(200).collect()
    };
    let mut objects = 0;
    for round in 0..4 {
        let before = objects;
        objects += SNAPSHOT_EVENTS as usize;
        write(&maker, before..objects, text);
        // What was recorded is given to the cache after half a second, and the snapshot made from there.
        std::thread::sleep(Duration::from_millis(random.u64(0..1_500)));
        maker.kill();
        let at = snapshot(&runtime, &log);
        eprintln!("round {round}: killed with a snapshot of {at} events");
        let fresh = Server::start_with(&["--log", &nats.address(), "--read-only"]);
        assert_eq!(status(&fresh)["objects"].as_u64(), Some(objects as u64), "SEED={seed}");
        maker.restart();
        assert_eq!(status(&fresh), status(&maker), "SEED={seed}");
    }
    // Written over, all of them are more than half as many as there are.
    write(&maker, 0..objects, text);
    wait_until(|| snapshot(&runtime, &log) > Seq(objects as u64));
    let fresh = Server::start_with(&["--log", &nats.address(), "--read-only"]);
    assert_eq!(status(&fresh), status(&maker), "SEED={seed}");
}

/// A schema that lets nearly all go.
fn short() -> tempfile::NamedTempFile {
    let schema = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(schema.path(), "[streams.\"*\"]\nretain = { events = 1000 }\n").expect("written");
    schema
}

/// Writes more than stays, and waits until the log begins after a batch that somebody had.
fn let_go(node: &Server, nats: &Nats, had: &Value) {
    let runtime = runtime();
    let (log, had) = (connect(&runtime, nats), Position(had["batches"].as_u64().expect("a number")));
    let delete = |id: usize| json!({ "ops": [{ "delete": "things", "id": format!("t{id}") }] });
    push(node, &(0..100).map(delete).collect::<Vec<_>>());
    write(node, 1_000..7_000, |id| format!("new thing {id}"));
    // What is not in the cache yet is not let go.
    wait_until(|| {
        assert!(node.run(&["compact"]).status.success());
        runtime.block_on(log.gone(&name())).expect("an answer") > had
    });
}

/// What a node says of the stream, but for what each lets go in its own time.
fn what_is_there(node: &Server) -> Value {
    let mut status = status(node);
    status.as_object_mut().expect("an object").remove("horizon");
    status
}

#[test]
fn a_node_that_was_stopped_for_longer_than_the_log_goes_back_begins_again() {
    let (nats, schema) = (Nats::start(1), short());
    let arguments = ["--log", &nats.address(), "--schema", schema.path().to_str().expect("text")];
    let (node, mut away) = (Server::start_with(&arguments), Server::start_with(&arguments));
    write(&node, 0..500, |id| format!("old thing {id}"));
    let had = status(&away);
    assert!(away.stop());
    let_go(&node, &nats, &had);
    away.restart();
    assert_eq!(what_is_there(&away), what_is_there(&node));
    assert_eq!(away.lines(&["objects", STREAM]), node.lines(&["objects", STREAM]));
    assert_eq!(away.lines(&["objects", STREAM]).len(), 6_400);
    // From then on it is one like the others.
    write(&away, 7_000..7_100, |id| format!("thing {id}"));
    assert_eq!(what_is_there(&away), what_is_there(&node));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_for_longer_than_the_log_goes_back_begins_again() {
    let (nats, schema) = (Nats::start(1), short());
    let servers: Vec<String> = nats.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let front = Front::before(&servers).await;
    let log = format!("nats://{}", front.address);
    let schema_path = schema.path().to_str().expect("text");
    let start =
        |log: &str| tokio::task::block_in_place(|| Server::start_with(&["--log", log, "--schema", schema_path]));
    let nodes = vec![start(&nats.address()), start(&log)];
    let world = World { nats, nodes };
    world.know_each_other(2).await;
    let client = world.client(1).await;
    let stream = client.stream(STREAM).await;
    write(&world.nodes[0], 0..500, |id| format!("old thing {id}"));
    let things = stream.collection("things").expect("a name");
    let mut changes = stream.changes();
    while things.all().len() < 500 {
        in_time(changes.next()).await.expect("changes");
    }
    let had = status(&world.nodes[1]);
    front.move_to(&[]);
    tokio::task::block_in_place(|| let_go(&world.nodes[0], &world.nats, &had));
    front.move_to(&servers);
    // Who stayed with it gets what has become of the stream, without asking.
    while things.all().len() != 6_400 {
        in_time(changes.next()).await.expect("changes");
    }
    assert_eq!(what_is_there(&world.nodes[1]), what_is_there(&world.nodes[0]));
    assert_eq!(Some(stream.digest().to_string().as_str()), status(&world.nodes[0])["digest"].as_str());
}
