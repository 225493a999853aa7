//! A query whose answer is kept up to date: cost follows what changed, and what is told is what changed.
//!
//! Objects that changed gather until one looks; then those that were in the answer are taken out, and those that
//! belong to it now are put in at their place. All others stay where they are in relation to each other, so that
//! places taken out and places put in tell the whole difference. Where most of all there is changes, the answer is found
//! anew and compared with what it was.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Query;
use crate::name::{Key, ObjectId};
use crate::object::{Entry, Object};

/// So many moves cost less one by one than in one pass over the rows.
const FEW: usize = 16;

/// One object of an answer.
pub type Found = (ObjectId, Arc<Object>);

/// The answer to a query, kept up to date.
#[derive(Debug)]
pub struct LiveQuery {
    query: Query,
    /// All that meet the filter, sorted, past the limit too: what comes up from behind it is known.
    /// Much of what comes, comes to one end.
    rows: VecDeque<Found>,
    /// What those that may have changed were at the last look.
    changed: FxHashMap<Key, Option<Entry>>,
    /// Whatever there is may have changed.
    anew: bool,
    looked: bool,
}

/// What became of an answer: first take out, then put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Places in the answer as it was, ascending.
    pub removed: Vec<usize>,
    /// Places in the answer as it is, ascending.
    pub inserted: Vec<usize>,
    /// What stands there.
    pub rows: Vec<Found>,
}

impl Query {
    /// All that meet the filter among objects of its collection, sorted; more than its limit, where there are.
    pub(crate) fn found<'a>(&self, objects: &mut dyn Iterator<Item = (&'a ObjectId, &'a Arc<Object>)>) -> Vec<Found> {
        let found = objects.filter(|(id, object)| self.filter.matches(id, object));
        let mut rows: Vec<Found> = found.map(|(id, object)| (id.clone(), object.clone())).collect();
        self.order.sort(&mut rows);
        rows
    }
}

