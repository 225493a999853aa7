//! A WebSocket to a server.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tapeline_core::codec::Codec;
use tapeline_core::frame::ClientFrame;
use tapeline_core::limits;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::inflate;
use crate::socket::{Address, Ended, Heard, Queues, Socket, SocketError};

type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) async fn connect(Address { codec, upgrade, .. }: Address) -> Result<Socket, SocketError> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(2 * limits::FRAME_BYTES))
        .max_frame_size(Some(2 * limits::FRAME_BYTES));
    let (connected, _) = connect_async_with_config(upgrade, Some(config), true).await.map_err(of_handshake)?;
    let (sink, stream) = connected.split();
    let (mut socket, Queues { heard, to_say }) = Socket::new();
    socket._reading = Some(Ended::with(&tokio::spawn(read(stream, codec, heard))));
    tokio::spawn(write(sink, codec, to_say));
    Ok(socket)
}

async fn read(mut stream: SplitStream<WebSocket>, codec: Codec, heard: mpsc::Sender<Heard>) {
    loop {
        let frame = match stream.next().await {
            Some(Ok(Message::Binary(bytes))) => inflate::read(codec, &bytes),
            Some(Ok(Message::Text(text))) => inflate::read(codec, text.as_bytes()),
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

/// What went wrong before there was a WebSocket.
fn of_handshake(error: Error) -> SocketError {
    match &error {
        // A server that is there, and has trouble.
        Error::Http(response) if is_trouble(response.status()) => SocketError::Network(error.to_string().into()),
        Error::Http(_) | Error::HttpFormat(_) | Error::Protocol(_) => {
            SocketError::NoWebSocket(error.to_string().into())
        }
        _ => error.into(),
    }
}

fn is_trouble(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

impl From<Error> for SocketError {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => Self::Closed,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Cut,
            Error::Io(error) => error.into(),
            other => Self::Network(other.to_string().into()),
        }
    }
}
