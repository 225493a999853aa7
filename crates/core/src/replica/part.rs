//! Holding a part of a stream: the results of queries, which come and go.
//!
//! Whoever wants something subscribes to a query; who wants the same shares it, and it goes with the last of them. A
//! query is *ready* once its whole result has come; from then on pages tell what enters, changes in and leaves it.
//! What no query holds any more is dropped. An object that is not held can be edited all the same: it is sent by its
//! id, and says that nothing of it was seen.

use rustc_hash::FxHashSet;

use super::Replica;
use crate::event::Body;
use crate::frame::{ClientFrame, Page, Progress, Subscription};
use crate::limits;
use crate::name::{Key, ObjectId};
use crate::numbers::{Channel, QueryNumber, Seq, View};
use crate::object::Object;
use crate::op::Action;
use crate::query::{Found, Query, QueryError};
use crate::queue::Queue;
use crate::value::Value;

/// The queries whose results are held.
#[derive(Debug, Default)]
pub(super) struct Part {
    all: Vec<Subscribed>,
    last: QueryNumber,
    /// What could be read when the stream was last opened.
    view: View,
    /// What could be read has changed, and what enters and leaves by that has not all come.
    changing: bool,
    /// Whether it is all that may be read, in place of all there is.
    by_right: bool,
    /// What the server was not told since the stream was opened.
    unsaid: Queue<Unsaid>,
    /// Objects that came in with the pages of late, and that windows alone may hold.
    entered: FxHashSet<Key>,
    /// How far it is with the query whose result is coming, where that is known.
    pub(super) coming: Option<Progress>,
}

#[derive(Debug)]
struct Subscribed {
    number: QueryNumber,
    value: Value,
    query: Query,
    /// How many want it.
    count: usize,
    ready: bool,
    /// The server was asked for it, and has not sent all of it.
    asked: bool,
    /// More of it is wanted than was asked for.
    again: bool,
    /// What came of it since the stream was opened: of a window, and of any other query until it is ready.
    came: FxHashSet<ObjectId>,
    /// The queries that hold what its rows refer to.
    related: Vec<QueryNumber>,
    /// There was no room for all of those.
    lacks: bool,
}

#[derive(Clone, Copy, Debug)]
enum Unsaid {
    Subscribe(QueryNumber),
    Unsubscribe(QueryNumber),
}

/// Which rows a window holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    /// The first that it finds here, and what came while more is to come.
    First,
    /// Those that came since the stream was opened: of what was here before, some may be gone that would be first.
    Came,
}

/// A part as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredPart {
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) view: View,
    pub(super) by_right: bool,
}

/// Why a query was not subscribed to. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// It cannot be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// There are too many.
    #[error("a replica has at most {} queries: take some away first", limits::QUERIES)]
    TooMany,
    /// The window is longer than one may be.
    #[error(
        "a window has at most {} objects: ask for fewer, and for those behind them by another query",
        limits::WINDOW_ROWS
    )]
    TooLong,
    /// The replica holds all of the stream.
    #[error("the replica holds all of the stream: there is nothing to subscribe to")]
    Whole,
}

impl Part {
    /// Takes back what was stored. Nobody wants any of it yet.
    pub(super) fn restored(StoredPart { subscriptions, view, by_right }: StoredPart) -> Self {
        let last = subscriptions.iter().map(|stored| stored.number).max().unwrap_or_default();
        let subscribed = |Subscription { number, query: value, ready }| {
            let query = Query::from_value(&value).ok()?;
            // What is all that may be read is wanted as long as the replica is.
            let count = usize::from(by_right);
            Some(Subscribed { count, ready, ..Subscribed::new(number, value, query) })
        };
        let all = subscriptions.into_iter().filter_map(subscribed).collect();
        Self { all, last, view, by_right, ..Self::default() }
    }

    /// As it is stored. What breaks off in the middle of a change comes anew: nobody could tell what came of it.
    pub(super) fn stored(&self) -> StoredPart {
        let mut subscriptions = self.subscriptions();
        subscriptions.iter_mut().for_each(|subscription| subscription.ready &= !self.changing);
        StoredPart { subscriptions, view: self.view, by_right: self.by_right }
    }

    /// What could be read when the stream was last opened.
    pub(super) fn view(&self) -> View {
        self.view
    }

