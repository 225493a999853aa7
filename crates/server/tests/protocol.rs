//! The protocol as a raw client sees it.

mod support;

use std::sync::Arc;

use support::{Client, World, hello, key, open, title, titles, update};
use tapeline_core::codec::Codec;
use tapeline_core::event::{RefusalCode, Verdict};
use tapeline_core::frame::{AckRun, ClientFrame, ErrorCode, Hello, Live, ResyncReason, ServerFrame};
use tapeline_core::hash::Chain;
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Incarnation, Seq};
use tapeline_core::objects::Objects;
use tapeline_log::memory::MemoryLog;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test]
async fn an_edit_is_acknowledged_and_then_played() {
    for codec in Codec::ALL {
        let world = World::new().await;
        let mut author = world.client_of(codec).await;
        let mut reader = world.client_of(codec).await;
        let opened = author.open(1, "lists/groceries", 1, Live::From(Seq(0))).await;
        assert_eq!((opened.head, opened.last, opened.verdicts), (Seq(0), vec![EventNumber(0)], vec![]));
        reader.open(7, "lists/groceries", 2, Live::Head).await;
        author.push(1, vec![title(1, 1, "a", "milk"), title(1, 2, "b", "bread")]).await;
        assert_eq!(author.hear_ack().await, [AckRun { n: EventNumber(1), seq: Seq(0), count: 2 }]);
        author.hear_range(0, 2).await;
        let events = reader.hear_events().await;
        assert_eq!((events.head, events.block.range()), (Seq(2), Seq(0)..Seq(2)));
        assert_eq!((events.channel, events.block.before()), (Channel(7), Chain::EMPTY));
        author.push(1, vec![update(1, 3, "nothing")]).await;
        let ServerFrame::Refused { n, refusal, .. } = author.hear().await else { panic!("not refused") };
        assert_eq!((n, refusal.code, refusal.about), (EventNumber(3), RefusalCode::NotFound, Some(key("nothing"))));
        author.push(1, titles(1, 4..5)).await;
        author.hear_ack().await;
        author.hear_range(2, 3).await;
    }
}

