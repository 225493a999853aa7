//! A server on storage in memory, and a raw client of it that says and hears frames.

#![allow(dead_code, reason = "each test uses what it needs")]

pub mod author;
pub mod backend;
pub mod http;
pub mod pages;
pub mod sse;
pub mod tail;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tapeline_core::codec::Codec;
use tapeline_core::event::{Authored, Body};
use tapeline_core::frame::{AckRun, ClientFrame, ErrorFrame, Events, Hello, Live, Open, Opened, PROTOCOL, ServerFrame};
use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName};
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Seq};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::value::Value;
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Server, ServerConfig, read_schema};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server on storage in memory.
pub struct World {
    pub log: Arc<MemoryLog>,
    pub server: Server,
    pub address: SocketAddr,
}

impl World {
    pub async fn new() -> Self {
        Self::on(Arc::new(MemoryLog::new())).await
    }

    pub async fn on(log: Arc<MemoryLog>) -> Self {
        Self::start(log, "").await
    }

    /// One for an app with this schema.
    pub async fn with_schema(schema: &str) -> Self {
        Self::start(Arc::new(MemoryLog::new()), schema).await
    }

    async fn start(log: Arc<MemoryLog>, schema: &str) -> Self {
        let schema = Arc::new(read_schema(schema).unwrap().schema);
        Self::with(log, ServerConfig { schema, ..ServerConfig::default() }).await
    }

    pub async fn with(log: Arc<MemoryLog>, config: ServerConfig) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = ServerConfig { listen, ..config };
        let server = Server::start_in_memory(config, log.clone()).await.unwrap();
        Self { log, address: server.address(), server }
    }

    pub async fn client(&self) -> Client {
        self.client_of(Codec::Cbor).await
    }

    /// A client that has said hello.
    pub async fn client_of(&self, codec: Codec) -> Client {
        let mut client = Client::connect(self.address, codec).await;
        client.say(ClientFrame::Hello(hello())).await;
        assert!(matches!(client.hear().await, ServerFrame::Welcome(_)));
        client
    }
}

/// A raw client.
pub struct Client<S = TcpStream> {
    pub socket: WebSocketStream<S>,
    pub codec: Codec,
}

impl Client {
    pub async fn connect(address: SocketAddr, codec: Codec) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, address, codec).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub async fn over(stream: S, address: SocketAddr, codec: Codec) -> Self {
        let mut request = format!("ws://{address}/v1/sync").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", codec.subprotocol().parse().unwrap());
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let connected = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        let (socket, response) = connected.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], codec.subprotocol());
        Self { socket, codec }
    }

    pub async fn say(&mut self, frame: ClientFrame) {
        let bytes = self.codec.encode_client(&frame);
        self.say_bytes(bytes).await;
    }

    pub async fn say_bytes(&mut self, bytes: Vec<u8>) {
        let message = match self.codec {
            Codec::Cbor => Message::Binary(bytes.into()),
            Codec::Json => Message::Text(String::from_utf8(bytes).unwrap().into()),
        };
        self.socket.send(message).await.unwrap();
    }

    /// The next frame.
    pub async fn hear(&mut self) -> ServerFrame {
        match self.hear_message().await {
            Message::Binary(bytes) if self.codec == Codec::Cbor => self.codec.decode_server(&bytes).unwrap(),
            Message::Text(text) if self.codec == Codec::Json => self.codec.decode_server(text.as_bytes()).unwrap(),
            other => panic!("not a frame: {other:?}"),
        }
    }

    pub async fn hear_message(&mut self) -> Message {
        let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        message.expect("something comes").expect("the socket is open").unwrap()
    }

    /// Waits for the socket to be closed, and says with which code.
    pub async fn hear_close(&mut self) -> Option<CloseCode> {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("the socket closes") {
                Some(Ok(Message::Close(close))) => return close.map(|close| close.code),
                Some(Ok(_)) => {}
                Some(Err(Error::Protocol(_) | Error::Io(_))) | None => return None,
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }

    pub async fn open(&mut self, channel: u32, stream: &str, client: u128, live: Live) -> Opened {
        self.say(ClientFrame::Open(open(channel, stream, client, live))).await;
        self.hear_opened().await
    }

    pub async fn hear_opened(&mut self) -> Opened {
        match self.hear().await {
            ServerFrame::Opened(opened) => opened,
            other => panic!("not opened: {other:?}"),
        }
    }

    pub async fn push(&mut self, channel: u32, events: Vec<Authored>) {
        self.say(ClientFrame::Push { channel: Channel(channel), events }).await;
    }

    pub async fn hear_ack(&mut self) -> Vec<AckRun> {
        match self.hear().await {
            ServerFrame::Ack { runs, .. } => runs,
            other => panic!("not an ack: {other:?}"),
        }
    }

    /// Waits until so many events are acknowledged.
    pub async fn hear_acks(&mut self, mut count: u64) {
        while count > 0 {
            count -= self.hear_ack().await.iter().map(|run| run.count).sum::<u64>();
        }
    }

    pub async fn hear_events(&mut self) -> Events {
        match self.hear().await {
            ServerFrame::Events(events) => events,
            other => panic!("not events: {other:?}"),
        }
    }

    /// Takes events without a gap from `from` until `to`.
    pub async fn hear_range(&mut self, from: u64, to: u64) {
        let mut next = Seq(from);
        while next < Seq(to) {
            let block = self.hear_events().await.block;
            assert_eq!(block.from(), next);
            next = block.end();
        }
        assert_eq!(next, Seq(to));
    }

    pub async fn hear_error(&mut self) -> ErrorFrame {
        match self.hear().await {
            ServerFrame::Error(error) => error,
            other => panic!("not an error: {other:?}"),
        }
    }

    /// Nothing was said that was not heard.
    pub async fn hears_nothing_more(&mut self) {
        self.say(ClientFrame::Ping).await;
        assert_eq!(self.hear().await, ServerFrame::Pong);
    }
}

pub fn hello() -> Hello {
    Hello { protocol: PROTOCOL, agent: "test".into(), token: None, deflate: false, schema: None }
}

pub fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

pub fn open(channel: u32, name: &str, client: u128, live: Live) -> Open {
    Open::new(Channel(channel), stream(name), ClientId(client), live)
}

pub fn key(id: &str) -> Key {
    Key { collection: Collection::new("tasks").unwrap(), id: ObjectId::new(id).unwrap() }
}

pub fn event(client: u128, n: u64, ops: Vec<Op>) -> Authored {
    let body = Body { ops, ..Body::default() };
    Authored { client: ClientId(client), n: EventNumber(n), settled: EventNumber(0), body }
}

/// An event that sets the title of one object.
pub fn title(client: u128, n: u64, id: &str, title: &str) -> Authored {
    let set = FieldMap::new(vec![(FieldName::new("title").unwrap(), Value::text(title))]).unwrap();
    event(client, n, vec![Op { key: key(id), seen: None, action: Action::Upsert(set) }])
}

/// An event that updates an object.
pub fn update(client: u128, n: u64, id: &str) -> Authored {
    let set = FieldMap::new(vec![(FieldName::new("done").unwrap(), Edit::Set(Value::Bool(true)))]).unwrap();
    event(client, n, vec![Op { key: key(id), seen: None, action: Action::Update(set) }])
}

pub fn titles(client: u128, numbers: std::ops::Range<u64>) -> Vec<Authored> {
    numbers.map(|n| title(client, n, &format!("o{}", n % 10), &format!("title {n}"))).collect()
}
