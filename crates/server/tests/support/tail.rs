//! A client that follows a stream by Server-Sent Events. HTTP/1.0, so that an answer is nothing but its bytes.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{PATIENCE, World};

/// A tail as its client sees it.
pub struct Tail {
    pub head: Vec<String>,
    events: BufReader<TcpStream>,
}

impl Tail {
    pub async fn connect(world: &World, stream: &str, query: &str, last: Option<&str>) -> Self {
        let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
        Self::connect_with(world, stream, query, &last).await
    }

    /// One that says more.
    pub async fn connect_with(world: &World, stream: &str, query: &str, headers: &str) -> Self {
        let mut socket = TcpStream::connect(world.address).await.unwrap();
        let ask = format!(
            "GET /v1/streams/{stream}/events?{query} HTTP/1.0\r\naccept: text/html, text/event-stream;q=0.9\r\n{headers}\r\n"
        );
        socket.write_all(ask.as_bytes()).await.unwrap();
        let mut tail = Self { head: Vec::new(), events: BufReader::new(socket) };
        tail.head = tail.lines().await.unwrap();
        assert!(tail.head[0].ends_with("200 OK") && tail.head.contains(&"content-type: text/event-stream".into()));
        tail
    }

    /// The seqs of the next events, which are their ids too.
    pub async fn seqs(&mut self, count: usize) -> Vec<u64> {
        let mut seqs = Vec::new();
        while seqs.len() < count {
            let (id, event) = self.event().await.expect("it goes on");
            assert_eq!(event["seq"].as_u64(), Some(id));
            seqs.push(id);
        }
        seqs
    }

    /// The id and the data of the next event. `None` at the end.
    pub async fn event(&mut self) -> Option<(u64, Value)> {
        loop {
            let lines = self.lines().await?;
            let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
            if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                return Some((id.parse().unwrap(), serde_json::from_str(data).unwrap()));
            }
        }
    }

    /// Lines up to an empty one. `None` at the end.
    async fn lines(&mut self) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(PATIENCE, self.events.read_line(&mut line)).await;
            match read.expect("something comes") {
                Ok(0) | Err(_) => return None,
                Ok(_) if line.trim_end().is_empty() => return Some(lines),
                Ok(_) => lines.push(line.trim_end_matches(['\r', '\n']).into()),
            }
        }
    }
}
