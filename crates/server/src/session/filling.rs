//! Filling a client's replica with pages, where that is cheaper than events or there is no other way.
//!
//! One page waits to be sent at most, and one is made meanwhile, on a task of its own: a session that fills a replica
//! answers and plays as ever.

use tapeline_core::catchup::{self, Plan};
use tapeline_core::codec::Codec;
use tapeline_core::frame::{Open, Opened};
use tapeline_core::numbers::{Channel, Seq};
use tapeline_log::{EventLog, LogError, StateStore};

use super::Session;
use super::channels::Phase;
use super::playing::Job;
use crate::filling::{Fill, Filled, Made, Spelling};
use crate::inbox::OpeningId;
use crate::wire::Tail;

/// How far filling a replica is.
pub(super) enum Filling {
    /// A page is being made, or is to be.
    Making(Option<Box<Fill>>),
    /// A page waits to be sent.
    Made(Box<Made>),
}

impl<L: EventLog, S: StateStore> Session<L, S> {
    /// Begins to fill a replica, where that is how it is to catch up. Answers whether so.
    pub(super) fn begins_to_fill(&mut self, open: &Open, opened: &Opened) -> bool {
        let horizon = Seq::FIRST;
        let fill = match catchup::plan(open, opened.head, horizon) {
            Plan::Events => return false,
            Plan::Delta { from } => Fill::new(open, from, false),
            Plan::Snapshot { fresh } => Fill::new(open, Seq::FIRST, fresh),
        };
        let Some(channel) = self.channels.get_mut(&opened.channel) else { return false };
        channel.filling = Some(Filling::Making(Some(Box::new(fill))));
        self.shared.metrics.fillings.inc();
        self.jobs.push_back(Job::Fill { opening: channel.opening.id(), channel: opened.channel });
        true
    }

    /// Sends the page that is made, and has the next one made.
    pub(super) fn fill(&mut self, opening: OpeningId, channel: Channel) -> Result<Option<Job>, LogError> {
        let Some(open) = self.channels.get_mut(&channel).filter(|open| open.is(opening)) else { return Ok(None) };
        match open.filling.take() {
            None => {}
            Some(Filling::Making(None)) => open.filling = Some(Filling::Making(None)),
            Some(Filling::Making(Some(fill))) => self.make(channel, fill),
            Some(Filling::Made(made)) => self.send_page(channel, *made),
        }
        Ok(None)
    }

    /// A page was made.
    pub(super) fn is_filled(&mut self, Filled { opening, channel, made }: Filled) {
        let Some(open) = self.channels.get_mut(&channel).filter(|open| open.is(opening)) else { return };
        let job = Job::Fill { opening, channel };
        match made {
            Ok(made) => {
                open.filling = Some(Filling::Made(made));
                self.jobs.push_back(job);
            }
            Err(error) => self.give_up(job, &error),
        }
    }

    fn make(&mut self, channel: Channel, fill: Box<Fill>) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        open.filling = Some(Filling::Making(None));
        let (shared, tape, inbox) = (self.shared.clone(), open.tape.clone(), self.inbox.clone());
        let (opening, spelling) = (open.opening.id(), self.spelling(channel));
        tokio::spawn(async move {
            let made = shared.make_page(&tape, fill, spelling).await;
            inbox.fill(Filled { opening, channel, made });
        });
    }

    fn send_page(&mut self, channel: Channel, Made { message, fill, end }: Made) {
        self.delivered.count(message.len(), &self.shared.metrics);
        self.wire.push(self.codec, &message, Tail::None);
        match end {
            None => self.make(channel, fill),
            Some(end) => self.is_full(channel, end),
        }
    }

    /// A replica holds all there was: events are played from there on.
    fn is_full(&mut self, channel: Channel, end: Seq) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        open.phase = Phase::Open(Some(end));
        open.tape.play_to(&open.opening);
        self.jobs.push_back(Job::Live { opening: open.opening.id(), channel });
    }

    pub(super) fn spelling(&self, channel: Channel) -> Spelling {
        Spelling { codec: self.codec, channel, deflate: self.deflate && self.codec == Codec::Cbor }
    }
}
