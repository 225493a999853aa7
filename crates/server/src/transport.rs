//! The bytes of one connection: plain or encrypted, and read no faster than their address may send them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use crate::addresses::Visitor;

/// The bytes of one connection.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: Stream,
    guest: Option<Visitor>,
    /// Where more was sent than might be.
    pause: Option<Pin<Box<Sleep>>>,
}

/// In boxes: ten thousand sessions wait for most of their lives, each of which holds one of these.
#[derive(Debug)]
enum Stream {
    Plain(Box<TcpStream>),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Transport {
    pub(crate) fn plain(stream: TcpStream, guest: Option<Visitor>) -> Self {
        Self { stream: Stream::Plain(stream.into()), guest, pause: None }
    }

    pub(crate) fn encrypted(stream: TlsStream<TcpStream>, guest: Option<Visitor>) -> Self {
        Self { stream: Stream::Encrypted(stream.into()), guest, pause: None }
    }

    /// What is sent too fast is lost nowhere: it waits with whoever sends it.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(guest) = &self.guest else { return Poll::Ready(()) };
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let wait = guest.wait_for_bytes(Instant::now());
            if wait.is_zero() {
                return Poll::Ready(());
            }
            self.pause = Some(Box::pin(tokio::time::sleep(wait)));
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pause(cx));
        let before = buffer.filled().len();
        ready!(match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Encrypted(stream) => Pin::new(stream).poll_read(cx, buffer),
        })?;
        if let Some(guest) = &self.guest {
            guest.count_bytes(buffer.filled().len() - before, Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Encrypted(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Encrypted(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Encrypted(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::addresses::Addresses;
    use crate::limits;

    #[tokio::test]
    async fn what_is_sent_too_fast_waits_and_comes_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let addresses = Addresses::default();
        let guest = addresses.let_in("192.0.2.1".parse().unwrap(), Instant::now()).unwrap().unwrap();
        let mut received = Transport::plain(listener.accept().await.unwrap().0, Some(guest.clone()));

        sender.write_all(b"ab").await.unwrap();
        assert_eq!(received.read_u8().await.unwrap(), b'a');
        let ahead = Duration::from_millis(50);
        let rate = limits::ADDRESS.bytes;
        guest.count_bytes(rate.at_once as usize + rate.per_second as usize / 20, Instant::now());
        let before = Instant::now();
        assert_eq!(received.read_u8().await.unwrap(), b'b');
        assert!(before.elapsed() >= ahead / 2, "{:?}", before.elapsed());
    }
}
