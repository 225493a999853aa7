//! NATS: a subject that JetStream keeps, written with acknowledged publishes, read by plain subscriptions to it. One server,
//! or three that keep it together.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use super::Events;
use super::process::{PATIENCE, Process, Socket, free_addresses};
use crate::bench::drive::{Reader, Target, Writer};
use crate::failure::Failure;

/// What the one JetStream stream of a single server is called.
const BENCH: &str = "bench";
/// How long a cluster may take for an answer: one that has just started gives none.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// NATS servers, each of which has all messages.
pub struct Nats {
    servers: Vec<Process>,
}

impl Nats {
    /// Starts one; `sync` says when it syncs: `always`, before it acknowledges, or how often (its default is `2m`).
    pub async fn start(sync: &str) -> Result<Self, Failure> {
        let [address] = free_addresses().map_err(Failure::failed)?;
        let nats = Self { servers: vec![start(address, sync, "").await?] };
        nats.create(BENCH).await?;
        Ok(nats)
    }

    /// Starts three that are one cluster, syncing as they do by default.
    pub async fn cluster() -> Result<Self, Failure> {
        let [a, b, c, routes @ ..] = free_addresses::<6>().map_err(Failure::failed)?;
        let all = routes.map(|route| format!("nats://{route}"));
        let mut servers = Vec::new();
        for (address, route) in [a, b, c].into_iter().zip(routes) {
            let cluster = format!("cluster {{ name: bench, listen: \"{route}\", routes: {all:?} }}\n");
            let name = format!("server_name: server-{}\n", servers.len());
            servers.push(start(address, "2m", &(name + &cluster)).await?);
        }
        Ok(Self { servers })
    }

    /// Where a log of ours on them is.
    pub fn log(&self) -> String {
        let hosts: Vec<String> = self.servers.iter().map(|server| server.address.to_string()).collect();
        format!("nats://{}?replicas={}", hosts.join(","), hosts.len())
    }

    /// Makes a JetStream stream of one subject, which is called as it is.
    pub async fn create(&self, stream: &str) -> Result<(), Failure> {
        let replicas = self.servers.len();
        let config = format!(r#"{{"name":"{stream}","subjects":["{stream}"],"num_replicas":{replicas}}}"#);
        self.ask(&format!("STREAM.CREATE.{stream}"), &config).await.map(drop)
    }

    /// How many messages a JetStream stream has.
    pub async fn messages(&self, stream: &str) -> Result<u64, Failure> {
        let info = self.ask(&format!("STREAM.INFO.{stream}"), "").await?;
        info["state"]["messages"].as_u64().ok_or_else(|| Failure::Failed(format!("NATS answered {info}")))
    }

    /// Connects somebody who publishes to a JetStream stream, so many events in a message.
    pub async fn publisher(&self, stream: &str, seed: u64, together: u64) -> Result<Publisher, Failure> {
        let server = &self.servers[seed as usize % self.servers.len()];
        let connection = Connection::open(server, &format!("_INBOX.{stream}.{seed}")).await?;
        Ok(Publisher {
            connection,
            stream: stream.into(),
            together,
            events: Events::new(),
            on_their_way: VecDeque::new(),
        })
    }

    /// The resident memory in bytes of the server that has most.
    pub fn resident_bytes(&self) -> Option<u64> {
        self.servers.iter().filter_map(Process::resident_bytes).max()
    }

    /// Asks JetStream until it answers: a cluster that has just started has no leader.
    async fn ask(&self, what: &str, body: &str) -> Result<Value, Failure> {
        let asked = async {
            loop {
                let answer = tokio::time::timeout(ANSWER_WITHIN, self.ask_once(what, body)).await;
                if let Ok(Ok(answer)) = answer {
                    return answer;
                }
                tokio::time::sleep(ANSWER_WITHIN / 10).await;
            }
        };
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        answer.map_err(|_| Failure::Failed(format!("JetStream does not answer {what}")))
    }

    async fn ask_once(&self, what: &str, body: &str) -> Result<Value, Failure> {
        let mut connection = Connection::open(&self.servers[0], &format!("_INBOX.{what}")).await?;
        let mut asking = Vec::new();
        connection.write_publish(&mut asking, &format!("$JS.API.{what}"), body.as_bytes());
        connection.write(&asking).await?;
        loop {
            if let Some(answer) = connection.answer().await? {
                return serde_json::from_slice(&answer).map_err(Failure::failed);
            }
        }
    }
}

async fn start(address: SocketAddr, sync: &str, more: &str) -> Result<Process, Failure> {
    let process = Process::start_at(address, "nats-server", |directory| {
        let jetstream = format!("jetstream {{ store_dir: {directory:?}, sync_interval: {sync} }}");
        let file = directory.join("settings");
        // Without its settings the server says so, and ends.
        let _ = std::fs::write(&file, format!("listen: \"{address}\"\n{jetstream}\n{more}"));
        vec!["--config".into(), file.display().to_string()]
    });
    process.await
}

impl Target for Nats {
    type Writer = Publisher;
    type Reader = Connection;

