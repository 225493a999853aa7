//! One WebSocket to a server, as two bounded queues of frames.
//!
//! A task for each direction turns frames to bytes and back, so that neither the driver nor the other direction ever
//! waits for the network, and decoding goes on beside playing.

use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tapeline_core::codec::{Codec, CodecError};
use tapeline_core::frame::{ClientFrame, ServerFrame};
use tapeline_core::limits;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::error::OpenError;

/// Frames that wait in either direction.
const QUEUED_FRAMES: usize = 16;

type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Where a server is and how it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    request: Request,
    codec: Codec,
}

/// A socket. It is closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    /// What the server says; ends with why it says no more.
    pub(crate) incoming: mpsc::Receiver<Result<ServerFrame, SocketError>>,
    pub(crate) outgoing: mpsc::Sender<ClientFrame>,
    reading: AbortHandle,
}

/// Why there is no socket.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("{0}")]
    Network(Arc<str>),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server said something unreadable: {0}")]
    Unreadable(#[from] CodecError),
}

impl Address {
    pub(crate) fn new(address: &str, codec: Codec) -> Result<Self, OpenError> {
        let wrong = |why: String| OpenError::Address { address: address.into(), why };
        let base = address.trim_end_matches('/');
        let base = match base.split_once("://") {
            Some(("http", rest)) => format!("ws://{rest}"),
            Some(("https", rest)) => format!("wss://{rest}"),
            Some(("ws" | "wss", _)) => base.to_owned(),
            _ => return Err(wrong("it begins with neither ws:// nor wss://".into())),
        };
        if base.starts_with("wss:") && cfg!(not(feature = "tls")) {
            return Err(wrong("wss:// needs the feature \"tls\"".into()));
        }
        let mut request = format!("{base}/v1/sync").into_client_request().map_err(|error| wrong(error.to_string()))?;
        let subprotocol = HeaderValue::from_static(codec.subprotocol());
        request.headers_mut().insert("sec-websocket-protocol", subprotocol);
        Ok(Self { request, codec })
    }
}

impl Socket {
    pub(crate) async fn connect(address: Address) -> Result<Self, SocketError> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(2 * limits::FRAME_BYTES))
            .max_frame_size(Some(2 * limits::FRAME_BYTES));
        let (socket, _) = connect_async_with_config(address.request, Some(config), true).await?;
        let (sink, stream) = socket.split();
        let (heard, incoming) = mpsc::channel(QUEUED_FRAMES);
        let (outgoing, to_say) = mpsc::channel(QUEUED_FRAMES);
        let reading = tokio::spawn(read(stream, address.codec, heard)).abort_handle();
        tokio::spawn(write(sink, address.codec, to_say));
        Ok(Self { incoming, outgoing, reading })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The writing task ends by itself, after what it was given, since nobody can give it more.
        self.reading.abort();
    }
}

async fn read(mut stream: SplitStream<WebSocket>, codec: Codec, heard: mpsc::Sender<Result<ServerFrame, SocketError>>) {
    loop {
        let frame = match stream.next().await {
            Some(Ok(Message::Binary(bytes))) => codec.decode_server(&bytes).map_err(Into::into),
            Some(Ok(Message::Text(text))) => codec.decode_server(text.as_bytes()).map_err(Into::into),
            Some(Ok(Message::Close(_))) | None => Err(SocketError::Closed),
            Some(Ok(_)) => continue,
            Some(Err(error)) => Err(error.into()),
        };
        let last = frame.is_err();
        if heard.send(frame).await.is_err() || last {
            return;
        }
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, codec: Codec, mut to_say: mpsc::Receiver<ClientFrame>) {
    while let Some(frame) = to_say.recv().await {
        let mut sent = sink.feed(message(codec, &frame)).await;
        while sent.is_ok()
            && let Ok(frame) = to_say.try_recv()
        {
            sent = sink.feed(message(codec, &frame)).await;
        }
        // What goes wrong here shows in what is read as well.
        if sent.is_err() || sink.flush().await.is_err() {
            return;
        }
    }
    drop(sink.close().await);
}

fn message(codec: Codec, frame: &ClientFrame) -> Message {
    let bytes = codec.encode_client(frame);
    match codec {
        Codec::Cbor => Message::Binary(Bytes::from(bytes)),
        Codec::Json => Message::Text(String::from_utf8(bytes).expect("JSON is UTF-8").into()),
    }
}

impl From<tungstenite::Error> for SocketError {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => Self::Closed,
            tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                Self::Closed
            }
            other => Self::Network(other.to_string().into()),
        }
    }
}
