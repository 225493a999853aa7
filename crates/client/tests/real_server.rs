//! The client with the server it is made for.

mod support;

use std::sync::Arc;

use support::{builder, converged, soon};
use tapeline_client::{Codec, Connection, Outcome, Transport, Value};
use tapeline_core::numbers::Seq;
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Server, ServerConfig};
use tempfile::TempDir;

const MANY: i64 = 10_000;

async fn start(log: &Arc<MemoryLog>) -> (Server, String) {
    let config = ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), ..ServerConfig::default() };
    let server = Server::start_in_memory(config, log.clone()).await.unwrap();
    let address = format!("ws://{}", server.address());
    (server, address)
}

by_each_transport! {
    two_clients_converge_in_either_codec,
    many_offline_edits_are_sent_in_order_exactly_once_to_a_server_that_comes_and_goes,
    many_streams_share_one_connection,
}

async fn two_clients_converge_in_either_codec(transport: Transport) {
    let log = Arc::new(MemoryLog::default());
    let (server, address) = start(&log).await;
    for codec in Codec::ALL {
        let a = builder(&address, transport).codec(codec).open().await.unwrap();
        let b = builder(&address, transport).open().await.unwrap();
        let (here, there) = (a.stream("list").await.unwrap(), b.stream("list").await.unwrap());
        let (id, receipt) = here.collection("tasks").unwrap().insert([("count", Value::Int(1))]).unwrap();
        assert!(matches!(soon(receipt.recorded()).await, Ok(Outcome::Recorded { .. })));
        let theirs = there.collection("tasks").unwrap();
        let mut changes = theirs.object_changes(&id);
        soon(async {
            while theirs.get(&id).is_none() {
                changes.next().await.unwrap();
            }
        })
        .await;
        theirs.increment(&id, "count", 2).unwrap();
        here.collection("tasks").unwrap().increment(&id, "count", 3).unwrap();
        converged(&here, &there).await;
        assert_eq!(theirs.get(&id).unwrap().get("count"), Some(&Value::Int(6)));
    }
    server.stop().await;
}

async fn many_offline_edits_are_sent_in_order_exactly_once_to_a_server_that_comes_and_goes(transport: Transport) {
    let (log, directory) = (Arc::new(MemoryLog::default()), TempDir::new().unwrap());
    let (server, address) = start(&log).await;
    let store = directory.path().join("app.tapeline");
    let a = builder(&address, transport).store(&store).offline().open().await.unwrap();
    let here = a.stream("list").await.unwrap();
    let tasks = here.collection("tasks").unwrap();
    let receipts: Vec<_> = (0..MANY).map(|i| tasks.insert([("i", Value::Int(i))]).unwrap().1).collect();
    a.go_online();
    soon(receipts[100].recorded()).await.unwrap();
    let listen = server.address();
    server.stop().await;
    let mut connection = a.connection_changes();
    soon(connection.wait_for(|now| *now != Connection::Connected)).await.unwrap();
    let server =
        Server::start_in_memory(ServerConfig { listen, ..ServerConfig::default() }, log.clone()).await.unwrap();
    a.go_online();
    for (place, receipt) in receipts.iter().enumerate() {
        let recorded = Outcome::Recorded { seq: Seq(place as u64), lost: Vec::new() };
        assert_eq!(soon(receipt.recorded()).await, Ok(recorded));
    }
    let b = builder(&address, transport).open().await.unwrap();
    converged(&here, &b.stream("list").await.unwrap()).await;
    server.stop().await;
}

async fn many_streams_share_one_connection(transport: Transport) {
    let log = Arc::new(MemoryLog::default());
    let (server, address) = start(&log).await;
    let (a, b) =
        (builder(&address, transport).open().await.unwrap(), builder(&address, transport).open().await.unwrap());
    let mut streams = Vec::new();
    for number in 0..200 {
        let here = a.stream(format!("lists/{number}")).await.unwrap();
        here.collection("tasks").unwrap().insert([("number", Value::Int(number))]).unwrap();
        streams.push((here, b.stream(format!("lists/{number}")).await.unwrap()));
    }
    for (here, there) in &streams {
        converged(here, there).await;
        assert_eq!(there.collection("tasks").unwrap().all().len(), 1);
    }
    server.stop().await;
}
