//! Sessions: one task for each client that is connected, whatever carries it.
//!
//! In each turn a session takes answers and news from its inbox, then plays events at its own positions as long as little
//! waits to be sent, then takes what the client says as long as few answers wait. It queues nothing for its client: where
//! the client does not read, positions stay where they are.
//!
//! `requests` does what the client says, `channels` knows which streams it has open, `playing` sends it events, `filling`
//! pages, `part` what becomes of its queries, `presence` says who is there, `rights` who the client speaks for.

mod channels;
mod filling;
mod part;
mod playing;
mod presence;
mod requests;
mod rights;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tapeline_core::caller::Caller;
use tapeline_core::codec::Codec;
use tapeline_core::frame::{ErrorCode, ErrorFrame, ServerFrame};
use tapeline_core::limits as core_limits;
use tapeline_core::numbers::{Channel, EventNumber};
use tapeline_log::{EventLog, StateStore};

use crate::budget::Held;
use crate::inbox::Inbox;
use crate::limits;
use crate::shared::Shared;
use crate::wire::{Message, Tail, Wire};
use channels::Channels;
use playing::{Delivered, Job};
use rights::Grant;

/// One client that is connected.
pub(crate) struct Session<L: EventLog, S: StateStore> {
    shared: Arc<Shared<L, S>>,
    number: u64,
    wire: Wire,
    codec: Codec,
    inbox: Arc<Inbox>,
    /// Whether the client has said hello.
    greeted: bool,
    /// Whether the client can inflate.
    deflate: bool,
    /// Who the client speaks for.
    caller: Arc<Caller>,
    /// How that is known, where the server asks.
    grant: Option<Box<Grant>>,
    channels: Channels,
    /// What is to be played, one job for each stream with something new and for each range asked for.
    jobs: VecDeque<Job>,
    fetches: usize,
    bad_frames: u32,
    /// The first event of each channel that came after the server was told to stop.
    put_off: Vec<(Channel, EventNumber)>,
    delivered: Delivered,
    /// Bytes of an unfinished message, where it is large.
    unfinished: Option<Held>,
    goodbye: Option<Goodbye>,
    /// Whether the client ended it in good order.
    said_goodbye: bool,
}

/// Why the server ends a session.
struct Goodbye {
    code: u16,
    reason: String,
}

const STOPPING: &str = "the server stops: send again to its successor";

/// Codes to close a socket with (RFC 6455, section 7.4.1).
mod close_code {
    pub(super) const NORMAL: u16 = 1000;
    pub(super) const GOING_AWAY: u16 = 1001;
    pub(super) const POLICY: u16 = 1008;
    pub(super) const BROKEN: u16 = 1011;
    pub(super) const TRY_LATER: u16 = 1013;
}

/// What there is to do.
enum Turn {
    /// So many bytes came; none is the end.
    Received(usize),
    /// There is mail.
    Mail,
    /// What the client showed is over.
    Over,
    /// More can be played.
    Room,
}

impl<L: EventLog, S: StateStore> Session<L, S> {
    pub(crate) fn new(shared: Arc<Shared<L, S>>, wire: Wire, codec: Codec) -> Self {
        let inbox = Arc::new(Inbox::default());
        shared.metrics.sessions.inc();
        Self {
            number: shared.sessions.begin(&inbox),
            shared,
            wire,
            codec,
            inbox,
            greeted: false,
            deflate: false,
            caller: Arc::default(),
            grant: None,
            channels: Channels::default(),
            jobs: VecDeque::new(),
            fetches: 0,
            bad_frames: 0,
            put_off: Vec::new(),
            delivered: Delivered::default(),
            unfinished: None,
            goodbye: None,
            said_goodbye: false,
        }
    }

    /// Serves the client until one of the two goes.
    pub(crate) async fn run(mut self) {
        // A wire that fails is a client that is gone.
        let is_there = self.serve().await.is_ok();
        self.close_all();
        if is_there && let Some(Goodbye { code, reason }) = self.goodbye.take() {
            self.wire.say_goodbye(code, &reason);
            Box::pin(self.wire.finish()).await;
        }
    }

