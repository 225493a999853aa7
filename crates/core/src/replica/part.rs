//! The queries of a part of a stream: how many want each, what the server was asked for, and what has come.
//!
//! Who wants the same as somebody else shares it, and it goes with the last of them. A query is *ready* once its whole
//! result has come.

use rustc_hash::FxHashSet;

use crate::frame::{ClientFrame, Page, Progress, Subscription};
use crate::limits;
use crate::name::{Key, ObjectId};
use crate::numbers::{Channel, QueryNumber, Seq, View};
use crate::object::Object;
use crate::query::{Query, QueryError};
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
    pub(super) by_right: bool,
    /// What the server was not told since the stream was opened.
    unsaid: Queue<Unsaid>,
    /// Objects that came in with the pages of late, and that windows alone may hold.
    entered: FxHashSet<Key>,
    /// How far it is with the query whose result is coming, where that is known.
    pub(super) coming: Option<Progress>,
}

#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) number: QueryNumber,
    value: Value,
    pub(super) query: Query,
    /// How many want it.
    count: usize,
    pub(super) ready: bool,
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

    /// Whether something that was asked for, or that enters and leaves, has not all come.
    pub(super) fn is_coming(&self) -> bool {
        self.changing || self.all.iter().any(|subscribed| subscribed.asked && !subscribed.ready)
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

    /// The queries that nobody has wanted since the replica was read back from the device.
    pub(super) fn unwanted(&self) -> Vec<QueryNumber> {
        self.numbers(&|subscribed| subscribed.count == 0)
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

    /// Somebody wants the result of a query. Answers whether nobody did before.
    pub(super) fn want(&mut self, value: Value, query: Query) -> Result<(QueryNumber, bool), SubscribeError> {
        if query.limit.is_some_and(|limit| limit > limits::WINDOW_ROWS) {
            return Err(SubscribeError::TooLong);
        }
        if let Some(known) = self.all.iter_mut().find(|known| known.query == query) {
            known.count += 1;
            return Ok((known.number, false));
        }
        if self.all.len() >= limits::QUERIES {
            return Err(SubscribeError::TooMany);
        }
        self.last = QueryNumber(self.last.0 + 1);
        self.all.push(Subscribed::new(self.last, value, query));
        self.unsaid.push_back(Unsaid::Subscribe(self.last));
        Ok((self.last, true))
    }

    /// The number of a query that is among them.
    pub(super) fn number_of(&self, query: &Query) -> Option<QueryNumber> {
        self.all.iter().find(|known| known.query == *query).map(|known| known.number)
    }

    /// So many objects of a window are wanted. Answers whether there is such a query, with fewer, and a window may be so
    /// long.
    pub(super) fn want_more(&mut self, number: QueryNumber, limit: usize) -> bool {
        let Some(subscribed) = self.get_mut(number) else { return false };
        if limit > limits::WINDOW_ROWS || subscribed.query.limit.is_none_or(|now| now >= limit) {
            return false;
        }
        subscribed.query.limit = Some(limit);
        subscribed.value = Query::value_with_limit(&subscribed.value, limit);
        subscribed.ready = false;
        match subscribed.asked {
            // What comes first answers what was asked first.
            true => subscribed.again = true,
            false => self.unsaid.push_back(Unsaid::Subscribe(number)),
        }
        true
    }

    /// Queries are wanted by one less each, and with the last also those that hold what their rows refer to. Answers which
    /// nobody wants any more.
    pub(super) fn release(&mut self, mut numbers: Vec<QueryNumber>) -> Vec<QueryNumber> {
        let mut unwanted = Vec::new();
        while let Some(number) = numbers.pop() {
            let Some(subscribed) = self.get_mut(number) else { continue };
            subscribed.count = subscribed.count.saturating_sub(1);
            if subscribed.count == 0 {
                numbers.append(&mut subscribed.related);
                unwanted.push(number);
            }
        }
        unwanted
    }

    /// Lets go of queries.
    pub(super) fn remove(&mut self, numbers: &[QueryNumber]) {
        self.all.retain(|subscribed| !numbers.contains(&subscribed.number));
        numbers.iter().for_each(|&number| self.unsaid.push_back(Unsaid::Unsubscribe(number)));
    }

    /// What the server is to be told next.
    pub(super) fn next_frame(&mut self, channel: Channel) -> Option<ClientFrame> {
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

    /// Notes what a page says of a newly added query.
    pub(super) fn note(&mut self, page: &Page) {
        let Some(number) = page.query else { return };
        self.coming = page.progress.filter(|_| page.after.is_some());
        if let Some(subscribed) = self.get_mut(number) {
            subscribed.came.extend(page.items.iter().map(|item| item.key.id.clone()));
        }
    }

    /// All of a newly added query has come. Answers what came, of one that is no window and of which no more is wanted.
    pub(super) fn has_come(&mut self, number: QueryNumber) -> Option<(Query, FxHashSet<ObjectId>)> {
        let subscribed = self.get_mut(number)?;
        subscribed.ready = !subscribed.again;
        subscribed.asked = false;
        if std::mem::take(&mut subscribed.again) {
            self.unsaid.push_back(Unsaid::Subscribe(number));
            return None;
        }
        let is_whole = subscribed.query.limit.is_none();
        is_whole.then(|| (subscribed.query.clone(), std::mem::take(&mut subscribed.came)))
    }

    /// Whether all has come that the rows of a query refer to, where that is wanted, and of what enters and leaves.
    pub(super) fn has_related(&self, subscribed: &Subscribed) -> bool {
        let is_ready = |number: &QueryNumber| self.get(*number).is_some_and(|subscribed| subscribed.ready);
        !self.changing && !subscribed.lacks && subscribed.related.iter().all(is_ready)
    }

    pub(super) fn get(&self, number: QueryNumber) -> Option<&Subscribed> {
        self.all.iter().find(|subscribed| subscribed.number == number)
    }

    fn get_mut(&mut self, number: QueryNumber) -> Option<&mut Subscribed> {
        self.all.iter_mut().find(|subscribed| subscribed.number == number)
    }

    /// Whether an object may be in the result of a query.
    pub(super) fn wants(&self, key: &Key, object: &Object) -> bool {
        self.all.iter().any(|subscribed| subscribed.query.may_find(key, object))
    }

    /// Whether a query of those that count, and that find all that meets their filters, finds an object.
    pub(super) fn finds(&self, key: &Key, object: &Object, counts: &dyn Fn(&Subscribed) -> bool) -> bool {
        let mut whole = self.all.iter().filter(|subscribed| subscribed.query.limit.is_none() && counts(subscribed));
        whole.any(|subscribed| subscribed.query.may_find(key, object))
    }

    /// Notes an object that is about to come in, where a window alone may hold it.
    pub(super) fn note_entered(&mut self, key: &Key, object: &Object) {
        if !self.finds(key, object, &|_| true) {
            self.entered.insert(key.clone());
        }
    }

    /// Those that were noted, which are forgotten with that.
    pub(super) fn take_entered(&mut self) -> FxHashSet<Key> {
        std::mem::take(&mut self.entered)
    }

    /// The windows.
    pub(super) fn windows(&self) -> impl Iterator<Item = &Subscribed> {
        self.all.iter().filter(|subscribed| subscribed.query.limit.is_some())
    }
}

impl Subscribed {
    fn new(number: QueryNumber, value: Value, query: Query) -> Self {
        let (ready, asked, again, came, related, lacks) = Default::default();
        Self { number, value, query, count: 1, ready, asked, again, came, related, lacks }
    }

    /// Whether it came with an object since the stream was opened.
    pub(super) fn came_with(&self, key: &Key) -> bool {
        self.query.collection == key.collection && self.came.contains(&key.id)
    }

    fn subscription(&self) -> Subscription {
        Subscription { number: self.number, query: self.value.clone(), ready: self.ready }
    }
}

impl Query {
    pub(super) fn may_find(&self, key: &Key, object: &Object) -> bool {
        self.collection == key.collection && self.filter.matches(&key.id, object)
    }
}
