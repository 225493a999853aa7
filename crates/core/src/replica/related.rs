//! Holding what the rows of a query refer to: queries by ids, which follow the rows as those come, change and go.
//!
//! What is recorded counts: an edit that is pending moves nothing yet, as it may be refused. The ids are spread over a few
//! queries by what they are. Where one comes or goes, the query that it belongs to makes way for another, and only what
//! that finds is sent again.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::Replica;
use crate::limits;
use crate::name::ObjectId;
use crate::numbers::QueryNumber;
use crate::query::{Found, Query};
use crate::value::Value;

impl Replica {
    /// Follows the rows of all queries that want it, as something came; or only of those that lack room, as there is some.
    pub(super) fn follow_all(&mut self, lacking: bool) {
        let followed = self.part.as_ref().map(|part| part.followed(lacking)).unwrap_or_default();
        followed.into_iter().for_each(|number| self.follow(number));
    }

    /// Holds what the rows of a query refer to now, and no more what they referred to before. Where there are too many
    /// queries for that, it is tried again as soon as one goes.
    pub(super) fn follow(&mut self, number: QueryNumber) {
        let Some(query) = self.query(number).filter(|query| !query.with.is_empty()) else { return };
        let (mut related, mut lacks) = (Vec::new(), false);
        for query in self.related(query) {
            match self.subscribe(&query) {
                Ok(query) => related.push(query),
                Err(_) => lacks = true,
            }
        }
        let Some(part) = &mut self.part else { return };
        let before = part.relate(number, related, lacks);
        // What is wanted still was held twice until here.
        self.release(before);
    }

    /// The queries that find what the rows of a query refer to.
    fn related(&self, query: &Query) -> Vec<Value> {
        let (rows, mut related) = (self.first_of(query), Vec::new());
        for (field, collection) in &query.with {
            for mut ids in spread(&rows, field.as_str()) {
                ids.sort_unstable();
                ids.dedup();
                ids.truncate(limits::RELATED_OBJECTS);
                if !ids.is_empty() {
                    related.push(Query::value_of_ids(collection, ids.iter()));
                }
            }
        }
        related
    }
}

/// What rows refer to in a field, for each query.
fn spread(rows: &[Found], field: &str) -> [Vec<ObjectId>; limits::RELATED_QUERIES] {
    let mut queries = <[Vec<ObjectId>; limits::RELATED_QUERIES]>::default();
    for (_, row) in rows {
        for id in row.get(field).unwrap_or(&Value::Null).ids() {
            queries[FxBuildHasher.hash_one(&id) as usize % limits::RELATED_QUERIES].push(id);
        }
    }
    queries
}