    /// The queries as the stream is opened with them.
    pub(super) fn subscriptions(&self) -> Vec<Subscription> {
        self.all.iter().map(Subscribed::subscription).collect()
    }

    /// The stream is opened with all of them, by a replica that has played so much.
    pub(super) fn opening(&mut self, played: Seq) -> Vec<Subscription> {
        self.unsaid.clear();
        self.coming = None;
        let was_changing = std::mem::take(&mut self.changing);
        for subscribed in &mut self.all {
            subscribed.came.clear();
            // A window comes anew, and all where a change broke off or nothing was played.
            subscribed.ready &= subscribed.query.limit.is_none() && !was_changing && played > Seq::FIRST;
            (subscribed.asked, subscribed.again) = (!subscribed.ready, false);
        }
        self.subscriptions()
    }

    /// What was held is void.
    pub(super) fn forget(&mut self) {
        self.changing = false;
        self.all.iter_mut().for_each(|subscribed| subscribed.ready = false);
    }

    /// All that may be read, where that is no more than a part.
    pub(super) fn by_right(view: View) -> Self {
        Self { view, by_right: true, ..Self::default() }
    }

    /// What can be read is this now. Answers whether it was something else: all that is held is to come anew then,
    /// unless it goes on to count.
    pub(super) fn sees(&mut self, view: View, continues: bool) -> bool {
        let is_new = std::mem::replace(&mut self.view, view) != view;
        self.changing = is_new && continues;
        if is_new && !continues {
            self.all.iter_mut().for_each(|subscribed| (subscribed.ready, subscribed.asked) = (false, true));
        }
        is_new
    }

    /// All has come that enters and leaves.
    pub(super) fn has_changed(&mut self) {
        self.changing = false;
    }

    /// Whether it is not what holds all that may be read and has yet to get some of that.
    pub(super) fn has_all_it_may(&self) -> bool {
        !self.by_right || !self.changing && self.all.iter().all(|subscribed| subscribed.ready)
    }

    /// The queries that are none of these.
    pub(super) fn unlike(&self, queries: &[Query]) -> Vec<QueryNumber> {
        self.numbers(&|subscribed| !queries.contains(&subscribed.query))
    }

    /// The queries that somebody wants with what their rows refer to: all of them, or those for which there was too little
    /// room.
    pub(super) fn followed(&self, lacking: bool) -> Vec<QueryNumber> {
        let is_followed = |subscribed: &Subscribed| subscribed.lacks || !lacking && !subscribed.query.with.is_empty();
        self.numbers(&|subscribed| subscribed.count > 0 && is_followed(subscribed))
    }

    fn numbers(&self, which: &dyn Fn(&Subscribed) -> bool) -> Vec<QueryNumber> {
        self.all.iter().filter(|subscribed| which(subscribed)).map(|subscribed| subscribed.number).collect()
    }

    /// Other queries hold what the rows of this one refer to, or as much of it as there was room for. Answers which did
    /// before.
    pub(super) fn relate(&mut self, number: QueryNumber, related: Vec<QueryNumber>, lacks: bool) -> Vec<QueryNumber> {
        let Some(subscribed) = self.get_mut(number) else { return related };
        subscribed.lacks = lacks;
        std::mem::replace(&mut subscribed.related, related)
    }

    fn next_frame(&mut self, channel: Channel) -> Option<ClientFrame> {
        loop {
            match self.unsaid.pop_front()? {
                Unsaid::Unsubscribe(number) => return Some(ClientFrame::Unsubscribe { channel, number }),
                Unsaid::Subscribe(number) => {
                    if let Some(subscribed) = self.get_mut(number) {
                        subscribed.asked = true;
                        return Some(ClientFrame::Subscribe { channel, subscription: subscribed.subscription() });
                    }
                }
            }
        }
    }

    fn get(&self, number: QueryNumber) -> Option<&Subscribed> {
        self.all.iter().find(|subscribed| subscribed.number == number)
    }

    fn get_mut(&mut self, number: QueryNumber) -> Option<&mut Subscribed> {
        self.all.iter_mut().find(|subscribed| subscribed.number == number)
    }

    /// Whether an object may be in the result of a query.
    fn wants(&self, key: &Key, object: &Object) -> bool {
        self.all.iter().any(|subscribed| subscribed.query.may_find(key, object))
    }

