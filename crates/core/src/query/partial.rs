//! What a partial replica holds, as whoever sends it pages knows it, and what becomes of that as a stream goes on.
//!
//! An object is held that meets the filter of one of its queries, or stands in one of their windows. Nothing is
//! remembered of those that meet a filter: whether they did is evaluated, on what they were.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::routing::{Route, Routed};
use super::window::{Passed, Window};
use super::{Filter, Found, Query};
use crate::name::{FieldName, Key};
use crate::numbers::{QueryNumber, Seq};
use crate::object::{Entry, Object};

/// The queries of a partial replica.
#[derive(Debug, Default)]
pub struct Partial(Vec<Subscribed>);

/// One of its queries.
#[derive(Debug)]
pub struct Subscribed {
    /// Its number.
    pub number: QueryNumber,
    /// The query.
    pub query: Arc<Query>,
    /// Its filter.
    pub route: Route,
    /// What is held of it.
    pub held: Held,
    /// The filter by which that was held, where it was another one.
    pub earlier: Option<Filter>,
}

/// What is held of a query.
#[derive(Debug)]
pub enum Held {
    /// Nothing yet: it is to be read.
    Nothing,
    /// All that meets its filter.
    All,
    /// The first so many.
    Window(Window),
}

/// An object that is held, and has changed or is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The object.
    pub key: Key,
    /// As it is.
    pub object: Arc<Object>,
    /// Whether nothing of it as it is was held before.
    pub whole: bool,
}

/// What becomes of what is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Objects that changed or came in, sorted.
    pub changed: Vec<Changed>,
    /// Objects that went out, sorted.
    pub gone: Vec<Key>,
}

/// What has happened to objects since a replica was last told.
#[derive(Clone, Copy, Debug)]
pub enum Past<'p> {
    /// Batch by batch.
    Blocks(&'p [&'p Routed]),
    /// What is there now under the keys that were touched. What was there before is told by versions alone.
    Entries(&'p [(Key, Option<Entry>)]),
}

/// Whether an object was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Was {
    Not,
    Maybe,
    Held,
}

/// What one query says of an object.
#[derive(Debug)]
struct Course {
    was: Was,
    is: bool,
    /// As it is, where the query finds it.
    object: Option<Arc<Object>>,
}

/// What became of one query.
struct Turn<'s> {
    subscribed: &'s Subscribed,
    courses: BTreeMap<Key, Course>,
    passed: Passed,
}

impl Partial {
    /// All queries, in no particular order.
    pub fn all(&self) -> &[Subscribed] {
        &self.0
    }

    /// A query.
    pub fn get_mut(&mut self, number: QueryNumber) -> Option<&mut Subscribed> {
        self.0.iter_mut().find(|subscribed| subscribed.number == number)
    }

    /// Adds a query, of a number of its own.
    pub fn add(&mut self, subscribed: Subscribed) {
        self.0.push(subscribed);
    }

    /// Takes a query out.
    pub fn remove(&mut self, number: QueryNumber) -> Option<Subscribed> {
        let place = self.0.iter().position(|subscribed| subscribed.number == number)?;
        Some(self.0.swap_remove(place))
    }

    /// Whether an object is held as it is.
    pub fn holds(&self, key: &Key, object: &Object) -> bool {
        self.0.iter().any(|subscribed| subscribed.holds(key, object))
    }

    /// Whether something is held by another filter than it is to be.
    pub fn is_changing(&self) -> bool {
        self.0.iter().any(|subscribed| subscribed.earlier.is_some())
    }

    /// Every object was played that enters or leaves by other filters: what is held is as it is to be.
    pub fn has_changed(&mut self) {
        self.0.iter_mut().for_each(|subscribed| subscribed.earlier = None);
    }

    /// Goes on from `since` by what has happened. Windows that were `read` anew after it are taken as they were read.
    pub fn play(&mut self, since: Seq, past: Past<'_>, read: Vec<(QueryNumber, Window)>) -> Difference {
        let mut read: BTreeMap<QueryNumber, Window> = read.into_iter().collect();
        let held = self.0.iter_mut().filter(|subscribed| !matches!(subscribed.held, Held::Nothing));
        let turn = |subscribed: &'_ mut Subscribed| {
            let (courses, read) = (past.courses(since, subscribed), read.remove(&subscribed.number));
            let passed = subscribed.play(&courses, read);
            (courses, passed)
        };
        let played: Vec<_> = held.map(turn).collect();
        let held = self.0.iter().filter(|subscribed| !matches!(subscribed.held, Held::Nothing));
        let turns = held.zip(played).map(|(subscribed, (courses, passed))| Turn { subscribed, courses, passed });
        difference(since, &turns.collect::<Vec<_>>())
    }
}

impl Past<'_> {
    /// What has happened to the objects that a query found or finds.
    fn courses(self, since: Seq, subscribed: &Subscribed) -> BTreeMap<Key, Course> {
        match self {
            Self::Blocks(blocks) => courses_of_blocks(blocks, subscribed.route),
            Self::Entries(entries) => {
                let of_it = entries.iter().filter(|(key, _)| key.collection == subscribed.query.collection);
                let course = |(key, entry): &(Key, Option<Entry>)| (key.clone(), subscribed.course(since, key, entry));
                of_it.map(course).collect()
            }
        }
    }
}

