//! Playing events to a client, live and on request, each stream at its own position.

use bytes::Bytes;
use tapeline_core::codec::{Codec, cbor};
use tapeline_core::frame::{ErrorCode, Events, ServerFrame};
use tapeline_core::numbers::{Channel, Seq};
use tapeline_log::{EventLog, LogError, StateStore};

use super::channels::{OpenChannel, Phase};
use super::{Session, close_code};
use crate::deflate::deflate;
use crate::hub::Run;
use crate::inbox::OpeningId;
use crate::limits;
use crate::metrics::Metrics;
use crate::wire::Tail;

/// Something to be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// What is new on a stream.
    Live {
        /// As it was opened.
        opening: OpeningId,
        /// Under this channel.
        channel: Channel,
    },
    /// The next page for a replica that is being filled.
    Fill {
        /// Of the stream as it was opened.
        opening: OpeningId,
        /// Under this channel.
        channel: Channel,
    },
    /// Who is present on a stream.
    Presence {
        /// As it was opened.
        opening: OpeningId,
        /// Under this channel.
        channel: Channel,
    },
    /// A range that was asked for.
    Range {
        /// Of the stream as it was opened.
        opening: OpeningId,
        /// Under this channel.
        channel: Channel,
        /// From here.
        from: Seq,
        /// To here.
        to: Seq,
    },
}

/// What was sent to one client since that was last added to what all were sent, which all sessions write to.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    frames: u64,
    bytes: u64,
}

impl Delivered {
    pub(super) fn count(&mut self, bytes: usize, metrics: &Metrics) {
        const FRAMES: u64 = 16;
        const BYTES: u64 = 16 << 10;
        self.frames += 1;
        self.bytes += bytes as u64;
        if self.frames >= FRAMES || self.bytes >= BYTES {
            self.report(metrics);
        }
    }

    pub(super) fn report(&mut self, metrics: &Metrics) {
        let Self { frames, bytes } = std::mem::take(self);
        metrics.deliveries.inc_by(frames);
        metrics.delivered_bytes.inc_by(bytes);
    }
}

impl<L: EventLog, S: StateStore> Session<L, S> {
    /// Plays one run of events for each job in turn, as long as little waits to be sent.
    pub(super) async fn play(&mut self) {
        while self.has_room() && self.goodbye.is_none() {
            let Some(job) = self.jobs.pop_front() else { return };
            let done = match job {
                Job::Live { opening, channel } => self.play_live(opening, channel).await,
                Job::Fill { opening, channel } => {
                    self.fill(opening, channel);
                    Ok(None)
                }
                Job::Presence { opening, channel } => {
                    self.tell_presence(opening, channel);
                    Ok(None)
                }
                Job::Range { opening, channel, from, to } => self.play_range(opening, channel, from, to).await,
            };
            match done {
                Ok(None) => {}
                Ok(Some(rest)) => self.jobs.push_back(rest),
                Err(LogError::Trimmed { horizon }) => self.has_trimmed(job, horizon),
                Err(error) => self.give_up(job, &error),
            }
        }
    }

    /// Events were let go that were to be played.
    fn has_trimmed(&mut self, job: Job, horizon: Seq) {
        match job {
            Job::Live { channel, .. } => self.is_trimmed(channel),
            Job::Range { channel, .. } => {
                self.fetches -= 1;
                let message = format!("the events before {horizon} are no longer kept");
                self.say_error(Some(channel), ErrorCode::BadFrame, message, None);
            }
            Job::Fill { .. } | Job::Presence { .. } => {}
        }
    }

    /// Plays what is next of a stream. Answers what is left to be done.
    async fn play_live(&mut self, opening: OpeningId, channel: Channel) -> Result<Option<Job>, LogError> {
        if self.channels.get(&channel).is_some_and(|open| open.is_partial) {
            return Ok(self.play_part(opening, channel));
        }
        let Some((open, Phase::Open(Some(next)))) = self.opened(opening, channel) else { return Ok(None) };
        if next < open.tape.head() {
            let run = self.shared.reader.read(&open.tape, next).await?;
            if self.is_much(channel, &run) {
                self.fill_from(channel, next);
                return Ok(None);
            }
            let deflated = self.deflated(channel, &run).await;
            // Whatever is durable was answered before it was played: those answers go first.
            self.take_mail();
            let Some(open) = self.channels.get_mut(&channel).filter(|open| open.is(opening)) else { return Ok(None) };
            open.phase = Phase::Open(Some(run.block().end().max(next)));
            let head = open.tape.head();
            match deflated {
                Some(message) => self.push_message(message),
                None => self.send_events(channel, head, run),
            }
        }
        let Some((open, Phase::Open(Some(next)))) = self.opened(opening, channel) else { return Ok(None) };
        let again = Job::Live { opening, channel };
        if next < open.tape.head() {
            return Ok(Some(again));
        }
        open.opening.has_seen_all();
        let has_more = next < open.tape.head() && open.opening.looks_again();
        Ok(has_more.then_some(again))
    }

