//! Holding a part of a stream: the results of queries, which come and go.
//!
//! Whoever wants something subscribes to a query; pages tell what enters, changes in and leaves its result. What no query
//! holds any more is dropped. An object that is not held can be edited all the same: it is sent by its id, and says that
//! nothing of it was seen.

use rustc_hash::FxHashSet;

use super::Replica;
use super::part::{Part, SubscribeError, Subscribed};
use crate::event::Body;
use crate::frame::{ClientFrame, Page, Subscription};
use crate::name::Key;
use crate::numbers::{Channel, QueryNumber, Seq, View};
use crate::object::Object;
use crate::op::Action;
use crate::query::{Found, Query};
use crate::value::Value;

/// Which rows a window holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    /// The first that it finds here, and what came while more is to come.
    First,
    /// Those that came since the stream was opened: of what was here before, some may be gone that would be first.
    Came,
}

impl Replica {
    /// Holds only what its queries find, from now on. Answers whether it does: what holds, or has held, a whole stream
    /// stays so.
    pub fn hold_part(&mut self) -> bool {
        let holds_nothing = self.history.played == Seq::FIRST && self.history.filling.is_none();
        if self.part.is_none() && holds_nothing {
            self.part = Some(Part::default());
            self.storing.meta();
        }
        !self.is_whole()
    }

    /// Which part of the stream could be read when it was last opened.
    pub fn view(&self) -> View {
        self.part.as_ref().map(Part::view).unwrap_or_default()
    }

    /// Holds all of the stream that may be read, from now on: what it held of it comes again, with the rest.
    pub fn hold_all(&mut self) {
        if self.part.take_if(|part| !part.by_right).is_some() {
            self.drop_part();
            self.reopen();
        }
    }

    /// Whether it holds only what its queries find.
    pub fn is_partial(&self) -> bool {
        self.part.is_some()
    }

    /// Whether it holds all of the stream that may be read, be that all there is or not.
    pub fn is_whole(&self) -> bool {
        self.part.as_ref().is_none_or(|part| part.by_right)
    }

    /// Wants the result of a query. Whoever wants the same gets the same number, and each lets go of it by itself.
    ///
    /// # Errors
    /// Where the value is no query, there are too many, or the replica holds all there is.
    pub fn subscribe(&mut self, value: &Value) -> Result<QueryNumber, SubscribeError> {
        let query = Query::from_value(value)?;
        match &self.part {
            Some(part) if !part.by_right => self.want(value.clone(), query),
            _ => Err(SubscribeError::Whole),
        }
    }

    /// Holds all of a collection, where it does not.
    pub(super) fn hold_query(&mut self, query: Query) -> Result<QueryNumber, SubscribeError> {
        match self.part.as_ref().and_then(|part| part.number_of(&query)) {
            Some(number) => Ok(number),
            None => self.want(Query::value_of_all(&query.collection), query),
        }
    }

    fn want(&mut self, value: Value, query: Query) -> Result<QueryNumber, SubscribeError> {
        let part = self.part.as_mut().ok_or(SubscribeError::Whole)?;
        let (number, is_new) = part.want(value, query)?;
        if is_new {
            self.storing.meta();
        }
        self.follow(number);
        Ok(number)
    }

    /// Wants so many objects of a window. Answers whether there is such a query, with fewer, and a window may be so long.
    pub fn want_more(&mut self, number: QueryNumber, limit: usize) -> bool {
        let grows = self.part.as_mut().is_some_and(|part| part.want_more(number, limit));
        if grows {
            self.storing.meta();
            self.follow(number);
        }
        grows
    }

    /// Lets go of a query. With the last who does, what it alone holds goes.
    pub fn unsubscribe(&mut self, number: QueryNumber) {
        self.release(vec![number]);
    }

    /// Lets go of queries, and with them of those that hold what their rows refer to.
    pub(super) fn release(&mut self, numbers: Vec<QueryNumber>) {
        let Some(part) = &mut self.part else { return };
        let unwanted = part.release(numbers);
        self.drop_queries(&unwanted);
    }

    /// Lets go of all queries that nobody has wanted since the replica was read back from the device.
    pub(super) fn drop_unwanted(&mut self) {
        let Some(part) = &self.part else { return };
        let unwanted = part.unwanted();
        self.drop_queries(&unwanted);
    }

    /// Whether the whole result of a query is held, as of what was played, with what its rows refer to where that is
    /// wanted; where all of the stream is, whether that is. A query for one object need not wait for what is here already.
    pub fn is_ready(&self, number: QueryNumber) -> bool {
        let Some(part) = self.part.as_ref().filter(|part| !part.by_right) else { return self.is_caught_up() };
        let subscribed = part.get(number).filter(|subscribed| part.has_related(subscribed));
        subscribed.is_some_and(|subscribed| subscribed.ready || self.has_object(&subscribed.query))
    }

    /// Whether a query wants one object, all of which is here: as it was recorded, or as it was made.
    fn has_object(&self, query: &Query) -> bool {
        let Some(id) = query.filter.one() else { return false };
        let key = Key { collection: query.collection.clone(), id };
        let first = self.view.ops(&key).first();
        let first = first.and_then(|(edit, place)| self.outbox.pending.get(*edit)?.body.ops.get(*place));
        let is_made = first.is_some_and(|op| matches!(op.action, Action::Insert(_)));
        is_made || self.drafts.get(&key).is_some() || self.confirmed.get(&key).is_some()
    }

