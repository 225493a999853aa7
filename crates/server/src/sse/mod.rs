//! Sessions where WebSockets are blocked: the server's frames go as Server-Sent Events in the answer to one GET, the
//! client's come in the bodies of POSTs, one after the other.
//!
//! A client that does not read slows its session down as on a WebSocket: one part of what was said waits for the answer,
//! and no body is taken while many answers wait. The session ends with the answer to its GET.

mod bodies;
mod doors;
mod pipe;

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tapeline_core::codec::Codec;
use tokio::sync::mpsc;

use crate::limits;
use crate::wire::{Message, Tail, Violation};
use bodies::Body;
pub(crate) use doors::{Doors, Post, PostError, Secret};
use doors::{Entry, Open};
pub(crate) use pipe::Parts;
use pipe::Pipe;

/// What carries one session.
pub(crate) struct Line {
    codec: Codec,
    posts: mpsc::Receiver<Post>,
    /// What is being taken.
    body: Option<Body>,
    /// Bytes a frame may have.
    most: usize,
    /// Events on their way to the client.
    outgoing: Vec<u8>,
    pipe: Pipe,
    _open: Open,
}

impl Line {
    /// A session's line, and the body of the answer that carries it.
    pub(crate) fn new(codec: Codec, doors: &Arc<Doors>) -> (Box<Self>, Parts) {
        let Entry { secret, posts, open } = doors.open();
        let (pipe, parts) = pipe::new();
        let outgoing = format!("event: session\ndata: {secret}\n\n").into_bytes();
        let line = Self { codec, posts, body: None, most: limits::HELLO_BYTES, outgoing, pipe, _open: open };
        (Box::new(line), parts)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.outgoing.len()
    }

    pub(crate) fn push(&mut self, head: &[u8], tail: Tail<'_>) {
        self.outgoing.extend_from_slice(b"data: ");
        match self.codec {
            Codec::Cbor => {
                let frame = [head, tail.as_ref()].concat();
                self.outgoing.extend_from_slice(BASE64_STANDARD.encode(frame).as_bytes());
            }
            // Nothing that ends a line stands in the JSON of a frame.
            Codec::Json => self.outgoing.extend([head, tail.as_ref()].into_iter().flatten()),
        }
        self.outgoing.extend_from_slice(b"\n\n");
    }

    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.outgoing.is_empty() {
            ready!(self.pipe.poll_room(cx))?;
            self.pipe.give(std::mem::take(&mut self.outgoing).into());
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.pipe.poll_gone(cx).is_ready() {
            return Poll::Ready(Ok(0));
        }
        let Some(post) = ready!(self.posts.poll_recv(cx)) else { return Poll::Ready(Ok(0)) };
        let body = self.body.insert(Body::new(self.codec, post));
        Poll::Ready(Ok(body.len().max(1)))
    }

    pub(crate) fn next(&mut self) -> Result<Option<Message>, Violation> {
        let Some(body) = &mut self.body else { return Ok(None) };
        let message = body.next(self.most)?;
        if message.is_none() {
            self.body.take().into_iter().for_each(Body::say_taken);
        }
        Ok(message)
    }

    pub(crate) fn take_whole_frames(&mut self) {
        self.most = tapeline_core::limits::FRAME_BYTES;
    }

    pub(crate) fn say_goodbye(&mut self, reason: &str) {
        // A line of its own is all that a reason may be.
        let reason = reason.replace(char::is_control, " ");
        self.outgoing.extend_from_slice(format!("event: goodbye\ndata: {reason}\n\n").as_bytes());
    }

    pub(crate) async fn finish(&mut self) {
        let goodbye = async {
            std::future::poll_fn(|cx| self.poll_send(cx)).await?;
            std::future::poll_fn(|cx| self.pipe.poll_room(cx)).await
        };
        // A client that is gone or slow to go is none of our business.
        let _ = tokio::time::timeout(limits::GOODBYE_WITHIN, goodbye).await;
    }
}
