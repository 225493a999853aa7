//! What the tests share: a server, and ways to wait.

#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

pub mod asking;
pub mod proxy;
mod server;
mod sse;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use server::TestServer;
use tapeline_client::{Builder, Stream, Tapeline, Transport};

/// How long anything may take before a test counts as hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// Copies a store as it is on the disk right now, while it may be in use.
pub fn copy_store(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let with = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        match with(from).exists() {
            true => drop(std::fs::copy(with(from), with(to)).unwrap()),
            false => drop(std::fs::remove_file(with(to))),
        }
    }
}

/// A client that is carried so.
pub fn builder(address: impl Into<String>, transport: Transport) -> Builder {
    Tapeline::builder(address).transport(transport)
}

/// A client in memory.
pub async fn client(server: &TestServer) -> Tapeline {
    client_by(server, Transport::WebSocket).await
}

/// A client in memory that is carried so.
pub async fn client_by(server: &TestServer, transport: Transport) -> Tapeline {
    builder(server.address(), transport).open().await.unwrap()
}

/// Makes tests of functions, each twice: over a WebSocket, and over Server-Sent Events.
#[macro_export]
macro_rules! by_each_transport {
    ($($test:ident),+ $(,)?) => {
        mod by_websocket {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(tapeline_client::Transport::WebSocket).await;
            })+
        }
        mod by_sse {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(tapeline_client::Transport::Sse).await;
            })+
        }
    };
}

/// Waits for what must come.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens within the patience of a test")
}

/// Waits until both hold the same, with nothing pending.
pub async fn converged(a: &Stream, b: &Stream) {
    soon(async {
        loop {
            a.synced().await.unwrap();
            b.synced().await.unwrap();
            if a.status().replica.played == b.status().replica.played {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(a.digest(), b.digest());
    // One may have shown for a while what came to nothing.
    for name in a.collections().into_iter().chain(b.collections()) {
        let shown = |stream: &Stream| {
            let all = stream.collection(name.as_str()).unwrap().all().into_iter();
            all.map(|(id, object)| (id, object.to_value())).collect::<Vec<_>>()
        };
        assert!(shown(a) == shown(b), "{name} differs where the digests agree");
    }
}

/// The answer to a plain request, head and body.
pub async fn get(server: &str, path: &str, headers: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(server).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n{headers}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(socket.read_to_string(&mut answer)).await.unwrap();
    answer
}
