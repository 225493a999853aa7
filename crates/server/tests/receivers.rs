//! What was recorded is told to the application's own backend: all of it, of each stream in order, whatever goes down.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use serde_json::json;
use support::backend::{Hook, Posted, backend, says};
use support::{PATIENCE, World, title, titles};
use tapeline_core::frame::Live;
use tapeline_log::memory::MemoryLog;
use tapeline_server::{ServerConfig, read_schema};

const MAIL: &str = "[[receivers]]\nname = 'mail'\nurl = URL\nsecret_file = SECRET\n";

/// A server that tells a hook, as a file says.
async fn telling(hook: &Hook, text: &str, log: &Arc<MemoryLog>) -> World {
    telling_of(hook, text, log, "").await
}

async fn telling_of(hook: &Hook, text: &str, log: &Arc<MemoryLog>, schema: &str) -> World {
    let directory = tempfile::tempdir().unwrap();
    let backend = backend(directory.path(), text, hook.address);
    let schema = Arc::new(read_schema(schema).unwrap().schema);
    World::with(log.clone(), ServerConfig { backend, schema, ..ServerConfig::default() }).await
}

/// Records events of one client on a stream.
async fn record(world: &World, stream: &str, numbers: std::ops::Range<u64>) {
    let mut client = world.client().await;
    client.open(0, stream, 1, Live::No).await;
    let count = numbers.end - numbers.start;
    client.push(0, titles(1, numbers)).await;
    client.hear_acks(count).await;
}

/// The streams and seqs that were told, in the order in which they came.
fn told(posted: &[Posted]) -> Vec<(String, u64)> {
    let parts = posted.iter().flat_map(|posted| posted.json()["streams"].as_array().unwrap().clone());
    let told = parts.flat_map(|part| {
        let stream = part["stream"].as_str().unwrap().to_owned();
        let events = part["events"].as_array().unwrap().clone();
        events.into_iter().map(move |event| (stream.clone(), event["seq"].as_u64().unwrap()))
    });
    told.collect()
}

/// Whether of each of these streams so many events were told, in order where those are left out that were told before.
fn is_told(posted: &[Posted], streams: &[(&str, u64)]) -> bool {
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for (stream, seq) in told(posted) {
        let next = next.entry(stream).or_default();
        assert!(seq <= *next, "{seq} is told before {next}");
        *next = (*next).max(seq + 1);
    }
    streams.iter().all(|(stream, count)| next.get(*stream) == Some(count))
}

#[tokio::test]
async fn all_is_told_in_order_and_goes_on_after_a_restart() {
    let hook = Hook::start(|_| says(200, "")).await;
    let log = Arc::new(MemoryLog::new());
    let world = telling(&hook, &format!("{MAIL}streams = ['shops/*']\n"), &log).await;
    record(&world, "shops/1", 1..11).await;
    record(&world, "shops/2", 1..4).await;
    record(&world, "lists/1", 1..4).await;
    hook.posted_until(|posted| is_told(posted, &[("shops/1", 10), ("shops/2", 3)])).await;
    let first = &hook.posted()[0];
    assert!(first.headers["webhook-signature"].starts_with("v1,") && first.headers["webhook-id"].starts_with("msg_"));
    assert_eq!(first.json()["receiver"], "mail");
    let event = first.json()["streams"][0]["events"][0].clone();
    assert_eq!((&event["seq"], &event["n"], &event["ops"][0]["upsert"]), (&json!(0), &json!(1), &json!("tasks")));
    world.server.stop().await;
    let before = hook.posted().len();
    let world = telling(&hook, &format!("{MAIL}streams = ['shops/*']\n"), &log).await;
    record(&world, "shops/1", 11..13).await;
    hook.posted_until(|posted| is_told(posted, &[("shops/1", 12), ("shops/2", 3)])).await;
    let again = told(&hook.posted()[before..]);
    assert_eq!(again, [("shops/1".to_owned(), 10), ("shops/1".to_owned(), 11)], "nothing twice where all went well");
    // It is told a moment before it is said to be.
    let begun = Instant::now();
    while !world.get("/metrics").await.body.contains("tapeline_receiver_waiting_streams{receiver=\"mail\"} 0\n") {
        assert!(begun.elapsed() < PATIENCE, "something waits");
    }
}

#[tokio::test]
async fn what_is_recorded_while_it_is_down_is_told_when_it_is_back() {
    let mut hook = Hook::start(|_| says(204, "")).await;
    hook.stop();
    let log = Arc::new(MemoryLog::new());
    let world = telling(&hook, MAIL, &log).await;
    record(&world, "a", 1..101).await;
    let begun = Instant::now();
    while world.get("/metrics").await.body.matches("tapeline_receiver_failures_total{receiver=\"mail\"} 2").count() == 0
    {
        assert!(begun.elapsed() < PATIENCE, "it is never told of");
    }
    world.server.stop().await;
    let world = telling(&hook, MAIL, &log).await;
    record(&world, "b", 1..3).await;
    hook.start_again().await;
    hook.posted_until(|posted| is_told(posted, &[("a", 100), ("b", 2)])).await;
}

#[tokio::test]
async fn what_is_told_again_has_the_same_name() {
    let times = AtomicU64::new(0);
    let hook = Hook::start(move |_| says(if times.fetch_add(1, Ordering::Relaxed) < 2 { 500 } else { 200 }, "")).await;
    let log = Arc::new(MemoryLog::new());
    let world = telling(&hook, MAIL, &log).await;
    record(&world, "a", 1..2).await;
    hook.posted_until(|posted| posted.len() == 3).await;
    let posted = hook.posted();
    assert!(posted.iter().all(|again| again.body == posted[0].body));
    assert!(posted.iter().all(|again| again.headers["webhook-id"] == posted[0].headers["webhook-id"]));
}

