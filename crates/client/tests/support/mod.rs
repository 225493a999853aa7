//! What the tests share: a server, and ways to wait.

#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

pub mod asking;
pub mod proxy;
mod server;
mod sse;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use server::TestServer;
use tapeline_client::{Builder, ObjectId, Stream, Tapeline, Transport, Value};
use tapeline_core::hash::Digest;
use tapeline_core::numbers::Seq;

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

/// Waits until both have played the same with nothing pending, and asserts that they hold and show the same. Others may
/// edit meanwhile.
pub async fn converged(a: &Stream, b: &Stream) {
    let (a, b) = soon(async {
        loop {
            a.synced().await.unwrap();
            b.synced().await.unwrap();
            match (Moment::of(a), Moment::of(b)) {
                (Some(a), Some(b)) if a.played == b.played => break (a, b),
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert_eq!(a.digest, b.digest, "after {:?}", a.played);
    // One may have shown for a while what came to nothing.
    for name in a.shown.keys().chain(b.shown.keys()) {
        assert_eq!(a.shown.get(name), b.shown.get(name), "{name} differs where the digests agree, at {:?}", a.played);
    }
}

/// What one stream holds and shows at one moment.
struct Moment {
    played: Seq,
    digest: Digest,
    shown: BTreeMap<String, Vec<(ObjectId, Value)>>,
}

impl Moment {
    /// `None`: events came while it was looked at, or edits are pending.
    fn of(stream: &Stream) -> Option<Self> {
        let before = stream.status().replica;
        let all = |name: &str| stream.collection(name).unwrap().all().into_iter();
        let objects = |name: &str| all(name).map(|(id, object)| (id, object.to_value())).collect::<Vec<_>>();
        let names = stream.collections().into_iter().map(|name| name.to_string());
        let shown =
            names.map(|name| (name.clone(), objects(&name))).filter(|(_, objects)| !objects.is_empty()).collect();
        let moment = Self { played: before.played, digest: stream.digest(), shown };
        let after = stream.status().replica;
        (before.pending == 0 && after.pending == 0 && before.played == after.played).then_some(moment)
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
