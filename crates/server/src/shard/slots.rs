//! The streams of a shard that are in memory, each in a slot.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Position;
use tapeline_core::sequencer::Sequencer;
use tapeline_log::{Pin, StateChanges};

use super::packed::Packed;
use super::{Command, Settled};
use crate::hub::Tape;
use crate::limits;

/// A stream in memory.
pub(super) struct Slot {
    pub(super) tape: Arc<Tape>,
    pub(super) sequencer: Sequencer,
    /// Which life in memory this is: an append's outcome may come after its slot has gone.
    pub(super) life: u64,
    /// Whether all there is of the stream is in memory, packed or not, so that what is not does not exist.
    pub(super) whole: bool,
    /// What of the state store is here, beside what the sequencer has.
    pub(super) packed: Packed,
    /// What the state store has, for look-ups, until it is given more. Not from before the sequencer last forgot anything.
    pub(super) look: Option<Arc<dyn Pin>>,
    /// Bytes of the batch being gathered.
    pub(super) gathered: usize,
    /// Changes that were taken and wait to be durable on the log.
    pub(super) changes: Option<Box<StateChanges>>,
    /// How far the state store is.
    pub(super) stored: Position,
    /// Who waits for the state store to be that far.
    pub(super) waiting: Vec<(Position, Settled)>,
    /// As long as somebody holds it, nothing is given to the state store.
    pub(super) pinned: Weak<()>,
    /// Set while the stream rests so that its objects can go: what it is to do meanwhile.
    pub(super) resting: Option<VecDeque<Command>>,
    /// Set while the log is known to have more than is here: what it is to do once it is here, too.
    pub(super) behind: Option<VecDeque<Command>>,
    /// Whether that is being read.
    pub(super) is_reading: bool,
    pub(super) size: Size,
    /// Whether it is in the list of streams with something to stage, or to store.
    pub(super) touched: bool,
    pub(super) dirty: bool,
    /// Whether it was used since the shard last looked for idle streams.
    pub(super) used: bool,
}

/// How large a stream in memory is, estimated.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    /// What it was last counted as.
    pub(super) counted: usize,
    /// Ops seen, and their bytes: their mean stands for the objects.
    ops: u64,
    bytes: u64,
}

impl Size {
    /// An event or object was seen.
    pub(super) fn see(&mut self, ops: usize, bytes: usize) {
        self.ops += ops as u64;
        self.bytes += bytes as u64;
    }

    fn of(&self, resident: usize) -> usize {
        let each = limits::OBJECT_BYTES + (self.bytes / self.ops.max(1)) as usize;
        limits::STREAM_BYTES + resident * each
    }
}

impl Slot {
    pub(super) fn new(tape: Arc<Tape>, sequencer: Sequencer, stored: Position, life: u64) -> Self {
        let whole = stored == Position::FIRST;
        Self {
            tape,
            sequencer,
            life,
            whole,
            packed: Packed::default(),
            look: None,
            gathered: 0,
            changes: None,
            stored,
            waiting: Vec::new(),
            pinned: Weak::new(),
            resting: None,
            behind: None,
            is_reading: false,
            size: Size::default(),
            touched: false,
            dirty: false,
            used: true,
        }
    }

    /// Whether nothing would be missed if the stream were let go.
    pub(super) fn is_idle(&self) -> bool {
        !self.touched
            && !self.dirty
            && self.changes.is_none()
            && self.waiting.is_empty()
            && self.resting.is_none()
            && self.behind.is_none()
            && self.sequencer.is_idle()
    }

    /// Its size now.
    pub(super) fn measure(&self) -> usize {
        self.size.of(self.sequencer.resident()) + self.packed.len()
    }
}

/// All slots.
#[derive(Default)]
pub(super) struct Slots {
    by_name: FxHashMap<StreamName, usize>,
    slots: Vec<Option<Box<Slot>>>,
    free: Vec<usize>,
}

impl Slots {
    pub(super) fn find(&self, stream: &StreamName) -> Option<usize> {
        self.by_name.get(stream).copied()
    }

    pub(super) fn get(&mut self, place: usize) -> Option<&mut Slot> {
        self.slots.get_mut(place)?.as_deref_mut()
    }

    pub(super) fn insert(&mut self, slot: Slot) -> usize {
        let stream = slot.tape.stream().clone();
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[place] = Some(Box::new(slot));
        self.by_name.insert(stream, place);
        place
    }

    pub(super) fn remove(&mut self, place: usize) -> Option<Slot> {
        let slot = self.slots.get_mut(place)?.take()?;
        self.by_name.remove(slot.tape.stream());
        self.free.push(place);
        Some(*slot)
    }
}
