//! Who is there: what sessions say of their peers, and what they are told of others.

mod support;

use std::time::Duration;

use support::{Client, World, open};
use tapeline_core::codec::Codec;
use tapeline_core::frame::{ClientFrame, ErrorCode, Live, Presence, ServerFrame};
use tapeline_core::limits::{PEERS, PRESENCE_LIFETIME, PRESENCE_PAUSE, PRESENCE_PEERS, PRESENCE_RENEWAL};
use tapeline_core::numbers::{Channel, PeerId};
use tapeline_core::value::Value;
use tokio::time::Instant;

type Peers = Vec<(PeerId, Option<Value>)>;

const ANA: PeerId = PeerId(1);
const BEN: PeerId = PeerId(2);

fn at(place: i64) -> Option<Value> {
    Some(Value::Int(place))
}

fn duration(millis: tapeline_core::numbers::Millis) -> Duration {
    Duration::from_millis(millis.0)
}

/// A client that has a stream open.
async fn enter(world: &World, client: u128) -> Client {
    let mut entered = world.client().await;
    entered.open(client as u32, "board", client, Live::No).await;
    entered
}

/// A client that is told who is there, and who that was at first.
async fn watch(world: &World, client: u128) -> (Client, Peers) {
    let mut watcher = enter(world, client).await;
    present(&mut watcher, client, true, vec![]).await;
    let (anew, peers) = hear(&mut watcher).await;
    assert!(anew);
    (watcher, peers)
}

async fn present(client: &mut Client, channel: u128, anew: bool, peers: Peers) {
    client.say(ClientFrame::Presence(Presence { channel: Channel(channel as u32), anew, peers })).await;
}

async fn hear(client: &mut Client) -> (bool, Peers) {
    match client.hear().await {
        ServerFrame::Presence(Presence { anew, mut peers, .. }) => {
            peers.sort_by_key(|(peer, _)| *peer);
            (anew, peers)
        }
        other => panic!("no presence: {other:?}"),
    }
}

#[tokio::test]
async fn who_watches_is_told_what_changes_and_nobody_else_is() {
    let world = World::new().await;
    let mut ana = enter(&world, 1).await;
    present(&mut ana, 1, false, vec![(ANA, at(1))]).await;
    ana.hears_nothing_more().await;
    let (mut watcher, peers) = watch(&world, 9).await;
    assert_eq!(peers, [(ANA, at(1))]);
    let mut idle = enter(&world, 3).await;
    present(&mut ana, 1, false, vec![(ANA, at(2)), (BEN, at(1))]).await;
    assert_eq!(hear(&mut watcher).await, (false, vec![(ANA, at(2)), (BEN, at(1))]));
    present(&mut ana, 1, false, vec![(BEN, None)]).await;
    assert_eq!(hear(&mut watcher).await, (false, vec![(BEN, None)]));
    ana.say(ClientFrame::Close { channel: Channel(1) }).await;
    assert_eq!(hear(&mut watcher).await, (false, vec![(ANA, None)]));
    for client in [&mut ana, &mut idle, &mut watcher] {
        client.hears_nothing_more().await;
    }
}

#[tokio::test]
async fn who_says_much_is_heard_once_a_pause() {
    const SAID: i64 = 1_000;
    let world = World::new().await;
    let mut ana = enter(&world, 1).await;
    let (mut watcher, _) = watch(&world, 9).await;
    tokio::time::pause();
    let (started, mut heard, mut last) = (Instant::now(), 0, None);
    for place in 0..SAID {
        present(&mut ana, 1, false, vec![(ANA, at(place))]).await;
    }
    while last != at(SAID - 1) {
        let (_, peers) = hear(&mut watcher).await;
        last = peers[0].1.clone();
        heard += 1;
    }
    let pauses = started.elapsed().as_millis() / u128::from(PRESENCE_PAUSE.0);
    assert!(heard <= pauses + 2, "{heard} times in {pauses} pauses");
}

