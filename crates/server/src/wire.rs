//! What carries a session: a WebSocket or, where those are blocked, Server-Sent Events and POSTs. A session does not
//! know which of the two it has.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use tapeline_core::codec::Codec;

use crate::sse::Line;
use crate::websocket::Socket;

/// What carries a session.
pub(crate) enum Wire {
    WebSocket(Socket),
    Sse(Box<Line>),
}

/// A message of the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A frame, spelled as was agreed.
    Data(Vec<u8>),
    /// To be answered with a pong of the same content.
    Ping(Vec<u8>),
    /// The client says goodbye.
    Close,
}

/// The second part of a message to the client.
#[derive(Clone, Debug)]
pub(crate) enum Tail<'t> {
    /// There is none.
    None,
    /// Bytes to be copied.
    Copied(&'t [u8]),
    /// Bytes to be shared.
    Shared(Bytes),
}

/// Why nothing more can be read from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// The bytes are not cut into messages as was agreed.
    #[error("not as a client sends it: {0}")]
    Protocol(&'static str),
    /// A text message is not Unicode.
    #[error("a text message is not UTF-8")]
    Unicode,
    /// A message is too large.
    #[error("a message has more than {0} bytes; send several smaller ones")]
    TooLarge(usize),
}

impl Wire {
    /// Bytes that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        match self {
            Self::WebSocket(socket) => socket.outgoing.len(),
            Self::Sse(line) => line.waiting(),
        }
    }

    /// Adds a frame that consists of `head` and `tail` to what waits to be sent.
    pub(crate) fn push(&mut self, codec: Codec, head: &[u8], tail: Tail<'_>) {
        match self {
            Self::WebSocket(socket) => socket.outgoing.push(codec.into(), head, tail),
            Self::Sse(line) => line.push(head, tail),
        }
    }

    /// Adds the answer to a ping.
    pub(crate) fn push_pong(&mut self, content: &[u8]) {
        if let Self::WebSocket(socket) = self {
            socket.push_pong(content);
        }
    }

    /// Sends what waits, until nothing does.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::WebSocket(socket) => socket.poll_send(cx),
            Self::Sse(line) => line.poll_send(cx),
        }
    }

    /// Takes what has come. Answers how many bytes; none is the end.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Self::WebSocket(socket) => socket.poll_receive(cx),
            Self::Sse(line) => line.poll_receive(cx),
        }
    }

    /// The next message that has come whole.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Violation> {
        match self {
            Self::WebSocket(socket) => socket.incoming.next(),
            Self::Sse(line) => line.next(),
        }
    }

    /// Bytes of a message that has not come whole.
    pub(crate) fn unfinished(&self) -> usize {
        match self {
            Self::WebSocket(socket) => socket.incoming.waiting(),
            // A body is taken whole, and held until then by who takes it.
            Self::Sse(_) => 0,
        }
    }

    /// From now on messages have up to as many bytes as a frame may have.
    pub(crate) fn take_whole_frames(&mut self) {
        match self {
            Self::WebSocket(socket) => socket.incoming.take_whole_frames(),
            Self::Sse(line) => line.take_whole_frames(),
        }
    }

    /// Adds the reason why the server ends the session to what waits to be sent, as the last of it.
    pub(crate) fn say_goodbye(&mut self, code: u16, reason: &str) {
        match self {
            Self::WebSocket(socket) => socket.say_goodbye(code, reason),
            Self::Sse(line) => line.say_goodbye(reason),
        }
    }

    /// Sends what waits, as far as the client takes it within a while.
    pub(crate) async fn finish(&mut self) {
        match self {
            Self::WebSocket(socket) => socket.finish().await,
            Self::Sse(line) => line.finish().await,
        }
    }
}

impl Violation {
    /// The code to close a WebSocket with.
    pub(crate) const fn close_code(self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::Unicode => 1007,
            Self::TooLarge(_) => 1009,
        }
    }
}

impl Tail<'_> {
    pub(crate) fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// The bytes of it that are to be copied.
    pub(crate) fn copied(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::None | Self::Shared(_) => &[],
        }
    }
}

impl AsRef<[u8]> for Tail<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}