fn courses_of_blocks(blocks: &[&Routed], route: Route) -> BTreeMap<Key, Course> {
    let mut courses = BTreeMap::<Key, Course>::new();
    for (found, touched) in blocks.iter().flat_map(|block| block.of(route)) {
        let was = if found.before { Was::Held } else { Was::Not };
        let first = || Course { was, is: false, object: None };
        let course = courses.entry(touched.key.clone()).or_insert_with(first);
        course.is = found.after;
        course.object = touched.after.clone().filter(|_| found.after);
    }
    courses
}

impl Subscribed {
    /// Whether it is a window that must be read again.
    pub fn is_short(&self) -> bool {
        matches!(&self.held, Held::Window(window) if window.is_short())
    }

    /// What is held of it already where a query takes its place that wants more objects of the same window.
    pub fn resized(&self, query: &Arc<Query>) -> Option<Held> {
        let Held::Window(window) = &self.held else { return None };
        let is_resized = Query { limit: self.query.limit, ..Query::clone(query) } == *self.query;
        let resized = window.resized(query.clone());
        (is_resized && resized.is_short()).then_some(Held::Window(resized))
    }

    fn holds(&self, key: &Key, object: &Object) -> bool {
        key.collection == self.query.collection
            && match &self.held {
                Held::Nothing => false,
                Held::All => self.query.filter.matches(&key.id, object),
                Held::Window(window) => window.has(&key.id),
            }
    }

    /// What can be said of an object from what it is now. It met the filter as it does now where none of the fields were
    /// written since that the filter looks at. Where it is to be held by another filter, it may have entered already by
    /// that: what broke off is played again.
    fn course(&self, since: Seq, key: &Key, entry: &Option<Entry>) -> Course {
        let Some(object) = entry.as_ref().and_then(Entry::live) else {
            return Course { was: Was::Maybe, is: false, object: None };
        };
        let is = self.query.filter.matches(&key.id, object);
        let is_new =
            |field: &FieldName| object.field(field.as_str()).is_some_and(|field| field.version.last.seq >= since);
        let (filter, is_unsure) = match &self.earlier {
            Some(earlier) => (earlier, object.seq() >= since),
            None => (&self.query.filter, self.query.filter.looks_at(&is_new)),
        };
        let was = match object.created().seq >= since || is_unsure {
            true => Was::Maybe,
            false if filter.matches(&key.id, object) => Was::Held,
            false => Was::Not,
        };
        Course { was, is, object: is.then(|| object.clone()) }
    }

    fn play(&mut self, courses: &BTreeMap<Key, Course>, read: Option<Window>) -> Passed {
        match (&mut self.held, read) {
            (Held::Window(window), Some(read)) => window.refill(read),
            (Held::Window(window), None) => {
                window.play(courses.iter().map(|(key, course)| (key.id.clone(), course.object.clone())).collect())
            }
            _ => Passed::default(),
        }
    }
}

impl Turn<'_> {
    /// The objects that something may have become of, as they are where that is known.
    fn concerned(&self) -> impl Iterator<Item = (Key, Option<&Arc<Object>>)> {
        let collection = &self.subscribed.query.collection;
        let key = |id: &_| Key { collection: collection.clone(), id: Clone::clone(id) };
        let passed = self.passed.entered.iter().chain(&self.passed.left);
        let passed = passed.map(move |(id, object)| (key(id), Some(object)));
        let touched = self.courses.iter().map(|(key, course)| (key.clone(), course.object.as_ref()));
        passed.chain(touched)
    }

    /// Whether the query found an object before, and whether it does now.
    fn of(&self, key: &Key, object: Option<&Arc<Object>>) -> (Was, bool) {
        let known = |was: bool| if was { Was::Held } else { Was::Not };
        if key.collection != self.subscribed.query.collection {
            return (Was::Not, false);
        }
        if let Held::Window(window) = &self.subscribed.held {
            let is = window.has(&key.id);
            let has = |rows: &[Found]| rows.iter().any(|(id, _)| *id == key.id);
            return (known(has(&self.passed.left) || is && !has(&self.passed.entered)), is);
        }
        match self.courses.get(key) {
            Some(course) => (course.was, course.is),
            None => {
                // It was not touched, or meant nothing to this query before and after.
                let is = object.is_some_and(|object| self.subscribed.query.filter.matches(&key.id, object));
                (known(is), is)
            }
        }
    }
}

fn difference(since: Seq, turns: &[Turn<'_>]) -> Difference {
    let mut difference = Difference::default();
    for (key, object) in concerned(turns) {
        let (mut was, mut is) = (Was::Not, false);
        for turn in turns {
            let of = turn.of(&key, object);
            (was, is) = (was.max(of.0), is | of.1);
        }
        match (was, is, object) {
            (was, true, Some(object)) if was < Was::Held || object.seq() >= since => {
                // One that was deleted and made anew has nothing of what it was.
                let whole = was < Was::Held || object.created().seq >= since;
                difference.changed.push(Changed { key, object: object.clone(), whole });
            }
            (Was::Maybe | Was::Held, false, _) => difference.gone.push(key),
            _ => {}
        }
    }
    difference
}

/// The objects that something may have become of, as they are now where one of the queries finds them.
fn concerned<'t>(turns: &'t [Turn<'_>]) -> BTreeMap<Key, Option<&'t Arc<Object>>> {
    let mut concerned = BTreeMap::<Key, Option<&Arc<Object>>>::new();
    for (key, object) in turns.iter().flat_map(Turn::concerned) {
        let known = concerned.entry(key).or_default();
        let is_newer = |other: &&Arc<Object>| known.is_none_or(|known| known.seq() <= other.seq());
        *known = object.filter(is_newer).or(*known);
    }
    concerned
}
