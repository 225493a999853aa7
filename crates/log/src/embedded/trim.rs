//! Letting the oldest events of a stream go.
//!
//! Whole segments go, with their indexes, and the tombstones of what was deleted in them: all in one write that also says
//! where the stream now begins. What goes is worked out beside the flusher; the flusher, which alone writes these rows,
//! looks again at what may have changed meanwhile. A long trim is cut into steps, each whole in itself.

use std::ops::Range;

use lsm_tree::Slice;
use tapeline_core::block::EventBlock;
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, Key, StreamName};
use tapeline_core::numbers::Seq;
use tapeline_core::object::Entry;

use super::index::read_index;
use super::load::{get, load_row};
use super::pin::load_entry;
use super::rows::{Horizon, Row, StreamRow, entry_key, events_key, table};
use super::store::{Snapshot, place_of};
use super::streams::Request;
use super::{Embedded, kept, tape};
use crate::contract::LogError;
use crate::limits;
use crate::pin::Touched;
use crate::touches::Touches;

/// One step of a trim.
pub(super) struct Trim {
    pub(super) stream: StreamName,
    pub(super) number: u64,
    /// Where the stream begins after it.
    pub(super) horizon: Horizon,
    /// Bytes of the values that go.
    pub(super) freed: u64,
    gone: Vec<Slice>,
    /// What was deleted before the horizon, as far as is known.
    deleted: Vec<Key>,
    kept: Vec<Row>,
}

impl Embedded {
    pub(super) fn trim_now(&self, name: &StreamName, before: Seq, keep: &[Collection]) -> Result<Seq, LogError> {
        self.write_out(name)?;
        loop {
            let snapshot = self.shared.store.snapshot();
            let Some(row) = load_row(&snapshot, name)? else { return Ok(Seq::FIRST) };
            let Some(trim) = Trim::plan(&snapshot, name, &row, before, keep)? else { return Ok(row.horizon.seq) };
            self.request(Request::Trim(trim))?;
        }
    }

    /// The events of a stream that its log has and a cache does not, which has begun from a snapshot.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn lacks(&self, name: &StreamName) -> Result<Range<Seq>, LogError> {
        self.write_out(name)?;
        let snapshot = self.shared.store.snapshot();
        let Some(row) = load_row(&snapshot, name)? else { return Ok(Seq::FIRST..Seq::FIRST) };
        let first = tape::starts(&snapshot, table::SEGMENT, row.number, Seq::FIRST)?.next().transpose()?;
        Ok(row.horizon.seq..first.unwrap_or(row.tail.from))
    }

    /// Lets go events that a cache lacks as it would have if it had them: the next ones after those that are gone.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn pass(&self, name: &StreamName, block: &EventBlock, keep: &[Collection]) -> Result<(), LogError> {
        let snapshot = self.shared.store.snapshot();
        let Some(row) = load_row(&snapshot, name)?.filter(|row| row.horizon.seq == block.from()) else {
            return Err(LogError::Storage(format!("stream {name} does not begin at {} any more", block.from())));
        };
        let mut trim = Trim::new(name, row.number, Horizon { seq: block.end(), chain: block.after() });
        let mut touches = Touches::new(usize::MAX);
        trim.look(block, &mut touches, keep)?;
        trim.forget_deleted(&snapshot, touches)?;
        self.request(Request::Trim(trim))
    }
}

impl Trim {
    fn new(name: &StreamName, number: u64, horizon: Horizon) -> Self {
        let (gone, deleted, kept) = Default::default();
        Self { stream: name.clone(), number, horizon, freed: 0, gone, deleted, kept }
    }

    /// Works out a step. `None` where nothing is to go.
    fn plan(
        snapshot: &Snapshot,
        name: &StreamName,
        row: &StreamRow,
        before: Seq,
        keep: &[Collection],
    ) -> Result<Option<Self>, LogError> {
        let bounds = bounds(snapshot, row, before)?;
        let Some((&end, going)) = bounds.split_last().filter(|(_, going)| !going.is_empty()) else { return Ok(None) };
        let horizon = Horizon { seq: end, chain: chain_at(snapshot, row, end)? };
        let mut trim = Self::new(name, row.number, horizon);
        for &from in going {
            trim.let_go(snapshot, from, keep)?;
        }
        Ok(Some(trim))
    }

