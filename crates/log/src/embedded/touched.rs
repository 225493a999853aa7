//! What was touched since some event: from the indexes of the sealed segments, and from the events that have none.

use std::ops::ControlFlow;

use tapeline_core::block::EventBlock;
use tapeline_core::codec::CodecError;
use tapeline_core::numbers::Seq;

use super::index::read_index;
use super::load::{check_horizon, get, load_row};
use super::pin::Pinned;
use super::rows::{Tail, events_key, table};
use super::store::{Snapshot, place_of};
use super::tape;
use crate::contract::LogError;
use crate::pin::Touched;
use crate::touches::Touches;

/// The distinct keys that events at or past `since` touch, up to where a pin is.
pub(super) fn touched(pin: &Pinned, since: Seq, limit: usize) -> Result<Touched, LogError> {
    let row = load_row(&pin.snapshot, &pin.stream)?;
    check_horizon(row.as_ref(), since)?;
    let (stored, tail) = row.map_or((Seq::FIRST, Tail::default()), |row| (row.state.head, row.tail));
    if since < stored && !tape::goes_back_to(&pin.snapshot, pin.number, since)? {
        return Ok(Touched::More);
    }
    let mut look = Look { snapshot: &pin.snapshot, number: pin.number, tail, since, touches: Touches::new(limit) };
    if look.stored()?.is_continue() {
        let blocks = pin.over.iter().flat_map(|layer| &layer.batches).map(|batch| &batch.block);
        for block in blocks.filter(|block| block.end() > stored.max(since)) {
            if look.block(block)?.is_break() {
                break;
            }
        }
    }
    Ok(look.touches.done())
}

struct Look<'l> {
    snapshot: &'l Snapshot,
    number: u64,
    tail: Tail,
    since: Seq,
    touches: Touches,
}

impl Look<'_> {
    fn stored(&mut self) -> Result<ControlFlow<()>, LogError> {
        if self.since < self.tail.from {
            for from in tape::starts(self.snapshot, table::SEGMENT, self.number, self.since)? {
                if self.segment(from?)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        for run in tape::blocks(self.snapshot, table::TAIL, self.number, self.since)? {
            if self.block(&run?)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn segment(&mut self, from: Seq) -> Result<ControlFlow<()>, LogError> {
        let key = events_key(table::INDEX, self.number, from);
        // Of a segment that began before, only the events tell what was touched since.
        let index = if from >= self.since { self.snapshot.get(&key)? } else { None };
        if let Some(index) = index {
            let damaged = || LogError::Damaged { place: place_of(&key), what: "not the index of a segment".into() };
            return read_index(&index, &mut self.touches).ok_or_else(damaged);
        }
        let key = events_key(table::SEGMENT, self.number, from);
        match get(self.snapshot, &key, tape::decode)? {
            Some(segment) => self.block(&segment),
            None => Ok(ControlFlow::Continue(())),
        }
    }

    fn block(&mut self, block: &EventBlock) -> Result<ControlFlow<()>, LogError> {
        let damaged = |error: CodecError| LogError::Damaged {
            place: format!("events of stream number {} from {}", self.number, block.from()),
            what: error.to_string(),
        };
        self.touches.add_block(block, self.since).map_err(damaged)
    }
}
