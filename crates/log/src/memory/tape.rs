//! The batches of one stream in memory: where they begin, and what was kept of those that were let go.

use std::sync::Arc;

use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::codec::cbor;
use tapeline_core::event::Recorded;
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, StreamName};
use tapeline_core::numbers::{Incarnation, Position, Seq};

use crate::contract::{Head, LogError, StreamInfo};
use crate::touches::kept_of;

/// The batches of a stream.
#[derive(Clone, Debug)]
pub(super) struct Tape {
    incarnation: Incarnation,
    begin: Begin,
    pub(super) batches: Vec<Arc<Batch>>,
}

/// What of a stream was let go.
#[derive(Clone, Debug, Default)]
struct Begin {
    position: Position,
    horizon: Seq,
    chain: Chain,
    bytes: u64,
    kept: Vec<Recorded>,
}

impl Tape {
    pub(super) fn new(incarnation: Incarnation) -> Self {
        Self { incarnation, begin: Begin::default(), batches: Vec::new() }
    }

    pub(super) fn push(&mut self, batch: Arc<Batch>) {
        self.batches.push(batch);
    }

    pub(super) fn head(&self) -> Head {
        let end = self
            .batches
            .last()
            .map_or((self.begin.horizon, self.begin.chain), |batch| (batch.block.end(), batch.block.after()));
        let position = self.begin.position.plus(self.batches.len() as u64);
        Head { incarnation: self.incarnation, position, seq: end.0, chain: end.1 }
    }

    pub(super) fn info(&self, stream: &StreamName) -> StreamInfo {
        let bytes: u64 = self.batches.iter().map(|batch| batch.block.bytes().len() as u64).sum();
        let horizon = self.begin.horizon;
        StreamInfo { stream: stream.clone(), head: self.head(), horizon, bytes: self.begin.bytes + bytes }
    }

    pub(super) fn check_horizon(&self, from: Seq) -> Result<(), LogError> {
        let horizon = self.begin.horizon;
        if from < horizon { Err(LogError::Trimmed { horizon }) } else { Ok(()) }
    }

    /// Lets the oldest batches go, those before both an event and a position.
    pub(super) fn trim(&mut self, before: Seq, position: Position, keep: &[Collection]) -> Seq {
        let most = position.since(self.begin.position) as usize;
        let going = self.batches.iter().take(most).take_while(|batch| batch.block.end() <= before).count();
        for batch in self.batches.drain(..going) {
            let begin = &mut self.begin;
            begin.position = begin.position.next();
            (begin.horizon, begin.chain) = (batch.block.end(), batch.block.after());
            begin.bytes += batch.block.bytes().len() as u64;
            begin.kept.extend(kept_of(&batch.block, keep).events().filter_map(Result::ok));
        }
        self.begin.horizon
    }

    /// The events from `from` on, as many as `most_bytes` take, but at least one where there is one.
    pub(super) fn read(&self, from: Seq, most_bytes: usize) -> Result<EventBlock, LogError> {
        let head = self.head();
        self.check_horizon(from)?;
        let first = self.batches.partition_point(|batch| batch.block.end() <= from);
        let mut found: Option<EventBlock> = None;
        for batch in &self.batches[first..] {
            let next = found.as_ref().map_or(from, EventBlock::end);
            let room = most_bytes.saturating_sub(found.as_ref().map_or(0, |found| found.bytes().len()));
            let part = batch.block.slice(next, room);
            match &mut found {
                None if part.is_empty() => {}
                None => found = Some(part),
                Some(_) if part.bytes().len() > room => break,
                Some(found) => found.append(&part),
            }
            if found.as_ref().is_some_and(|found| found.end() < batch.block.end()) {
                break;
            }
        }
        Ok(found.unwrap_or(EventBlock::empty(head.seq, head.chain)))
    }

    /// The batches after a position.
    pub(super) fn after(&self, position: Position) -> &[Arc<Batch>] {
        let skipped = position.since(self.begin.position) as usize;
        self.batches.get(skipped..).unwrap_or_default()
    }

    /// Events that were kept when those around them were let go.
    pub(super) fn kept(&self, from: Seq, most_bytes: usize) -> Vec<Recorded> {
        let mut bytes = 0;
        let wanted = self.begin.kept.iter().filter(|event| event.seq >= from).take_while(|event| {
            let first = bytes == 0;
            bytes += cbor::encode_recorded(event).len();
            first || bytes <= most_bytes
        });
        wanted.cloned().collect()
    }
}