#[tokio::test]
async fn who_is_cut_off_has_a_lifetime_to_come_back() {
    let world = World::new().await;
    let (mut watcher, _) = watch(&world, 9).await;
    let (mut ana, mut ben) = (enter(&world, 1).await, enter(&world, 2).await);
    let mut ana_again = enter(&world, 3).await;
    // The shards' threads are not needed from here on.
    tokio::time::pause();
    for (client, channel, peer) in [(&mut ana, 1, ANA), (&mut ben, 2, BEN)] {
        present(client, channel, false, vec![(peer, at(1))]).await;
        assert_eq!(hear(&mut watcher).await.1, [(peer, at(1))]);
    }
    drop((ana, ben));
    let started = Instant::now();
    tokio::time::sleep(duration(PRESENCE_RENEWAL)).await;
    present(&mut ana_again, 3, false, vec![(ANA, at(1))]).await;
    watcher.hears_nothing_more().await;
    tokio::time::sleep(duration(PRESENCE_RENEWAL)).await;
    watcher.hears_nothing_more().await;
    assert_eq!(hear(&mut watcher).await, (false, vec![(BEN, None)]), "Ana has come back");
    assert!(started.elapsed() >= duration(PRESENCE_LIFETIME) - Duration::from_secs(1), "{:?}", started.elapsed());
}

/// A client behind a half-open socket comes on another one: nobody sees it go.
#[tokio::test]
async fn who_is_displaced_stays_there() {
    let world = World::new().await;
    let (mut watcher, _) = watch(&world, 9).await;
    let mut older = enter(&world, 1).await;
    present(&mut older, 1, false, vec![(ANA, at(1))]).await;
    assert_eq!(hear(&mut watcher).await.1, [(ANA, at(1))]);
    let mut newer = enter(&world, 1).await;
    assert_eq!(older.hear_error().await.code, ErrorCode::Displaced);
    older.hear_close().await;
    tokio::time::pause();
    tokio::time::sleep(duration(PRESENCE_PAUSE) * 3).await;
    watcher.hears_nothing_more().await;
    present(&mut newer, 1, false, vec![(ANA, at(2))]).await;
    assert_eq!(hear(&mut watcher).await, (false, vec![(ANA, at(2))]));
}

/// Each question would otherwise wait, as long as the client does not read.
#[tokio::test]
async fn who_asks_again_and_again_is_not_answered_each_time() {
    const ASKED: usize = 20_000;
    let world = World::new().await;
    let mut ana = enter(&world, 1).await;
    let text = Some(Value::text("x".repeat(4_000)));
    for peer in 0..10 {
        present(&mut ana, 1, false, vec![(PeerId(peer), text.clone())]).await;
    }
    ana.hears_nothing_more().await;
    let mut asks = enter(&world, 2).await;
    for _ in 0..ASKED {
        present(&mut asks, 2, true, vec![]).await;
    }
    let (mut answered, mut rounds) = (0, 0);
    while rounds < 3 {
        asks.say(ClientFrame::Ping).await;
        while let ServerFrame::Presence(_) = asks.hear().await {
            (answered, rounds) = (answered + 1, 0);
            assert!(answered < ASKED / 10, "{answered} answers");
        }
        rounds += 1;
    }
}

#[tokio::test]
async fn a_stream_that_is_crowded_says_so() {
    let world = World::new().await;
    for codec in Codec::ALL {
        let mut client = world.client_of(codec).await;
        let name = format!("board/{codec:?}");
        client.say(ClientFrame::Open(open(1, &name, 1, Live::No))).await;
        client.hear_opened().await;
        let peers: Vec<_> = (0..PEERS as u64).map(|peer| (PeerId(peer), at(0))).collect();
        for some in peers.chunks(PRESENCE_PEERS) {
            present(&mut client, 1, false, some.to_vec()).await;
        }
        client.hears_nothing_more().await;
        present(&mut client, 1, true, vec![(PeerId(u64::MAX), at(0))]).await;
        let error = client.hear_error().await;
        assert_eq!((error.code, error.channel), (ErrorCode::Later, None));
        assert_eq!(hear(&mut client).await, (true, peers));
        present(&mut client, 1, false, vec![(PeerId(0), at(1)); PRESENCE_PEERS + 1]).await;
        assert_eq!(client.hear_error().await.code, ErrorCode::BadFrame);
        present(&mut client, 7, false, vec![(ANA, at(1))]).await;
        assert_eq!(client.hear_error().await.code, ErrorCode::NotOpen);
    }
}