    fn let_go(&mut self, snapshot: &Snapshot, from: Seq, keep: &[Collection]) -> Result<(), LogError> {
        let segment_key = events_key(table::SEGMENT, self.number, from);
        let index_key = events_key(table::INDEX, self.number, from);
        let index = snapshot.get(&index_key)?;
        let mut touches = Touches::new(usize::MAX);
        let indexed = index.as_ref().and_then(|index| read_index(index, &mut touches)).is_some();
        if !indexed || keep.iter().any(|collection| touches.has(collection)) {
            let segment = get(snapshot, &segment_key, tape::decode)?;
            let segment = segment.ok_or_else(|| missing(&segment_key))?;
            self.look(&segment, &mut touches, keep)?;
        }
        self.forget_deleted(snapshot, touches)?;
        self.freed += snapshot.size(&segment_key)?;
        self.gone.push(segment_key.into());
        self.gone.extend(index.map(|_| index_key.into()));
        Ok(())
    }

    /// Looks through events that go for what they touch, and what is kept of them.
    fn look(&mut self, events: &EventBlock, touches: &mut Touches, keep: &[Collection]) -> Result<(), LogError> {
        // What is no event has no keys, and is not kept.
        drop(touches.add_block(events, Seq::FIRST));
        self.kept.extend(kept::row(self.number, events, keep)?);
        Ok(())
    }

    fn forget_deleted(&mut self, snapshot: &Snapshot, touches: Touches) -> Result<(), LogError> {
        let Touched::Keys(keys) = touches.done() else { return Ok(()) };
        for key in keys {
            if is_deleted(snapshot, self.number, &key, self.horizon.seq)? {
                self.deleted.push(key);
            }
        }
        Ok(())
    }

    /// The rows to write. `None` where somebody else has trimmed as far.
    pub(super) fn rows(self, snapshot: &Snapshot) -> Result<Option<Vec<Row>>, LogError> {
        let row = load_row(snapshot, &self.stream)?;
        let Some(row) = row.filter(|row| row.number == self.number && row.horizon.seq < self.horizon.seq) else {
            return Ok(None);
        };
        let mut rows = self.kept;
        rows.extend(self.gone.into_iter().map(|key| (key, None)));
        for key in self.deleted {
            if is_deleted(snapshot, self.number, &key, self.horizon.seq)? {
                rows.push((entry_key(self.number, &key).into(), None));
            }
        }
        let row = StreamRow { horizon: self.horizon, ..row };
        rows.push((StreamRow::key(&self.stream).into(), Some(row.encode().into())));
        Ok(Some(rows))
    }
}

/// Where the segments begin that go in this step, and where the last of them ends.
fn bounds(snapshot: &Snapshot, row: &StreamRow, before: Seq) -> Result<Vec<Seq>, LogError> {
    let starts = tape::starts(snapshot, table::SEGMENT, row.number, row.horizon.seq)?;
    let mut bounds = starts.take(limits::TRIM_SEGMENTS + 1).collect::<Result<Vec<_>, _>>()?;
    if bounds.len() <= limits::TRIM_SEGMENTS {
        bounds.push(row.tail.from);
    }
    bounds.retain(|bound| *bound <= before);
    Ok(bounds)
}

fn chain_at(snapshot: &Snapshot, row: &StreamRow, seq: Seq) -> Result<Chain, LogError> {
    if seq == row.state.head {
        return Ok(row.state.chain);
    }
    let next = tape::read_events(snapshot, row.number, row.tail, seq, 0)?;
    next.map(|next| next.before()).ok_or_else(|| missing(&events_key(table::SEGMENT, row.number, seq)))
}

/// Whether the store has the tombstone of something that was deleted before an event.
fn is_deleted(snapshot: &Snapshot, number: u64, key: &Key, before: Seq) -> Result<bool, LogError> {
    let entry = load_entry(snapshot, number, key)?;
    Ok(entry.is_some_and(|entry| matches!(entry, Entry::Tombstone(_)) && entry.version().last.seq < before))
}

fn missing(key: &[u8]) -> LogError {
    LogError::Damaged { place: place_of(key), what: "the events are missing".into() }
}