#[tokio::test]
async fn a_stream_that_is_not_taken_holds_up_no_other() {
    let is_bad = |posted: &Posted| posted.body.contains("\"stream\":\"bad\"");
    let takes_all = Arc::new(AtomicBool::new(false));
    let hook = Hook::start({
        let takes_all = takes_all.clone();
        move |posted| says(if is_bad(posted) && !takes_all.load(Ordering::Acquire) { 422 } else { 200 }, "")
    })
    .await;
    let log = Arc::new(MemoryLog::new());
    let world = telling(&hook, MAIL, &log).await;
    for stream in ["a", "bad", "b", "c"] {
        record(&world, stream, 1..3).await;
    }
    let taken = |posted: &[Posted]| posted.iter().filter(|posted| !is_bad(posted)).cloned().collect::<Vec<_>>();
    hook.posted_until(|posted| is_told(&taken(posted), &[("a", 2), ("b", 2), ("c", 2)])).await;
    takes_all.store(true, Ordering::Release);
    hook.posted_until(|posted| is_told(posted, &[("bad", 2)])).await;
}

#[tokio::test]
async fn events_that_went_before_they_were_told_are_told_of_as_gone() {
    let mut hook = Hook::start(|_| says(200, "")).await;
    let log = Arc::new(MemoryLog::new());
    let schema = "[streams.s]\nretain = { events = 100 }\n";
    let world = telling_of(&hook, MAIL, &log, schema).await;
    record(&world, "s", 1..11).await;
    hook.posted_until(|posted| is_told(posted, &[("s", 10)])).await;
    hook.stop();
    for first in (11..601).step_by(59) {
        record(&world, "s", first..first + 59).await;
    }
    let begun = Instant::now();
    let horizon = loop {
        assert_eq!(world.post("/v1/compact", "").await.status, 202);
        match world.get("/v1/streams/s").await.json()["horizon"].as_u64() {
            Some(horizon) if horizon > 10 => break horizon,
            _ => assert!(begun.elapsed() < PATIENCE, "nothing goes"),
        }
    };
    // What it was going to be told before they went has failed.
    let failures = async || {
        let metrics = world.get("/metrics").await.body;
        let line = metrics.lines().find(|line| line.starts_with("tapeline_receiver_failures_total")).map(str::to_owned);
        line.unwrap_or_default()
    };
    let (failed, begun) = (failures().await, Instant::now());
    while failures().await == failed {
        assert!(begun.elapsed() < PATIENCE, "nobody asks again");
    }
    let before = hook.posted().len();
    hook.start_again().await;
    hook.posted_until(|posted| told(&posted[before..]).last() == Some(&("s".to_owned(), 599))).await;
    let posted = hook.posted().split_off(before);
    assert_eq!(posted[0].json()["streams"][0]["gone"], json!({ "from": 10, "to": horizon }));
    assert_eq!(told(&posted).into_iter().map(|(_, seq)| seq).collect::<Vec<_>>(), (horizon..600).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_that_begins_now_is_not_told_what_was_before() {
    let hook = Hook::start(|_| says(200, "")).await;
    let log = Arc::new(MemoryLog::new());
    let world = World::on(log.clone()).await;
    record(&world, "old", 1..4).await;
    world.server.stop().await;
    let text = format!("{MAIL}begin = 'now'\n");
    let world = telling(&hook, &text, &log).await;
    let begun = Instant::now();
    loop {
        let path = "/v1/streams/.tapeline%2Freceivers%2Fmail/objects?collection=tapeline.begun";
        let reply = world.get(path).await;
        if reply.status == 200 && !reply.body.is_empty() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it never begins");
    }
    record(&world, "old", 4..6).await;
    record(&world, "new", 1..3).await;
    let end = |posted: &[Posted]| told(posted).len() == 4;
    hook.posted_until(end).await;
    world.server.stop().await;
    let world = telling(&hook, &text, &log).await;
    record(&world, "newer", 1..2).await;
    hook.posted_until(|posted| told(posted).len() == 5).await;
    let mut told = told(&hook.posted());
    told.sort();
    let expected = [("new", 0), ("new", 1), ("newer", 0), ("old", 3), ("old", 4)];
    assert_eq!(told, expected.map(|(stream, seq)| (stream.to_owned(), seq)));
}

#[tokio::test]
async fn many_streams_take_few_posts() {
    const STREAMS: u64 = 600;
    let mut hook = Hook::start(|_| says(200, "")).await;
    hook.stop();
    let log = Arc::new(MemoryLog::new());
    let world = telling(&hook, MAIL, &log).await;
    let mut client = world.client().await;
    for number in 0..STREAMS {
        client.open(number as u32, &format!("stream/{number}"), 1, Live::No).await;
        client.push(number as u32, vec![title(1, 1, "a", "one")]).await;
        client.hear_acks(1).await;
    }
    hook.start_again().await;
    hook.posted_until(|posted| told(posted).len() as u64 >= STREAMS).await;
    let posts = hook.posted().len();
    assert!(posts < 40, "{posts} posts");
    let mut streams = told(&hook.posted());
    streams.sort();
    streams.dedup();
    assert_eq!(streams.len() as u64, STREAMS);
}
