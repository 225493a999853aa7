//! Starting and stopping.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use support::{Client, World, open, stream, title, titles};
use tapeline_core::codec::Codec;
use tapeline_core::frame::{ClientFrame, ErrorCode, Live};
use tapeline_core::limits::{HEARTBEAT, SILENCE};
use tapeline_core::numbers::{EventNumber, Position, Seq};
use tapeline_log::memory::MemoryLog;
use tapeline_log::{EventLog, StateStore};
use tapeline_server::{Server, ServerConfig, StartError};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test]
async fn what_was_taken_is_answered_and_stored_before_the_server_ends() {
    let log = Arc::new(MemoryLog::lazy());
    let world = World::on(log.clone()).await;
    let mut client = world.client().await;
    client.open(0, "s", 1, Live::No).await;
    client.push(0, titles(1, 1..4)).await;
    while log.unsynced() == 0 {
        tokio::task::yield_now().await;
    }
    let stopping = tokio::spawn(world.server.stop());
    while TcpStream::connect(world.address).await.is_ok() {}
    // Now nothing new is taken; what was taken before is not durable yet.
    client.push(0, titles(1, 4..6)).await;
    client.hears_nothing_more().await;
    let syncing = tokio::spawn({
        let log = log.clone();
        async move {
            loop {
                log.sync();
                tokio::task::yield_now().await;
            }
        }
    });
    client.hear_acks(3).await;
    let later = client.hear_error().await;
    assert_eq!((later.code, later.n), (ErrorCode::Later, Some(EventNumber(4))));
    assert_eq!(client.hear_close().await, Some(CloseCode::Away));
    drop(client);
    stopping.await.unwrap();
    syncing.abort();
    let head = log.head(&stream("s")).await.unwrap().unwrap();
    let state = log.stream(&stream("s")).unwrap().unwrap();
    assert_eq!((state.position, state.head, state.head), (head.position, head.seq, Seq(3)));
}

#[tokio::test]
async fn a_server_goes_on_where_another_ended() {
    let log = Arc::new(MemoryLog::new());
    let world = World::on(log.clone()).await;
    let mut client = world.client().await;
    client.open(0, "s", 1, Live::No).await;
    client.push(0, titles(1, 1..6)).await;
    client.hear_acks(5).await;
    // A crash: what was not flushed to the state store is gone.
    let log = Arc::new(MemoryLog::restore(log.crash(0), false));
    assert_eq!(log.unapplied_streams(), [stream("s")]);
    let config = ServerConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        unapplied: log.unapplied_streams(),
        ..ServerConfig::default()
    };
    let server = Server::start_in_memory(config, log.clone()).await.unwrap();
    let world = World { log: log.clone(), address: server.address(), server };
    while !log.unapplied_streams().is_empty() {
        tokio::task::yield_now().await;
    }
    let mut client = world.client().await;
    let opened = client.open(0, "s", 1, Live::From(Seq(0))).await;
    assert_eq!((opened.head, opened.last, opened.verdicts.len()), (Seq(5), vec![EventNumber(5)], 5));
    client.hear_range(0, 5).await;
    client.push(0, vec![title(1, 6, "a", "z")]).await;
    client.hear_acks(1).await;
    drop(client);
    world.server.stop().await;
    assert_eq!(
        log.stream(&stream("s")).unwrap().unwrap().position,
        log.head(&stream("s")).await.unwrap().unwrap().position
    );
    assert!(log.head(&stream("s")).await.unwrap().unwrap().position > Position(1));
}

#[tokio::test]
async fn a_server_that_asks_nobody_listens_to_this_machine_alone() {
    let log = Arc::new(MemoryLog::new());
    let listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let config = ServerConfig { listen, ..ServerConfig::default() };
    let refused = Server::start_in_memory(config.clone(), log.clone()).await.unwrap_err();
    assert!(matches!(refused, StartError::Insecure(address) if address == listen));
    assert!(refused.to_string().contains("insecure"));
    let server = Server::start_in_memory(ServerConfig { insecure: true, ..config }, log.clone()).await.unwrap();
    let taken = ServerConfig { listen: server.address(), insecure: true, ..ServerConfig::default() };
    assert!(matches!(Server::start_in_memory(taken, log).await, Err(StartError::Listen { .. })));
    server.stop().await;
}

#[tokio::test]
async fn a_dropped_server_stops_by_itself() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say(ClientFrame::Open(open(0, "s", 1, Live::No))).await;
    client.hear_opened().await;
    drop(world.server);
    assert_eq!(client.hear_close().await, Some(CloseCode::Away));
}

#[tokio::test(start_paused = true)]
async fn a_socket_without_a_sign_of_life_is_closed() {
    let world = World::new().await;
    let started = Instant::now();
    let mut silent = Client::connect(world.address, Codec::Cbor).await;
    assert!(
        matches!(silent.socket.next().await, Some(Ok(Message::Close(Some(close)))) if close.code == CloseCode::Policy)
    );
    assert!(started.elapsed() < Duration::from_secs(25), "a client that does not say hello");
    let (mut silent, mut alive) = (world.client().await, world.client().await);
    let started = Instant::now();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(HEARTBEAT.0)).await;
        alive.hears_nothing_more().await;
    }
    assert!(started.elapsed() > Duration::from_millis(SILENCE.0 * 2));
    assert_eq!(silent.hear_close().await, Some(CloseCode::Policy));
    alive.hears_nothing_more().await;
}
