//! Reading the first rows of a query: as far as they are in the order of the store or of an index, or by looking at all.

use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_core::name::{Key, ObjectId};
use tapeline_core::object::{Entry, Object};
use tapeline_core::query::window::Window;
use tapeline_core::query::{Direction, Found, Query};
use tapeline_log::{LogError, Part, Pin};

use crate::finding::{Course, Walk};
use crate::limits;

/// The first rows of a query, as far as they were read.
pub(super) struct Rows {
    query: Arc<Query>,
    most: usize,
    found: Vec<Found>,
    way: Option<Way>,
}

/// How they are read.
enum Way {
    /// Through an index.
    Walk(Walk),
    /// Under their keys.
    Keys(Vec<Key>),
    /// Among all after this one.
    Scan(Option<Key>),
}

impl Rows {
    pub(super) fn new(query: Arc<Query>) -> Self {
        // One more says whether there are more.
        let most = query.limit.unwrap_or(0) + 1;
        Self { query, most, found: Vec::new(), way: None }
    }

    /// Reads on. `None` where there is more to read.
    pub(super) fn read(&mut self, pin: &dyn Pin) -> Result<Option<Window>, LogError> {
        let mut way = match self.way.take() {
            Some(way) => way,
            None => self.find_way(pin)?,
        };
        let has_more = match &mut way {
            Way::Walk(walk) => self.walk(pin, walk)?,
            Way::Keys(keys) => self.look_up(pin, keys)?,
            Way::Scan(after) => self.scan(pin, after)?,
        };
        self.clip();
        if has_more {
            self.way = Some(way);
            return Ok(None);
        }
        let is_all = self.found.len() < self.most;
        Ok(Some(Window::new(self.query.clone(), std::mem::take(&mut self.found), is_all)))
    }

    fn find_way(&self, pin: &dyn Pin) -> Result<Way, LogError> {
        if let Some(walk) = Walk::of(pin, &self.query)? {
            return Ok(Way::Walk(walk));
        }
        Ok(match Course::of(pin, &self.query)? {
            Course::Keys(keys) => Way::Keys(keys.into()),
            Course::Scan(after) => Way::Scan(after),
        })
    }

    fn walk(&mut self, pin: &dyn Pin, walk: &mut Walk) -> Result<bool, LogError> {
        let (query, is_in_order) = (self.query.clone(), walk.is_in_order());
        walk.go_on(pin, &query, &mut |id, object| {
            self.found.push((id.clone(), object.clone()));
            if is_in_order && self.found.len() >= self.most {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    fn look_up(&mut self, pin: &dyn Pin, keys: &[Key]) -> Result<bool, LogError> {
        for (key, entry) in keys.iter().zip(pin.entries(keys)?) {
            self.look(&key.id, entry.as_ref().and_then(Entry::live));
        }
        Ok(false)
    }

    fn scan(&mut self, pin: &dyn Pin, after: &mut Option<Key>) -> Result<bool, LogError> {
        let in_order = self.query.order.of_ids();
        let (query, begin, mut looked_at, mut has_more) = (self.query.clone(), after.clone(), 0, false);
        let reverse = in_order == Some(Direction::Down);
        let part = Part { collection: Some(&query.collection), after: begin.as_ref(), reverse };
        pin.scan(part, &mut |key, entry| {
            if looked_at >= limits::PAGE_ENTRIES {
                has_more = true;
                return ControlFlow::Break(());
            }
            looked_at += 1;
            *after = Some(key.clone());
            self.look(&key.id, entry.live());
            match in_order.is_some() && self.found.len() >= self.most {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        Ok(has_more)
    }

    fn look(&mut self, id: &ObjectId, object: Option<&Arc<Object>>) {
        if let Some(object) = object.filter(|object| self.query.filter.matches(id, object)) {
            self.found.push((id.clone(), object.clone()));
        }
    }

    /// Lets go of those that cannot be among the first.
    fn clip(&mut self) {
        let order = &self.query.order;
        self.found.sort_unstable_by(|a, b| order.compare((&a.0, &a.1), (&b.0, &b.1)));
        self.found.truncate(self.most);
    }
}
