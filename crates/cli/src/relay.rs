//! A relay between clients and a server: counts what comes from the server, and cuts the lines where it is told to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// A relay, until it is dropped.
pub struct Relay {
    /// Its address, in place of the server's.
    pub url: String,
    counted: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

/// After how many bytes in all a line is cut, ascending.
type Cuts = Arc<Mutex<VecDeque<u64>>>;

impl Relay {
    /// A relay to the server at `url`, which cuts a line each time so many bytes have come in all.
    pub async fn start(url: &str, cuts: impl IntoIterator<Item = u64>) -> Result<Self, Failure> {
        let server = url.strip_prefix("ws://").or_else(|| url.strip_prefix("http://"));
        let server =
            server.ok_or_else(|| Failure::Usage(format!("{url}: what is on the wire is counted without TLS")))?;
        let (server, cuts) =
            (server.trim_end_matches('/').to_owned(), Arc::new(Mutex::new(cuts.into_iter().collect())));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::failed)?;
        let url = format!("ws://{}", listener.local_addr().map_err(Failure::failed)?);
        let counted = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(listener, server, counted.clone(), cuts));
        Ok(Self { url, counted, accepting })
    }

    /// How many bytes have come from the server.
    pub fn bytes(&self) -> u64 {
        self.counted.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: String, counted: Arc<AtomicU64>, cuts: Cuts) {
    while let Ok((client, _)) = listener.accept().await {
        // A server that cannot be reached shows as a line that is cut.
        let Ok(server) = TcpStream::connect(&server).await else { continue };
        if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_ok() {
            tokio::spawn(relay(client, server, counted.clone(), cuts.clone()));
        }
    }
}

async fn relay(client: TcpStream, server: TcpStream, counted: Arc<AtomicU64>, cuts: Cuts) {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    // Where one direction ends, both do.
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        () = count(from_server, to_client, &counted, &cuts) => {}
    }
}

async fn count(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, counted: &AtomicU64, cuts: &Cuts) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(read @ 1..) = server.read(&mut buffer).await else { return };
        let all = counted.fetch_add(read as u64, Ordering::Relaxed) + read as u64;
        if client.write_all(&buffer[..read]).await.is_err() || is_cut(cuts, all) {
            return;
        }
    }
}

fn is_cut(cuts: &Cuts, bytes: u64) -> bool {
    let mut cuts = cuts.lock().unwrap_or_else(PoisonError::into_inner);
    cuts.pop_front_if(|cut| *cut <= bytes).is_some()
}
