//! Deciding on what sessions send, giving batches to the log, and what follows once they are durable.

use std::sync::Arc;
use std::time::Instant;

use tapeline_core::event::Sealed;
use tapeline_core::frame::{ErrorCode, ErrorFrame, ServerFrame};
use tapeline_core::limits as core_limits;
use tapeline_core::numbers::{EventNumber, Millis, Position};
use tapeline_core::sequencer::{Peer, Played, Pushed, Staged};
use tapeline_log::{Append, AppendError, EventLog, LogError, StateStore};

use super::{Command, OpenStream, Push, Shard};
use crate::hub::Tape;
use crate::limits;

impl<L: EventLog, S: StateStore> Shard<L, S> {
    pub(super) fn open(&mut self, request: Box<OpenStream>) {
        let loaded = self.slot(&request.tape).and_then(|place| {
            let clients = std::iter::once(request.open.client).chain(request.open.former.iter().copied());
            self.load_clients(place, clients).map(|()| place)
        });
        let place = match loaded {
            Ok(place) => place,
            Err(error) => return self.fail(&request.tape, request.peer, None, &error),
        };
        let Some(slot) = self.slots.get(place) else { return };
        if let Some(resting) = &mut slot.resting {
            return resting.push_back(Command::Open(request));
        }
        let OpenStream { peer, caller, open, is_of_the_log, .. } = &*request;
        if slot.sequencer.open(*peer, caller.subject.as_ref(), open, *is_of_the_log) {
            slot.tape.is_opened(*peer);
        }
        self.touch(place);
    }

    pub(super) fn push(&mut self, mut push: Push) {
        let place = match self.slot(&push.tape) {
            Ok(place) => place,
            Err(error) => return self.fail_push(&push, &error),
        };
        if let Some(resting) = self.slots.get(place).and_then(|slot| slot.resting.as_mut()) {
            return resting.push_back(Command::Push(push));
        }
        let clients = push.events.iter().map(|sealed| sealed.event.client);
        let loaded = self.load_clients(place, clients);
        let bodies = push.events.iter().map(|sealed| &sealed.event.body);
        if let Err(error) = loaded.and_then(|()| self.load_touched(place, bodies)) {
            self.abandon(place, &error.to_string());
            return self.fail_push(&push, &error);
        }
        self.touch(place);
        if let Some(slot) = self.slots.get(place) {
            // After what is touched was loaded: what was missing then may have been forgotten below this.
            slot.sequencer.trimmed(slot.tape.horizon());
        }
        for number in 0..push.events.len() {
            let sealed = &push.events[number];
            if let Err(error) = self.load_text_history(place, &sealed.event.body) {
                self.abandon(place, &error.to_string());
                return self.fail(&push.tape, push.peer, Some(sealed.event.n), &error);
            }
            let Some(slot) = self.slots.get(place) else { return };
            slot.size.see(sealed.event.body.ops.len(), sealed.encoded.len());
            slot.gathered += sealed.encoded.len();
            slot.sequencer.watch(slot.tape.is_watched());
            match self.decide(place, &push, sealed) {
                Ok(Pushed::Decided) => {}
                Ok(Pushed::Asks(changes)) => {
                    push.without(number);
                    return self.ask(place, push, changes);
                }
                Ok(_) => return,
                Err(error) => {
                    self.abandon(place, &error.to_string());
                    return self.fail(&push.tape, push.peer, Some(sealed.event.n), &error);
                }
            }
            let Some(slot) = self.slots.get(place) else { return };
            if slot.gathered >= limits::BATCH_BYTES {
                self.stage(place);
                self.touch(place);
            }
        }
    }

    /// Lets a sequencer decide on an event, with all that it needs for that.
    fn decide(&mut self, place: usize, push: &Push, sealed: &Sealed) -> Result<Pushed, LogError> {
        loop {
            let Some(slot) = self.slots.get(place) else { return Ok(Pushed::Dropped) };
            match slot.sequencer.push_with(push.peer, &push.caller, sealed, push.words.of(sealed.event.n)) {
                Pushed::Needs(needs) => self.load_needed(place, needs)?,
                pushed => return Ok(pushed),
            }
        }
    }

    /// There will be something to stage.
    pub(super) fn touch(&mut self, place: usize) {
        if let Some(slot) = self.slots.get(place).filter(|slot| !slot.touched) {
            slot.touched = true;
            self.touched.push(place);
        }
    }

    pub(super) fn stage_touched(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for place in touched.drain(..) {
            if let Some(slot) = self.slots.get(place) {
                slot.touched = false;
            }
            self.stage(place);
            self.weigh(place);
            if self.slots.get(place).is_some_and(|slot| slot.size.counted > self.bounds.stream) {
                self.rest(place);
            }
        }
        if self.touched.is_empty() {
            self.touched = touched;
        }
    }

    /// Gives what a stream has gathered to the log, and those who need not wait for it their answers.
    pub(super) fn stage(&mut self, place: usize) {
        let Some(slot) = self.slots.get(place) else { return };
        slot.gathered = 0;
        if let Some(Staged { expected, batch }) = slot.sequencer.stage() {
            self.on_their_way += 1;
            let (stream, incarnation) = (slot.tape.stream().clone(), slot.sequencer.staged().incarnation);
            let (mailbox, life, since) = (self.mailbox.clone(), slot.life, Instant::now());
            let done = move |outcome| mailbox.post(Command::Appended { place, life, since, outcome });
            self.log.append(Append { stream, incarnation, expected, batch }, Box::new(done));
        }
        self.deliver(place);
    }

