//! What waits for a session to look: answers to what it sent, and streams of which there is something new.
//!
//! Shards and other sessions put things in and never wait. It stays small: a session that does not take its answers
//! reads no more requests, and a stream is in it once however often there is something new.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use tapeline_core::frame::ServerFrame;
use tapeline_core::numbers::Channel;

use crate::filling::Filled;
use crate::lock::lock;

/// Names one opening of a stream by a session, for the life of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OpeningId(pub(crate) u64);

impl OpeningId {
    /// Stands for whoever has the stream open on another node.
    pub(crate) const ELSEWHERE: Self = Self(u64::MAX);
}

/// Where things are put for one session.
#[derive(Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    /// Whether the client gave a sign of life since it was last looked for one.
    alive: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    mail: Mail,
    waker: Option<Waker>,
}

/// What was put in since the session last looked.
#[derive(Default)]
pub(crate) struct Mail {
    /// Answers to what the session sent.
    pub(crate) answers: Vec<Answer>,
    /// Streams of which there is something new.
    pub(crate) news: Vec<(OpeningId, Channel)>,
    /// Streams on which somebody came, went or said something of themselves.
    pub(crate) presence: Vec<(OpeningId, Channel)>,
    /// Pages that were made for it.
    pub(crate) filled: Vec<Filled>,
    /// Who the client speaks for is to be looked at again.
    pub(crate) is_to_look: bool,
    /// The server stops.
    pub(crate) stop: bool,
    /// The client gives no sign of life.
    pub(crate) end: bool,
}

/// An answer to what a session sent.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Under which opening it was sent.
    pub(crate) opening: OpeningId,
    /// The channel of that.
    pub(crate) channel: Channel,
    /// The answer.
    pub(crate) frame: ServerFrame,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inbox")
    }
}

impl Mail {
    fn is_empty(&self) -> bool {
        let has_none = self.answers.is_empty() && self.news.is_empty() && self.presence.is_empty();
        has_none && self.filled.is_empty() && !self.is_to_look && !self.stop && !self.end
    }
}

impl Inbox {
    /// Puts an answer in.
    pub(crate) fn answer(&self, answer: Answer) {
        self.put(|mail| mail.answers.push(answer));
    }

    /// There is something new on a stream.
    pub(crate) fn tell(&self, opening: OpeningId, channel: Channel) {
        self.put(|mail| mail.news.push((opening, channel)));
    }

    /// Somebody came, went or said something of themselves.
    pub(crate) fn tell_presence(&self, opening: OpeningId, channel: Channel) {
        self.put(|mail| mail.presence.push((opening, channel)));
    }

    /// A page was made, or could not be.
    pub(crate) fn fill(&self, filled: Filled) {
        self.put(|mail| mail.filled.push(filled));
    }

    /// Who the client speaks for is to be looked at again.
    pub(crate) fn look(&self) {
        self.put(|mail| mail.is_to_look = true);
    }

    /// The server stops.
    pub(crate) fn stop(&self) {
        self.put(|mail| mail.stop = true);
    }

    /// The client gives no sign of life.
    pub(crate) fn end(&self) {
        self.put(|mail| mail.end = true);
    }

    /// The client gives a sign of life.
    pub(crate) fn is_alive(&self) {
        self.alive.store(true, Ordering::Relaxed);
    }

    /// Whether the client gave a sign of life since this was last asked.
    pub(crate) fn was_alive(&self) -> bool {
        self.alive.swap(false, Ordering::Relaxed)
    }

    /// Takes all that is in.
    pub(crate) fn take(&self) -> Mail {
        std::mem::take(&mut lock(&self.waiting).mail)
    }

    /// Whether something is in; wakes the caller once it is.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = lock(&self.waiting);
        if !waiting.mail.is_empty() {
            return Poll::Ready(());
        }
        match &mut waiting.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The next answers.
    pub(crate) async fn answers(&self) -> Vec<Answer> {
        std::future::poll_fn(|cx| self.poll(cx)).await;
        self.take().answers
    }

    fn put(&self, put: impl FnOnce(&mut Mail)) {
        let mut waiting = lock(&self.waiting);
        put(&mut waiting.mail);
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
