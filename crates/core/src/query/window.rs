//! Windows: the first so many objects of a query, kept as objects change by somebody who knows no others.
//!
//! What is known is always a beginning of the whole answer. Where rows went and others may stand behind those that are
//! left, the window is short, and has to be read again.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Found, Query};
use crate::name::ObjectId;
use crate::object::Object;

/// The first objects of a query.
#[derive(Clone, Debug)]
pub struct Window {
    query: Arc<Query>,
    /// Sorted, at most as many as the query wants.
    rows: Vec<Found>,
    /// Whether no other objects meet the filter.
    is_all: bool,
}

/// Objects that came into a window and went out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Those that came in.
    pub entered: Vec<Found>,
    /// Those that went out, as they were.
    pub left: Vec<Found>,
}

impl Window {
    /// The window of a query on these objects, which all meet its filter, and of which there are more that come after
    /// them or not.
    pub fn new(query: Arc<Query>, rows: Vec<Found>, is_all: bool) -> Self {
        let mut window = Self { query, rows, is_all };
        window.query.order.sort(&mut window.rows);
        window.clip();
        window
    }

    /// As much of the same window as one of another size has.
    pub fn resized(&self, query: Arc<Query>) -> Self {
        Self::new(query, self.rows.clone(), self.is_all)
    }

    /// The query.
    pub fn query(&self) -> &Arc<Query> {
        &self.query
    }

    /// Its objects, in order.
    pub fn rows(&self) -> &[Found] {
        &self.rows
    }

    /// Whether it has an object.
    pub fn has(&self, id: &ObjectId) -> bool {
        self.rows.iter().any(|(known, _)| known == id)
    }

    /// Whether there may be objects that belong into it and are not known.
    pub fn is_short(&self) -> bool {
        !self.is_all && self.rows.len() < self.most()
    }

    /// Lets objects change, each told once: as it is now where it meets the filter.
    pub fn play(&mut self, touched: Vec<(ObjectId, Option<Arc<Object>>)>) -> Passed {
        let mut was = None;
        for (id, _) in &touched {
            if let Some(place) = self.rows.iter().position(|(known, _)| known == id) {
                was.get_or_insert_with(|| self.rows.clone());
                self.rows.remove(place);
            }
        }
        let knows_some = !self.rows.is_empty();
        for row in touched.into_iter().filter_map(|(id, now)| Some((id, now?))) {
            let place = self.rows.partition_point(|other| self.comes_before(other, &row));
            // Behind the last that is known there may be others before it.
            if self.is_all || knows_some && place < self.rows.len() {
                was.get_or_insert_with(|| self.rows.clone());
                self.rows.insert(place, row);
            }
        }
        self.clip();
        was.map_or_else(Passed::default, |was| passed(was, &self.rows))
    }

    /// Takes what was read of the query anew.
    pub fn refill(&mut self, anew: Self) -> Passed {
        let was = std::mem::replace(self, anew).rows;
        passed(was, &self.rows)
    }

    fn clip(&mut self) {
        let most = self.most();
        self.is_all &= self.rows.len() <= most;
        self.rows.truncate(most);
    }

    fn most(&self) -> usize {
        self.query.limit.unwrap_or(usize::MAX)
    }

    fn comes_before(&self, a: &Found, b: &Found) -> bool {
        self.query.order.compare((&a.0, &a.1), (&b.0, &b.1)).is_lt()
    }
}

fn passed(was: Vec<Found>, is: &[Found]) -> Passed {
    let before: FxHashSet<&ObjectId> = was.iter().map(|(id, _)| id).collect();
    let entered = is.iter().filter(|(id, _)| !before.contains(id)).cloned().collect();
    let after: FxHashSet<&ObjectId> = is.iter().map(|(id, _)| id).collect();
    let left = was.iter().filter(|(id, _)| !after.contains(id)).cloned().collect();
    Passed { entered, left }
}
