//! NATS: a subject that JetStream keeps, written with acknowledged publishes, read by plain subscriptions to it.

use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use super::Events;
use super::process::{Process, Socket};
use crate::bench::drive::{Reader, Target, Writer};
use crate::failure::Failure;

const SUBJECT: &str = "bench";
const CREATE: &str = "$JS.API.STREAM.CREATE.bench";

/// A NATS server with one stream.
pub struct Nats(Process);

impl Nats {
    /// Starts it; `sync` says when it syncs: `always`, before it acknowledges, or how often (its default is `2m`).
    pub async fn start(sync: &str) -> Result<Self, Failure> {
        let process = Process::start("nats-server", |port, directory| {
            let settings = directory.join("settings");
            // Without its settings the server says so, and ends.
            let _ = std::fs::write(&settings, text_of_settings(port, directory, sync));
            vec!["--config".into(), settings.display().to_string()]
        });
        let nats = Self(process.await?);
        let mut connection = nats.connect("_INBOX.create").await?;
        let mut create = Vec::new();
        connection.write_publish(&mut create, CREATE, br#"{"name":"bench","subjects":["bench"]}"#);
        connection.write(&create).await?;
        while !connection.acknowledgement().await? {}
        Ok(nats)
    }

    /// Connects, and subscribes to a subject, to which answers come too.
    async fn connect(&self, subject: &str) -> Result<Connection, Failure> {
        let mut connection = Connection { socket: self.0.connect().await?, subject: subject.into() };
        let hello = format!("CONNECT {{\"verbose\":false}}\r\nSUB {subject} 1\r\nPING\r\n");
        connection.write(hello.as_bytes()).await?;
        // What answers the ping comes once the subscription is made.
        while !connection.line().await?.starts_with("PONG") {}
        Ok(connection)
    }
}

fn text_of_settings(port: u16, directory: &Path, sync: &str) -> String {
    format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {directory:?}, sync_interval: {sync} }}\n")
}

impl Target for Nats {
    type Writer = Publisher;
    type Reader = Connection;

    async fn writer(&self, seed: u64) -> Result<Publisher, Failure> {
        let connection = self.connect(&format!("_INBOX.{seed}")).await?;
        Ok(Publisher { connection, events: Events::new() })
    }

    async fn reader(&self, _seed: u64) -> Result<Connection, Failure> {
        self.connect(SUBJECT).await
    }
}

/// A connection that publishes and takes acknowledgements.
pub struct Publisher {
    connection: Connection,
    events: Events,
}

impl Writer for Publisher {
    async fn send(&mut self, count: u64) -> Result<(), Failure> {
        let mut publishes = Vec::new();
        for _ in 0..count {
            self.connection.write_publish(&mut publishes, SUBJECT, self.events.next());
        }
        self.connection.write(&publishes).await
    }

    async fn acknowledged(&mut self) -> Result<u64, Failure> {
        let mut count = 0;
        while count == 0 || !self.connection.socket.buffer().is_empty() {
            count += u64::from(self.connection.acknowledgement().await?);
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
    fn write_publish(&self, out: &mut Vec<u8>, subject: &str, message: &[u8]) {
        out.extend_from_slice(format!("PUB {subject} {} {}\r\n", self.subject, message.len()).as_bytes());
        out.extend_from_slice(message);
        out.extend_from_slice(b"\r\n");
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.socket.write_all(bytes).await.map_err(Failure::failed)
    }

    /// Takes what comes next. Answers whether it was JetStream's word that it has a message.
    async fn acknowledgement(&mut self) -> Result<bool, Failure> {
        let Some(answer) = self.message().await? else { return Ok(false) };
        match answer.windows(8).any(|part| part == b"\"error\":") {
            true => Err(Failure::Failed(format!("NATS answered {}", String::from_utf8_lossy(&answer)))),
            false => Ok(true),
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