#[tokio::test]
async fn every_author_hears_the_verdict_before_it_sees_the_event() {
    let world = World::new().await;
    let mut author = world.client().await;
    author.open(0, "s", 1, Live::From(Seq(0))).await;
    for n in (1..400).step_by(4) {
        author.push(0, titles(1, n..n + 4)).await;
    }
    let (mut acknowledged, mut seen) = (Seq(0), Seq(0));
    while seen < Seq(400) {
        match author.hear().await {
            ServerFrame::Ack { runs, .. } => acknowledged = runs.last().map(|run| run.seq.plus(run.count)).unwrap(),
            ServerFrame::Events(events) => {
                assert_eq!(events.block.from(), seen);
                seen = events.block.end();
                assert!(seen <= acknowledged, "seen up to {seen}, acknowledged up to {acknowledged}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn each_open_is_answered_though_another_one_follows_before_the_stream_is_open() {
    let world = World::new().await;
    let mut client = world.client().await;
    for opens in 1..20 {
        for _ in 0..opens {
            client.say(ClientFrame::Open(open(0, "s", 1, Live::No))).await;
        }
        for answer in 1..=opens {
            match client.hear().await {
                ServerFrame::Opened(_) => {}
                ServerFrame::Error(error) => assert!(error.code == ErrorCode::Later && answer < opens, "{error:?}"),
                other => panic!("{other:?}"),
            }
        }
    }
    client.hears_nothing_more().await;
}

#[tokio::test]
async fn a_retry_gets_the_same_verdict_and_other_content_is_a_fork() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.open(0, "s", 1, Live::No).await;
    client.push(0, vec![title(1, 1, "a", "x"), update(1, 2, "none")]).await;
    let (ack, refused) = (client.hear().await, client.hear().await);
    client.push(0, vec![title(1, 1, "a", "x"), update(1, 2, "none")]).await;
    assert_eq!((client.hear().await, client.hear().await), (ack, refused));
    client.push(0, vec![title(1, 4, "a", "z")]).await;
    let error = client.hear_error().await;
    assert_eq!((error.code, error.n), (ErrorCode::Resume, Some(EventNumber(3))));
    client.push(0, vec![title(1, 1, "a", "y")]).await;
    assert_eq!(client.hear_error().await.code, ErrorCode::Forked);
    let mut again = world.client().await;
    let opened = again.open(5, "s", 1, Live::No).await;
    assert_eq!((opened.head, opened.last), (Seq(1), vec![EventNumber(2)]));
    let recorded: Vec<_> = opened.verdicts.iter().map(|own| matches!(own.verdict, Verdict::Recorded { .. })).collect();
    assert_eq!(recorded, [true, false]);
}

#[tokio::test]
async fn who_has_played_another_history_must_start_over() {
    let world = World::new().await;
    let mut author = world.client().await;
    let opened = author.open(0, "s", 1, Live::No).await;
    author.push(0, titles(1, 1..4)).await;
    author.hear_acks(3).await;
    author.say(ClientFrame::Fetch { channel: Channel(0), from: Seq(0), to: Seq(3) }).await;
    let block = author.hear_events().await.block;
    let two = block.slice(Seq(0), 0).after();
    let mut reader = world.client().await;
    let mut held = open(0, "s", 2, Live::No);
    (held.incarnation, held.played, held.chain) = (Some(opened.incarnation), Seq(1), two);
    reader.say(ClientFrame::Open(held.clone())).await;
    assert_eq!(reader.hear_opened().await.head, Seq(3));
    let mut beyond = held.clone();
    beyond.played = Seq(9);
    let mut other = held.clone();
    other.chain = Chain(two.0 ^ 1);
    let mut recreated = held;
    recreated.incarnation = Some(Incarnation(opened.incarnation.0 ^ 1));
    let cases = [(beyond, ResyncReason::Forked), (other, ResyncReason::Forked), (recreated, ResyncReason::Recreated)];
    for (open, reason) in cases {
        reader.say(ClientFrame::Open(open)).await;
        let ServerFrame::Resync(resync) = reader.hear().await else { panic!("no resync") };
        assert_eq!((resync.reason, resync.last), (reason, vec![EventNumber(0)]));
        reader.push(0, titles(2, 1..2)).await;
        assert_eq!(reader.hear_error().await.code, ErrorCode::NotOpen);
    }
}

#[tokio::test]
async fn a_newer_connection_of_a_client_displaces_the_older_one() {
    let world = World::new().await;
    let mut older = world.client().await;
    older.open(3, "s", 1, Live::From(Seq(0))).await;
    let mut newer = world.client().await;
    newer.open(4, "s", 1, Live::From(Seq(0))).await;
    let error = older.hear_error().await;
    assert_eq!((error.channel, error.code), (Some(Channel(3)), ErrorCode::Displaced));
    assert_eq!(older.hear_close().await, Some(CloseCode::Policy));
    newer.push(4, titles(1, 1..2)).await;
    newer.hear_ack().await;
    newer.hear_range(0, 1).await;
}

/// The walk-through of the gap: a reader holds [0, 10), opens at the head, sees what comes, and fetches what it misses.
#[tokio::test]
async fn a_reader_sees_what_comes_at_once_and_fetches_exactly_what_it_misses() {
    let world = World::new().await;
    let mut author = world.client().await;
    author.open(0, "s", 1, Live::No).await;
    author.push(0, titles(1, 1..16)).await;
    author.hear_acks(15).await;
    let mut reader = world.client().await;
    reader.open(0, "s", 9, Live::No).await;
    reader.say(ClientFrame::Fetch { channel: Channel(0), from: Seq(0), to: Seq(10) }).await;
    let held = reader.hear_events().await.block;
    assert_eq!(held.range(), Seq(0)..Seq(10));
    let mut back = open(1, "s", 9, Live::Head);
    (back.played, back.chain) = (Seq(10), held.after());
    let mut reader = world.client().await;
    reader.say(ClientFrame::Open(back)).await;
    assert_eq!(reader.hear_opened().await.head, Seq(15));
    author.push(0, titles(1, 16..21)).await;
    author.hear_acks(5).await;
    reader.hear_range(15, 20).await;
    reader.say(ClientFrame::Fetch { channel: Channel(1), from: Seq(10), to: Seq(15) }).await;
    let missed = reader.hear_events().await;
    assert_eq!((missed.block.range(), missed.block.before(), missed.head), (Seq(10)..Seq(15), held.after(), Seq(20)));
    reader.hears_nothing_more().await;
}

#[tokio::test]
async fn a_fetch_is_cut_at_both_ends_and_at_the_head() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.open(0, "s", 1, Live::From(Seq(0))).await;
    client.push(0, titles(1, 1..11)).await;
    client.hear_acks(10).await;
    client.hear_range(0, 10).await;
    for (from, to, given) in [(3, 4, 3..4), (2, 9, 2..9), (8, 100, 8..10), (10, 11, 10..10), (50, 60, 10..10)] {
        client.say(ClientFrame::Fetch { channel: Channel(0), from: Seq(from), to: Seq(to) }).await;
        assert_eq!(client.hear_events().await.block.range(), Seq(given.start)..Seq(given.end), "{from}..{to}");
    }
    client.say(ClientFrame::Fetch { channel: Channel(0), from: Seq(4), to: Seq(4) }).await;
    assert_eq!(client.hear_error().await.code, ErrorCode::BadFrame);
    client.hears_nothing_more().await;
}

#[tokio::test]
async fn one_socket_carries_many_streams() {
    const STREAMS: u32 = 500;
    let world = World::new().await;
    let mut client = world.client().await;
    for channel in 0..STREAMS {
        client.say(ClientFrame::Open(open(channel, &format!("many/{channel}"), 1, Live::From(Seq(0))))).await;
    }
    for _ in 0..STREAMS {
        client.hear_opened().await;
    }
    for channel in 0..STREAMS {
        client.push(channel, titles(1, 1..3)).await;
    }
    let mut seen = vec![(0, 0); STREAMS as usize];
    while seen.iter().any(|seen| *seen != (2, 2)) {
        match client.hear().await {
            ServerFrame::Ack { channel, runs, .. } => {
                seen[channel.0 as usize].0 += runs.iter().map(|run| run.count).sum::<u64>();
            }
            ServerFrame::Events(events) => {
                let seen = &mut seen[events.channel.0 as usize];
                seen.1 += events.block.count();
                assert!(seen.1 <= seen.0);
            }
            other => panic!("{other:?}"),
        }
    }
    client.say(ClientFrame::Close { channel: Channel(0) }).await;
    client.push(0, titles(1, 3..4)).await;
    assert_eq!(client.hear_error().await.code, ErrorCode::NotOpen);
}

#[tokio::test]
async fn the_digest_is_that_of_the_objects() {
    let world = World::new().await;
    let mut author = world.client().await;
    author.open(0, "s", 1, Live::From(Seq(0))).await;
    let (mut objects, mut checked, mut next) = (Objects::default(), 0, 1);
    while checked < 3 {
        author.push(0, titles(1, next..next + 1_000)).await;
        next += 1_000;
        while objects.resident() < 10 || author_is_behind(&objects, next) {
            match author.hear().await {
                ServerFrame::Ack { .. } => {}
                ServerFrame::Events(events) => {
                    events.block.events().for_each(|event| objects.play(&event.unwrap()));
                    if let Some(digest) = events.digest {
                        assert_eq!(digest, objects.digest(), "at {}", events.block.end());
                        checked += 1;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let opened = world.client().await.open(0, "s", 2, Live::No).await;
    assert_eq!((opened.head, opened.digest), (Seq(next - 1), objects.digest()));
}

/// Whether the event before `next` was not played yet.
fn author_is_behind(objects: &Objects, next: u64) -> bool {
    let last = format!("o{}", (next - 1) % 10);
    objects.get(&key(&last)).is_none_or(|object| object.seq() != Seq(next - 2))
}

#[tokio::test]
async fn what_is_wrong_is_said_and_the_socket_stays_open() {
    for codec in Codec::ALL {
        let world = World::new().await;
        let mut client = world.client_of(codec).await;
        client.say_bytes(b"{}".to_vec()).await;
        let error = client.hear_error().await;
        assert_eq!((error.channel, error.code), (None, ErrorCode::BadFrame));
        let unknown = if codec == Codec::Cbor { vec![0xa1, 0x00, 0x0f] } else { br#"{"frame":"dance"}"#.to_vec() };
        client.say_bytes(unknown).await;
        assert_eq!(client.hear_error().await.code, ErrorCode::UnknownFrame);
        client.push(8, titles(1, 5..6)).await;
        let error = client.hear_error().await;
        assert_eq!((error.code, error.channel, error.n), (ErrorCode::NotOpen, Some(Channel(8)), Some(EventNumber(5))));
        client.say(ClientFrame::Hello(hello())).await;
        assert_eq!(client.hear_error().await.code, ErrorCode::BadFrame);
        client.hears_nothing_more().await;
        for _ in 0..20 {
            let _ = futures_util::SinkExt::send(&mut client.socket, "?".into()).await;
        }
        assert_eq!(client.hear_close().await, Some(CloseCode::Policy));
    }
}

#[tokio::test]
async fn hello_comes_first_and_says_a_version() {
    let world = World::new().await;
    let mut client = Client::connect(world.address, Codec::Cbor).await;
    client.say(ClientFrame::Ping).await;
    assert_eq!(client.hear_error().await.code, ErrorCode::BadFrame);
    assert_eq!(client.hear_close().await, Some(CloseCode::Policy));
    let mut client = Client::connect(world.address, Codec::Cbor).await;
    client.say(ClientFrame::Hello(Hello { protocol: 0, ..hello() })).await;
    assert_eq!(client.hear_error().await.code, ErrorCode::UpgradeRequired);
    client.hear_close().await;
    let mut client = Client::connect(world.address, Codec::Cbor).await;
    client.say(ClientFrame::Hello(Hello { protocol: 7, ..hello() })).await;
    let ServerFrame::Welcome(welcome) = client.hear().await else { panic!("no welcome") };
    assert_eq!(welcome.protocol, 1);
}

#[tokio::test]
async fn an_append_that_fails_is_sent_again() {
    let log = Arc::new(MemoryLog::lazy());
    let world = World::on(log.clone()).await;
    let mut client = world.client().await;
    client.open(0, "s", 1, Live::From(Seq(0))).await;
    client.push(0, titles(1, 1..3)).await;
    // Somebody else writes to the stream first: the shard's append conflicts.
    let other = World::on(log.clone()).await;
    let mut rival = other.client().await;
    rival.open(0, "s", 2, Live::No).await;
    wait_for(|| log.unsynced() == 1).await;
    rival.push(0, titles(2, 1..2)).await;
    wait_for(|| log.unsynced() == 2).await;
    log.sync();
    client.hear_acks(2).await;
    client.hear_range(0, 2).await;
    let error = rival.hear_error().await;
    assert_eq!((error.code, error.n), (ErrorCode::Later, Some(EventNumber(1))));
    rival.push(0, titles(2, 1..2)).await;
    wait_for(|| log.unsynced() == 1).await;
    log.sync();
    assert_eq!(rival.hear_ack().await, [AckRun { n: EventNumber(1), seq: Seq(2), count: 1 }]);
    // The first server does not know; its next append conflicts, it loads the stream anew, and plays what it missed.
    client.push(0, titles(1, 3..4)).await;
    wait_for(|| log.unsynced() == 1).await;
    log.sync();
    assert_eq!(client.hear_error().await.code, ErrorCode::Later);
    client.push(0, titles(1, 3..4)).await;
    wait_for(|| log.unsynced() == 1).await;
    log.sync();
    let mut heard = [client.hear().await, client.hear().await];
    heard.sort_by_key(|frame| matches!(frame, ServerFrame::Events(_)));
    let [ServerFrame::Ack { runs, .. }, ServerFrame::Events(missed)] = heard else { panic!("{heard:?}") };
    assert_eq!(runs, [AckRun { n: EventNumber(3), seq: Seq(3), count: 1 }]);
    assert_eq!(missed.block.from(), Seq(2));
    client.hear_range(missed.block.end().0, 4).await;
}

async fn wait_for(mut met: impl FnMut() -> bool) {
    let waiting = async {
        while !met() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(support::PATIENCE, waiting).await.expect("it happens");
}

#[tokio::test]
async fn a_client_id_of_a_former_identity_is_told_of() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.open(0, "s", 1, Live::No).await;
    client.push(0, titles(1, 1..6)).await;
    client.hear_acks(5).await;
    let mut again = open(0, "s", 2, Live::No);
    again.former = vec![ClientId(1), ClientId(77)];
    client.say(ClientFrame::Open(again)).await;
    assert_eq!(client.hear_opened().await.last, [EventNumber(0), EventNumber(5), EventNumber(0)]);
}
