//! The streams a client has open, each under its channel, and what answers do to them.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tapeline_authority::Reading;
use tapeline_core::caller::Caller;
use tapeline_core::frame::{AckRun, ErrorCode, ErrorFrame, Live, Open, Opened, Readable, ServerFrame};
use tapeline_core::hash::Digest;
use tapeline_core::numbers::{Channel, EventNumber, QueryNumber, Seq};
use tapeline_log::{EventLog, StateStore};

use super::filling::Filling;
use super::part::Change;
use super::playing::Job;
use super::{STOPPING, Session, close_code};
use crate::filling::PartFill;
use crate::hub::{Opening, Tape, Told};
use crate::inbox::{Answer, OpeningId};
use crate::shared::Shared;

/// The streams a client has open.
pub(super) type Channels = FxHashMap<Channel, OpenChannel>;

/// A stream a client has open, or is opening.
pub(super) struct OpenChannel {
    pub(super) tape: Arc<Tape>,
    pub(super) opening: Arc<Opening>,
    /// What the client may read of the stream.
    pub(super) reading: Arc<Reading>,
    /// What the client could read of it before, where that is known and was something else.
    pub(super) earlier: Option<Arc<Reading>>,
    pub(super) phase: Phase,
    /// Whether the client hears who is present, and how far it was told.
    pub(super) presence: Presence,
    /// Whether it is going to be told.
    pub(super) tells_presence: bool,
    /// As it was asked for, until it is open, where the client takes pages.
    pub(super) asked: Option<Box<Open>>,
    pub(super) feed: Feed,
    /// Whether the client takes pages.
    pub(super) takes_pages: bool,
    /// Whether the client holds a part of the stream.
    pub(super) is_partial: bool,
    /// Its queries, as it wants them.
    pub(super) queries: FxHashSet<QueryNumber>,
    /// Where they are to change, as soon as they can.
    pub(super) changes: Vec<Change>,
    /// How far the stream is to be told to be, whether that concerns the client or not.
    pub(super) owed: Seq,
}

/// What a client gets of an open stream.
pub(super) enum Feed {
    /// Events, where any are to be played.
    Events,
    /// Pages, until it holds what it is to hold.
    Filling(Filling),
    /// What becomes of the part that it holds.
    Part(Box<PartFill>),
}

/// Whether and how far a client was told who is present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It has nothing to do with it.
    Unused,
    /// It says who is there on its side.
    Said,
    /// It is to be told, and was told so far.
    Watched(Option<Told>),
}

/// How far opening a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The sequencer has not answered. Afterwards events are to be played like this.
    Opening(Live),
    /// It is open; the next event to be played is this one, where any are to be.
    Open(Option<Seq>),
}

impl OpenChannel {
    /// Closes it, in good order or because the client is gone.
    fn close<L: EventLog, S: StateStore>(&self, shared: &Shared<L, S>, caller: &Caller, in_good_order: bool) {
        self.tape.close(&self.opening);
        if self.presence != Presence::Unused {
            let gone = self.tape.leave_presence(&self.opening, in_good_order);
            let gone: Vec<_> = gone.into_iter().map(|peer| (peer, None)).collect();
            shared.pass_presence(self.tape.stream(), caller.subject.as_ref(), &gone);
        }
        shared.metrics.openings.dec();
    }

    /// What is to be done to tell the client who is present, where nothing is yet: one that does not read is not told
    /// again for each change.
    pub(super) fn presence_job(&mut self, channel: Channel) -> Option<Job> {
        let job = Job::Presence { opening: self.opening.id(), channel };
        (!std::mem::replace(&mut self.tells_presence, true)).then_some(job)
    }

    /// What is said as the stream is open, without what the client may not know.
    fn as_may_be_known(&self, opened: Opened) -> Opened {
        match *self.reading {
            Reading::Whole => opened,
            _ => {
                let continues = self.earlier.is_some();
                let readable = self.reading.readable().map(|readable| Readable { continues, ..readable });
                Opened { digest: Digest::EMPTY, readable, ..opened }
            }
        }
    }

    /// The opening, if it is still this one.
    pub(super) fn is(&self, opening: OpeningId) -> bool {
        self.opening.id() == opening
    }
}

