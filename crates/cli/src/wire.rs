//! One socket to a server, spoken to in frames: for what needs the log itself rather than a replica of it.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tapeline_core::codec::Codec;
use tapeline_core::frame::{ClientFrame, Hello, Live, Open, Opened, PROTOCOL, ServerFrame};
use tapeline_core::limits;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::failure::Failure;
use crate::http;

/// What is read from the socket at once. The library clears as much before each read: more is slower.
const READ_BYTES: usize = 16 << 10;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The half that sends.
pub struct Sender(SplitSink<Socket, Message>);

/// The half that receives.
pub struct Receiver(SplitStream<Socket>);

/// Connects, and says hello.
pub async fn connect(server: &str) -> Result<(Sender, Receiver), Failure> {
    connect_showing(server, http::token()).await
}

/// Connects, and says hello with a token or an API key.
pub async fn connect_showing(server: &str, token: Option<String>) -> Result<(Sender, Receiver), Failure> {
    let hello = Hello { protocol: PROTOCOL, agent: "tapeline".into(), token, deflate: false, schema: None };
    connect_as(server, hello).await
}

/// Connects as a client that says hello so.
pub async fn connect_as(server: &str, hello: Hello) -> Result<(Sender, Receiver), Failure> {
    let unreachable = |why: String| Failure::Unreachable { server: server.into(), why };
    let url = http::base(server)?.replacen("http", "ws", 1) + "/v1/sync";
    let mut request = url.into_client_request().map_err(|error| Failure::Usage(format!("{server}: {error}")))?;
    let subprotocol = HeaderValue::from_static(Codec::Cbor.subprotocol());
    request.headers_mut().insert("sec-websocket-protocol", subprotocol);
    let config =
        WebSocketConfig::default().max_message_size(Some(limits::FRAME_BYTES * 2)).read_buffer_size(READ_BYTES);
    let connected = connect_async_with_config(request, Some(config), true).await;
    let (socket, _) = connected.map_err(|error| unreachable(error.to_string()))?;
    let (sender, receiver) = socket.split();
    let (mut sender, mut receiver) = (Sender(sender), Receiver(receiver));
    sender.send(&ClientFrame::Hello(hello)).await?;
    match receiver.next().await? {
        ServerFrame::Welcome(_) => Ok((sender, receiver)),
        ServerFrame::Error(error) => Err(Failure::Refused(error.message)),
        _ => Err(unreachable("it did not say welcome".into())),
    }
}

/// An `open` of a stream by a client that holds nothing.
pub fn open(channel: Channel, stream: &StreamName, client: ClientId, live: Live) -> ClientFrame {
    ClientFrame::Open(Open::new(channel, stream.clone(), client, live))
}

impl Sender {
    /// Sends one frame.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), Failure> {
        self.send_bytes(Codec::Cbor.encode_client(frame)).await
    }

    /// Sends one frame that is encoded already.
    pub async fn send_bytes(&mut self, frame: Vec<u8>) -> Result<(), Failure> {
        self.0.send(Message::Binary(frame.into())).await.map_err(Failure::failed)
    }
}

impl Receiver {
    /// The next frame.
    pub async fn next(&mut self) -> Result<ServerFrame, Failure> {
        let bytes = self.next_bytes().await?;
        Codec::Cbor.decode_server(bytes.as_ref()).map_err(Failure::failed)
    }

    /// Waits until the stream that was asked for last is open: until then it may not be asked for anything.
    pub async fn opened(&mut self) -> Result<Opened, Failure> {
        loop {
            match self.next().await? {
                ServerFrame::Opened(opened) => return Ok(opened),
                ServerFrame::Error(error) => return Err(Failure::Refused(error.message)),
                _ => {}
            }
        }
    }

    /// The next frame as it came.
    pub async fn next_bytes(&mut self) -> Result<impl AsRef<[u8]> + use<>, Failure> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Message::Close(_))) | None => {
                    return Err(Failure::Failed("the server closed the socket".into()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Failure::failed(error)),
            }
        }
    }
}
