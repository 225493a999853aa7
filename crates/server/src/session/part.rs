//! Replicas that hold a part of a stream: their queries come and go, and what becomes of what they find is told as it
//! happens.

use std::sync::Arc;

use tapeline_authority::Reading;
use tapeline_core::catchup;
use tapeline_core::frame::{ErrorCode, Open, Page, Subscription};
use tapeline_core::limits as core_limits;
use tapeline_core::numbers::{Channel, QueryNumber, Seq, View};
use tapeline_core::query::Query;
use tapeline_core::query::partial::{Held, Partial, Subscribed};
use tapeline_log::{EventLog, StateStore};

use super::Session;
use super::channels::{Feed, OpenChannel, Phase};
use super::playing::Job;
use super::requests::NOT_OPEN;
use crate::filling::{Fill, Gathered, PartFill};
use crate::hub::Course;
use crate::inbox::OpeningId;
use crate::limits;

/// What a client wants of its queries.
pub(super) enum Change {
    Subscribe(QueryNumber, Arc<Query>),
    Unsubscribe(QueryNumber),
}

impl<L: EventLog, S: StateStore> Session<L, S> {
    /// What a partial replica is to get as it opens a stream. `None`: its queries cannot be read, and it was told so.
    pub(super) fn part_of(&mut self, open: &Open, planned: &catchup::Fill) -> Option<PartFill> {
        let mut partial = Partial::default();
        let channel = self.channels.get(&open.channel)?;
        let (reading, earlier) = (channel.reading.clone(), channel.earlier.clone());
        let is_same = open.view == reading.readable().map_or(View::ALL, |readable| readable.view);
        let what_was_held_counts = planned.from > Seq::FIRST && (is_same || earlier.is_some());
        for subscription in open.queries.iter().flatten() {
            let query = self.query(open.channel, subscription, &reading)?;
            let channel = self.channels.get(&open.channel)?;
            // Of what could not be read nothing is held: not even by their hashes is it told what came and went of it.
            let is_known = |reading: &Arc<Reading>| reading.filter(&query.collection).is_some();
            let could_hold = is_known(&reading) || earlier.as_ref().is_some_and(is_known);
            let is_held = what_was_held_counts && subscription.ready && query.limit.is_none() && could_hold;
            let held = if is_held { Held::All } else { Held::Nothing };
            let earlier = earlier.as_ref().filter(|_| is_held);
            let earlier = earlier.and_then(|earlier| Some(narrowed(subscription, earlier).ok()?.filter));
            let earlier = earlier.filter(|earlier| *earlier != query.filter);
            let route = channel.tape.follow(&channel.opening, &query);
            partial.remove(subscription.number);
            partial.add(Subscribed { number: subscription.number, query, route, held, earlier });
        }
        let conceals = *reading != Reading::Whole;
        Some(PartFill::returning(partial, planned.from, planned.fresh, conceals))
    }

    /// Reads a query, of what may be read alone. Says what is wrong with it where it is none.
    pub(super) fn query(
        &mut self,
        channel: Channel,
        subscription: &Subscription,
        reading: &Reading,
    ) -> Option<Arc<Query>> {
        match narrowed(subscription, reading) {
            Ok(query) => Some(Arc::new(query)),
            Err(wrong) => {
                self.bad_frame(Some(channel), &format!("query {}: {wrong}", subscription.number));
                None
            }
        }
    }

    pub(super) fn subscribe(&mut self, channel: Channel, subscription: &Subscription) {
        let Some(reading) = self.channels.get(&channel).map(|open| open.reading.clone()) else {
            return self.say_error(Some(channel), ErrorCode::NotOpen, NOT_OPEN, None);
        };
        let Some(query) = self.query(channel, subscription, &reading) else { return };
        self.change_part(channel, Change::Subscribe(subscription.number, query));
    }

    /// Changes the queries of a partial replica: at once, or once it is filled.
    pub(super) fn change_part(&mut self, channel: Channel, change: Change) {
        let Some(open) = self.channels.get_mut(&channel).filter(|open| matches!(open.phase, Phase::Open(_))) else {
            return self.say_error(Some(channel), ErrorCode::NotOpen, NOT_OPEN, None);
        };
        if !open.is_partial {
            return self.bad_frame(Some(channel), "the stream was opened as a whole: open it with queries");
        }
        if !open.has_room_for(&change) {
            let message = format!("a replica has at most {} queries: take some away first", core_limits::QUERIES);
            return self.bad_frame(Some(channel), &message);
        }
        if open.wants(&change) {
            open.changes.push(change);
            self.jobs.push_back(Job::Live { opening: open.opening.id(), channel });
        }
    }