impl<L: EventLog, S: StateStore> Session<L, S> {
    /// Takes a channel into use.
    pub(super) fn use_channel(&mut self, open: &Open, tape: Arc<Tape>, opening: Arc<Opening>, reading: Reading) {
        self.close_channel(open.channel);
        tape.join(&opening);
        self.shared.metrics.openings.inc();
        let reading = Arc::new(reading);
        // A replica is told that what it holds goes on to count where it may read a part.
        let is_part = reading.readable().is_some();
        let earlier = self.shared.views.find(&self.caller, open.view).filter(|earlier| is_part && *earlier != reading);
        self.shared.views.keep(&self.caller, &reading);
        let opened = OpenChannel {
            tape,
            opening,
            reading,
            earlier,
            phase: Phase::Opening(open.live),
            presence: Presence::Unused,
            tells_presence: false,
            asked: open.pages.then(|| Box::new(open.clone())),
            feed: Feed::Events,
            takes_pages: open.pages,
            is_partial: open.queries.is_some(),
            queries: open.queries.iter().flatten().map(|subscription| subscription.number).collect(),
            changes: Vec::new(),
            owed: Seq::FIRST,
        };
        self.channels.insert(open.channel, opened);
    }

    /// Closes a channel, where it is open.
    pub(super) fn close_channel(&mut self, channel: Channel) {
        self.end_channel(channel, true);
    }

    fn end_channel(&mut self, channel: Channel, in_good_order: bool) {
        if let Some(closed) = self.channels.remove(&channel) {
            closed.close(&self.shared, &self.caller, in_good_order);
        }
    }

    pub(super) fn close_all(&mut self) {
        for (_, closed) in std::mem::take(&mut self.channels) {
            closed.close(&self.shared, &self.caller, self.said_goodbye);
        }
    }

    /// Passes an answer on, unless its channel was closed or opened anew since.
    pub(super) fn take_answer(&mut self, answer: Answer) {
        let Answer { opening, channel, frame } = answer;
        let Some(open) = self.channels.get(&channel).filter(|open| open.is(opening)) else { return };
        let was_opening = matches!(open.phase, Phase::Opening(_));
        if was_opening && matches!(frame, ServerFrame::Ack { .. } | ServerFrame::Refused { .. }) {
            // Whoever opens is told what became of its events as it is opened, once it is known to be its own.
            return;
        }
        match &frame {
            ServerFrame::Opened(opened) => {
                let opened = open.as_may_be_known(opened.clone());
                // What follows from it comes after it.
                self.say(&ServerFrame::Opened(opened.clone()));
                return self.is_opened(&opened);
            }
            ServerFrame::Ack { runs, .. } => self.owes(channel, runs),
            ServerFrame::Resync(_) => self.close_channel(channel),
            ServerFrame::Error(error) => {
                self.shared.metrics.errors.inc();
                match error.code {
                    // The client is there, on another connection.
                    ErrorCode::Displaced => self.end_channel(channel, false),
                    _ if was_opening => self.close_channel(channel),
                    _ => {}
                }
            }
            _ => {}
        }
        self.say(&frame);
        if matches!(&frame, ServerFrame::Error(ErrorFrame { code: ErrorCode::Displaced, .. })) {
            self.say_goodbye(close_code::POLICY, "a newer connection of this client took over");
        }
    }

    /// Keeps in mind that nothing is decided from this event on, to say so after all that was decided.
    pub(super) fn put_off(&mut self, channel: Channel, n: EventNumber) {
        if self.put_off.iter().all(|(known, _)| *known != channel) {
            self.put_off.push((channel, n));
        }
    }

    /// The server stops: all that was decided is answered, and the rest is to be sent to its successor.
    pub(super) fn take_leave(&mut self) {
        for (channel, n) in std::mem::take(&mut self.put_off) {
            self.say_error(Some(channel), ErrorCode::Later, STOPPING, Some(n));
        }
        self.say_goodbye(close_code::GOING_AWAY, STOPPING);
    }

    /// A client's own events are recorded: one that holds a part is told when the stream is past them, so that it can take
    /// them for done.
    fn owes(&mut self, channel: Channel, runs: &[AckRun]) {
        let Some(open) = self.channels.get_mut(&channel).filter(|open| open.is_partial) else { return };
        open.owed = runs.iter().map(|run| run.seq.plus(run.count)).fold(open.owed, Seq::max);
        self.jobs.push_back(Job::Live { opening: open.opening.id(), channel });
    }

    fn is_opened(&mut self, opened: &Opened) {
        let Some(open) = self.channels.get_mut(&opened.channel) else { return };
        let Phase::Opening(live) = open.phase else { return };
        if opened.readable.is_some() && !open.is_partial {
            // It opens the stream again, with queries.
            open.phase = Phase::Open(None);
            return;
        }
        let asked = open.asked.take().filter(|_| live != Live::No);
        if asked.is_some_and(|asked| self.begins_to_fill(&asked, opened)) {
            return;
        }
        let Some(open) = self.channels.get_mut(&opened.channel) else { return };
        let next = match live {
            Live::No => None,
            Live::From(seq) => Some(seq),
            Live::Head => Some(opened.head),
        };
        open.phase = Phase::Open(next);
        if next.is_some() {
            open.tape.play_to(&open.opening);
            self.jobs.push_back(Job::Live { opening: open.opening.id(), channel: opened.channel });
        }
    }
}
