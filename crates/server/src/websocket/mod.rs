//! WebSockets (RFC 6455), the server's end, over the bytes of a connection.
//!
//! Written here rather than taken from a library for what ten thousand quiet sockets and a thousand subscribers of one
//! stream need: no buffer is held while nothing comes or goes, and what many get is sent from one place in memory.

mod incoming;
mod outgoing;
mod upgrade;

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::limits;
use crate::transport::Transport;
use crate::wire::Tail;
use incoming::Incoming;
use outgoing::{Kind, Outgoing};
pub(crate) use upgrade::{Upgrade, UpgradeError, downcast};

thread_local! {
    /// What a socket is read into: one for each thread rather than one for each socket.
    static RECEIVED: RefCell<Vec<u8>> = RefCell::new(vec![0; limits::RECEIVE_BYTES]);
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Transport,
    pub(crate) incoming: Incoming,
    pub(crate) outgoing: Outgoing,
}

impl Socket {
    /// A socket after its handshake, and what of it was read already.
    pub(crate) fn new(stream: Transport, read: &[u8]) -> Self {
        let mut incoming = Incoming::new(limits::HELLO_BYTES);
        incoming.extend(read);
        Self { stream, incoming, outgoing: Outgoing::default() }
    }

    /// Reads what has come. Zero bytes are the end.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        RECEIVED.with_borrow_mut(|received| {
            let mut buffer = ReadBuf::new(received);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            self.incoming.extend(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }

    /// Writes what waits, until nothing does.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let mut slices = outgoing::no_slices();
            let filled = self.outgoing.slices(&mut slices);
            let stream = Pin::new(&mut self.stream);
            let written = match &slices[..filled] {
                [only] => ready!(stream.poll_write(cx, only))?,
                several => ready!(stream.poll_write_vectored(cx, several))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.advance(written);
        }
        // What is encrypted and not yet on its way.
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Answers a ping.
    pub(crate) fn push_pong(&mut self, content: &[u8]) {
        self.outgoing.push(Kind::Pong, content, Tail::None);
    }

    /// Closes the socket with a reason.
    pub(crate) fn say_goodbye(&mut self, code: u16, reason: &str) {
        const MOST_REASON_BYTES: usize = 123;
        let reason = &reason.as_bytes()[..reason.floor_char_boundary(MOST_REASON_BYTES)];
        self.outgoing.push(Kind::Close, &code.to_be_bytes(), Tail::Copied(reason));
    }

    /// Sends what waits, then waits for the client to go: closed at once, what it has not read yet would be lost.
    pub(crate) async fn finish(&mut self) {
        let goodbye = async {
            std::future::poll_fn(|cx| self.poll_send(cx)).await?;
            self.stream.shutdown().await?;
            let mut rest = [0; 1024];
            while self.stream.read(&mut rest).await? > 0 {}
            Ok::<(), io::Error>(())
        };
        // A client that is gone or slow to go is none of our business.
        let _ = tokio::time::timeout(limits::GOODBYE_WITHIN, goodbye).await;
    }
}
