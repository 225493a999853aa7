//! Documents served beside the API.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use support::World;
use support::http::request;
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Page, Server, ServerConfig};

/// A page for every path that it is asked for, by gzip too where that ends with `.js`.
fn page(path: &str) -> Option<Page> {
    let body = format!("this is {path}").into_bytes().into();
    let gzipped = path.ends_with(".js").then(|| b"by gzip".into());
    Some(Page { body, gzipped, headers: vec![("content-type", "text/plain"), ("cache-control", "no-cache")] })
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
async fn who_takes_gzip_gets_it_where_it_is_there() {
    let world = world().await;
    for (path, takes, gzipped) in [
        ("/a.js", "gzip", true),
        ("/a.js", "br, GZip;q=0.5, *;q=0", true),
        ("/a.js", "br;q=1.0", false),
        ("/a.js", "gzip;q=0, br", false),
        ("/a.js", "gzip;q=much", false),
        ("/a.html", "gzip", false),
    ] {
        let asked =
            format!("GET {path} HTTP/1.1\r\nhost: here\r\naccept-encoding: {takes}\r\nconnection: close\r\n\r\n");
        let reply = request(world.address, asked).await;
        assert_eq!(reply.body == "by gzip", gzipped, "{path} for {takes}");
        assert_eq!(reply.headers.get("content-encoding").map(|coding| &**coding), gzipped.then_some("gzip"));
        assert_eq!(reply.headers.contains_key("vary"), path.ends_with(".js"));
    }
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
