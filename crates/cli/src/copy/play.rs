//! Brings the objects of a stream to where its log is, without a server.

use std::sync::Arc;

use tapeline_core::batch::Batch;
use tapeline_core::name::StreamName;
use tapeline_core::schema::Schema;
use tapeline_core::sequencer::Sequencer;
use tapeline_core::state::StreamState;
use tapeline_log::play::{damaged, load_touched};
use tapeline_log::{EventLog, LogError, StateChanges, StateStore};
use tokio::runtime::Handle;

/// Bytes of batches that are played at once.
const PLAYED_BYTES: usize = 8 << 20;

/// Plays what the log of a stream has past its objects. What is on the log needs no schema.
pub fn play(runtime: &Handle, log: &(impl EventLog + StateStore), stream: &StreamName) -> Result<(), LogError> {
    let Some(info) = runtime.block_on(log.info(stream))? else { return Ok(()) };
    let mut state = log.stream(stream)?.unwrap_or(StreamState::empty(info.head.incarnation));
    while state.position < info.head.position {
        let batches = runtime.block_on(log.replay(stream, state.position, PLAYED_BYTES))?;
        let Some(changes) = play_some(log, stream, state, &batches)? else { return Ok(()) };
        state = changes.state;
        log.apply(stream, changes)?;
    }
    Ok(())
}

/// What some batches change. `None` where there are none.
fn play_some(
    store: &impl StateStore,
    stream: &StreamName,
    state: StreamState,
    batches: &[Arc<Batch>],
) -> Result<Option<StateChanges>, LogError> {
    let mut sequencer = Sequencer::new(state, Arc::new(Schema::default()), None);
    for batch in batches {
        load_touched(store, stream, &mut sequencer, batch)?;
        sequencer.replay(batch).map_err(|error| damaged(stream, &error))?;
    }
    if batches.is_empty() {
        return Ok(None);
    }
    // Batches without events or verdicts change nothing else.
    let state = StreamState { live: state.live, digest: state.digest, ..*sequencer.staged() };
    let nothing = StateChanges { state, entries: Vec::new(), clients: Vec::new() };
    Ok(Some(sequencer.take_changes().unwrap_or(nothing)))
}
