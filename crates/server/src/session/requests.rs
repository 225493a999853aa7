//! What a client says, and what is done about it.

use std::sync::Arc;

use tapeline_authority::Reading;
use tapeline_core::codec::CodecError;
use tapeline_core::event::{Authored, Sealed};
use tapeline_core::frame::{ClientFrame, ErrorCode, Hello, Live, Open, PROTOCOL, ServerFrame, Welcome};
use tapeline_core::hash::Chain;
use tapeline_core::limits as core_limits;
use tapeline_core::numbers::{Channel, Seq};
use tapeline_core::versions::Unserved;
use tapeline_log::{EventLog, LogError, StateStore};

use super::channels::{OpenChannel, Phase};
use super::part::Change;
use super::playing::Job;
use super::{STOPPING, Session, close_code};
use crate::guests::TooMany;
use crate::hub::{Opening, Tape};
use crate::limits;
use crate::shard::{Closed, Command, OpenStream, Push, Words};

pub(super) const NOT_OPEN: &str = "the channel is not open: open the stream, and wait for opened";

impl<L: EventLog, S: StateStore> Session<L, S> {
    /// Takes one message.
    pub(super) async fn take_frame(&mut self, message: &[u8]) {
        let frame = match self.codec.decode_client(message) {
            Ok(frame) => frame,
            Err(error) => return self.refuse_frame(&error),
        };
        match frame {
            ClientFrame::Hello(hello) => self.hello(&hello),
            _ if !self.greeted => {
                self.say_error(None, ErrorCode::BadFrame, "the first frame must be hello", None);
                self.say_goodbye(close_code::POLICY, "the first frame must be hello");
            }
            ClientFrame::Open(open) => Box::pin(self.open(open)).await,
            ClientFrame::Push { channel, events } => Box::pin(self.push(channel, events, message.len())).await,
            ClientFrame::Fetch { channel, from, to } => self.fetch(channel, from, to),
            ClientFrame::Close { channel } => self.close_channel(channel),
            ClientFrame::Presence(presence) => self.present(presence),
            ClientFrame::Subscribe { channel, subscription } => self.subscribe(channel, &subscription),
            ClientFrame::Unsubscribe { channel, number } => self.change_part(channel, Change::Unsubscribe(number)),
            ClientFrame::Ping => {
                self.say(&ServerFrame::Pong);
                self.tell_parts();
            }
        }
    }

    fn hello(&mut self, hello: &Hello) {
        if self.greeted && !self.shared.asks_who() {
            return self.bad_frame(None, "hello was said already");
        }
        if hello.protocol < PROTOCOL {
            let message = format!("this server speaks protocol {PROTOCOL}, the client {}: upgrade it", hello.protocol);
            self.say_error(None, ErrorCode::UpgradeRequired, message.as_str(), None);
            return self.say_goodbye(close_code::POLICY, message);
        }
        if let Err(unserved) = self.shared.schema.versions().serve(hello.schema) {
            return self.does_not_serve(unserved);
        }
        let expires_in = match self.introduce(hello) {
            Ok(expires_in) => expires_in,
            Err(error) => return self.is_unauthorized(&error),
        };
        if let Err(TooMany) = self.be_counted() {
            let message = "who this token speaks for has too many connections: close some";
            self.say_error(None, ErrorCode::Later, message, None);
            return self.say_goodbye(close_code::TRY_LATER, message);
        }
        (self.greeted, self.deflate) = (true, hello.deflate);
        self.wire.take_whole_frames();
        self.say(&ServerFrame::Welcome(Welcome {
            protocol: PROTOCOL,
            server: concat!("tapeline ", env!("CARGO_PKG_VERSION")).into(),
            silence: core_limits::SILENCE,
            frame_bytes: core_limits::FRAME_BYTES as u64,
            expires_in,
        }));
    }

    /// Ends the session: the app is of a version that is not served now.
    fn does_not_serve(&mut self, unserved: Unserved) {
        let (code, close) = match unserved {
            Unserved::TooOld { .. } => (ErrorCode::UpgradeRequired, close_code::POLICY),
            Unserved::TooNew { .. } => (ErrorCode::Later, close_code::TRY_LATER),
        };
        let message = unserved.to_string();
        self.say_error(None, code, message.as_str(), None);
        self.say_goodbye(close, message);
    }