impl LiveQuery {
    /// The answer among these objects of the query's collection. The first look tells all of it.
    pub fn new<'a>(query: Query, mut objects: impl Iterator<Item = (&'a ObjectId, &'a Arc<Object>)>) -> Self {
        let rows = query.found(&mut objects).into();
        Self { query, rows, changed: FxHashMap::default(), anew: false, looked: false }
    }

    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The answer as of the last look.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &Found> {
        self.rows.range(..self.shown())
    }

    /// An object of the query's collection is about to change from what it was.
    pub fn touch(&mut self, key: &Key, was: Option<Entry>) {
        if self.anew {
            return;
        }
        // Most are touched once between two looks.
        if let Some(first) = self.changed.insert(key.clone(), was) {
            self.changed.insert(key.clone(), first);
        }
    }

    /// Most objects of the query's collection are about to change.
    pub fn touch_all(&mut self) {
        self.anew = true;
        self.changed = FxHashMap::default();
    }

    /// What became of the answer since the last look, where something did. `get` tells what an object is now, `all` are those
    /// of the query's collection.
    pub fn look<'a>(
        &mut self,
        get: impl Fn(&Key) -> Option<Arc<Object>>,
        mut all: impl Iterator<Item = (&'a ObjectId, &'a Arc<Object>)>,
    ) -> Option<Moved> {
        let was_shown = if self.looked { self.shown() } else { 0 };
        let (removed, inserted) = match std::mem::take(&mut self.anew) {
            true => self.compare_with(self.query.found(&mut all)),
            false => self.take_changed(get),
        };
        let first = !std::mem::replace(&mut self.looked, true);
        let moved = match first {
            true => self.clip(0, Vec::new(), (0..self.rows.len()).collect()),
            false => self.clip(was_shown, removed, inserted),
        };
        (first || !moved.removed.is_empty() || !moved.inserted.is_empty()).then_some(moved)
    }

    fn shown(&self) -> usize {
        self.query.limit.unwrap_or(usize::MAX).min(self.rows.len())
    }

    /// Takes objects that were touched for what they are now. Answers the places of rows taken out and put in.
    fn take_changed(&mut self, get: impl Fn(&Key) -> Option<Arc<Object>>) -> (Vec<usize>, Vec<usize>) {
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (key, was) in std::mem::take(&mut self.changed) {
            let finds = |object: &Arc<Object>| self.query.filter.matches(&key.id, object);
            let was = was.as_ref().and_then(Entry::live).filter(|object| finds(object));
            let now = get(&key).filter(finds);
            let same = match (was, &now) {
                (Some(was), Some(now)) => was.has_fields_of(now),
                (was, now) => was.is_none() && now.is_none(),
            };
            if !same {
                gone.extend(was.map(|object| (key.id.clone(), object.clone())));
                new.extend(now.map(|object| (key.id, object)));
            }
        }
        self.change(&gone, new)
    }

    /// Takes all rows for these. Answers the places of those taken out and put in.
    fn compare_with(&mut self, rows: Vec<Found>) -> (Vec<usize>, Vec<usize>) {
        let was = std::mem::replace(&mut self.rows, rows.into());
        let (mut removed, mut inserted, mut place) = (Vec::new(), Vec::new(), 0);
        for (place_before, row) in was.iter().enumerate() {
            let order = |place: usize| self.rows.get(place).map(|is| self.compare(is, row));
            while order(place) == Some(Ordering::Less) {
                inserted.push(place);
                place += 1;
            }
            let stays = order(place) == Some(Ordering::Equal);
            if !stays || !self.rows[place].1.has_fields_of(&row.1) {
                removed.push(place_before);
                inserted.extend(stays.then_some(place));
            }
            place += usize::from(stays);
        }
        inserted.extend(place..self.rows.len());
        (removed, inserted)
    }

    /// Takes rows out, and puts others in. Answers the places of both, ascending.
    fn change(&mut self, gone: &[Found], mut new: Vec<Found>) -> (Vec<usize>, Vec<usize>) {
        let removed = ascending(gone.iter().filter_map(|row| self.place(row).ok()).collect());
        self.query.order.sort(&mut new);
        let inserted = if removed.len() + new.len() <= FEW {
            removed.iter().rev().for_each(|&place| drop(self.rows.remove(place)));
            new.into_iter().map(|row| self.put_in(row)).collect()
        } else {
            self.merge(&removed, new)
        };
        (removed, inserted)
    }

    fn put_in(&mut self, row: Found) -> usize {
        let place = self.place(&row).unwrap_or_else(|place| place);
        self.rows.insert(place, row);
        place
    }

    /// The same of many, in one pass over all rows.
    fn merge(&mut self, removed: &[usize], new: Vec<Found>) -> Vec<usize> {
        let was = std::mem::take(&mut self.rows);
        let (mut removed, mut new, mut inserted) = (removed.iter().peekable(), new.into_iter().peekable(), Vec::new());
        for (place, row) in was.into_iter().enumerate() {
            if removed.next_if_eq(&&place).is_some() {
                continue;
            }
            while let Some(next) = new.next_if(|next| self.compare(next, &row).is_lt()) {
                inserted.push(self.rows.len());
                self.rows.push_back(next);
            }
            self.rows.push_back(row);
        }
        for row in new {
            inserted.push(self.rows.len());
            self.rows.push_back(row);
        }
        inserted
    }

    /// What of a difference shows within the limit, and what it moves over the limit's edge.
    fn clip(&self, was_shown: usize, removed: Vec<usize>, inserted: Vec<usize>) -> Moved {
        let shown = self.shown();
        let total = self.rows.len() + removed.len() - inserted.len();
        let place_now = |was: usize| {
            let survivor = was - removed.partition_point(|&place| place < was);
            inserted.iter().fold(survivor, |now, &place| if place <= now { now + 1 } else { now })
        };
        let survives = |was: &usize| removed.binary_search(was).is_err();
        let pushed_out = (0..was_shown).rev().filter(survives).take_while(|&was| place_now(was) >= shown);
        let pulled_in = (was_shown..total).filter(survives).map(place_now).take_while(|&now| now < shown);
        let mut out: Vec<usize> = removed.iter().copied().filter(|&place| place < was_shown).collect();
        let mut into: Vec<usize> = inserted.iter().copied().filter(|&place| place < shown).collect();
        out.extend(pushed_out);
        into.extend(pulled_in);
        let (removed, inserted) = (ascending(out), ascending(into));
        let rows = inserted.iter().map(|&place| self.rows[place].clone()).collect();
        Moved { removed, inserted, rows }
    }

    fn place(&self, row: &Found) -> Result<usize, usize> {
        self.rows.binary_search_by(|other| self.compare(other, row))
    }

    fn compare(&self, a: &Found, b: &Found) -> Ordering {
        self.query.order.compare((&a.0, &a.1), (&b.0, &b.1))
    }
}

/// Sorts places. Many are in order mostly.
fn ascending(mut places: Vec<usize>) -> Vec<usize> {
    if !places.is_sorted() {
        places.sort_unstable();
    }
    places
}