    /// A query whose result is held.
    pub fn query(&self, number: QueryNumber) -> Option<&Query> {
        self.part.as_ref()?.get(number).map(|subscribed| &subscribed.query)
    }

    /// The queries whose results are held.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.part.as_ref().map(Part::subscriptions).unwrap_or_default()
    }

    pub(super) fn next_subscription(&mut self, channel: Channel) -> Option<ClientFrame> {
        self.part.as_mut()?.next_frame(channel)
    }

    pub(super) fn drop_queries(&mut self, numbers: &[QueryNumber]) {
        let Some(part) = self.part.as_mut().filter(|_| !numbers.is_empty()) else { return };
        part.remove(numbers);
        self.storing.meta();
        self.purge(&|_, _| true, &|_| true, Rows::First);
        self.follow_all(true);
    }

    /// Whether what comes is wanted: the server may have said it before it heard that it is not.
    pub(super) fn wants(&self, key: &Key, object: &Object) -> bool {
        self.part.as_ref().is_none_or(|part| part.wants(key, object))
    }

    /// Lets go of all that is held: it comes again, as far as it may.
    pub(super) fn drop_part(&mut self) {
        self.view.keys().iter().for_each(|key| self.leave_texts(key));
        self.drop_confirmed();
    }

    /// Notes what a page says of a newly added query.
    pub(super) fn note_query(&mut self, page: &Page) {
        self.part.iter_mut().for_each(|part| part.note(page));
    }

    /// All of a newly added query has come. What an earlier attempt left, which was cut off, and did not come again,
    /// is there no more.
    pub(super) fn query_came(&mut self, number: QueryNumber) {
        let Some((query, came)) = self.part.as_mut().and_then(|part| part.has_come(number)) else { return };
        let left = |key: &Key, object: &Object| query.may_find(key, object) && !came.contains(&key.id);
        let others = |subscribed: &Subscribed| subscribed.ready && subscribed.number != number;
        self.purge(&left, &others, Rows::First);
    }

    /// The windows came anew: what they held before, and no query holds now, goes.
    pub(super) fn purge_windows(&mut self) {
        self.purge(&|_, _| true, &|_| true, Rows::Came);
    }

    /// Notes an object that is about to come in.
    pub(super) fn note_entered(&mut self, key: &Key, object: &Object) {
        if self.confirmed.get(key).is_none() {
            self.part.iter_mut().for_each(|part| part.note_entered(key, object));
        }
    }

    /// What came in may have been found by a query that nobody wants any more, which the server had not heard yet: where
    /// it stands behind all windows, nothing more would be heard of it.
    pub(super) fn drop_behind_windows(&mut self) {
        let entered = self.part.as_mut().map(Part::take_entered).unwrap_or_default();
        if !entered.is_empty() {
            self.purge(&|key, _| entered.contains(key), &|_| true, Rows::First);
        }
    }

    /// Drops those of `candidates` that no query holds of those that `count`.
    fn purge(&mut self, candidates: &dyn Fn(&Key, &Object) -> bool, counts: &dyn Fn(&Subscribed) -> bool, rows: Rows) {
        let Some(part) = &self.part else { return };
        let windows = || part.windows().filter(|window| counts(window));
        let mut first = FxHashSet::default();
        // One that has not come anew holds nothing that did not come: all that it holds of another query comes with that.
        for window in windows().filter(|_| rows == Rows::First) {
            let collection = &window.query.collection;
            for (id, _) in self.first_of(&window.query) {
                first.insert(Key { collection: collection.clone(), id });
            }
        }
        let has_come = |window: &Subscribed, key: &Key| {
            let counts = rows == Rows::Came || !window.ready;
            counts && window.came_with(key)
        };
        let in_window = |key: &Key| first.contains(key) || windows().any(|window| has_come(window, key));
        let is_held = |key: &Key, object: &Object| in_window(key) || part.finds(key, object, counts);
        let mut gone: Vec<Key> = self.confirmed.keys().collect();
        gone.retain(|key| {
            let live = self.confirmed.get(key);
            live.is_some_and(|object| candidates(key, object) && !is_held(key, object))
        });
        for key in gone {
            self.leave_texts(&key);
            self.storing.object(&key);
            self.confirmed.replace(&key, None);
            self.confirmed.evict(&key);
            self.reapply([key]);
        }
    }

    /// The first objects that a window finds among what is held.
    pub(super) fn first_of(&self, query: &Query) -> Vec<Found> {
        query.find(self.confirmed.collection(&query.collection))
    }

    /// Edits of objects that are not held say that nothing of them was seen. Where an edit depends on what it read of
    /// such an object, all of it says so: a read has no say of its own.
    /// `is_shown`: whether what it was made on shows an object.
    pub(super) fn say_unseen(&self, body: &mut Body, is_shown: &dyn Fn(&Key) -> bool) {
        if self.part.is_none() {
            return;
        }
        for op in body.ops.iter_mut().filter(|op| op.seen.is_none() && !matches!(op.action, Action::Insert(_))) {
            if !is_shown(&op.key) {
                op.seen = Some(Seq::FIRST);
            }
        }
        // Where nothing was played, it says so anyway.
        if body.base == Seq::FIRST {
            return;
        }
        if body.unchanged.iter().all(|read| self.confirmed.get(&read.key).is_some()) {
            return;
        }
        let base = std::mem::take(&mut body.base);
        body.on.get_or_insert(base);
        body.ops.iter_mut().for_each(|op| op.seen = op.seen.or(Some(base)));
    }
}