    async fn open(&mut self, open: Open) {
        let channel = open.channel;
        if self.channels.get(&channel).is_some_and(|open| matches!(open.phase, Phase::Opening(_))) {
            // Each open is answered, in order: clients count.
            self.close_channel(channel);
            self.say_error(Some(channel), ErrorCode::Later, "the stream was opened anew before it was open", None);
        }
        if self.shared.is_stopping() {
            return self.say_error(Some(channel), ErrorCode::Later, STOPPING, None);
        }
        if self.shared.metrics.openings.get() >= limits::OPENINGS {
            return self.say_error(Some(channel), ErrorCode::Later, "too many streams are open: try again later", None);
        }
        if self.channels.len() >= core_limits::CHANNELS && !self.channels.contains_key(&channel) {
            let message = format!("the most is {} open streams on one socket: use another one", core_limits::CHANNELS);
            return self.bad_frame(Some(channel), &message);
        }
        if open.queries.is_some() && !open.pages {
            return self.bad_frame(Some(channel), "who opens a stream with queries takes pages: say so");
        }
        let reading = self.shared.authority.reading(&open.stream, &self.caller);
        // Who may write and reads nothing opens it without playing it.
        let is_for_writing = || open.live == Live::No && self.shared.authority.may_write(&open.stream, &self.caller);
        if reading == Reading::Nothing && !is_for_writing() {
            let message = format!("nothing of the stream {} may be read by you", open.stream);
            self.close_channel(channel);
            return self.say_error(Some(channel), ErrorCode::Denied, message, None);
        }
        if open.queries.iter().flatten().any(|subscription| self.query(channel, subscription, &reading).is_none()) {
            return;
        }
        let tape = self.shared.hub.tape(&open.stream);
        let opening = Opening::new(&self.shared.hub, open.client, channel, self.inbox.clone());
        self.use_channel(&open, tape.clone(), opening.clone(), reading);
        let is_of_the_log = match self.is_of_the_log(&tape, &open).await {
            Ok(is_so) => is_so,
            Err(error) => {
                self.close_channel(channel);
                return self.say_error(Some(channel), ErrorCode::Later, error.to_string(), None);
            }
        };
        let Ok(_room) = self.shared.shards.room(tape.stream(), 0).await else { return self.is_broken() };
        let (peer, caller) = (opening.peer(), self.caller.clone());
        let request = OpenStream { tape: tape.clone(), peer, caller, open, is_of_the_log, _room };
        self.shared.shards.send(tape.stream(), Command::Open(Box::new(request)));
    }

    /// Whether what a client claims of a stream's log is so.
    async fn is_of_the_log(&self, tape: &Arc<Tape>, open: &Open) -> Result<bool, LogError> {
        // Whoever comes from another server may know more than is known here.
        self.shared.look_at_log(tape).await?;
        for (at, chain) in open.claims() {
            match self.chain_at(tape, at).await {
                Ok(found) if found == Some(chain) => {}
                // It cannot be told any more; what is held from before counts for nothing anyway.
                Err(LogError::Trimmed { .. }) => {}
                Ok(_) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The chain of a stream's log at an event, where the log is that long.
    async fn chain_at(&self, tape: &Arc<Tape>, played: Seq) -> Result<Option<Chain>, LogError> {
        if played == Seq::FIRST {
            return Ok(Some(Chain::EMPTY));
        }
        if let Some(chain) = tape.chain_at_head(played) {
            return Ok(Some(chain));
        }
        let block = self.shared.reader.read_log(tape, played, 0).await?;
        Ok((block.from() == played).then(|| block.before()))
    }

    async fn push(&mut self, channel: Channel, events: Vec<Authored>, bytes: usize) {
        let Some(first) = events.first().map(|event| event.n) else { return };
        let Some(OpenChannel { tape, opening, phase: Phase::Open(_), .. }) = self.channels.get(&channel) else {
            return self.say_error(Some(channel), ErrorCode::NotOpen, NOT_OPEN, Some(first));
        };
        if self.shared.is_stopping() {
            return self.put_off(channel, first);
        }
        let (tape, peer, caller) = (tape.clone(), opening.peer(), self.caller.clone());
        let events = events.into_iter().map(Sealed::new).collect();
        match self.shared.shards.room(tape.stream(), bytes).await {
            Ok(_room) => {
                let push = Push { tape: tape.clone(), peer, caller, events, words: Words::default(), _room };
                self.shared.push(push);
            }
            Err(Closed) => self.is_broken(),
        }
    }

    fn fetch(&mut self, channel: Channel, from: Seq, to: Seq) {
        let Some(OpenChannel { opening, phase: Phase::Open(_), reading, .. }) = self.channels.get(&channel) else {
            return self.say_error(Some(channel), ErrorCode::NotOpen, NOT_OPEN, None);
        };
        if **reading != Reading::Whole {
            return self.bad_frame(Some(channel), "events are for those who may read all of the stream");
        }
        if to <= from || to.since(from) > core_limits::FETCH_EVENTS {
            let message = format!("a range has 1 to {} events", core_limits::FETCH_EVENTS);
            return self.bad_frame(Some(channel), &message);
        }
        self.fetches += 1;
        self.jobs.push_back(Job::Range { opening: opening.id(), channel, from, to });
    }

    fn refuse_frame(&mut self, error: &CodecError) {
        match error {
            CodecError::UnknownFrame(_) => self.say_error(None, ErrorCode::UnknownFrame, error.to_string(), None),
            _ => self.bad_frame(None, &error.to_string()),
        }
    }

    /// Says what is wrong with a frame. Whoever sends nothing but such frames is sent away.
    pub(super) fn bad_frame(&mut self, channel: Option<Channel>, message: &str) {
        self.say_error(channel, ErrorCode::BadFrame, message, None);
        self.bad_frames += 1;
        if self.bad_frames >= limits::BAD_FRAMES {
            self.say_goodbye(close_code::POLICY, "too many frames that cannot be read");
        }
    }

    fn is_broken(&mut self) {
        self.say_error(None, ErrorCode::Internal, "a part of the server has failed", None);
        self.say_goodbye(close_code::BROKEN, "a part of the server has failed: connect again later");
    }
}
