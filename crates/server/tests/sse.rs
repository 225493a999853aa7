//! Sessions where WebSockets are blocked: Server-Sent Events one way, POSTs the other.

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::http::request;
use support::sse::{Line, body};
use support::{World, hello, open, title, titles};
use tapeline_core::codec::Codec;
use tapeline_core::event::Authored;
use tapeline_core::frame::{ClientFrame, Hello, Live, Presence, ServerFrame};
use tapeline_core::limits::{FRAME_BYTES, HEARTBEAT, SILENCE};
use tapeline_core::numbers::{Channel, PeerId, Seq};
use tapeline_core::value::Value;
use tapeline_log::memory::MemoryLog;
use tokio::time::Instant;

fn push(events: Vec<Authored>) -> ClientFrame {
    ClientFrame::Push { channel: Channel(0), events }
}

/// Opens a stream for events from the first on.
async fn open_stream(line: &mut Line, client: u128) {
    line.say(&[ClientFrame::Open(open(0, "s", client, Live::From(Seq(0))))]).await;
    assert!(matches!(line.hear().await, ServerFrame::Opened(_)));
}

/// Waits until all events up to `to` were heard.
async fn hear_all(line: &mut Line, to: u64) {
    let mut next = Seq(0);
    while next < Seq(to) {
        match line.hear().await {
            ServerFrame::Events(events) => {
                assert_eq!(events.block.from(), next);
                next = events.block.end();
            }
            ServerFrame::Ack { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn until_there_are(world: &World, sessions: u64) {
    let wanted = async { while world.metric("tapeline_sessions").await != sessions {} };
    tokio::time::timeout(support::PATIENCE, wanted).await.expect("sessions end");
}

#[tokio::test]
async fn what_is_posted_by_one_is_heard_by_the_other_whatever_carries_them() {
    for codec in Codec::ALL {
        let world = World::new().await;
        let (mut author, mut reader) = (world.line(codec).await, world.client().await);
        open_stream(&mut author, 1).await;
        reader.open(0, "s", 2, Live::From(Seq(0))).await;
        author.say(&[push(titles(1, 1..3)), push(titles(1, 3..5))]).await;
        hear_all(&mut author, 4).await;
        reader.hear_range(0, 4).await;
        reader.push(0, titles(2, 1..3)).await;
        reader.hear_acks(2).await;
        let ServerFrame::Events(events) = author.hear().await else { panic!("no events") };
        assert_eq!(events.block.range(), Seq(4)..Seq(6));
        author.hears_nothing_more().await;
    }
}

#[tokio::test]
async fn a_body_is_taken_once_however_often_it_comes() {
    let world = World::new().await;
    let mut line = world.line(Codec::Cbor).await;
    let ping = body(Codec::Cbor, &[ClientFrame::Ping]);
    for _ in 0..3 {
        assert_eq!(line.post(2, &ping).await.status, 204);
    }
    line.number = 2;
    assert_eq!(line.hear().await, ServerFrame::Pong);
    line.hears_nothing_more().await;
    line.post(5, &ping).await.problem(409, "out_of_order", false);
    line.hears_nothing_more().await;
}

#[tokio::test]
async fn nobody_speaks_without_the_secret() {
    let world = World::new().await;
    let mut line = world.line(Codec::Json).await;
    let mut stranger = Line::connect(world.address, Codec::Json).await;
    assert_ne!(line.secret, stranger.secret);
    for secret in ["0".repeat(32), "0".into(), "é".into(), line.secret.to_uppercase() + "0"] {
        stranger.secret = secret;
        stranger.post(1, b"{}").await.problem(404, "no_such_session", false);
        stranger.post_to("goodbye", b"").await.problem(404, "no_such_session", false);
    }
    for number in ["0", "-1", "x", "", "18446744073709551616"] {
        line.post_to(number, b"{}").await.problem(400, "bad_request", false);
    }
    line.hears_nothing_more().await;
    let ask = |path: &str| format!("GET {path} HTTP/1.0\r\naccept: text/event-stream\r\n\r\n");
    request(world.address, &ask("/v1/sync")).await.problem(400, "bad_request", false);
    request(world.address, &ask("/v1/sync?protocol=tapeline.v9")).await.problem(400, "bad_request", false);
    world.get("/v1/sync").await.problem(400, "no_upgrade", false);
    world.get(&format!("/v1/sync/{}/1", line.secret)).await.problem(405, "method_not_allowed", false);
}

#[tokio::test]
async fn a_session_ends_with_its_answer_or_by_a_goodbye() {
    let world = World::new().await;
    let mut watcher = world.line(Codec::Cbor).await;
    open_stream(&mut watcher, 1).await;
    let presence = |anew, peers| ClientFrame::Presence(Presence { channel: Channel(0), anew, peers });
    watcher.say(&[presence(true, vec![])]).await;
    assert!(matches!(watcher.hear().await, ServerFrame::Presence(_)));
    let (mut cut, mut leaving) = (world.line(Codec::Cbor).await, world.line(Codec::Cbor).await);
    for (line, client) in [(&mut cut, 2), (&mut leaving, 3)] {
        open_stream(line, client).await;
        line.say(&[presence(false, vec![(PeerId(client as u64), Some(Value::Int(1)))])]).await;
        assert!(matches!(watcher.hear().await, ServerFrame::Presence(_)));
    }
    assert_eq!(leaving.post_to("goodbye", b"").await.status, 204);
    assert_eq!(leaving.event("goodbye").await, "");
    assert_eq!(leaving.next().await, None);
    leaving.post(9, b"").await.problem(404, "no_such_session", false);
    let ServerFrame::Presence(news) = watcher.hear().await else { panic!("no presence") };
    assert_eq!(news.peers, [(PeerId(3), None)], "who says goodbye is gone at once");
    until_there_are(&world, 2).await;
    drop(cut.events);
    until_there_are(&world, 1).await;
    watcher.hears_nothing_more().await;
}

#[tokio::test]
async fn what_breaks_a_limit_or_cannot_be_read_ends_the_session() {
    let world = World::new().await;
    let long = ClientFrame::Hello(Hello { agent: "x".repeat(20_000).as_str().into(), ..hello() });
    let mut line = Line::connect(world.address, Codec::Cbor).await;
    line.post(1, &body(Codec::Cbor, &[long])).await.problem(404, "no_such_session", false);
    assert!(line.event("goodbye").await.contains("smaller"));
    let mut line = world.line(Codec::Cbor).await;
    line.post(2, &[0, 0, 0, 9, 1]).await.problem(404, "no_such_session", false);
    assert!(line.event("goodbye").await.contains("inside a frame"));
    assert_eq!(line.next().await, None);
    let mut line = world.line(Codec::Cbor).await;
    let (secret, size) = (&line.secret, FRAME_BYTES + 5);
    let head = format!("POST /v1/sync/{secret}/2 HTTP/1.0\r\ncontent-length: {size}\r\n\r\n");
    request(world.address, head).await.problem(413, "too_large", false);
    line.hears_nothing_more().await;
    let mut line = world.line(Codec::Json).await;
    line.say_text("?\n\n{\"frame\":\"ping\"}").await;
    assert!(matches!(line.hear().await, ServerFrame::Error(_)));
    assert!(matches!(line.hear().await, ServerFrame::Error(_)));
    assert_eq!(line.hear().await, ServerFrame::Pong);
}

impl Line {
    async fn say_text(&mut self, text: &str) {
        self.number += 1;
        assert_eq!(self.post(self.number, text.as_bytes()).await.status, 204);
    }
}

#[tokio::test]
async fn a_reader_that_stops_reading_slows_nobody_and_is_sent_no_more() {
    const EVENTS: u64 = 1_500;
    let world = World::new().await;
    let mut stopped = world.line(Codec::Cbor).await;
    open_stream(&mut stopped, 2).await;
    let mut author = world.client().await;
    author.open(0, "s", 1, Live::No).await;
    let text = "x".repeat(16 << 10);
    for n in 1..=EVENTS {
        author.push(0, vec![title(1, n, "a", &text)]).await;
        author.hear_acks(1).await;
    }
    let delivered = world.metric("tapeline_delivered_bytes_total").await;
    assert!(delivered < 12 << 20, "{delivered} bytes were taken for a reader that does not read");
    hear_all(&mut stopped, EVENTS).await;
}

#[tokio::test]
async fn what_was_taken_is_answered_before_the_server_ends() {
    let log = Arc::new(MemoryLog::lazy());
    let world = World::on(log.clone()).await;
    let mut line = world.line(Codec::Cbor).await;
    open_stream(&mut line, 1).await;
    line.say(&[push(titles(1, 1..4))]).await;
    while log.unsynced() == 0 {
        tokio::task::yield_now().await;
    }
    let stopping = tokio::spawn(world.server.stop());
    while tokio::net::TcpStream::connect(world.address).await.is_ok() {}
    let syncing = tokio::spawn(async move {
        loop {
            log.sync();
            tokio::task::yield_now().await;
        }
    });
    // It may be told what was recorded, too, or hear of that from the successor.
    let mut answered = 0;
    let goodbye = loop {
        let event = line.next().await.expect("it is told that the server stops");
        match event.kind.as_str() {
            "message" => {
                if let ServerFrame::Ack { runs, .. } = line.read(&event.data) {
                    answered += runs.iter().map(|run| run.count).sum::<u64>();
                }
            }
            _ => break event,
        }
    };
    assert_eq!((answered, goodbye.kind.as_str()), (3, "goodbye"));
    assert!(goodbye.data.contains("successor"));
    assert_eq!(line.next().await, None);
    let started = Instant::now();
    stopping.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "nobody waits for a connection that has ended");
    syncing.abort();
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_sign_of_life_ends() {
    let world = World::new().await;
    let mut silent = Line::connect(world.address, Codec::Cbor).await;
    tokio::time::sleep(Duration::from_millis(SILENCE.0)).await;
    assert!(silent.event("goodbye").await.contains("sign of life"));
    let (mut silent, mut alive) = (world.line(Codec::Cbor).await, world.line(Codec::Cbor).await);
    let started = Instant::now();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(HEARTBEAT.0)).await;
        alive.hears_nothing_more().await;
    }
    assert!(started.elapsed() > Duration::from_millis(SILENCE.0 * 2));
    assert!(silent.event("goodbye").await.contains("sign of life"));
    alive.hears_nothing_more().await;
}

#[tokio::test]
async fn pages_of_any_origin_may_ask() {
    let world = World::new().await;
    let line = world.line(Codec::Cbor).await;
    let ask = |method: &str, path: &str| format!("{method} {path} HTTP/1.0\r\norigin: https://example.org\r\n\r\n");
    let paths = ["/v1/sync", "/v1/streams", "/v1/streams/a/events", &format!("/v1/sync/{}/1", line.secret)];
    for path in paths {
        let reply = request(world.address, &ask("OPTIONS", path)).await;
        assert_eq!((reply.status, reply.headers["access-control-allow-origin"].as_str()), (204, "*"));
        assert_eq!(reply.headers["access-control-allow-methods"], "GET, POST");
        let reply = request(world.address, &ask("GET", path)).await;
        assert_eq!(reply.headers["access-control-allow-origin"], "*", "{path}: {reply:?}");
    }
    let reply = request(world.address, &ask("GET", "/metrics")).await;
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
}
