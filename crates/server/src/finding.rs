//! Finding the objects of a query with as little reading as there is: under the ids that it names, through an index, or by
//! looking at all of its collection.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_core::name::{Key, ObjectId};
use tapeline_core::object::{Entry, Object};
use tapeline_core::query::index::Plan;
use tapeline_core::query::{Filter, Query};
use tapeline_log::{IndexRow, LogError, Pin};

use crate::limits;

/// Where the objects are that a query may find.
pub(crate) enum Course {
    /// Under these keys, sorted.
    Keys(VecDeque<Key>),
    /// Among all after this one.
    Scan(Option<Key>),
}

impl Course {
    /// All that a query may find, in the order of keys.
    pub(crate) fn of(pin: &dyn Pin, query: &Query) -> Result<Self, LogError> {
        let Some(ids) = ids_of(pin, query, &query.filter)? else { return Ok(Self::Scan(None)) };
        let mut keys: Vec<Key> = ids.into_iter().map(|id| key(query, id)).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(Self::Keys(keys.into()))
    }

    /// Where the objects of both are, in the order of keys.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Keys(keys), Self::Keys(others)) => {
                let mut all: Vec<Key> = keys.into_iter().chain(others).collect();
                all.sort_unstable();
                all.dedup();
                Self::Keys(all.into())
            }
            _ => Self::Scan(None),
        }
    }
}

/// The ids of all that meet a filter, and perhaps some others: those that it names, or that an index has for it, or for each
/// of several of which one must hold. `None`: looking at all is no worse.
fn ids_of(pin: &dyn Pin, query: &Query, filter: &Filter) -> Result<Option<Vec<ObjectId>>, LogError> {
    if let Some(ids) = filter.ids() {
        return Ok(Some(ids));
    }
    if let Some(ids) = indexed_ids(pin, &Query { filter: filter.clone(), limit: None, ..query.clone() })? {
        return Ok(Some(ids));
    }
    match filter {
        Filter::Any(filters) => {
            let mut all = Vec::new();
            for filter in filters {
                let Some(ids) = ids_of(pin, query, filter)? else { return Ok(None) };
                all.extend(ids);
            }
            Ok(Some(all).filter(|all| all.len() <= limits::TOUCHED_KEYS))
        }
        Filter::All(filters) => {
            let several = filters.iter().filter(|filter| matches!(filter, Filter::Any(_)));
            for filter in several {
                if let Some(ids) = ids_of(pin, query, filter)? {
                    return Ok(Some(ids));
                }
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// The ids that an index has for a query, where they are not so many that looking at all is better.
fn indexed_ids(pin: &dyn Pin, query: &Query) -> Result<Option<Vec<ObjectId>>, LogError> {
    let Some(plan) = Plan::of(query, &pin.indexes()?) else { return Ok(None) };
    let rows = pin.index_rows(&plan, None, limits::TOUCHED_KEYS + 1)?;
    let few = rows.len() <= limits::TOUCHED_KEYS;
    Ok(few.then(|| rows.into_iter().map(|row| row.id).collect()))
}

fn key(query: &Query, id: ObjectId) -> Key {
    Key { collection: query.collection.clone(), id }
}

/// Reads what a query finds through an index, in the order of the query where the index has it.
pub(crate) struct Walk {
    plan: Plan,
    after: Option<IndexRow>,
}

/// Is shown an object that a query finds. A break says that no other is needed.
pub(crate) type Show<'s> = dyn FnMut(&ObjectId, &Arc<Object>) -> ControlFlow<()> + 's;

impl Walk {
    /// Begins with the first object. `None` where no index helps.
    pub(crate) fn of(pin: &dyn Pin, query: &Query) -> Result<Option<Self>, LogError> {
        let plan = Plan::of(query, &pin.indexes()?);
        Ok(plan.map(|plan| Self { plan, after: None }))
    }

    /// Whether objects are shown in the order of the query, but for those that an index cannot tell apart.
    pub(crate) fn is_in_order(&self) -> bool {
        self.plan.in_order.is_some()
    }

    /// Looks at some rows and shows what the query finds. `false` where there is no more, or no more is needed: after a
    /// break come only those that may belong before the last one.
    pub(crate) fn go_on(&mut self, pin: &dyn Pin, query: &Query, show: &mut Show<'_>) -> Result<bool, LogError> {
        let mut is_enough = false;
        let mut looked_at = 0;
        while looked_at < limits::PAGE_ENTRIES {
            let rows = pin.index_rows(&self.plan, self.after.as_ref(), limits::KEYS_AT_ONCE)?;
            let keys: Vec<Key> = rows.iter().map(|row| key(query, row.id.clone())).collect();
            let entries = pin.entries(&keys)?;
            let is_last = rows.len() < limits::KEYS_AT_ONCE;
            looked_at += rows.len();
            for (row, entry) in rows.into_iter().zip(entries) {
                if is_enough && !self.is_beside(&row) {
                    return Ok(false);
                }
                let object = entry.as_ref().and_then(Entry::live);
                if let Some(object) = object.filter(|object| query.filter.matches(&row.id, object)) {
                    is_enough |= show(&row.id, object).is_break();
                }
                self.after = Some(row);
            }
            if is_last {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a row and the one before it may belong in either order.
    fn is_beside(&self, row: &IndexRow) -> bool {
        row.place.is_cut && self.after.as_ref().is_some_and(|after| after.place == row.place)
    }
}
