//! Where WebSockets are blocked: what a client does behind something that lets plain HTTP through and nothing else.

mod support;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::{builder, converged, soon};
use tapeline_client::{Connection, Outcome, Tapeline, Transport};
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Server, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a proxy does to those who pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// It answers the handshake of a WebSocket by a status.
    Refuses,
    /// It hangs up on the handshake of a WebSocket.
    HangsUp,
    /// It refuses, and loses each third answer to a POST, with the connection.
    LosesAnswers,
}

/// A proxy that stands before a server.
struct Proxy {
    address: SocketAddr,
    passed: Arc<Passed>,
}

/// How many connections began with what.
#[derive(Default)]
struct Passed {
    upgrades: AtomicUsize,
    gets: AtomicUsize,
    posts: AtomicUsize,
}

impl Proxy {
    async fn before(server: SocketAddr, trouble: Trouble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, passed) = (listener.local_addr().unwrap(), Arc::<Passed>::default());
        let counted = passed.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, trouble, counted.clone()));
            }
        });
        Self { address, passed }
    }

    fn address(&self) -> String {
        format!("ws://{}", self.address)
    }

    fn upgrades(&self) -> usize {
        self.passed.upgrades.load(Ordering::Relaxed)
    }
}

async fn pass(mut client: TcpStream, server: SocketAddr, trouble: Trouble, passed: Arc<Passed>) {
    let mut head = vec![0; 4_096];
    let Ok(size) = client.read(&mut head).await else { return };
    let text = String::from_utf8_lossy(&head[..size]).to_lowercase();
    if text.contains("upgrade: websocket") {
        passed.upgrades.fetch_add(1, Ordering::Relaxed);
        if trouble != Trouble::HangsUp {
            let refused = "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            client.write_all(refused.as_bytes()).await.unwrap();
        }
        return;
    }
    let mut server = TcpStream::connect(server).await.unwrap();
    server.write_all(&head[..size]).await.unwrap();
    let counted = if text.starts_with("get") { &passed.gets } else { &passed.posts };
    counted.fetch_add(1, Ordering::Relaxed);
    match trouble {
        Trouble::LosesAnswers if text.starts_with("post") => drop(lose_an_answer(client, server).await),
        _ => drop(tokio::io::copy_bidirectional(&mut client, &mut server).await),
    }
}

/// Passes small requests and answers on, until the server has done the third.
async fn lose_an_answer(mut client: TcpStream, mut server: TcpStream) -> io::Result<()> {
    let mut bytes = vec![0; 65_536];
    for _ in 0..2 {
        let size = server.read(&mut bytes).await?;
        client.write_all(&bytes[..size]).await?;
        let size = client.read(&mut bytes).await?;
        server.write_all(&bytes[..size]).await?;
    }
    server.read(&mut bytes).await.map(drop)
}

async fn start() -> (Server, SocketAddr) {
    let config = ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), ..ServerConfig::default() };
    let log = Arc::new(MemoryLog::default());
    let server = Server::start(config, log.clone(), log).await.unwrap();
    let address = server.address();
    (server, address)
}

async fn note(tapeline: &Tapeline, text: &str) {
    let list = tapeline.stream("list").await.unwrap();
    let (_, receipt) = list.collection("notes").unwrap().insert([("text", text.into())]).unwrap();
    assert!(matches!(soon(receipt.recorded()).await, Ok(Outcome::Recorded { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_does_without_a_websocket_where_none_gets_through() {
    for trouble in [Trouble::Refuses, Trouble::HangsUp] {
        let (server, place) = start().await;
        let proxy = Proxy::before(place, trouble).await;
        let behind = builder(proxy.address(), Transport::Auto).open().await.unwrap();
        note(&behind, "from behind").await;
        assert_eq!(proxy.upgrades(), 2);
        let before = builder(format!("ws://{place}"), Transport::Auto).open().await.unwrap();
        note(&before, "from before").await;
        converged(&behind.stream("list").await.unwrap(), &before.stream("list").await.unwrap()).await;
        behind.go_offline();
        soon(behind.connection_changes().wait_for(|now| *now == Connection::Offline)).await.unwrap();
        behind.go_online();
        note(&behind, "again").await;
        assert_eq!(proxy.upgrades(), 2, "it knows already");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_nothing_but_a_websocket_is_told_why_there_is_none() {
    let (server, place) = start().await;
    let proxy = Proxy::before(place, Trouble::Refuses).await;
    let client = builder(proxy.address(), Transport::WebSocket).open().await.unwrap();
    let mut connection = client.connection_changes();
    let says_why = |now: &Connection| matches!(now, Connection::Waiting { why, .. } if why.contains("403"));
    soon(connection.wait_for(says_why)).await.unwrap();
    while proxy.upgrades() < 4 {
        client.go_online();
        soon(connection.changed()).await.unwrap();
    }
    assert_eq!(proxy.passed.gets.load(Ordering::Relaxed), 0);
    server.stop().await;
}

/// What is sent again counts once, and the session goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_on_the_way_change_nothing() {
    let (server, place) = start().await;
    let proxy = Proxy::before(place, Trouble::LosesAnswers).await;
    let behind = builder(proxy.address(), Transport::Sse).open().await.unwrap();
    for number in 0..40 {
        note(&behind, &number.to_string()).await;
    }
    let fresh = builder(format!("ws://{place}"), Transport::WebSocket).open().await.unwrap();
    let (here, there) = (behind.stream("list").await.unwrap(), fresh.stream("list").await.unwrap());
    converged(&here, &there).await;
    assert_eq!(there.collection("notes").unwrap().all().len(), 40);
    let Passed { gets, posts, .. } = &*proxy.passed;
    let (sessions, connections) = (gets.load(Ordering::Relaxed), posts.load(Ordering::Relaxed));
    assert!(sessions == 1 && connections > 10, "{sessions} sessions, {connections} connections");
    server.stop().await;
}
