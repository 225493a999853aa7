//! The tail of a stream: its last blocks in memory, for readers that are nearly caught up.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::hash::Digest;
use tapeline_core::limits;
use tapeline_core::numbers::Seq;
use tapeline_core::query::routing::Routed;

use crate::budget::Held;
use crate::limits as server_limits;

/// Events for a reader, in one piece.
#[derive(Debug)]
pub(crate) enum Run {
    /// A block as it was appended.
    Whole(Arc<Recent>),
    /// Events that were read from the log, or cut out of a block.
    Part(Box<Part>),
}

/// Events of one reader.
#[derive(Debug)]
pub(crate) struct Part {
    block: EventBlock,
    digest: Option<Digest>,
    /// What the reader holds of a budget for them.
    held: Option<Held>,
}

/// A block as it was appended, shared by all who read it.
#[derive(Debug)]
pub(crate) struct Recent {
    batch: Arc<Batch>,
    digest: Option<Digest>,
    /// Whom it concerns of those who follow a part of the stream, where there were any.
    routed: Option<Routed>,
}

impl Recent {
    pub(super) fn new(batch: Arc<Batch>, digest: Option<Digest>, routed: Option<Routed>) -> Arc<Self> {
        Arc::new(Self { batch, digest, routed })
    }

    /// Whom it concerns of those who follow a part of the stream.
    pub(crate) fn routed(&self) -> Option<&Routed> {
        self.routed.as_ref()
    }

    /// The event after its last.
    pub(crate) fn end(&self) -> Seq {
        self.batch.block.end()
    }

    /// Bytes of memory that are kept for it.
    pub(super) fn bytes(&self) -> usize {
        let routed = self.routed.as_ref().map_or(0, Routed::estimated_bytes);
        self.batch.block.bytes().len() + routed + server_limits::TAIL_BLOCK_BYTES
    }

    /// The events from `from` on, which is in the block: as many as fit one frame.
    fn run(self: &Arc<Self>, from: Seq) -> Run {
        let block = &self.batch.block;
        if block.from() == from && block.bytes().len() <= limits::READ_BYTES {
            return Run::Whole(self.clone());
        }
        let part = block.slice(from, limits::READ_BYTES);
        let digest = self.digest.filter(|_| part.end() == block.end());
        Run::Part(Box::new(Part { block: part, digest, held: None }))
    }
}

impl Run {
    /// Events that were read from the log.
    pub(crate) fn read(block: EventBlock, held: Held) -> Self {
        Self::Part(Box::new(Part { block, digest: None, held: Some(held) }))
    }

    /// Whether it was read from the log.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self, Self::Part(part) if part.held.is_some())
    }

    /// Its events.
    pub(crate) fn block(&self) -> &EventBlock {
        match self {
            Self::Whole(recent) => &recent.batch.block,
            Self::Part(part) => &part.block,
        }
    }

    /// The digest over all objects after the last of its events, where it is known.
    pub(crate) fn digest(&self) -> Option<Digest> {
        match self {
            Self::Whole(recent) => recent.digest,
            Self::Part(part) => part.digest,
        }
    }

    /// The bytes of its events, shared with all who read them.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// The events of it before `to`.
    pub(crate) fn before(self, to: Seq) -> Self {
        let block = self.block();
        if block.end() <= to {
            return self;
        }
        let mut part = EventBlock::empty(block.from(), block.before());
        block.encoded().take(to.since(block.from()) as usize).for_each(|event| part.push(event));
        let held = if let Self::Part(part) = self { part.held } else { None };
        Self::Part(Box::new(Part { block: part, digest: None, held }))
    }
}

impl AsRef<[u8]> for Run {
    fn as_ref(&self) -> &[u8] {
        self.block().bytes()
    }
}

/// The last blocks of a stream, without a gap.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<Arc<Recent>>);

impl Tail {
    /// Adds a block. One that does not go on where the last one ended starts the tail anew.
    pub(super) fn push(&mut self, recent: Arc<Recent>) {
        if self.0.back().is_some_and(|last| last.batch.block.end() != recent.batch.block.from()) {
            self.clear();
        }
        self.0.push_back(recent);
    }

    /// Lets the oldest block go.
    pub(super) fn shorten(&mut self) {
        self.0.pop_front();
        if self.0.is_empty() {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }

    /// The blocks from the one on that begins at `from`, where all of them are in memory, say whom they concern, and are
    /// not too many to go through.
    pub(super) fn from(&self, from: Seq) -> Option<Vec<Arc<Recent>>> {
        let place = self.0.partition_point(|recent| recent.batch.block.end() <= from);
        let is_there = self.0.get(place).is_some_and(|recent| recent.batch.block.from() <= from);
        let are_few = self.0.len() - place <= server_limits::COURSE_BLOCKS;
        let blocks = || self.0.iter().skip(place).cloned().collect::<Vec<_>>();
        let blocks = (is_there && are_few).then(blocks)?;
        blocks.iter().all(|recent| recent.routed.is_some()).then_some(blocks)
    }

    /// The events from `from` on, where they are in memory.
    pub(super) fn read(&self, from: Seq) -> Option<Run> {
        let place = self.0.partition_point(|recent| recent.batch.block.end() <= from);
        let recent = self.0.get(place)?;
        (recent.batch.block.from() <= from).then(|| recent.run(from))
    }
}
