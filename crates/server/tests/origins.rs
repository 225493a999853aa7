//! Web pages that may use a server from browsers, and those that may not.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use support::PATIENCE;
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Server, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const APP: &str = "https://app.example.com";

async fn start(origins: &[&str]) -> Server {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    let config = ServerConfig { listen, origins, ..ServerConfig::default() };
    Server::start_in_memory(config, Arc::new(MemoryLog::new())).await.unwrap()
}

/// The head of an answer, in lower case.
async fn ask(server: &Server, method: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("an answer");
        head.push(byte.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// Asks for a WebSocket. Answers with the status.
async fn upgrade(server: &Server, origin: &str) -> u16 {
    let headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: tapeline.v1.cbor\r\n";
    let head = ask(server, "GET", "/v1/sync", &format!("{headers}{origin}")).await;
    head[9..12].parse().unwrap()
}

#[tokio::test]
async fn a_socket_is_opened_for_pages_that_are_named_and_for_what_is_no_page() {
    let server = start(&[APP, "http://localhost:5173"]).await;
    for (origin, status) in [
        ("", 101),
        ("Origin: https://app.example.com\r\n", 101),
        ("Origin: http://localhost:5173\r\n", 101),
        ("Origin: https://evil.example.com\r\n", 403),
        ("Origin: https://app.example.com.evil.example\r\n", 403),
        ("Origin: http://app.example.com\r\n", 403),
        ("Origin: null\r\n", 403),
    ] {
        assert_eq!(upgrade(&server, origin).await, status, "{origin}");
    }
}

#[tokio::test]
async fn answers_are_shown_to_the_page_that_asked_alone() {
    let server = start(&[APP]).await;
    let origin = format!("Origin: {APP}\r\n");
    let head = ask(&server, "GET", "/v1/streams", &origin).await;
    assert!(head.contains(&format!("access-control-allow-origin: {APP}\r\n")), "{head}");
    assert!(head.contains("vary: origin\r\n"), "{head}");
    let head = ask(&server, "OPTIONS", "/v1/streams", &origin).await;
    assert!(head.contains(&format!("access-control-allow-origin: {APP}\r\n")), "{head}");
    let head = ask(&server, "GET", "/v1/streams", "").await;
    assert!(head.starts_with("http/1.1 200") && !head.contains("allow-origin"), "{head}");
    let head = ask(&server, "OPTIONS", "/v1/streams", "Origin: https://evil.example\r\n").await;
    assert!(head.starts_with("http/1.1 403") && !head.contains("allow-origin"), "{head}");
}

#[tokio::test]
async fn where_no_page_is_named_all_may_ask() {
    let server = start(&[]).await;
    assert_eq!(upgrade(&server, "Origin: https://anything.example\r\n").await, 101);
    let head = ask(&server, "GET", "/v1/streams", "Origin: https://anything.example\r\n").await;
    assert!(head.contains("access-control-allow-origin: *\r\n"), "{head}");
}
