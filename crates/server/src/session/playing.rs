//! Playing events to a client, live and on request, each stream at its own position.

use std::sync::Arc;

use tapeline_core::codec::{Codec, cbor};
use tapeline_core::frame::{ErrorCode, Events, ServerFrame};
use tapeline_core::numbers::{Channel, Seq};
use tapeline_log::{EventLog, LogError, StateStore};

use super::channels::Phase;
use super::{Session, close_code};
use crate::hub::{Run, Tape};
use crate::inbox::OpeningId;
use bytes::Bytes;

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

impl<L: EventLog, S: StateStore> Session<L, S> {
    /// Plays one run of events for each job in turn, as long as little waits to be sent.
    pub(super) async fn play(&mut self) {
        while self.has_room() && self.goodbye.is_none() {
            let Some(job) = self.jobs.pop_front() else { return };
            let done = match job {
                Job::Live { opening, channel } => self.play_live(opening, channel).await,
                Job::Range { opening, channel, from, to } => self.play_range(opening, channel, from, to).await,
            };
            match done {
                Ok(None) => {}
                Ok(Some(rest)) => self.jobs.push_back(rest),
                Err(error) => self.give_up(job, &error),
            }
        }
    }

    /// Plays what is next of a stream. Answers what is left to be done.
    async fn play_live(&mut self, opening: OpeningId, channel: Channel) -> Result<Option<Job>, LogError> {
        let Some((tape, Phase::Open(Some(next)))) = self.opened(opening, channel) else { return Ok(None) };
        let mut played = next;
        if next < tape.head() {
            let run = self.shared.reader.read(&tape, next).await?;
            // Whatever is durable was answered before it was played: those answers go first.
            self.take_mail();
            let Some(open) = self.channels.get_mut(&channel).filter(|open| open.is(opening)) else { return Ok(None) };
            played = run.block().end().max(next);
            open.phase = Phase::Open(Some(played));
            self.send_events(channel, &tape, run);
        }
        let again = Job::Live { opening, channel };
        if played < tape.head() {
            return Ok(Some(again));
        }
        let Some(open) = self.channels.get(&channel) else { return Ok(None) };
        open.opening.has_seen_all();
        let has_more = played < tape.head() && open.opening.looks_again();
        Ok(has_more.then_some(again))
    }

    /// Plays what is next of a range. Answers what is left of it.
    async fn play_range(&mut self, opening: OpeningId, channel: Channel, from: Seq, to: Seq) -> Result<Option<Job>, LogError> {
        let Some((tape, _)) = self.opened(opening, channel) else {
            self.fetches -= 1;
            return Ok(None);
        };
        let run = self.shared.reader.read(&tape, from).await?.before(to);
        self.take_mail();
        let end = run.block().end();
        let is_last = run.block().is_empty() || end >= to.min(tape.head());
        if self.opened(opening, channel).is_some() {
            self.send_events(channel, &tape, run);
        }
        if is_last {
            self.fetches -= 1;
            return Ok(None);
        }
        Ok(Some(Job::Range { opening, channel, from: end, to }))
    }

    fn opened(&self, opening: OpeningId, channel: Channel) -> Option<(Arc<Tape>, Phase)> {
        let open = self.channels.get(&channel).filter(|open| open.is(opening))?;
        Some((open.tape.clone(), open.phase))
    }

    fn send_events(&mut self, channel: Channel, tape: &Tape, run: Run) {
        let (block, digest) = (run.block(), run.digest());
        let head = tape.head().max(block.end());
        self.shared.metrics.deliveries.inc();
        self.shared.metrics.delivered_bytes.inc_by(block.bytes().len() as u64);
        match self.codec {
            Codec::Cbor => {
                let start = cbor::encode_events_head(channel, head, digest, block);
                self.socket.outgoing.push(self.kind(), &start, &run.into_bytes());
            }
            Codec::Json => {
                let events = Events { channel, head, digest, block: block.clone() };
                let text = self.codec.encode_server(&ServerFrame::Events(events));
                self.socket.outgoing.push(self.kind(), &text, &Bytes::new());
            }
        }
    }

    /// A stream cannot be read: the client is to come back later, and find it readable or hear it again.
    fn give_up(&mut self, job: Job, error: &LogError) {
        let (Job::Live { channel, .. } | Job::Range { channel, .. }) = job;
        tracing::error!(%error, "a stream cannot be read");
        let message = format!("the stream cannot be read: {error}");
        self.say_error(Some(channel), ErrorCode::Internal, message, None);
        self.say_goodbye(close_code::BROKEN, "a stream cannot be read: connect again later");
    }
}
