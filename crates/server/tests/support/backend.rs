//! An application's own backend: a server of HTTP that answers as a test says, can be stopped, and started again where it was.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tapeline_server::backend::Backend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::PATIENCE;

#[path = "../../../log/tests/support/ports.rs"]
mod ports;
use ports::listener_to_come_back_to;

/// What posts are signed with, as its file has it.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Posted {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A status and a body, after a while.
pub type Says = (Duration, u16, String);

pub fn says(status: u16, body: impl ToString) -> Says {
    (Duration::ZERO, status, body.to_string())
}

/// A backend.
pub struct Hook {
    pub address: SocketAddr,
    answers: Arc<dyn Fn(&Posted) -> Says + Send + Sync>,
    posted: Arc<Mutex<Vec<Posted>>>,
    serving: Option<JoinHandle<()>>,
}

impl Hook {
    pub async fn start(answers: impl Fn(&Posted) -> Says + Send + Sync + 'static) -> Self {
        let listener = listener_to_come_back_to();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let address = listener.local_addr().unwrap();
        let mut hook = Self { address, answers: Arc::new(answers), posted: Arc::default(), serving: None };
        hook.serve(listener);
        hook
    }

    /// Goes, with all its connections.
    pub fn stop(&mut self) {
        self.serving.take().into_iter().for_each(|serving| serving.abort());
    }

    pub async fn start_again(&mut self) {
        self.serve(TcpListener::bind(self.address).await.unwrap());
    }

    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }

    /// Waits until what was posted is enough.
    pub async fn posted_until(&self, is_enough: impl Fn(&[Posted]) -> bool) {
        let begun = Instant::now();
        while !is_enough(&self.posted()) {
            assert!(begun.elapsed() < PATIENCE, "this is all that is posted: {:?}", self.posted());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn serve(&mut self, listener: TcpListener) {
        let (answers, posted) = (self.answers.clone(), self.posted.clone());
        self.serving = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(answer(socket, answers.clone(), posted.clone()));
            }
        }));
    }
}

async fn answer(
    mut socket: TcpStream,
    answers: Arc<dyn Fn(&Posted) -> Says + Send + Sync>,
    posted: Arc<Mutex<Vec<Posted>>>,
) {
    while let Some(request) = read(&mut socket).await {
        let (after, status, body) = answers(&request);
        posted.lock().unwrap().push(request);
        tokio::time::sleep(after).await;
        let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n", body.len());
        if socket.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(socket: &mut TcpStream) -> Option<Posted> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let headers: HashMap<String, String> =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    socket.read_exact(&mut body).await.ok()?;
    Some(Posted { headers, body: String::from_utf8(body).unwrap() })
}

/// Reads a backend file with this text, where `URL` is the address of a hook and `SECRET` the name of its secret's file.
pub fn backend(directory: &Path, text: &str, address: SocketAddr) -> Backend {
    std::fs::write(directory.join("secret"), SECRET).unwrap();
    let text = text.replace("URL", &format!("\"http://{address}/hook\"")).replace("SECRET", "\"secret\"");
    let path = directory.join("backend.toml");
    std::fs::write(&path, text).unwrap();
    Backend::open(&path).unwrap()
}
