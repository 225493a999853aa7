//! Whether indexes say what the objects are.

use std::ops::Bound::{Excluded, Included};
use std::ops::ControlFlow;

use super::list::StreamIndex;
use crate::contract::LogError;
use crate::embedded::rows::StreamRow;
use crate::embedded::scan::scan;
use crate::embedded::store::{Snapshot, place_of};
use crate::pin::Part;

/// Checks that each index of a stream that can be read has each object at its place, and nothing else.
pub(in crate::embedded) fn check_indexes(snapshot: &Snapshot, row: &StreamRow) -> Result<(), LogError> {
    row.indexes.ready().try_for_each(|own| check(snapshot, row.number, own))
}

fn check(snapshot: &Snapshot, stream: u64, own: &StreamIndex) -> Result<(), LogError> {
    let damaged = |what: String| LogError::Damaged { place: place_of(&own.prefix(stream)), what };
    let (mut objects, mut missing) = (0, Ok(()));
    let part = Part { collection: Some(&own.index.collection), ..Part::default() };
    scan(snapshot, stream, &[], part, &mut |key, entry| {
        let Some(object) = entry.live() else { return ControlFlow::Continue(()) };
        objects += 1;
        let row = own.row_key(stream, &own.index.place(object), &key.id);
        missing = snapshot.get(&row).and_then(|found| {
            found
                .map(drop)
                .ok_or_else(|| damaged(format!("the object {} is not where it should be in an index", key.id)))
        });
        if missing.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    missing?;
    let rows = snapshot.keys(Included(&own.prefix(stream)), Excluded(&own.end(stream))).count();
    let what = || format!("an index has {rows} rows for {objects} objects");
    if rows == objects { Ok(()) } else { Err(damaged(what())) }
}
