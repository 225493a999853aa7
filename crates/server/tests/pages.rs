//! Documents served beside the API.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use support::World;
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Page, Server, ServerConfig};

/// A page for every path that it is asked for.
fn page(path: &str) -> Option<Page> {
    let body = format!("this is {path}").into_bytes().into();
    let headers = vec![("content-type", "text/plain"), ("cache-control", "no-cache")];
    Some(Page { body, gzipped: None, headers })
}

async fn world() -> World {
    let log = Arc::new(MemoryLog::new());
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = ServerConfig { listen, pages: Some(Arc::new(page)), ..ServerConfig::default() };
    let server = Server::start_in_memory(config, log.clone()).await.unwrap();
    World { log, address: server.address(), server }
}

#[tokio::test]
async fn pages_are_served_with_their_headers() {
    let world = world().await;
    let reply = world.get("/todo/?x=1").await;
    assert_eq!((reply.status, &*reply.body), (200, "this is /todo/"));
    assert_eq!((&*reply.headers["content-type"], &*reply.headers["cache-control"]), ("text/plain", "no-cache"));
}

#[tokio::test]
async fn the_api_goes_first_and_nothing_is_posted_to_pages() {
    let world = world().await;
    assert_eq!(world.get("/healthz").await.body, "ok\n");
    world.get("/v1/streams/none").await.problem(404, "no_such_stream", false);
    world.post("/todo/", "{}").await.problem(404, "no_such_path", false);
}

#[tokio::test]
async fn without_pages_there_are_none() {
    World::new().await.get("/").await.problem(404, "no_such_path", false);
}
