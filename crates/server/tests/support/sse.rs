//! A raw client that speaks Server-Sent Events and POSTs. HTTP/1.0, so that an answer is nothing but its bytes.

use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tapeline_core::codec::Codec;
use tapeline_core::frame::{ClientFrame, ServerFrame};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::http::{Reply, request};
use super::{PATIENCE, World, hello};

/// A session as its client sees it.
pub struct Line {
    pub address: SocketAddr,
    pub codec: Codec,
    pub events: BufReader<TcpStream>,
    pub secret: String,
    /// The number of the last body.
    pub number: u64,
}

/// An event of the server.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: String,
    pub data: String,
}

impl World {
    /// A client that has said hello.
    pub async fn line(&self, codec: Codec) -> Line {
        let mut line = Line::connect(self.address, codec).await;
        line.say(&[ClientFrame::Hello(hello())]).await;
        assert!(matches!(line.hear().await, ServerFrame::Welcome(_)));
        line
    }
}

impl Line {
    pub async fn connect(address: SocketAddr, codec: Codec) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let get =
            format!("GET /v1/sync?protocol={} HTTP/1.0\r\naccept: text/event-stream\r\n\r\n", codec.subprotocol());
        stream.write_all(get.as_bytes()).await.unwrap();
        let mut line = Self { address, codec, events: BufReader::new(stream), secret: String::new(), number: 0 };
        let head = line.lines().await.unwrap();
        assert!(head[0].ends_with("200 OK") && head.iter().any(|line| line == "content-type: text/event-stream"));
        line.secret = line.event("session").await;
        line
    }

    /// Says frames, and waits until they are taken.
    pub async fn say(&mut self, frames: &[ClientFrame]) {
        self.number += 1;
        let reply = self.post(self.number, &body(self.codec, frames)).await;
        assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    }

    pub async fn post(&self, number: u64, body: &[u8]) -> Reply {
        self.post_to(&number.to_string(), body).await
    }

    pub async fn post_to(&self, last: &str, body: &[u8]) -> Reply {
        let head = format!("POST /v1/sync/{}/{last} HTTP/1.0\r\ncontent-length: {}\r\n\r\n", self.secret, body.len());
        request(self.address, &[head.as_bytes(), body].concat()).await
    }

    /// The next frame.
    pub async fn hear(&mut self) -> ServerFrame {
        let data = self.event("message").await;
        self.read(&data)
    }

    /// The frame that an event brings.
    pub fn read(&self, data: &str) -> ServerFrame {
        let bytes = match self.codec {
            Codec::Cbor => BASE64_STANDARD.decode(data).unwrap(),
            Codec::Json => data.as_bytes().to_vec(),
        };
        self.codec.decode_server(&bytes).unwrap()
    }

    /// The data of the next event, which is of this kind.
    pub async fn event(&mut self, kind: &str) -> String {
        let event = self.next().await.expect("the session lives");
        assert_eq!(event.kind, kind, "{event:?}");
        event.data
    }

    /// The next event. `None` at the end.
    pub async fn next(&mut self) -> Option<Event> {
        let lines = self.lines().await?;
        let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        Some(Event { kind: field("event: ").unwrap_or("message".into()), data: field("data: ").unwrap() })
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

    /// Nothing was said that was not heard.
    pub async fn hears_nothing_more(&mut self) {
        self.say(&[ClientFrame::Ping]).await;
        assert_eq!(self.hear().await, ServerFrame::Pong);
    }
}

/// A body of frames.
pub fn body(codec: Codec, frames: &[ClientFrame]) -> Vec<u8> {
    let frames = frames.iter().map(|frame| codec.encode_client(frame));
    match codec {
        Codec::Json => frames.flat_map(|frame| [frame, b"\n".to_vec()].concat()).collect(),
        Codec::Cbor => frames.flat_map(|frame| [&(frame.len() as u32).to_be_bytes(), &frame[..]].concat()).collect(),
    }
}
