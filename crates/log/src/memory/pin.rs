//! The state of one stream in memory, and pins of it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use tapeline_core::block::EventBlock;
use tapeline_core::codec::CodecError;
use tapeline_core::name::Key;
use tapeline_core::numbers::{ClientId, Seq};
use tapeline_core::object::Entry;
use tapeline_core::state::{ClientState, StreamState};

use super::tape::Tape;
use crate::contract::LogError;
use crate::pin::{Part, Pin, Touched, Visit};
use crate::touches::Touches;

/// The state of a stream.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) state: StreamState,
    pub(super) entries: BTreeMap<Key, Entry>,
    pub(super) clients: BTreeMap<ClientId, ClientState>,
}

impl State {
    /// Forgets what was deleted before an event.
    pub(super) fn forget_deleted(&mut self, before: Seq) {
        self.entries.retain(|_, entry| entry.live().is_some() || entry.version().last.seq >= before);
    }
}

/// The state of a stream at one moment. What is applied later goes into a copy.
pub(super) struct Pinned {
    pub(super) state: Arc<State>,
    pub(super) tape: Tape,
}

impl Pin for Pinned {
    fn state(&self) -> &StreamState {
        &self.state.state
    }

    fn entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, LogError> {
        Ok(keys.iter().map(|key| self.state.entries.get(key).cloned()).collect())
    }

    fn scan(&self, part: Part<'_>, visit: &mut Visit<'_>) -> Result<(), LogError> {
        let entries = &self.state.entries;
        let after = part.after.map_or(Bound::Unbounded, Bound::Excluded);
        let all: Box<dyn Iterator<Item = (&Key, &Entry)>> = match part.reverse {
            false => Box::new(entries.range::<Key, _>((after, Bound::Unbounded))),
            true => Box::new(entries.range::<Key, _>((Bound::Unbounded, after)).rev()),
        };
        for (key, entry) in all.filter(|(key, _)| part.collection.is_none_or(|only| key.collection == *only)) {
            if visit(key, entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn touched(&self, since: Seq, limit: usize) -> Result<Touched, LogError> {
        self.tape.check_horizon(since)?;
        let mut touches = Touches::new(limit);
        let upto = self.state.state.head;
        for batch in self.tape.batches.iter().filter(|batch| batch.block.end() > since && batch.block.from() < upto) {
            let added = touches.add_block(&batch.block, since);
            if added.map_err(|error| damaged(&batch.block, &error))?.is_break() {
                break;
            }
        }
        Ok(touches.done())
    }
}

fn damaged(block: &EventBlock, error: &CodecError) -> LogError {
    LogError::Damaged { place: format!("events from {}", block.from()), what: error.to_string() }
}