    /// Whether events are so large, however few, that what they came to is rather sent.
    fn is_much(&self, channel: Channel, run: &Run) -> bool {
        let (bytes, end) = (run.block().bytes().len(), run.block().end());
        let is_behind = |open: &OpenChannel| open.takes_pages && end < open.tape.head();
        run.is_read() && bytes >= limits::PLAYED_BYTES && self.channels.get(&channel).is_some_and(is_behind)
    }

    /// Plays what is next of a range. Answers what is left of it.
    async fn play_range(
        &mut self,
        opening: OpeningId,
        channel: Channel,
        from: Seq,
        to: Seq,
    ) -> Result<Option<Job>, LogError> {
        let Some((open, _)) = self.opened(opening, channel) else {
            self.fetches -= 1;
            return Ok(None);
        };
        let run = self.shared.reader.read(&open.tape, from).await?.before(to);
        let (head, end, is_empty) = (open.tape.head(), run.block().end(), run.block().is_empty());
        let deflated = self.deflated(channel, &run).await;
        self.take_mail();
        if self.opened(opening, channel).is_some() {
            match deflated {
                Some(message) => self.push_message(message),
                None => self.send_events(channel, head, run),
            }
        }
        if is_empty || end >= to.min(head) {
            self.fetches -= 1;
            return Ok(None);
        }
        Ok(Some(Job::Range { opening, channel, from: end, to }))
    }

    /// A channel, if it is still open as it was then.
    fn opened(&self, opening: OpeningId, channel: Channel) -> Option<(&OpenChannel, Phase)> {
        let open = self.channels.get(&channel).filter(|open| open.is(opening))?;
        Some((open, open.phase))
    }

    /// The message of events that were read from the log, where that is worth compressing.
    async fn deflated(&self, channel: Channel, run: &Run) -> Option<Bytes> {
        let open = self.channels.get(&channel).filter(|_| self.spelling(channel).deflate)?;
        if !run.is_read() || run.block().bytes().len() < limits::DEFLATED_BYTES {
            return None;
        }
        let (block, head) = (run.block().clone(), open.tape.head());
        let start = cbor::encode_events_head(channel, head.max(block.end()), run.digest(), &block);
        Box::pin(tokio::task::spawn_blocking(move || deflate(&[&start, block.bytes()]).into())).await.ok()
    }

    fn send_events(&mut self, channel: Channel, head: Seq, run: Run) {
        let (block, digest) = (run.block(), run.digest());
        let head = head.max(block.end());
        self.delivered.count(block.bytes().len(), &self.shared.metrics);
        match self.codec {
            Codec::Cbor => {
                let start = cbor::encode_events_head(channel, head, digest, block);
                if block.bytes().len() <= limits::COPIED_BYTES {
                    self.wire.push(Codec::Cbor, &start, Tail::Copied(block.bytes()));
                } else {
                    self.wire.push(Codec::Cbor, &start, Tail::Shared(run.into_bytes()));
                }
            }
            Codec::Json => {
                let events = Events { channel, head, digest, block: block.clone() };
                let text = Codec::Json.encode_server(&ServerFrame::Events(events));
                self.wire.push(Codec::Json, &text, Tail::None);
            }
        }
    }

    /// A stream cannot be read: the client is to come back later, and find it readable or hear it again.
    pub(super) fn give_up(&mut self, job: Job, error: &LogError) {
        let (Job::Live { channel, .. }
        | Job::Fill { channel, .. }
        | Job::Presence { channel, .. }
        | Job::Range { channel, .. }) = job;
        tracing::error!(%error, "a stream cannot be read");
        let message = format!("the stream cannot be read: {error}");
        self.say_error(Some(channel), ErrorCode::Internal, message, None);
        self.say_goodbye(close_code::BROKEN, "a stream cannot be read: connect again later");
    }
}
