//! The first of many objects in some order, without ever holding more than those.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use tapeline_core::name::Key;
use tapeline_core::object::Object;
use tapeline_core::query::Order;

use crate::limits;

/// The first `limit` of the objects that were shown.
pub(super) struct First<'o> {
    order: &'o Order,
    limit: usize,
    /// The last of them on top.
    rows: BinaryHeap<Row<'o>>,
    bytes: usize,
}

struct Row<'o> {
    order: &'o Order,
    key: Key,
    object: Arc<Object>,
}

/// They take more bytes than there may be in memory for one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooLarge;

impl<'o> First<'o> {
    pub(super) fn new(order: &'o Order, limit: usize) -> Self {
        Self { order, limit, rows: BinaryHeap::new(), bytes: 0 }
    }

    /// Shows one more object.
    pub(super) fn show(&mut self, key: &Key, object: &Arc<Object>) -> Result<(), TooLarge> {
        let is_behind = |last: &Row<'_>| self.order.compare((&key.id, object), (&last.key.id, &last.object)).is_gt();
        if self.rows.len() == self.limit && self.rows.peek().is_none_or(is_behind) {
            return Ok(());
        }
        self.bytes += object.estimated_bytes();
        self.rows.push(Row { order: self.order, key: key.clone(), object: object.clone() });
        if self.rows.len() > self.limit {
            self.bytes -= self.rows.pop().map_or(0, |row| row.object.estimated_bytes());
        }
        if self.bytes > limits::SORTED_BYTES { Err(TooLarge) } else { Ok(()) }
    }

    /// All of them in their order.
    pub(super) fn into_sorted(self) -> impl Iterator<Item = (Key, Arc<Object>)> {
        self.rows.into_sorted_vec().into_iter().map(|row| (row.key, row.object))
    }
}

impl Ord for Row<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.compare((&self.key.id, &self.object), (&other.key.id, &other.object))
    }
}

impl PartialOrd for Row<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Row<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Row<'_> {}