    async fn writer(&self, seed: u64) -> Result<Publisher, Failure> {
        self.publisher(BENCH, seed, 1).await
    }

    async fn reader(&self, _seed: u64) -> Result<Connection, Failure> {
        Connection::open(&self.servers[0], BENCH).await
    }
}

/// A connection that publishes and takes acknowledgements.
pub struct Publisher {
    connection: Connection,
    stream: String,
    /// Events in a message, but for the last one of those that are sent at once.
    together: u64,
    events: Events,
    /// How many events each message has that was not acknowledged.
    on_their_way: VecDeque<u64>,
}

impl Writer for Publisher {
    async fn send(&mut self, count: u64) -> Result<(), Failure> {
        let (mut publishes, mut left) = (Vec::new(), count);
        while left > 0 {
            let together = left.min(self.together);
            let mut message = Vec::new();
            (0..together).for_each(|_| message.extend_from_slice(self.events.next()));
            self.connection.write_publish(&mut publishes, &self.stream, &message);
            self.on_their_way.push_back(together);
            left -= together;
        }
        self.connection.write(&publishes).await
    }

    async fn acknowledged(&mut self) -> Result<u64, Failure> {
        let mut count = 0;
        while count == 0 || !self.connection.socket.buffer().is_empty() {
            if self.connection.answer().await?.is_some() {
                count += self.on_their_way.pop_front().unwrap_or_default();
            }
        }
        Ok(count)
    }
}

/// A connection with one subscription.
pub struct Connection {
    socket: Socket,
    subject: String,
}

impl Reader for Connection {
    async fn seen(&mut self) -> Result<u64, Failure> {
        Ok(u64::from(self.message().await?.is_some()))
    }
}

impl Connection {
    /// Connects, and subscribes to a subject, to which answers come too.
    async fn open(server: &Process, subject: &str) -> Result<Self, Failure> {
        let mut connection = Self { socket: server.connect().await?, subject: subject.into() };
        let hello = format!("CONNECT {{\"verbose\":false}}\r\nSUB {subject} 1\r\nPING\r\n");
        connection.write(hello.as_bytes()).await?;
        // What answers the ping comes once the subscription is made.
        while !connection.line().await?.starts_with("PONG") {}
        Ok(connection)
    }

    fn write_publish(&self, out: &mut Vec<u8>, subject: &str, message: &[u8]) {
        out.extend_from_slice(format!("PUB {subject} {} {}\r\n", self.subject, message.len()).as_bytes());
        out.extend_from_slice(message);
        out.extend_from_slice(b"\r\n");
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.socket.write_all(bytes).await.map_err(Failure::failed)
    }

    /// Takes what comes next. Answers with JetStream's word, where it was that.
    async fn answer(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(answer) = self.message().await? else { return Ok(None) };
        match answer.windows(8).any(|part| part == b"\"error\":") {
            true => Err(Failure::Failed(format!("NATS answered {}", String::from_utf8_lossy(&answer)))),
            false => Ok(Some(answer)),
        }
    }

    /// Takes what comes next. Answers with the message, where it was one.
    async fn message(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let line = self.line().await?;
        if line.starts_with("PING") {
            self.write(b"PONG\r\n").await?;
        }
        if !line.starts_with("MSG ") {
            return Ok(None);
        }
        // MSG subject subscription [where to answer] size
        let size = line.split_whitespace().next_back().unwrap_or_default();
        let mut message = vec![0; size.parse::<usize>().map_err(Failure::failed)? + 2];
        self.socket.read_exact(&mut message).await.map_err(Failure::failed)?;
        message.truncate(message.len() - 2);
        Ok(Some(message))
    }

    async fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        let size = self.socket.read_line(&mut line).await.map_err(Failure::failed)?;
        match size == 0 || line.starts_with("-ERR") {
            true => Err(Failure::Failed(format!("NATS ended the connection {line}"))),
            false => Ok(line),
        }
    }
}
