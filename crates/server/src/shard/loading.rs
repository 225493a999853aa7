//! Bringing a stream into memory: the stored state, and what is on the log past it. Any thread may do this.

use std::sync::Arc;

use tapeline_authority::StreamGate;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Position, Seq};
use tapeline_core::sequencer::{Gate, Sequencer};
use tapeline_core::state::StreamState;
use tapeline_log::play::{damaged, load_touched};
use tapeline_log::{EventLog, LogError, StateStore};
use tokio::runtime::Handle;

use super::Charter;
use crate::backend::ValidatedGate;
use crate::hub::Tape;
use crate::limits;

/// Loads streams.
pub(super) struct Loader<L, S> {
    log: Arc<L>,
    store: Arc<S>,
    runtime: Handle,
    charter: Charter,
}

/// A stream as it was loaded.
pub(super) struct Found {
    pub(super) sequencer: Sequencer,
    /// How far the state store is.
    pub(super) stored: Position,
    /// The first event that is there.
    pub(super) horizon: Seq,
}

/// A stream was loaded, or could not be.
pub(crate) struct Loaded {
    pub(super) tape: Arc<Tape>,
    pub(super) found: Result<Found, LogError>,
}

impl<L: EventLog, S: StateStore> Loader<L, S> {
    pub(super) fn new(log: Arc<L>, store: Arc<S>, charter: Charter) -> Self {
        Self { log, store, runtime: Handle::current(), charter }
    }

    /// Goes on from the stored state and plays what is on the log past it.
    pub(super) fn load(&self, stream: &StreamName) -> Result<Found, LogError> {
        let info = self.runtime.block_on(self.log.info(stream))?;
        let horizon = info.as_ref().map_or(Seq::FIRST, |info| info.horizon);
        let state = match self.store.stream(stream)? {
            Some(state) => state,
            None => {
                let new = || self.log.incarnation(stream);
                StreamState::empty(info.map_or_else(new, |info| info.head.incarnation))
            }
        };
        let mut sequencer = Sequencer::new(state, self.charter.schema.clone(), self.gate(stream));
        let (mut stored, mut bytes) = (state.position, 0);
        loop {
            let at = sequencer.staged().position;
            let batches = self.runtime.block_on(self.log.replay(stream, at, limits::REPLAY_BYTES))?;
            if batches.is_empty() {
                return Ok(Found { sequencer, stored, horizon });
            }
            for batch in batches {
                if stored > Position::FIRST {
                    load_touched(&*self.store, stream, &mut sequencer, &batch)?;
                }
                sequencer.replay(&batch).map_err(|error| damaged(stream, &error))?;
                bytes += batch.block.bytes().len();
            }
            if bytes >= limits::REPLAY_BYTES {
                (stored, bytes) = (self.store_replayed(stream, &mut sequencer, stored)?, 0);
            }
        }
    }

    /// Gives the state store what was played so far of a log that has much more, so that memory need not hold it.
    fn store_replayed(
        &self,
        stream: &StreamName,
        sequencer: &mut Sequencer,
        stored: Position,
    ) -> Result<Position, LogError> {
        let Some(changes) = sequencer.take_changes() else { return Ok(stored) };
        let position = changes.state.position;
        self.store.apply(stream, changes)?;
        sequencer.forget();
        Ok(position)
    }

    /// What stands before a stream, where not everything is allowed and valid.
    fn gate(&self, stream: &StreamName) -> Option<Arc<dyn Gate>> {
        let Charter { authority, validators, .. } = &self.charter;
        if validators.are_on(stream) {
            return Some(Arc::new(ValidatedGate::new(authority.clone(), stream.clone(), validators.clone())));
        }
        let has_say = !authority.is_empty() || authority.has_checks();
        has_say.then(|| Arc::new(StreamGate::new(authority.clone(), stream.clone())) as Arc<dyn Gate>)
    }
}
