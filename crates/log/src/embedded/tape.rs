//! How the store keeps the events of a stream: runs of the newest ones as they came, and sealed segments of the rest.
//!
//! ```text
//! run      = chain-before:8 block                          one row for what one flush brought
//! segment  = check:8 chain-before:8 length:4 form:1 zstd   1,024 to 4,096 events, or 256 KB to 1 MB of them
//! ```
//!
//! `check` is the xxh3 of what follows it, `length` that of what was compressed, `form` says what that is: 0 the block,
//! 1 its thin form (see `thin`). When runs are enough for a segment they are sealed: the segment is written and the runs
//! are deleted, in one batch.

use std::borrow::Cow;
use std::ops::Bound::Included;
use std::sync::Arc;

use lsm_tree::Slice;
use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::hash::Chain;
use tapeline_core::numbers::Seq;
use xxhash_rust::xxh3::xxh3_64;

use super::index::index_of;
use super::rows::{Row, Tail, events_key, prefix, read_events_key, table};
use super::store::{Rows, Snapshot, place_of};
use super::thin;
use crate::contract::LogError;
use crate::limits;

const RUN_HEADER: usize = 8;
const SEGMENT_HEADER: usize = 21;
const WHOLE: u8 = 0;
const THIN: u8 = 1;

/// Puts down the rows that bring the events of some batches behind a stream's tail. Answers the tail after them.
pub(super) fn write_events<'b>(
    rows: &mut Vec<Row>,
    snapshot: &Snapshot,
    number: u64,
    tail: Tail,
    batches: impl Iterator<Item = &'b Arc<Batch>>,
) -> Result<Tail, LogError> {
    let mut blocks = batches.map(|batch| &batch.block).filter(|block| !block.is_empty());
    let Some(first) = blocks.next() else { return Ok(tail) };
    let mut new = Cow::Borrowed(first);
    blocks.for_each(|block| new.to_mut().append(block));
    let bytes = tail.bytes + new.bytes().len() as u64;
    if new.end().since(tail.from) < limits::SEGMENT_EVENTS && bytes < limits::SEGMENT_BYTES {
        write_run(rows, number, &new);
        return Ok(Tail { from: tail.from, bytes });
    }
    let new = new.into_owned();
    let (whole, runs) = join_runs(snapshot, number, tail, new)?;
    let tail = seal(rows, number, &whole)?;
    // What is left over may stand where a run stood: a key stands in a batch once.
    let left = events_key(table::TAIL, number, tail.from);
    rows.extend(runs.into_iter().filter(|key| **key != *left).map(|key| (key, None)));
    Ok(tail)
}