    /// A partial replica holds what it asked for, and is told what becomes of that.
    pub(super) fn has_part(&mut self, channel: Channel, part: Box<PartFill>) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        open.feed = Feed::Part(part);
        self.jobs.push_back(Job::Live { opening: open.opening.id(), channel });
    }

    /// A partial replica is told how far the stream is, though nothing of that concerns it.
    pub(super) fn tell_parts(&mut self) {
        let parts = self.channels.iter_mut().filter(|(_, open)| matches!(open.feed, Feed::Part(_)));
        for (channel, open) in parts {
            open.owed = open.tape.head();
            self.jobs.push_back(Job::Live { opening: open.opening.id(), channel: *channel });
        }
    }

    /// Tells what happened to what a partial replica holds. Answers what is left to be done.
    pub(super) fn play_part(&mut self, opening: OpeningId, channel: Channel) -> Option<Job> {
        // Whatever is durable was answered before it was played: those answers go first.
        self.take_mail();
        let spelling = self.spelling(channel);
        let open = self.channels.get_mut(&channel).filter(|open| open.is(opening))?;
        if !matches!(open.feed, Feed::Part(_)) {
            return None;
        }
        let again = Job::Live { opening, channel };
        match open.play_part() {
            Played::Page(page) => {
                self.push_message(spelling.spell(*page));
                Some(again)
            }
            Played::Gaps(part) => {
                self.begin_to_fill(channel, Box::new(Fill::Part(*part)));
                None
            }
            Played::Nothing => {
                open.opening.has_seen_all();
                (open.has_news() && open.opening.looks_again()).then_some(again)
            }
        }
    }
}

/// A query, of what may be read alone.
///
/// # Errors
/// What is wrong with it, where it is none.
fn narrowed(subscription: &Subscription, reading: &Reading) -> Result<Query, String> {
    match Query::from_value(&subscription.query) {
        Ok(query) if query.limit.is_none_or(|limit| limit <= core_limits::WINDOW_ROWS) => {
            let filter = reading.narrow(&query.collection, &query.filter);
            Ok(Query { filter, ..query })
        }
        Ok(_) => Err(format!("a window has at most {} objects: ask for fewer", core_limits::WINDOW_ROWS)),
        Err(error) => Err(error.to_string()),
    }
}

/// What came of going on with a part.
enum Played {
    Page(Box<Page>),
    /// Something is to be read from the store.
    Gaps(Box<PartFill>),
    Nothing,
}

impl OpenChannel {
    fn play_part(&mut self) -> Played {
        let Feed::Part(part) = &mut self.feed else { return Played::Nothing };
        let (mut gathered, mut has_gap) = (Gathered::default(), false);
        if !part.is_playing() {
            let Some(Course { blocks, to, chain }) = self.tape.course(&self.opening) else { return Played::Nothing };
            has_gap = blocks.is_none();
            // What was read from the store is not told again.
            let blocks = blocks.iter().flatten().filter(|block| block.end() > part.played);
            let routed: Vec<_> = blocks.filter_map(|block| block.routed()).collect();
            if !has_gap && (!routed.is_empty() || part.played < self.owed && self.owed <= to) {
                part.play(&routed, to, chain, &mut gathered);
            }
        }
        if let Some(page) = part.played_page(gathered, self.opening.channel(), self.tape.head()) {
            return Played::Page(Box::new(page));
        }
        std::mem::take(&mut self.changes).into_iter().for_each(|change| self.change(change));
        let Feed::Part(part) = &self.feed else { return Played::Nothing };
        match has_gap || part.has_gaps() {
            true => match std::mem::replace(&mut self.feed, Feed::Events) {
                Feed::Part(part) => Played::Gaps(part),
                _ => Played::Nothing,
            },
            false => Played::Nothing,
        }
    }

    /// Whether there is something to be told that was not there when it was looked for.
    fn has_news(&self) -> bool {
        let is_owed = |part: &PartFill| part.played < self.owed && self.owed <= self.tape.head();
        self.opening.is_dirty() || matches!(&self.feed, Feed::Part(part) if is_owed(part))
    }

    /// Whether there may be another query, where that is what the client wants. One that goes makes room at once.
    fn has_room_for(&self, change: &Change) -> bool {
        match change {
            Change::Subscribe(number, _) => {
                let has_room = self.queries.len() < core_limits::QUERIES || self.queries.contains(number);
                has_room && self.changes.len() < limits::QUERY_CHANGES
            }
            Change::Unsubscribe(_) => true,
        }
    }

    /// Notes what the client wants. Answers whether that is a change.
    fn wants(&mut self, change: &Change) -> bool {
        match change {
            Change::Subscribe(number, _) => {
                self.queries.insert(*number);
                true
            }
            Change::Unsubscribe(number) => self.queries.remove(number),
        }
    }

    fn change(&mut self, change: Change) {
        let Feed::Part(part) = &mut self.feed else { return };
        let (known, new) = match change {
            Change::Unsubscribe(number) => (part.partial.remove(number), None),
            Change::Subscribe(number, query) => (part.partial.remove(number), Some((number, query))),
        };
        if let Some((number, query)) = new {
            let route = self.tape.follow(&self.opening, &query);
            let held = known.as_ref().and_then(|known| known.resized(&query)).unwrap_or(Held::Nothing);
            part.partial.add(Subscribed { number, query, route, held, earlier: None });
        }
        if let Some(known) = known {
            self.tape.unfollow(&self.opening, known.route);
        }
    }
}
