//! Who is there, between clients of the server it is made for.

mod support;

use std::sync::Arc;

use support::{builder, soon};
use tapeline_client::{Codec, Presence, PresenceError, Tapeline, Transport, Value};
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Server, ServerConfig};

async fn start() -> (Server, String) {
    let (config, log) = (
        ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), ..ServerConfig::default() },
        Arc::new(MemoryLog::default()),
    );
    let server = Server::start(config, log.clone(), log).await.unwrap();
    let address = format!("ws://{}", server.address());
    (server, address)
}

async fn enter(address: &str, transport: Transport, codec: Codec) -> (Tapeline, Presence) {
    let client = builder(address, transport).codec(codec).open().await.unwrap();
    let presence = client.stream("board").await.unwrap().presence();
    (client, presence)
}

/// Waits until the others say this, in no particular order.
async fn sees(presence: &mut Presence, wanted: &[&str]) {
    soon(async {
        loop {
            let mut seen: Vec<String> =
                presence.peers().iter().filter_map(|(_, state)| Some(state.as_text()?.into())).collect();
            seen.sort();
            if seen == wanted {
                return;
            }
            assert!(presence.changed().await, "the client is closed");
        }
    })
    .await;
}

by_each_transport! {
    those_who_are_there_see_each_other_come_move_and_go,
    a_hundred_are_there_at_once_and_a_newcomer_sees_all,
    too_much_is_refused_with_a_clear_error,
    it_is_said_again_to_a_server_that_comes_back,
}

async fn those_who_are_there_see_each_other_come_move_and_go(transport: Transport) {
    let (server, address) = start().await;
    let (_a, mut ana) = enter(&address, transport, Codec::Cbor).await;
    let (b, mut ben) = enter(&address, transport, Codec::Json).await;
    ana.set("ana is here").unwrap();
    sees(&mut ben, &["ana is here"]).await;
    ben.set("ben is here").unwrap();
    sees(&mut ana, &["ben is here"]).await;
    for step in 0..100 {
        ana.set(format!("ana at {step}")).unwrap();
    }
    sees(&mut ben, &["ana at 99"]).await;
    ana.clear();
    sees(&mut ben, &[]).await;
    b.close().await.unwrap();
    sees(&mut ana, &[]).await;
    server.stop().await;
}

async fn a_hundred_are_there_at_once_and_a_newcomer_sees_all(transport: Transport) {
    let (server, address) = start().await;
    let mut there = Vec::new();
    for place in 0..100 {
        let (client, presence) = enter(&address, transport, Codec::Cbor).await;
        presence.set(format!("{place:03}")).unwrap();
        there.push((client, presence));
    }
    let (_client, mut newcomer) = enter(&address, transport, Codec::Cbor).await;
    let all: Vec<String> = (0..100).map(|place| format!("{place:03}")).collect();
    sees(&mut newcomer, &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    server.stop().await;
}

async fn too_much_is_refused_with_a_clear_error(transport: Transport) {
    let (server, address) = start().await;
    let (_client, ana) = enter(&address, transport, Codec::Cbor).await;
    let error = ana.set("x".repeat(5_000)).unwrap_err();
    assert!(matches!(error, PresenceError::TooLarge(bytes) if bytes > 5_000), "{error}");
    let deep = (0..40).fold(Value::Null, |inside, _| Value::List(vec![inside].into()));
    assert_eq!(ana.set(deep), Err(PresenceError::TooDeep));
    server.stop().await;
}

async fn it_is_said_again_to_a_server_that_comes_back(transport: Transport) {
    let (server, address) = start().await;
    let (_a, mut ana) = enter(&address, transport, Codec::Cbor).await;
    let (_b, ben) = enter(&address, transport, Codec::Cbor).await;
    ben.set("ben").unwrap();
    sees(&mut ana, &["ben"]).await;
    let place = server.address();
    server.stop().await;
    sees(&mut ana, &[]).await;
    let log = Arc::new(MemoryLog::default());
    let server =
        Server::start(ServerConfig { listen: place, ..ServerConfig::default() }, log.clone(), log).await.unwrap();
    sees(&mut ana, &["ben"]).await;
    server.stop().await;
}
