//! Builds what was declared after a stream was there, and lets go what is no longer declared: all streams once, some
//! rows at a time, between what else the flusher does.

use std::ops::Bound::{Excluded, Included};
use std::ops::ControlFlow;

use tapeline_core::name::StreamName;
use tapeline_core::query::index::Index;

use super::list::{Indexes, Stage, StreamIndex};
use crate::contract::LogError;
use crate::embedded::load::decode_row;
use crate::embedded::rows::{Row, StreamRow, table};
use crate::embedded::scan::scan;
use crate::embedded::store::Snapshot;
use crate::limits;
use crate::pin::Part;

/// How far the streams were looked through.
#[derive(Default)]
pub(in crate::embedded) struct Building {
    /// All before this one, in the order of their keys, have what is declared.
    from: Option<Vec<u8>>,
    is_over: bool,
}

/// What is to be written in one step.
pub(in crate::embedded) struct Step {
    /// Of which stream.
    pub(in crate::embedded) number: u64,
    pub(in crate::embedded) rows: Vec<Row>,
}

impl Building {
    /// Whether all streams have what is declared.
    pub(in crate::embedded) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The next step. `None`: there is nothing to write yet, or never.
    pub(in crate::embedded) fn next(
        &mut self,
        snapshot: &Snapshot,
        declared: &[Index],
    ) -> Result<Option<Step>, LogError> {
        let from = self.from.take().unwrap_or_else(|| vec![table::STREAM]);
        for (looked_at, row) in snapshot.range(Included(&from), Excluded(&[table::STREAM + 1])).enumerate() {
            let (key, value) = row?;
            if looked_at == limits::INDEXED_AT_ONCE {
                self.from = Some(key.to_vec());
                return Ok(None);
            }
            let (name, mut row) = decode_row(&key, &value)?;
            row.indexes.follow(declared);
            if !row.indexes.is_settled() {
                self.from = Some(key.to_vec());
                return step(snapshot, &name, row).map(Some);
            }
        }
        self.is_over = true;
        Ok(None)
    }
}

/// Some rows of one of the indexes of a stream, and how far it is then.
fn step(snapshot: &Snapshot, name: &StreamName, mut row: StreamRow) -> Result<Step, LogError> {
    let (number, mut rows) = (row.number, Vec::new());
    let Indexes(all) = &mut row.indexes;
    if let Some(place) = all.iter().position(|own| own.stage != Stage::Ready) {
        let is_gone = match all[place].stage {
            Stage::Going => !let_go(snapshot, number, &all[place], &mut rows)?,
            _ => {
                build(snapshot, number, &mut all[place], &mut rows)?;
                false
            }
        };
        if is_gone {
            all.remove(place);
        }
    }
    rows.push((StreamRow::key(name).into(), Some(row.encode().into())));
    Ok(Step { number, rows })
}

/// Puts the next objects into an index.
fn build(snapshot: &Snapshot, number: u64, own: &mut StreamIndex, rows: &mut Vec<Row>) -> Result<(), LogError> {
    let Stage::Building(last) = &own.stage else { return Ok(()) };
    let after = last.clone().map(|id| own.key_of(id));
    let (mut last, mut looked_at, mut is_over) = (None, 0, true);
    let part = Part { collection: Some(&own.index.collection), after: after.as_ref(), reverse: false };
    scan(snapshot, number, &[], part, &mut |key, entry| {
        if looked_at == limits::INDEXED_AT_ONCE {
            is_over = false;
            return ControlFlow::Break(());
        }
        looked_at += 1;
        last = Some(key.id.clone());
        rows.extend(entry.live().map(|object| own.row(number, &own.index.place(object), &key.id)));
        ControlFlow::Continue(())
    })?;
    own.stage = if is_over { Stage::Ready } else { Stage::Building(last) };
    Ok(())
}

/// Lets the next rows of an index go. Answers whether there were any.
fn let_go(snapshot: &Snapshot, number: u64, own: &StreamIndex, rows: &mut Vec<Row>) -> Result<bool, LogError> {
    let (start, end) = (own.prefix(number), own.end(number));
    for key in snapshot.keys(Included(&start), Excluded(&end)).take(limits::INDEXED_AT_ONCE) {
        rows.push((key?, None));
    }
    Ok(!rows.is_empty())
}