    /// Whether a query of those that count, and that find all that meets their filters, finds an object.
    fn find(&self, key: &Key, object: &Object, counts: &dyn Fn(&Subscribed) -> bool) -> bool {
        let mut whole = self.all.iter().filter(|subscribed| subscribed.query.limit.is_none() && counts(subscribed));
        whole.any(|subscribed| subscribed.query.may_find(key, object))
    }
}

impl Subscribed {
    fn new(number: QueryNumber, value: Value, query: Query) -> Self {
        let (ready, asked, again, came, related, lacks) = Default::default();
        Self { number, value, query, count: 1, ready, asked, again, came, related, lacks }
    }

    fn subscription(&self) -> Subscription {
        Subscription { number: self.number, query: self.value.clone(), ready: self.ready }
    }
}

impl Query {
    fn may_find(&self, key: &Key, object: &Object) -> bool {
        self.collection == key.collection && self.filter.matches(&key.id, object)
    }
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
        let known = self.part.as_ref().and_then(|part| part.all.iter().find(|known| known.query == query));
        match known {
            Some(known) => Ok(known.number),
            None => self.want(Query::value_of_all(&query.collection), query),
        }
    }

    fn want(&mut self, value: Value, query: Query) -> Result<QueryNumber, SubscribeError> {
        let part = self.part.as_mut().ok_or(SubscribeError::Whole)?;
        if query.limit.is_some_and(|limit| limit > limits::WINDOW_ROWS) {
            return Err(SubscribeError::TooLong);
        }
        if let Some(known) = part.all.iter_mut().find(|known| known.query == query) {
            known.count += 1;
            let number = known.number;
            self.follow(number);
            return Ok(number);
        }
        if part.all.len() >= limits::QUERIES {
            return Err(SubscribeError::TooMany);
        }
        part.last = QueryNumber(part.last.0 + 1);
        let number = part.last;
        part.all.push(Subscribed::new(number, value, query));
        part.unsaid.push_back(Unsaid::Subscribe(number));
        self.storing.meta();
        self.follow(number);
        Ok(number)
    }

    /// Wants so many objects of a window. Answers whether there is such a query, with fewer, and a window may be so long.
    pub fn want_more(&mut self, number: QueryNumber, limit: usize) -> bool {
        let Some(part) = &mut self.part else { return false };
        let Some(subscribed) = part.get_mut(number) else { return false };
        if limit > limits::WINDOW_ROWS || subscribed.query.limit.is_none_or(|now| now >= limit) {
            return false;
        }
        subscribed.query.limit = Some(limit);
        subscribed.value = Query::value_with_limit(&subscribed.value, limit);
        subscribed.ready = false;
        match subscribed.asked {
            // What comes first answers what was asked first.
            true => subscribed.again = true,
            false => part.unsaid.push_back(Unsaid::Subscribe(number)),
        }
        self.storing.meta();
        self.follow(number);
        true
    }

    /// Lets go of a query. With the last who does, what it alone holds goes.
    pub fn unsubscribe(&mut self, number: QueryNumber) {
        self.release(vec![number]);
    }

    /// Lets go of queries, and with them of those that hold what their rows refer to.
    pub(super) fn release(&mut self, mut numbers: Vec<QueryNumber>) {
        let Some(part) = &mut self.part else { return };
        let mut unwanted = Vec::new();
        while let Some(number) = numbers.pop() {
            let Some(subscribed) = part.get_mut(number) else { continue };
            subscribed.count = subscribed.count.saturating_sub(1);
            if subscribed.count == 0 {
                numbers.append(&mut subscribed.related);
                unwanted.push(number);
            }
        }
        if !unwanted.is_empty() {
            self.drop_queries(&unwanted);
        }
    }

    /// Lets go of all queries that nobody has wanted since the replica was read back from the device.
    pub(super) fn drop_unwanted(&mut self) {
        let Some(part) = &self.part else { return };
        let unwanted = part.numbers(&|subscribed| subscribed.count == 0);
        if !unwanted.is_empty() {
            self.drop_queries(&unwanted);
        }
    }

    /// Whether the whole result of a query is held, as of what was played, with what its rows refer to where that is
    /// wanted; where all of the stream is, whether that is.
    pub fn is_ready(&self, number: QueryNumber) -> bool {
        let Some(part) = self.part.as_ref().filter(|part| !part.by_right) else { return self.is_caught_up() };
        let is_ready = |number: &QueryNumber| part.get(*number).is_some_and(|subscribed| subscribed.ready);
        let has_related = |subscribed: &Subscribed| !subscribed.lacks && subscribed.related.iter().all(is_ready);
        !part.changing && is_ready(&number) && part.get(number).is_some_and(has_related)
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
        let Some(part) = &mut self.part else { return };
        part.all.retain(|subscribed| !numbers.contains(&subscribed.number));
        numbers.iter().for_each(|&number| part.unsaid.push_back(Unsaid::Unsubscribe(number)));
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

    /// Notes what a page says of a newly added query, and that it is all there.
    pub(super) fn note_query(&mut self, page: &Page) {
        let Some((part, number)) = self.part.as_mut().zip(page.query) else { return };
        part.coming = page.progress.filter(|_| page.after.is_some());
        if let Some(subscribed) = part.get_mut(number) {
            subscribed.came.extend(page.items.iter().map(|item| item.key.id.clone()));
        }
    }

    /// All of a newly added query has come. What an earlier attempt left, which was cut off, and did not come again,
    /// is there no more.
    pub(super) fn query_came(&mut self, number: QueryNumber) {
        let Some(part) = &mut self.part else { return };
        let Some(subscribed) = part.get_mut(number) else { return };
        subscribed.ready = !subscribed.again;
        subscribed.asked = false;
        if std::mem::take(&mut subscribed.again) {
            part.unsaid.push_back(Unsaid::Subscribe(number));
            return;
        }
        if subscribed.query.limit.is_some() {
            return;
        }
        let (came, query) = (std::mem::take(&mut subscribed.came), subscribed.query.clone());
        let left = |key: &Key, object: &Object| query.may_find(key, object) && !came.contains(&key.id);
        let others = |subscribed: &Subscribed| subscribed.ready && subscribed.number != number;
        self.purge(&left, &others, Rows::First);
    }

    /// The windows came anew: what they held before, and no query holds now, goes.
    pub(super) fn purge_windows(&mut self) {
        self.purge(&|_, _| true, &|_| true, Rows::Came);
    }

    /// Notes an object that is about to come in, where a window alone may hold it.
    pub(super) fn note_entered(&mut self, key: &Key, object: &Object) {
        let Some(part) = &mut self.part else { return };
        if self.confirmed.get(key).is_none() && !part.find(key, object, &|_| true) {
            part.entered.insert(key.clone());
        }
    }

    /// What came in may have been found by a query that nobody wants any more, which the server had not heard yet: where
    /// it stands behind all windows, nothing more would be heard of it.
    pub(super) fn drop_behind_windows(&mut self) {
        let entered = self.part.as_mut().map(|part| std::mem::take(&mut part.entered)).unwrap_or_default();
        if !entered.is_empty() {
            self.purge(&|key, _| entered.contains(key), &|_| true, Rows::First);
        }
    }

    /// Drops those of `candidates` that no query holds of those that `count`.
    fn purge(&mut self, candidates: &dyn Fn(&Key, &Object) -> bool, counts: &dyn Fn(&Subscribed) -> bool, rows: Rows) {
        let Some(part) = &self.part else { return };
        let windows = || part.all.iter().filter(|subscribed| subscribed.query.limit.is_some() && counts(subscribed));
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
            counts && window.query.collection == key.collection && window.came.contains(&key.id)
        };
        let in_window = |key: &Key| first.contains(key) || windows().any(|window| has_come(window, key));
        let is_held = |key: &Key, object: &Object| in_window(key) || part.find(key, object, counts);
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
    pub(super) fn say_unseen(&self, body: &mut Body) {
        if self.part.is_none() {
            return;
        }
        for op in body.ops.iter_mut().filter(|op| op.seen.is_none() && !matches!(op.action, Action::Insert(_))) {
            if self.get(&op.key).is_none() {
                op.seen = Some(Seq::FIRST);
            }
        }
        if body.unchanged.iter().all(|read| self.confirmed.get(&read.key).is_some()) {
            return;
        }
        let base = std::mem::take(&mut body.base);
        body.on.get_or_insert(base);
        body.ops.iter_mut().for_each(|op| op.seen = op.seen.or(Some(base)));
    }
}
