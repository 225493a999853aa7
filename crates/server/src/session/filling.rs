//! Filling a client's replica with pages, where that is cheaper than events or there is no other way.
//!
//! One page waits to be sent at most, and one is made meanwhile, on a task of its own: a session that fills a replica
//! answers and plays as ever.

use bytes::Bytes;
use tapeline_core::catchup::{self, KeyOrder, Plan};
use tapeline_core::codec::Codec;
use tapeline_core::frame::{ErrorCode, Open, Opened};
use tapeline_core::numbers::{Channel, Seq};
use tapeline_log::{EventLog, StateStore};

use super::Session;
use super::channels::{Feed, OpenChannel, Phase};
use super::playing::Job;
use crate::filling::{Fill, Filled, Made, Spelling, WholeFill};
use crate::inbox::OpeningId;
use crate::limits;
use crate::wire::Tail;

/// How far filling a replica is.
pub(super) enum Filling {
    /// A page is to be made.
    Waits(Box<Fill>),
    /// One is being made.
    Making,
    /// One is to be sent.
    Made(Box<Made>),
}

impl<L: EventLog, S: StateStore> Session<L, S> {
    /// Begins to fill a replica, where that is how it is to catch up. Answers whether so.
    pub(super) fn begins_to_fill(&mut self, open: &Open, opened: &Opened) -> bool {
        let horizon = self.channels.get(&opened.channel).map_or(Seq::FIRST, |open| open.tape.horizon());
        let fill = match catchup::plan(open, opened.head, horizon) {
            Plan::Events => return false,
            Plan::Trimmed => {
                self.is_trimmed(opened.channel);
                return true;
            }
            Plan::Fill(fill) if open.queries.is_none() => Fill::Whole(WholeFill::new(fill)),
            Plan::Fill(fill) => match self.part_of(open, &fill) {
                Some(part) => Fill::Part(part),
                None => return true,
            },
        };
        self.begin_to_fill(opened.channel, Box::new(fill));
        true
    }

    /// The events that are next for a client were let go: it gets all objects anew, if it takes them.
    pub(super) fn is_trimmed(&mut self, channel: Channel) {
        if self.channels.get(&channel).is_some_and(|open| open.takes_pages) {
            let (order, cut, from) = (KeyOrder::default(), None, Seq::FIRST);
            let fill = WholeFill::new(catchup::Fill { from, cut, fresh: true, order });
            return self.begin_to_fill(channel, Box::new(Fill::Whole(fill)));
        }
        let message = "the events that are next are no longer kept, and this client takes nothing else: upgrade it";
        self.say_error(Some(channel), ErrorCode::UpgradeRequired, message, None);
        self.close_channel(channel);
    }

    /// What has come of a stream since `from` is sent rather than the events.
    pub(super) fn fill_from(&mut self, channel: Channel, from: Seq) {
        let fill = catchup::Fill { from, cut: None, fresh: false, order: KeyOrder::default() };
        self.begin_to_fill(channel, Box::new(Fill::Whole(WholeFill::new(fill))));
    }

    pub(super) fn begin_to_fill(&mut self, channel: Channel, fill: Box<Fill>) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        open.phase = Phase::Open(None);
        open.feed = Feed::Filling(Filling::Waits(fill));
        self.shared.metrics.fillings.inc();
        self.jobs.push_back(Job::Fill { opening: open.opening.id(), channel });
    }

    /// Sends the page that is made, and has the next one made.
    pub(super) fn fill(&mut self, opening: OpeningId, channel: Channel) {
        let Some(open) = self.filled_channel(opening, channel) else { return };
        let Feed::Filling(filling) = &mut open.feed else { return };
        match std::mem::replace(filling, Filling::Making) {
            Filling::Making => {}
            Filling::Waits(fill) => self.make(channel, fill),
            Filling::Made(made) => self.send_page(channel, *made),
        }
    }

    /// A page was made.
    pub(super) fn is_filled(&mut self, Filled { opening, channel, made }: Filled) {
        let Some(open) = self.filled_channel(opening, channel) else { return };
        let job = Job::Fill { opening, channel };
        match made {
            Ok(made) => {
                open.feed = Feed::Filling(Filling::Made(made));
                self.jobs.push_back(job);
            }
            Err(error) => self.give_up(job, &error),
        }
    }

    fn filled_channel(&mut self, opening: OpeningId, channel: Channel) -> Option<&mut OpenChannel> {
        self.channels.get_mut(&channel).filter(|open| open.is(opening))
    }

    fn make(&mut self, channel: Channel, fill: Box<Fill>) {
        let spelling = self.spelling(channel);
        let Some(open) = self.channels.get(&channel) else { return };
        let (shared, tape, inbox) = (self.shared.clone(), open.tape.clone(), self.inbox.clone());
        let opening = open.opening.id();
        tokio::spawn(async move {
            let made = shared.make_page(&tape, fill, spelling).await;
            inbox.fill(Filled { opening, channel, made });
        });
    }

    fn send_page(&mut self, channel: Channel, Made { message, mut fill }: Made) {
        message.into_iter().for_each(|message| self.push_message(message));
        if !fill.is_over() {
            return self.make(channel, fill);
        }
        match *fill {
            Fill::Whole(whole) => self.is_full(channel, whole.end()),
            Fill::Part(part) => self.has_part(channel, Box::new(part)),
        }
    }

    pub(super) fn push_message(&mut self, message: Bytes) {
        self.shared.metrics.page_bytes.inc_by(message.len() as u64);
        self.delivered.count(message.len(), &self.shared.metrics);
        match message.len() <= limits::COPIED_BYTES {
            true => self.wire.push(self.codec, &message, Tail::None),
            false => self.wire.push(self.codec, &[], Tail::Shared(message)),
        }
    }

    /// A replica holds all there was: events are played from there on.
    fn is_full(&mut self, channel: Channel, end: Option<Seq>) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        (open.phase, open.feed) = (Phase::Open(end), Feed::Events);
        open.tape.play_to(&open.opening);
        self.jobs.push_back(Job::Live { opening: open.opening.id(), channel });
    }

    pub(super) fn spelling(&self, channel: Channel) -> Spelling {
        Spelling { codec: self.codec, channel, deflate: self.deflate && self.codec == Codec::Cbor }
    }
}