    async fn serve(&mut self) -> io::Result<()> {
        // What came together with the handshake.
        self.take_messages().await;
        while self.goodbye.is_none() {
            match std::future::poll_fn(|cx| self.poll_turn(cx)).await? {
                Turn::Received(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Turn::Received(bytes) => {
                    self.count_bytes(bytes);
                    self.take_messages().await;
                }
                Turn::Mail => self.take_mail(),
                Turn::Over => self.look_at_grant(),
                Turn::Room => {}
            }
            self.play().await;
        }
        Ok(())
    }

    /// Sends what waits, then looks for the next thing to do.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Turn>> {
        let waiting = self.wire.waiting();
        if waiting > 0 {
            if let Poll::Ready(Err(error)) = self.wire.poll_send(cx) {
                return Poll::Ready(Err(error));
            }
            if self.wire.waiting() < waiting {
                self.is_alive();
            }
        }
        if self.poll_over(cx).is_ready() {
            return Poll::Ready(Ok(Turn::Over));
        }
        if self.inbox.poll(cx).is_ready() {
            return Poll::Ready(Ok(Turn::Mail));
        }
        if !self.jobs.is_empty() && self.has_room() {
            return Poll::Ready(Ok(Turn::Room));
        }
        match self.takes_requests() {
            true => {
                ready!(self.poll_pause(cx));
                self.wire.poll_receive(cx).map_ok(Turn::Received)
            }
            false => Poll::Pending,
        }
    }

    /// The client gives a sign of life, once it has said hello.
    fn is_alive(&self) {
        if self.greeted {
            self.inbox.is_alive();
        }
    }

    /// Whether more may be played to the client.
    fn has_room(&self) -> bool {
        self.wire.waiting() < limits::OUTGOING_BYTES
    }

    /// Whether more is read from the client.
    fn takes_requests(&self) -> bool {
        self.wire.waiting() < limits::ANSWER_BYTES && self.fetches < limits::FETCHES
    }

    async fn take_messages(&mut self) {
        while self.goodbye.is_none() {
            match self.wire.next() {
                Ok(None) => return self.hold_unfinished(),
                Ok(Some(Message::Data(message))) => self.take_frame(&message).await,
                Ok(Some(Message::Ping(content))) => self.wire.push_pong(&content),
                Ok(Some(Message::Close)) => {
                    self.said_goodbye = true;
                    self.say_goodbye(close_code::NORMAL, "");
                }
                Err(violation) => self.say_goodbye(violation.close_code(), violation.to_string()),
            }
            self.is_alive();
        }
    }

    /// Messages that come slowly take from what all sockets have together.
    fn hold_unfinished(&mut self) {
        let waiting = self.wire.unfinished();
        if waiting <= limits::UNFINISHED_FREE_BYTES {
            self.unfinished = None;
            return;
        }
        let held = self.unfinished.get_or_insert_with(|| self.shared.unfinished.hold(0));
        if !held.resize(waiting) {
            self.say_goodbye(close_code::TRY_LATER, "too many large messages at once: connect again later");
        }
    }

    /// Takes answers and news. Answers go out before whatever is played after this.
    fn take_mail(&mut self) {
        let mail = self.inbox.take();
        for answer in mail.answers {
            self.take_answer(answer);
        }
        for filled in mail.filled {
            self.is_filled(filled);
        }
        self.jobs.extend(mail.news.into_iter().map(|(opening, channel)| Job::Live { opening, channel }));
        for (opening, channel) in mail.presence {
            let open = self.channels.get_mut(&channel).filter(|open| open.is(opening));
            self.jobs.extend(open.and_then(|open| open.presence_job(channel)));
        }
        if mail.is_to_look {
            self.look_at_grant();
        }
        if mail.stop {
            self.take_leave();
        }
        if mail.end {
            self.say_goodbye(close_code::POLICY, "no sign of life: say hello at once, and send a ping now and then");
        }
    }

    /// Says something to the client.
    fn say(&mut self, frame: &ServerFrame) {
        let bytes = self.codec.encode_server(frame);
        self.wire.push(self.codec, &bytes, Tail::None);
    }

    fn say_error(
        &mut self,
        channel: Option<Channel>,
        code: ErrorCode,
        message: impl Into<String>,
        n: Option<EventNumber>,
    ) {
        self.shared.metrics.errors.inc();
        let retry = (code == ErrorCode::Later).then_some(core_limits::LATER_PAUSE);
        self.say(&ServerFrame::Error(ErrorFrame { channel, code, message: message.into(), n, retry }));
    }

    /// Nothing more is taken; what waits is sent, and the session ended.
    fn say_goodbye(&mut self, code: u16, reason: impl Into<String>) {
        self.goodbye.get_or_insert_with(|| Goodbye { code, reason: reason.into() });
    }
}

impl<L: EventLog, S: StateStore> Drop for Session<L, S> {
    fn drop(&mut self) {
        self.close_all();
        self.delivered.report(&self.shared.metrics);
        self.shared.metrics.sessions.dec();
        self.shared.sessions.end(self.number);
    }
}
#[cfg(test)]
mod tests {
    use tapeline_log::memory::MemoryLog;

    use super::Session;

    /// Ten thousand of them wait for most of their lives.
    #[test]
    fn a_session_is_small() {
        fn size_of_output<S, F>(_: impl Fn(S) -> F) -> usize {
            size_of::<F>()
        }
        let size = size_of_output(Session::<MemoryLog, MemoryLog>::run);
        assert!(size <= 1_216, "{size} bytes");
    }
}
