//! What is kept of the events of a segment that is let go: those that touch a collection whose events are worth keeping.
//!
//! ```text
//! kept = length:4 zstd of the events, as in a block        their seqs are in them, and not dense
//! ```

use tapeline_core::block::EventBlock;
use tapeline_core::event::Recorded;
use tapeline_core::hash::Chain;
use tapeline_core::name::Collection;
use tapeline_core::numbers::Seq;

use super::rows::{Row, events_key, table};
use super::store::{Snapshot, place_of};
use super::tape;
use crate::contract::LogError;
use crate::limits;
use crate::touches::kept_of;

/// The row of what is to be kept of a segment, if anything.
pub(super) fn row(number: u64, segment: &EventBlock, keep: &[Collection]) -> Result<Option<Row>, LogError> {
    let kept = kept_of(segment, keep);
    if kept.is_empty() {
        return Ok(None);
    }
    row_of(number, segment.from(), &kept).map(Some)
}

/// The row of events that were kept of the segment that began there.
pub(super) fn row_of(number: u64, from: Seq, kept: &EventBlock) -> Result<Row, LogError> {
    let mut value = (kept.bytes().len() as u32).to_le_bytes().to_vec();
    value.extend(zstd::bulk::compress(kept.bytes(), limits::SEGMENT_LEVEL)?);
    Ok((events_key(table::KEPT, number, from).into(), Some(value.into())))
}

/// What was kept of a stream, from `from` on, as many as `most_bytes` take but at least one where there is one.
pub(super) fn read(snapshot: &Snapshot, number: u64, from: Seq, most_bytes: usize) -> Result<Vec<Recorded>, LogError> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    for row in tape::rows(snapshot, table::KEPT, number, from)? {
        let (key, value) = row?;
        let block = decode(&key, &value)?;
        for (event, encoded) in block.events().zip(block.encoded()) {
            let event = event.map_err(|error| damaged(&key, &error.to_string()))?;
            if event.seq < from {
                continue;
            }
            bytes += encoded.len();
            if bytes > most_bytes && !found.is_empty() {
                return Ok(found);
            }
            found.push(event);
        }
    }
    Ok(found)
}

/// Reads a row. The block has the events and nothing else that can be relied on.
pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<EventBlock, LogError> {
    let (length, packed) = value.split_first_chunk().ok_or_else(|| damaged(key, "what was kept is too short"))?;
    let length = u32::from_le_bytes(*length) as usize;
    let bytes = zstd::bulk::decompress(packed, length).map_err(|_| damaged(key, "what was kept cannot be unpacked"))?;
    EventBlock::from_bytes(Seq::FIRST, Chain::EMPTY, bytes).map_err(|error| damaged(key, &error.to_string()))
}

fn damaged(key: &[u8], what: &str) -> LogError {
    LogError::Damaged { place: place_of(key), what: what.to_owned() }
}
