//! The streams a client has open, each under its channel, and what answers do to them.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tapeline_core::frame::{ErrorCode, ErrorFrame, Live, Opened, ServerFrame};
use tapeline_core::numbers::{Channel, Seq};
use tapeline_log::{EventLog, StateStore};

use super::Session;
use super::playing::Job;
use crate::hub::{Opening, Tape};
use crate::inbox::{Answer, OpeningId};

/// The streams a client has open.
pub(super) type Channels = FxHashMap<Channel, OpenChannel>;

/// A stream a client has open, or is opening.
pub(super) struct OpenChannel {
    pub(super) tape: Arc<Tape>,
    pub(super) opening: Arc<Opening>,
    pub(super) phase: Phase,
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
    /// The opening, if it is still this one.
    pub(super) fn is(&self, opening: OpeningId) -> bool {
        self.opening.id() == opening
    }
}

impl<L: EventLog, S: StateStore> Session<L, S> {
    /// Takes a channel into use.
    pub(super) fn use_channel(&mut self, channel: Channel, tape: Arc<Tape>, opening: Arc<Opening>, live: Live) {
        self.close_channel(channel);
        tape.open(&opening);
        self.shared.metrics.openings.inc();
        self.channels.insert(channel, OpenChannel { tape, opening, phase: Phase::Opening(live) });
    }

    /// Closes a channel, where it is open.
    pub(super) fn close_channel(&mut self, channel: Channel) {
        if let Some(closed) = self.channels.remove(&channel) {
            closed.tape.close(&closed.opening);
            self.shared.metrics.openings.dec();
        }
    }

    pub(super) fn close_all(&mut self) {
        for (_, closed) in std::mem::take(&mut self.channels) {
            closed.tape.close(&closed.opening);
            self.shared.metrics.openings.dec();
        }
    }

    /// Passes an answer on, unless its channel was closed or opened anew since.
    pub(super) fn take_answer(&mut self, answer: Answer) {
        let Answer { opening, channel, frame } = answer;
        let Some(open) = self.channels.get(&channel).filter(|open| open.is(opening)) else { return };
        let was_opening = matches!(open.phase, Phase::Opening(_));
        match &frame {
            ServerFrame::Opened(opened) => self.is_opened(opened),
            ServerFrame::Resync(_) => self.close_channel(channel),
            ServerFrame::Error(ErrorFrame { code, .. }) => {
                self.shared.metrics.errors.inc();
                if was_opening || *code == ErrorCode::Displaced {
                    self.close_channel(channel);
                }
            }
            _ => {}
        }
        self.say(&frame);
    }

    fn is_opened(&mut self, opened: &Opened) {
        let Some(open) = self.channels.get_mut(&opened.channel) else { return };
        let Phase::Opening(live) = open.phase else { return };
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
