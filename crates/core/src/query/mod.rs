//! Queries: which objects of a collection, in which order, and how many of them.
//!
//! A query is written as a value, so that it reads the same in every language and on the wire:
//!
//! ```text
//! { collection: "tasks",
//!   where:      { done: false, priority: { ge: 2 }, or: [{ owner: "ana" }, { owner: { exists: false } }] },
//!   orderBy:    ["-priority", "title"],
//!   limit:      50,
//!   with:       { owner: "people" } }
//! ```
//!
//! `with` is for replicas that hold a part of a stream: what the fields refer to in other collections, by id or by a list of
//! ids, is held too.
//!
//! `filter` says which objects, `order` how values compare, `live` keeps the answer up to date as objects change,
//! `routing` finds the queries that an object concerns, `window` keeps the first objects of a query, `index` finds them
//! where they are sorted already, `written` makes their values, `told` is what no value says.

mod filter;
pub mod index;
mod live;
pub(crate) mod order;
pub mod partial;
pub mod routing;
mod told;
pub mod window;
mod written;

use std::sync::Arc;

use crate::limits;
use crate::name::{Collection, FieldName, NameError, ObjectId};
use crate::object::Object;
use crate::value::Value;

pub use filter::{Filter, Test};
pub use live::{Found, LiveQuery, Moved};
pub use order::{Direction, Order, compare};
pub use told::Told;

/// Which objects are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Of which collection.
    pub collection: Collection,
    /// Which of its objects.
    pub filter: Filter,
    /// In which order; ties are in the order of their ids.
    pub order: Order,
    /// How many at most.
    pub limit: Option<usize>,
    /// Fields that refer to objects, and the collections of those: they are held with the rows. They say nothing of which
    /// rows there are.
    pub with: Vec<(FieldName, Collection)>,
}

/// Why a value is not a query. Asking again gives the same answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The value has another shape.
    #[error("{what} is {wanted}")]
    Shape {
        /// Which part.
        what: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// A part that no query has.
    #[error("a query has no \"{0}\"; it has collection, where, orderBy, limit and with")]
    UnknownPart(String),
    /// A comparison that there is not.
    #[error(
        "there is no comparison \"{0}\"; there are eq, ne, lt, le, gt, ge, in, contains, prefix and exists \
         (to compare with a map, write {{eq: …}})"
    )]
    UnknownComparison(String),
    /// The query is too large.
    #[error("the query has more than {} conditions, or nests too deep: ask for less at once", limits::QUERY_CONDITIONS)]
    TooLarge,
    /// A name in it is not one.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Query {
    /// All objects of a collection.
    pub fn all(collection: Collection) -> Self {
        Self { collection, filter: Filter::Everything, order: Order::default(), limit: None, with: Vec::new() }
    }

    /// The answer among these objects of its collection.
    pub fn find<'a>(&self, mut objects: impl Iterator<Item = (&'a ObjectId, &'a Arc<Object>)>) -> Vec<Found> {
        let mut found = self.found(&mut objects);
        found.truncate(self.limit.unwrap_or(usize::MAX));
        found
    }

    /// Reads a query.
    ///
    /// # Errors
    /// Where the value is none; the message says what to write instead.
    pub fn from_value(value: &Value) -> Result<Self, QueryError> {
        let shape = |what, wanted| QueryError::Shape { what, wanted };
        let Value::Map(parts) = value else { return Err(shape("a query", "a map with at least a collection")) };
        let collection = parts.get("collection").and_then(Value::as_text);
        let mut query = Self::all(Collection::new(collection.ok_or(shape("collection", "a name"))?)?);
        for (part, value) in parts.iter().filter(|(_, value)| **value != Value::Null) {
            match part.as_str() {
                "collection" => {}
                "where" => query.filter = Filter::from_value(value)?,
                "orderBy" => query.order = Order::from_value(value)?,
                "limit" => {
                    let limit = value.as_int().and_then(|limit| usize::try_from(limit).ok());
                    query.limit = Some(limit.ok_or(shape("limit", "a whole number, 0 or more"))?);
                }
                "with" => query.with = read_with(value)?,
                other => return Err(QueryError::UnknownPart(other.into())),
            }
        }
        Ok(query)
    }
}

fn read_with(value: &Value) -> Result<Vec<(FieldName, Collection)>, QueryError> {
    let shape = QueryError::Shape { what: "with", wanted: "a map of fields to the collections that they refer to" };
    let Value::Map(fields) = value else { return Err(shape) };
    let mut with = Vec::new();
    for (field, collection) in fields.iter() {
        let Some(collection) = collection.as_text() else { return Err(shape) };
        with.push((FieldName::new(field)?, Collection::new(collection)?));
    }
    Ok(with)
}
