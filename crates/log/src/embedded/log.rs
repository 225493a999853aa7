//! The log's side of the contract: appends are staged and handed to the journal, reads look through memory and store.

use std::collections::BTreeMap;
use std::ops::Bound::Included;
use std::sync::Arc;

use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::event::Recorded;
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, StreamName};
use tapeline_core::numbers::{Position, Seq};

use super::journal::Waiting;
use super::journal::group::Record;
use super::load::{check_horizon, decode_row, load_row};
use super::rows::{StreamRow, Tail, table};
use super::streams::{Stream, Table};
use super::{Embedded, kept, tape};
use crate::contract::{Append, AppendError, Done, EventLog, LogError, StreamInfo, first_of};

impl EventLog for Embedded {
    fn append(&self, append: Append, done: Done) {
        self.shared.journal.wait_for_room();
        let encoded = append.batch.encode();
        let refused = match self.table(&append.stream) {
            Err(error) => Some((done, error.to_string())),
            // What is durable and cannot be written behind would only grow.
            Ok(table) if table.broken.is_some() => Some((done, "the store cannot be written".into())),
            Ok(mut table) => {
                let waiting = Waiting { append: self.stage(&mut table, append), done };
                let refused = self.shared.journal.push(waiting, &encoded).err();
                refused.map(|waiting| (waiting.done, "the log is closed".into()))
            }
        };
        if let Some((done, why)) = refused {
            done(Err(AppendError::Unknown(why)));
        }
    }

    async fn info(&self, stream: &StreamName) -> Result<Option<StreamInfo>, LogError> {
        Ok(self.table(stream)?.streams.get(stream).and_then(|found| found.info(stream)))
    }

    async fn read(&self, stream: &StreamName, from: Seq, most_bytes: usize) -> Result<EventBlock, LogError> {
        let found = self.read_here(stream, from, most_bytes)?;
        found.ok_or_else(|| LogError::Damaged {
            place: format!("store, events of stream {stream} from {from}"),
            what: "they are missing".into(),
        })
    }

    async fn replay(
        &self,
        stream: &StreamName,
        after: Position,
        most_bytes: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        self.replay_now(stream, after, most_bytes)
    }

    async fn streams(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<StreamInfo>, LogError> {
        self.streams_now(after, limit)
    }

    async fn trim(&self, stream: &StreamName, before: Seq, keep: &[Collection]) -> Result<Seq, LogError> {
        self.trim_now(stream, before, keep)
    }

    fn reclaim(&self) {
        self.shared.reclaim.ask();
        self.shared.streams.hurry(false);
    }

    async fn kept(&self, stream: &StreamName, from: Seq, most_bytes: usize) -> Result<Vec<Recorded>, LogError> {
        let table = self.table(stream)?;
        let Some(number) = table.streams.get(stream).map(|found| found.number) else { return Ok(Vec::new()) };
        drop(table);
        kept::read(&self.shared.store.snapshot(), number, from, most_bytes)
    }

    fn unapplied_streams(&self) -> Vec<StreamName> {
        let table = self.shared.streams.lock();
        let behind = table.streams.iter().filter(|(_, stream)| !stream.pending.is_empty());
        behind.map(|(name, _)| name.clone()).collect()
    }
}

impl Embedded {
    /// Decides on an append: stages it, or says why not.
    pub(super) fn stage(&self, table: &mut Table, append: Append) -> Result<Record, AppendError> {
        let Append { stream: name, incarnation, expected, batch } = append;
        let Table { streams, next_number, .. } = table;
        let position = streams.get(&name).map_or(Position::FIRST, |stream| stream.staged.position);
        if position != expected {
            return Err(AppendError::Conflict { position });
        }
        let stream = streams.entry(name.clone()).or_insert_with(|| {
            *next_number += 1;
            Stream::new(*next_number - 1, incarnation)
        });
        if !stream.continues(&batch) {
            return Err(AppendError::Conflict { position });
        }
        stream.stage(&batch);
        let (number, incarnation) = (stream.number, stream.staged.incarnation);
        Ok(Record { stream: name, number, incarnation, position: expected.next(), batch })
    }

