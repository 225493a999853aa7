//! Queries as they are written, for who makes one rather than reads it.

use super::Query;
use crate::name::{Collection, ObjectId};
use crate::value::{Entries, Value};

impl Query {
    /// The query for all of a collection.
    pub(crate) fn value_of_all(collection: &Collection) -> Value {
        map(vec![("collection", Value::text(collection.as_str()))])
    }

    /// The query for objects by their ids.
    pub fn value_of_ids<'a>(collection: &Collection, ids: impl Iterator<Item = &'a ObjectId>) -> Value {
        let ids = Value::List(ids.map(|id| Value::text(id.to_string())).collect());
        let by_id = map(vec![("id", map(vec![("in", ids)]))]);
        map(vec![("collection", Value::text(collection.as_str())), ("where", by_id)])
    }

    /// The same query for so many objects.
    pub(crate) fn value_with_limit(query: &Value, limit: usize) -> Value {
        let Value::Map(parts) = query else { return query.clone() };
        let others = parts.iter().filter(|(name, _)| name.as_str() != "limit");
        let mut parts: Vec<_> = others.map(|(name, value)| (name.as_str(), value.clone())).collect();
        parts.push(("limit", Value::Int(i64::try_from(limit).unwrap_or(i64::MAX))));
        map(parts)
    }
}

/// A map of parts, each of which is there once.
fn map(parts: Vec<(&str, Value)>) -> Value {
    let parts = parts.into_iter().map(|(name, value)| (name.into(), value));
    Value::Map(Entries::new(parts.collect()).expect("each part once"))
}
