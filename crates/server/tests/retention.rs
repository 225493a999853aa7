//! Old events are let go as the schema says, and nobody is stranded.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use support::author::{Author, delete, edit, make};
use support::pages::{Held, fields};
use support::{PATIENCE, World, open, update};
use tapeline_core::codec::cbor::decode_entry;
use tapeline_core::event::Verdict;
use tapeline_core::frame::{ErrorCode, Live, Open, ServerFrame};
use tapeline_core::numbers::Seq;
use tapeline_log::memory::MemoryLog;
use tapeline_log::{Part, StateStore};
use tapeline_server::{Server, ServerConfig, read_schema};

const SCHEMA: &str = "
    [streams.s]
    retain = { events = 100 }
    [collections.payments]
    keep_events = true
";

impl World {
    async fn retaining(schema: &str) -> Self {
        let log = Arc::new(MemoryLog::new());
        let schema = Arc::new(read_schema(schema).unwrap().schema);
        let config = ServerConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), schema, ..ServerConfig::default() };
        let server = Server::start_in_memory(config, log.clone()).await.unwrap();
        Self { log, address: server.address(), server }
    }

    /// Waits until so many events were counted: that is after they have gone.
    async fn counts_trimmed(&self, events: u64) {
        let begun = Instant::now();
        while self.metric("tapeline_trimmed_events_total").await != events {
            assert!(begun.elapsed() < PATIENCE, "other than {events} events were counted");
        }
    }

    /// Has old events let go, and waits until the stream begins at `least` or later.
    async fn compact(&self, least: u64) -> u64 {
        let begun = Instant::now();
        loop {
            assert_eq!(self.post("/v1/compact", "").await.status, 202);
            let horizon = self.get("/v1/streams/s").await.json()["horizon"].as_u64().unwrap();
            if horizon >= least {
                return horizon;
            }
            assert!(begun.elapsed() < PATIENCE, "the stream begins at {horizon}, not at {least}");
        }
    }
}

#[tokio::test]
async fn old_events_go_and_what_is_worth_auditing_can_still_be_read() {
    let world = World::retaining(SCHEMA).await;
    let mut author = Author::new(&world).await;
    for number in 0..10 {
        author.push((0..50).map(|number| make("tasks", number, "a"))).await;
        author.push([make("payments", number, "paid")].into_iter()).await;
    }
    let horizon = world.compact(350).await;
    assert!(horizon <= 410, "{horizon}");
    let events = world.get("/v1/streams/s/events").await;
    let seqs: Vec<u64> = events.lines().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    let kept = (0..horizon).filter(|seq| seq % 51 == 50);
    assert_eq!(seqs, kept.chain(horizon..510).collect::<Vec<_>>());
    assert_eq!(events.headers["tapeline-horizon"], horizon.to_string());
    let some = world.get("/v1/streams/s/events?from=60&to=200").await;
    assert!(!some.headers.contains_key("etag"), "what is there of it changes");
    assert_eq!(some.lines().iter().map(|event| event["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [101, 152]);
    assert_eq!(world.get("/v1/streams/s/delta?since=3").await.problem(410, "trimmed", false)["horizon"], horizon);
    assert_eq!(world.get("/v1/streams/s/objects").await.lines().len(), 60);
    world.counts_trimmed(horizon).await;
}

#[tokio::test]
async fn who_comes_back_from_before_gets_everything_anew_or_is_told_why_not() {
    let world = World::retaining(SCHEMA).await;
    let mut author = Author::new(&world).await;
    author.push((0..50).map(|number| make("tasks", number, "a"))).await;
    let (mut reader, mut held) = (world.client().await, Held::default());
    held.played = Seq(0);
    reader.open_as(&mut held, 2, &[]).await;
    reader.hear_range(0, 50).await;
    let chain = reader_chain(&world).await;
    drop(reader);
    author.push((0..10).map(|number| delete("tasks", number))).await;
    for round in 0..5 {
        author.push((10..50).map(|number| edit("tasks", number, &format!("{round}")))).await;
    }
    world.compact(100).await;
    let opened = |pages| Open { pages, played: Seq(50), chain, ..open(0, "s", 2, Live::From(Seq(50))) };
    let mut reader = world.client().await;
    reader.say(tapeline_core::frame::ClientFrame::Open(opened(true))).await;
    reader.hear_opened().await;
    let ServerFrame::Page(page) = reader.hear().await else { panic!("not a page") };
    assert!(page.fresh && page.end.is_some());
    let filled: Vec<_> =
        page.items.iter().map(|item| fields(decode_entry(&item.entry).unwrap().live().unwrap())).collect();
    let mut expected = Vec::new();
    let pin = world.log.pin(&support::stream("s")).unwrap().unwrap();
    pin.scan(Part::default(), &mut |_, entry| {
        expected.extend(entry.live().map(|object| fields(object)));
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(filled, expected);

    let mut old = world.client().await;
    old.say(tapeline_core::frame::ClientFrame::Open(opened(false))).await;
    old.hear_opened().await;
    assert_eq!(old.hear_error().await.code, ErrorCode::UpgradeRequired);
}

/// The chain after the first 50 events.
async fn reader_chain(world: &World) -> tapeline_core::hash::Chain {
    let status = world.get("/v1/streams/s").await.json();
    assert_eq!(status["head"], 50);
    let mut client = world.client().await;
    client.open(0, "s", 77, Live::From(Seq(0))).await;
    let events = client.hear_events().await;
    assert_eq!(events.block.end(), Seq(50));
    events.block.after()
}

/// One clock that is wrong would keep a stream for ever.
#[tokio::test]
async fn an_event_from_the_future_keeps_nothing() {
    let world = World::retaining("[streams.s]\nretain = { days = 1 }\n").await;
    let event = |at: u64| format!("{{\"at\":{at},\"ops\":[{{\"upsert\":\"tasks\",\"id\":\"t\",\"set\":{{}}}}]}}");
    for at in [5, 1 << 53, 5] {
        let events = (0..40).map(|_| event(at)).collect::<Vec<_>>().join(",");
        assert_eq!(world.post("/v1/streams/s/events", &format!("{{\"events\":[{events}]}}")).await.status, 200);
    }
    assert_eq!(world.compact(120).await, 120);
}

/// Nobody can say any more whether it was deleted since its author saw it: so it counts.
#[tokio::test]
async fn an_edit_from_before_of_what_is_gone_is_lost_and_its_author_told() {
    let world = World::retaining(SCHEMA).await;
    let mut author = Author::new(&world).await;
    let mut late = world.client().await;
    late.open(0, "s", 3, Live::No).await;
    let mut event = update(3, 1, "never seen");
    for round in 0..10 {
        author.push((0..30).map(|number| make("tasks", number % 9, &format!("{round}")))).await;
        if round == 0 {
            // All events stay so far, whenever the server looks which may go.
            event.body.base = Seq(1);
            late.push(0, vec![event.clone()]).await;
            assert!(matches!(late.hear().await, ServerFrame::Refused { .. }), "nothing was let go yet");
        }
    }
    world.compact(100).await;
    event.n = tapeline_core::numbers::EventNumber(2);
    late.push(0, vec![event]).await;
    late.hear_acks(1).await;
    let opened = world.client().await.open(0, "s", 3, Live::No).await;
    let lost = |verdict: &Verdict| matches!(verdict, Verdict::Recorded { lost, .. } if lost.len() == 1);
    assert!(opened.verdicts.iter().any(|own| lost(&own.verdict)), "{:?}", opened.verdicts);
}
