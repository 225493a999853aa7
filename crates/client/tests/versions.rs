//! Apps of several versions at one server: who is too old is told, who is ahead waits, and what either has kept is sent
//! once somebody was upgraded.

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use support::{builder, soon};
use tapeline_client::{Connection, Tapeline, Transport};
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Server, ServerConfig, read_schema};

const TRANSPORTS: [Transport; 2] = [Transport::WebSocket, Transport::Sse];

async fn serve(listen: SocketAddr, log: &Arc<MemoryLog>, schema: &str) -> Server {
    let schema = read_schema(schema).unwrap().schema.into();
    let config = ServerConfig { listen, schema, ..ServerConfig::default() };
    Server::start_in_memory(config, log.clone()).await.unwrap()
}

async fn app(server: &Server, transport: Transport, store: &Path, version: Option<u32>) -> Tapeline {
    let builder = builder(format!("ws://{}", server.address()), transport).store(store);
    version.into_iter().fold(builder, tapeline_client::Builder::schema).open().await.unwrap()
}

/// The titles of all tasks, with what is pending.
async fn titles(app: &Tapeline) -> Vec<String> {
    let tasks = app.stream("list").await.unwrap().collection("tasks").unwrap();
    let mut titles: Vec<_> =
        tasks.all().iter().map(|(_, task)| task.get("title").unwrap().as_text().unwrap().to_owned()).collect();
    titles.sort();
    titles
}

async fn adds(app: &Tapeline, title: &str) {
    let list = app.stream("list").await.unwrap();
    let (_, receipt) = list.collection("tasks").unwrap().insert([("title", title.into())]).unwrap();
    soon(receipt.stored()).await.unwrap();
}

async fn sends_all(app: &Tapeline) {
    let list = app.stream("list").await.unwrap();
    let mut statuses = list.status_changes();
    let is_pending = || list.status().replica.pending > 0;
    soon(async { while is_pending() && statuses.next().await.is_some() {} }).await;
}

async fn stands(app: &Tapeline, so: impl Fn(&Connection) -> bool) -> Connection {
    let mut changes = app.connection_changes();
    soon(changes.wait_for(|connection| so(connection))).await.unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_is_too_old_is_told_and_sends_what_it_kept_once_it_is_upgraded() {
    for transport in TRANSPORTS {
        let (log, directory) = (Arc::new(MemoryLog::new()), tempfile::tempdir().unwrap());
        let server = serve(([127, 0, 0, 1], 0).into(), &log, "version = 3\noldest = 2").await;
        let store = directory.path().join("app");
        let old = app(&server, transport, &store, Some(1)).await;
        adds(&old, "kept").await;
        let Connection::UpgradeRequired { why } =
            stands(&old, |now| matches!(now, Connection::UpgradeRequired { .. })).await
        else {
            panic!("{:?}", old.connection())
        };
        assert_eq!(
            why.to_string(),
            "this app was written for version 1 of its schema, and 2 is the oldest that is served: upgrade the app"
        );
        assert_eq!(titles(&old).await, ["kept"]);
        old.close().await.unwrap();

        let upgraded = app(&server, transport, &store, Some(2)).await;
        sends_all(&upgraded).await;
        let tool = app(&server, transport, &directory.path().join("tool"), None).await;
        soon(tool.stream("list").await.unwrap().caught_up()).await.unwrap();
        assert_eq!(titles(&tool).await, ["kept"], "who says no version is served");
        upgraded.close().await.unwrap();
        tool.close().await.unwrap();
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_is_ahead_waits_for_the_server_and_sends_what_it_kept() {
    for transport in TRANSPORTS {
        let (log, directory) = (Arc::new(MemoryLog::new()), tempfile::tempdir().unwrap());
        let server = serve(([127, 0, 0, 1], 0).into(), &log, "version = 1").await;
        let new = app(&server, transport, &directory.path().join("app"), Some(2)).await;
        adds(&new, "early").await;
        let waits = |now: &Connection| matches!(now, Connection::Waiting { why, .. } if why.contains("the server is to be upgraded"));
        stands(&new, waits).await;
        let address = server.address();
        server.stop().await;
        let server = serve(address, &log, "version = 2").await;
        sends_all(&new).await;
        let tool = app(&server, transport, &directory.path().join("tool"), None).await;
        soon(tool.stream("list").await.unwrap().caught_up()).await.unwrap();
        assert_eq!(titles(&tool).await, ["early"]);
        tool.close().await.unwrap();
        new.close().await.unwrap();
        server.stop().await;
    }
}