/// The events of a stream with this tail from `from` on, as many as `most_bytes` take. `None` where the store does not have
/// the first.
pub(super) fn read_events(
    snapshot: &Snapshot,
    number: u64,
    tail: Tail,
    from: Seq,
    most_bytes: usize,
) -> Result<Option<EventBlock>, LogError> {
    let mut found: Option<EventBlock> = None;
    // No segment is unpacked for events of the tail.
    let tables: &[u8] = if from < tail.from { &[table::SEGMENT, table::TAIL] } else { &[table::TAIL] };
    for &table in tables {
        for block in blocks(snapshot, table, number, from)? {
            let block = block?;
            let next = found.as_ref().map_or(from, EventBlock::end);
            if block.end() <= next {
                continue;
            }
            if block.from() > next && found.is_none() {
                return Ok(None);
            }
            if block.from() > next {
                return Err(gap(number, next, block.from()));
            }
            if extend(&mut found, &block, next, most_bytes) {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// Whether the events of a stream from `from` on are all here, as far as they are in the store: a cache may begin later.
pub(super) fn goes_back_to(snapshot: &Snapshot, number: u64, from: Seq) -> Result<bool, LogError> {
    for table in [table::SEGMENT, table::TAIL] {
        let first = starts(snapshot, table, number, from)?.next().transpose()?;
        if first.is_some_and(|first| first <= from) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Appends what fits of a block, from `next` on. Answers whether nothing more fits.
pub(super) fn extend(found: &mut Option<EventBlock>, block: &EventBlock, next: Seq, most_bytes: usize) -> bool {
    let Some(found) = found else {
        let part = block.slice(next, most_bytes);
        let full = part.end() < block.end();
        *found = Some(part);
        return full;
    };
    let room = most_bytes.saturating_sub(found.bytes().len());
    let part = block.slice(next, room);
    if part.bytes().len() > room {
        return true;
    }
    found.append(&part);
    part.end() < block.end()
}

/// All blocks of a stream in one table, from the one that has `from`.
pub(super) fn blocks(
    snapshot: &Snapshot,
    table: u8,
    number: u64,
    from: Seq,
) -> Result<impl Iterator<Item = Result<EventBlock, LogError>> + use<>, LogError> {
    Ok(rows(snapshot, table, number, from)?.map(|row| {
        let (key, value) = row?;
        decode(&key, &value)
    }))
}

/// The rows of a stream in one table, from the one that has `from`.
pub(super) fn rows(snapshot: &Snapshot, table: u8, number: u64, from: Seq) -> Result<impl Rows + use<>, LogError> {
    let (first, most) = range_from(snapshot, table, number, from)?;
    Ok(snapshot.range(Included(&first), Included(&most)))
}

/// Where the blocks of a stream in one table begin, from the one that has `from`.
pub(super) fn starts(
    snapshot: &Snapshot,
    table: u8,
    number: u64,
    from: Seq,
) -> Result<impl Iterator<Item = Result<Seq, LogError>> + use<>, LogError> {
    let (first, most) = range_from(snapshot, table, number, from)?;
    Ok(snapshot.keys(Included(&first), Included(&most)).map(|key| {
        let key = key?;
        let read = read_events_key(&key).map(|(_, from)| from);
        read.ok_or_else(|| LogError::Damaged { place: place_of(&key), what: "not the key of events".into() })
    }))
}

/// The first and the last key that blocks may have, from the one that has `from`.
fn range_from(snapshot: &Snapshot, table: u8, number: u64, from: Seq) -> Result<(Vec<u8>, Vec<u8>), LogError> {
    let (least, most) = (events_key(table, number, Seq::FIRST), events_key(table, number, Seq(u64::MAX)));
    let upto = events_key(table, number, from);
    let last = snapshot.keys(Included(&least), Included(&upto)).next_back().transpose()?;
    Ok((last.map_or(least, |key| key.to_vec()), most))
}

/// All blocks in one table, of all streams, for those who verify.
pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<EventBlock, LogError> {
    let damaged = |what: &str| LogError::Damaged { place: place_of(key), what: what.to_owned() };
    let (_, from) = read_events_key(key).ok_or_else(|| damaged("not the key of events"))?;
    let (before, bytes) = match key[0] {
        table::TAIL => open_run(value).ok_or_else(|| damaged("a run of events is too short"))?,
        _ => open_segment(value, from).map_err(damaged)?,
    };
    EventBlock::from_bytes(from, before, bytes).map_err(|error| damaged(&error.to_string()))
}

fn write_run(rows: &mut Vec<Row>, number: u64, block: &EventBlock) {
    let mut value = Vec::with_capacity(RUN_HEADER + block.bytes().len());
    value.extend_from_slice(&block.before().0.to_le_bytes());
    value.extend_from_slice(block.bytes());
    rows.push((events_key(table::TAIL, number, block.from()).into(), Some(value.into())));
}

fn open_run(value: &[u8]) -> Option<(Chain, Vec<u8>)> {
    let (before, bytes) = value.split_first_chunk()?;
    Some((Chain(u64::from_le_bytes(*before)), bytes.to_vec()))
}

/// All runs of a stream with `new` behind them, and the keys of the runs.
fn join_runs(
    snapshot: &Snapshot,
    number: u64,
    tail: Tail,
    new: EventBlock,
) -> Result<(EventBlock, Vec<Slice>), LogError> {
    let (mut runs, mut keys) = (Vec::new(), Vec::new());
    for row in snapshot.prefix(&prefix(table::TAIL, number)) {
        let (key, value) = row?;
        runs.push(decode(&key, &value)?);
        keys.push(key);
    }
    runs.push(new);
    let mut whole = EventBlock::empty(tail.from, runs[0].before());
    for run in &runs {
        if (whole.end(), whole.after()) != (run.from(), run.before()) {
            return Err(gap(number, whole.end(), run.from()));
        }
        whole.append(run);
    }
    Ok((whole, keys))
}

/// Cuts a block into segments; what is too little for one stays a run.
fn seal(rows: &mut Vec<Row>, number: u64, whole: &EventBlock) -> Result<Tail, LogError> {
    let mut segment = EventBlock::empty(whole.from(), whole.before());
    for event in whole.encoded() {
        let full = segment.bytes().len() + event.len() > limits::SEGMENT_MOST_BYTES;
        if !segment.is_empty() && (full || segment.count() == limits::SEGMENT_MOST_EVENTS) {
            write_segment(rows, number, &segment)?;
            segment = EventBlock::empty(segment.end(), segment.after());
        }
        segment.push(event);
    }
    let bytes = segment.bytes().len() as u64;
    if segment.count() >= limits::SEGMENT_EVENTS || bytes >= limits::SEGMENT_BYTES {
        write_segment(rows, number, &segment)?;
        return Ok(Tail { from: segment.end(), bytes: 0 });
    }
    if !segment.is_empty() {
        write_run(rows, number, &segment);
    }
    Ok(Tail { from: segment.from(), bytes })
}

fn write_segment(rows: &mut Vec<Row>, number: u64, block: &EventBlock) -> Result<(), LogError> {
    let thin = thin::thin(block.bytes(), block.from());
    let (form, content) = thin.as_deref().map_or((WHOLE, block.bytes()), |thin| (THIN, thin));
    let packed = zstd::bulk::compress(content, limits::SEGMENT_LEVEL)?;
    let mut value = vec![0; 8];
    value.extend_from_slice(&block.before().0.to_le_bytes());
    value.extend_from_slice(&(content.len() as u32).to_le_bytes());
    value.push(form);
    value.extend_from_slice(&packed);
    let check = xxh3_64(&value[8..]);
    value[..8].copy_from_slice(&check.to_le_bytes());
    let index =
        index_of(block).map(|index| (events_key(table::INDEX, number, block.from()).into(), Some(index.into())));
    rows.extend(index);
    rows.push((events_key(table::SEGMENT, number, block.from()).into(), Some(value.into())));
    Ok(())
}

fn open_segment(value: &[u8], from: Seq) -> Result<(Chain, Vec<u8>), &'static str> {
    let (header, packed) = value.split_first_chunk::<SEGMENT_HEADER>().ok_or("a segment is too short")?;
    let [check, before] = [&header[..8], &header[8..16]].map(|word| word.try_into().map_or(0, u64::from_le_bytes));
    if check != xxh3_64(&value[8..]) {
        return Err("the checksum of a segment does not match");
    }
    let length = header[16..20].try_into().map_or(0, u32::from_le_bytes);
    let content = zstd::bulk::decompress(packed, length as usize).map_err(|_| "a segment cannot be unpacked")?;
    let bytes = match header[20] {
        WHOLE => content,
        _ => thin::restore(&content, from).ok_or("the thin form of a segment cannot be read")?,
    };
    Ok((Chain(before), bytes))
}

fn gap(number: u64, from: Seq, to: Seq) -> LogError {
    LogError::Damaged {
        place: format!("store, events of stream number {number}"),
        what: format!("the events {from} to {to} are missing, or do not follow from those before them"),
    }
}