    /// Reads events as [`read`](EventLog::read) does. `None` where they are not here: a cache may begin later than its log.
    ///
    /// # Errors
    /// Where the store cannot be read, or they were let go.
    pub fn read_here(&self, name: &StreamName, from: Seq, most_bytes: usize) -> Result<Option<EventBlock>, LogError> {
        let table = self.table(name)?;
        let Some((stream, head)) = table.streams.get(name).and_then(|stream| Some((stream, stream.durable?))) else {
            return Ok(Some(EventBlock::empty(Seq::FIRST, Chain::EMPTY)));
        };
        if from >= head.seq {
            return Ok(Some(EventBlock::empty(head.seq, head.chain)));
        }
        let number = stream.number;
        let recent = recent_batches(&table, stream, from, most_bytes);
        let stored = recent.first().is_none_or(|batch| batch.block.from() > from);
        let snapshot = self.shared.store.snapshot();
        drop(table);
        let mut found = None;
        if stored {
            let row = load_row(&snapshot, name)?;
            check_horizon(row.as_ref(), from)?;
            let tail = row.map_or(Tail::default(), |row| row.tail);
            found = tape::read_events(&snapshot, number, tail, from, most_bytes)?;
        }
        for batch in recent {
            let next = found.as_ref().map_or(from, EventBlock::end);
            if batch.block.from() <= next
                && batch.block.end() > next
                && tape::extend(&mut found, &batch.block, next, most_bytes)
            {
                break;
            }
        }
        Ok(found)
    }

    fn replay_now(&self, name: &StreamName, after: Position, most_bytes: usize) -> Result<Vec<Arc<Batch>>, LogError> {
        let table = self.table(name)?;
        let Some((stream, head)) = table.streams.get(name).and_then(|stream| Some((stream, stream.durable?))) else {
            return Ok(Vec::new());
        };
        // Positions count batches, and those in memory are the last ones.
        let all: Vec<_> = table.batches(stream).cloned().collect();
        let wanted = head.position.since(after) as usize;
        Ok(first_of(&all[all.len().saturating_sub(wanted)..], most_bytes))
    }

    fn streams_now(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<StreamInfo>, LogError> {
        let table = self.shared.streams.lock();
        let mut found = BTreeMap::new();
        for (name, stream) in table.streams.iter().filter(|(name, _)| after.is_none_or(|after| *name > after)) {
            // Those behind as many others are not copied, for as long as the lock is held.
            if found.len() < limit || found.last_key_value().is_some_and(|(last, _)| name < last) {
                found.extend(stream.info(name).map(|info| (name.clone(), info)));
            }
            if found.len() > limit {
                found.pop_last();
            }
        }
        let snapshot = self.shared.store.snapshot();
        drop(table);
        let from = after.map_or(vec![table::STREAM], StreamRow::key);
        for row in snapshot.range(Included(&from), Included(&[table::STREAM, u8::MAX])).take(limit + 1) {
            let (key, value) = row?;
            let (stream, row) = decode_row(&key, &value)?;
            if after != Some(&stream) {
                let info =
                    StreamInfo { stream: stream.clone(), head: row.head(), horizon: row.horizon.seq, bytes: row.bytes };
                found.entry(stream).or_insert(info);
            }
        }
        Ok(found.into_values().take(limit).collect())
    }
}

/// The batches in memory that have events from `from` on, as many as `most_bytes` need.
fn recent_batches(table: &Table, stream: &Stream, from: Seq, most_bytes: usize) -> Vec<Arc<Batch>> {
    let mut bytes = 0;
    let wanted = table.batches(stream).filter(|batch| batch.block.end() > from && !batch.block.is_empty());
    let enough = wanted.take_while(|batch| {
        let enough = bytes >= most_bytes;
        bytes += batch.block.bytes().len();
        !enough || bytes == batch.block.bytes().len()
    });
    enough.cloned().collect()
}
