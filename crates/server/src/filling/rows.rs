//! Reading the first rows of a query: as far as they are in the order of the store, or by looking at all.

use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_core::name::Key;
use tapeline_core::query::window::Window;
use tapeline_core::query::{Direction, Found, Query};
use tapeline_log::{LogError, Pin};

use super::part::find;
use crate::limits;

/// The first rows of a query, as far as they were read.
pub(super) struct Rows {
    query: Arc<Query>,
    most: usize,
    found: Vec<Found>,
    after: Option<Key>,
}

impl Rows {
    pub(super) fn new(query: Arc<Query>) -> Self {
        // One more says whether there are more.
        let most = query.limit.unwrap_or(0) + 1;
        Self { query, most, found: Vec::new(), after: None }
    }

    /// Reads on. `None` where there is more to read.
    pub(super) fn read(&mut self, pin: &dyn Pin) -> Result<Option<Window>, LogError> {
        let in_order = self.query.order.of_ids();
        let (query, begin, mut looked_at, mut is_over) = (self.query.clone(), self.after.clone(), 0, true);
        let reverse = in_order == Some(Direction::Down);
        find(pin, &query, begin.as_ref(), reverse, &mut |key, entry| {
            if looked_at >= limits::PAGE_ENTRIES {
                is_over = false;
                return ControlFlow::Break(());
            }
            looked_at += 1;
            self.after = Some(key.clone());
            if let Some(object) = entry.live().filter(|object| query.filter.matches(&key.id, object)) {
                self.found.push((key.id.clone(), object.clone()));
            }
            match in_order.is_some() && self.found.len() >= self.most {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        self.clip();
        Ok(is_over.then(|| {
            let is_all = self.found.len() < self.most;
            Window::new(query, std::mem::take(&mut self.found), is_all)
        }))
    }

    /// Lets go of those that cannot be among the first.
    fn clip(&mut self) {
        let order = &self.query.order;
        self.found.sort_unstable_by(|a, b| order.compare((&a.0, &a.1), (&b.0, &b.1)));
        self.found.truncate(self.most);
    }
}