    /// The log has answered.
    pub(super) fn appended(&mut self, place: usize, life: u64, since: Instant, outcome: Result<Position, AppendError>) {
        self.on_their_way -= 1;
        let Some(slot) = self.slots.get(place).filter(|slot| slot.life == life) else { return };
        let position = match outcome {
            Ok(position) => position,
            Err(error) => return self.not_appended(place, &error),
        };
        self.trouble.is_over();
        self.metrics.commit_seconds.observe(since.elapsed().as_secs_f64());
        let played = slot.sequencer.appended(position);
        slot.tape.is_at(position);
        let is_awaited = slot.is_awaited();
        self.deliver(place);
        if let Some(played) = played {
            self.metrics.batches.inc();
            self.metrics.events.inc_by(played.batch.block.count());
            self.play(place, played);
        }
        self.is_dirty(place);
        if is_awaited {
            self.store_changes(place);
        }
        self.catch_up(place);
    }

    /// What was decided may not be on the log. Those who wait to read get what is.
    fn not_appended(&mut self, place: usize, error: &AppendError) {
        // Where others were first, there is nothing to wait for but for what they appended to be read.
        let pause = if error.has_no_side_effects() { limits::CONFLICT_PAUSE } else { core_limits::LATER_PAUSE };
        self.begin_again(place, &error.to_string(), pause);
    }

    /// Makes a stream anew, for those who wait to read at once.
    pub(super) fn begin_again(&mut self, place: usize, why: &str, pause: Millis) {
        let Some(slot) = self.slots.get(place) else { return };
        let (tape, reading) = (slot.tape.clone(), std::mem::take(&mut slot.waiting));
        self.make_anew(place, why, pause);
        for (_, settled) in reading {
            self.take(Command::Settle { tape: tape.clone(), settled });
        }
    }

    /// Gives up on what is on its way: all who wait are told to send again, and the stream is loaded anew when needed.
    pub(super) fn abandon(&mut self, place: usize, why: &str) {
        self.make_anew(place, why, core_limits::LATER_PAUSE);
    }

    fn make_anew(&mut self, place: usize, why: &str, pause: Millis) {
        let Some(slot) = self.remove(place) else { return };
        if self.trouble.is_news(&why) {
            tracing::warn!(stream = slot.tape.stream().as_str(), why, "a stream is made anew from its log");
        }
        self.metrics.append_failures.inc();
        let mut answers = slot.sequencer.abandon();
        for (_, frame) in &mut answers {
            if let ServerFrame::Error(error) = frame {
                error.retry = Some(pause);
            }
        }
        slot.tape.answer(answers);
        let waited = slot.resting.into_iter().chain(slot.behind).flatten();
        waited.for_each(|command| self.take(command));
    }

    /// Sends the answers that rest on what is durable.
    pub(super) fn deliver(&mut self, place: usize) {
        let answers = self.take_answers(place);
        if let Some(slot) = self.slots.get(place).filter(|_| !answers.is_empty()) {
            slot.tape.answer(answers);
        }
    }

    /// The same where the node that has decided may have answered, too.
    pub(super) fn deliver_once(&mut self, place: usize) {
        let answers = self.take_answers(place);
        if let Some(slot) = self.slots.get(place).filter(|_| !answers.is_empty()) {
            slot.tape.answer_once(answers, EventNumber::default());
        }
    }

    fn take_answers(&mut self, place: usize) -> Vec<(Peer, ServerFrame)> {
        let Some(slot) = self.slots.get(place) else { return Vec::new() };
        let answers = slot.sequencer.take_answers();
        for (_, frame) in &answers {
            match frame {
                ServerFrame::Ack { runs, .. } => {
                    self.metrics.acknowledged.inc_by(runs.iter().map(|run| run.count).sum());
                }
                ServerFrame::Refused { .. } => {
                    self.metrics.refused.inc();
                }
                _ => {}
            }
        }
        answers
    }

    /// Plays a durable batch, and keeps what all tapes have in memory within its bounds.
    pub(super) fn play(&mut self, place: usize, played: Played) {
        let Some(slot) = self.slots.get(place) else { return };
        let kept = slot.tape.play(played);
        if kept == 0 {
            return;
        }
        self.tails.push_back((Arc::downgrade(&slot.tape), kept));
        self.tail_bytes += kept;
        while self.tail_bytes > self.bounds.tails {
            let Some((tape, bytes)) = self.tails.pop_front() else { break };
            self.tail_bytes -= bytes;
            if let Some(tape) = tape.upgrade() {
                tape.shorten();
            }
        }
        self.metrics.tail_bytes.set(self.tail_bytes as i64);
    }

    pub(super) fn fail_push(&self, push: &Push, error: &LogError) {
        let first = push.events.first().map(|sealed| sealed.event.n);
        self.fail(&push.tape, push.peer, first, error);
    }

    /// Storage failed before anything was decided.
    pub(super) fn fail(&self, tape: &Tape, peer: Peer, n: Option<EventNumber>, error: &LogError) {
        if self.trouble.is_news(error) {
            tracing::error!(stream = tape.stream().as_str(), %error, "a stream cannot be loaded");
        }
        let (code, retry) = match error.is_retryable() {
            true => (ErrorCode::Later, Some(core_limits::LATER_PAUSE)),
            false => (ErrorCode::Internal, None),
        };
        let message = format!("the stream cannot be loaded: {error}");
        let frame = ErrorFrame { channel: Some(peer.channel), code, message, n, retry };
        tape.answer(vec![(peer, ServerFrame::Error(frame))]);
    }
}
