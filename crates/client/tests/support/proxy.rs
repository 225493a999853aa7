//! A line between a client and a server that can be cut after so many bytes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A line to a server.
pub struct Proxy {
    pub address: String,
    state: Arc<State>,
}

struct State {
    server: Mutex<SocketAddr>,
    /// Bytes after which each of the next connections is cut; those after them are not.
    cuts: Mutex<Vec<u64>>,
    /// Bytes that went to clients.
    bytes: AtomicU64,
    cut: AtomicUsize,
    /// Connections that are carried.
    carried: watch::Sender<usize>,
    /// What went to clients.
    heard: Mutex<Vec<u8>>,
}

impl Proxy {
    pub async fn new(server: SocketAddr, mut cuts: Vec<u64>) -> Self {
        cuts.reverse();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap());
        let (server, cuts) = (Mutex::new(server), Mutex::new(cuts));
        let state = Arc::new(State {
            server,
            cuts,
            bytes: AtomicU64::new(0),
            cut: AtomicUsize::new(0),
            carried: watch::Sender::new(0),
            heard: Mutex::default(),
        });
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = shared.clone();
                let most = state.cuts.lock().unwrap().pop();
                state.carried.send_modify(|carried| *carried += 1);
                tokio::spawn(async move {
                    state.carry(client, most.unwrap_or(u64::MAX)).await;
                    state.carried.send_modify(|carried| *carried -= 1);
                });
            }
        });
        Self { address, state }
    }

    /// From now on new connections go to another server.
    pub fn to(&self, server: SocketAddr) {
        *self.state.server.lock().unwrap() = server;
    }

    /// How many bytes went to clients since this was last asked.
    pub fn bytes(&self) -> u64 {
        self.state.bytes.swap(0, Ordering::Relaxed)
    }

    /// Whether something went to clients.
    pub fn carried(&self, text: &str) -> bool {
        let heard = self.state.heard.lock().unwrap();
        heard.windows(text.len()).any(|part| part == text.as_bytes())
    }

    /// Waits until no connection is carried: nothing more of an earlier one goes to clients then.
    pub async fn is_quiet(&self) {
        self.state.carried.subscribe().wait_for(|carried| *carried == 0).await.unwrap();
    }

    /// How many connections were cut.
    pub fn cut(&self) -> usize {
        self.state.cut.load(Ordering::Relaxed)
    }
}

impl State {
    async fn carry(&self, mut client: TcpStream, most: u64) {
        let server = *self.server.lock().unwrap();
        let Ok(mut server) = TcpStream::connect(server).await else { return };
        let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.split(), server.split());
        let up = tokio::io::copy(&mut from_client, &mut to_server);
        let down = async {
            let (mut buffer, mut left) = (vec![0; 16 << 10], most);
            while left > 0 {
                let most = left.min(buffer.len() as u64) as usize;
                let Ok(read @ 1..) = from_server.read(&mut buffer[..most]).await else { return };
                left -= read as u64;
                self.bytes.fetch_add(read as u64, Ordering::Relaxed);
                self.heard.lock().unwrap().extend_from_slice(&buffer[..read]);
                if to_client.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
            self.cut.fetch_add(1, Ordering::Relaxed);
        };
        tokio::select! {
            _ = up => {}
            () = down => {}
        }
    }
}
