//! One connection to a server, as two bounded queues of frames, whatever carries them.
//!
//! A task for each direction turns frames to bytes and back, so that neither the driver nor the other direction ever
//! waits for the network, and decoding goes on beside playing.

use std::io;
use std::sync::Arc;

use tapeline_core::codec::{Codec, CodecError};
use tapeline_core::frame::{ClientFrame, ServerFrame};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::error::OpenError;
use crate::http::Origin;
use crate::transport::Way;
use crate::{sse, websocket};

/// Frames that wait in either direction.
const QUEUED_FRAMES: usize = 16;

/// Where a server is and how it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) codec: Codec,
    /// The handshake of a WebSocket.
    pub(crate) upgrade: Request,
    pub(crate) origin: Arc<Origin>,
}

/// A connection. It is closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    /// What the server says; ends with why it says no more.
    pub(crate) incoming: mpsc::Receiver<Heard>,
    pub(crate) outgoing: mpsc::Sender<ClientFrame>,
    /// A task that ends with it. All others end by themselves, after what they were given.
    pub(crate) _reading: Option<Ended>,
}

/// What came.
pub(crate) type Heard = Result<ServerFrame, SocketError>;

/// The other ends of a socket's queues.
pub(crate) struct Queues {
    pub(crate) heard: mpsc::Sender<Heard>,
    pub(crate) to_say: mpsc::Receiver<ClientFrame>,
}

/// A task that is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Ended(AbortHandle);

/// Why there is no socket.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("{0}")]
    Network(Arc<str>),
    #[error("the server closed the connection")]
    Closed,
    /// Without a goodbye. At its beginning that may be the work of something that lets no WebSocket through.
    #[error("the connection was cut")]
    Cut,
    #[error("no WebSocket gets through: {0}")]
    NoWebSocket(Arc<str>),
    #[error("the app has no token: {0}")]
    NoToken(Arc<str>),
    #[error("{0}")]
    Ended(Arc<str>),
    #[error("the server said something unreadable: {0}")]
    Unreadable(#[from] CodecError),
}

impl Address {
    pub(crate) fn new(address: &str, codec: Codec) -> Result<Self, OpenError> {
        let wrong = |why: String| OpenError::Address { address: address.into(), why };
        let (is_secure, rest) = match address.trim_end_matches('/').split_once("://") {
            Some(("http" | "ws", rest)) => (false, rest),
            Some(("https" | "wss", rest)) => (true, rest),
            _ => return Err(wrong("it begins with neither ws:// nor wss://".into())),
        };
        let host = rest.split_once('/').map_or(rest, |(host, _)| host);
        if let Some((_, host)) = host.rsplit_once('@') {
            // What it says of them is not said again, where others may read it.
            let why = "it has a user or a password, which a server does not look at: give the client a token".into();
            return Err(OpenError::Address { address: host.into(), why });
        }
        if rest.contains(['?', '#']) {
            return Err(wrong("it has a query, or a #".into()));
        }
        if is_secure && cfg!(not(feature = "tls")) {
            return Err(wrong("wss:// needs the feature \"tls\"".into()));
        }
        let scheme = if is_secure { "wss" } else { "ws" };
        let mut upgrade =
            format!("{scheme}://{rest}/v1/sync").into_client_request().map_err(|error| wrong(error.to_string()))?;
        upgrade.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(codec.subprotocol()));
        let origin = Origin::of(upgrade.uri(), is_secure)
            .ok_or_else(|| wrong("it names no host, or no port that can be".into()))?;
        Ok(Self { codec, upgrade, origin: Arc::new(origin) })
    }
}

impl Socket {
    pub(crate) async fn connect(address: Address, way: Way) -> Result<Self, SocketError> {
        match way {
            Way::WebSocket => websocket::connect(address).await,
            Way::Sse => sse::connect(address).await,
        }
    }

    /// A socket and the other ends of its queues.
    pub(crate) fn new() -> (Self, Queues) {
        let (heard, incoming) = mpsc::channel(QUEUED_FRAMES);
        let (outgoing, to_say) = mpsc::channel(QUEUED_FRAMES);
        (Self { incoming, outgoing, _reading: None }, Queues { heard, to_say })
    }
}

impl Ended {
    pub(crate) fn with<T>(task: &JoinHandle<T>) -> Self {
        Self(task.abort_handle())
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl SocketError {
    /// Whether this, before the server said welcome, looks as if WebSockets were blocked.
    pub(crate) const fn looks_blocked(&self) -> bool {
        matches!(self, Self::Cut | Self::NoWebSocket(_))
    }
}

impl From<io::Error> for SocketError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => Self::Cut,
            _ => Self::Network(error.to_string().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_server_and_nothing_else() {
        let names = |address: &str| Address::new(address, Codec::Cbor).is_ok();
        for address in ["ws://127.0.0.1:7070", "http://localhost/", "ws://[::1]:7070/", "ws://[::1]", "ws://a.b/c/d"] {
            assert!(names(address), "{address}");
        }
        for address in [
            "",
            "localhost:7070",
            "ftp://a",
            "ws://",
            "ws:///a",
            "ws://:7070",
            "ws://a:",
            "ws://a:65536",
            "ws://a:b",
            "ws://a b",
            "ws://a?b",
            "ws://a/?b=c",
            "ws://a#b",
            "ws://ana@a",
        ] {
            assert!(!names(address), "{address}");
        }
        let told = Address::new("wss://ana:secret@a.b/c", Codec::Cbor).unwrap_err().to_string();
        assert!(told.contains("a token") && !told.contains("secret"), "{told}");
    }
}
