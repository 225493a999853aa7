//! Reading what a stream has, from its tail in memory or from the log.
//!
//! What is read from the log waits in memory until it is sent, so a common budget makes reads smaller as it runs out:
//! readers that are far behind and slow cost patience, not memory.

use std::sync::Arc;

use tapeline_core::block::EventBlock;
use tapeline_core::event::Recorded;
use tapeline_core::limits as core_limits;
use tapeline_core::numbers::Seq;
use tapeline_log::{EventLog, LogError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::budget::Budget;
use crate::hub::{Run, Tape};
use crate::limits;
use crate::metrics::Metrics;

/// Reads streams for sessions.
pub(crate) struct Reader<L> {
    log: Arc<L>,
    metrics: Arc<Metrics>,
    reads: Arc<Semaphore>,
    ahead: Arc<Budget>,
}

/// Parts of the budget that one read may take of what is left.
const SHARES: usize = 16;

impl<L: EventLog> Reader<L> {
    pub(crate) fn new(log: Arc<L>, metrics: Arc<Metrics>) -> Self {
        let reads = Arc::new(Semaphore::new(limits::READS));
        Self { log, metrics, reads, ahead: Budget::new(limits::READ_AHEAD_BYTES) }
    }

    /// Events from `from` on, as many as fit one frame.
    pub(crate) async fn read(&self, tape: &Tape, from: Seq) -> Result<Run, LogError> {
        match tape.read(from) {
            Some(run) => Ok(run),
            // Kept apart, so that a session that mostly reads tails is small.
            None => Box::pin(self.read_behind(tape, from)).await,
        }
    }

    async fn read_behind(&self, tape: &Tape, from: Seq) -> Result<Run, LogError> {
        let most = (self.ahead.free() / SHARES).clamp(limits::SMALLEST_READ_BYTES, core_limits::READ_BYTES);
        let mut held = self.ahead.hold(most);
        let block = self.read_log(tape, from, most).await?;
        held.resize(block.bytes().len());
        Ok(Run::read(block, held))
    }

    /// Reads the log on a thread that may wait for the disk.
    pub(crate) async fn read_log(&self, tape: &Tape, from: Seq, most_bytes: usize) -> Result<EventBlock, LogError> {
        let stream = tape.stream().clone();
        self.blocking(move |log, runtime| runtime.block_on(log.read(&stream, from, most_bytes))).await
    }

    /// Reads events from `from` on that were kept when those around them were let go, as many as fit one frame.
    pub(crate) async fn kept(&self, tape: &Tape, from: Seq) -> Result<Vec<Recorded>, LogError> {
        let stream = tape.stream().clone();
        self.blocking(move |log, runtime| runtime.block_on(log.kept(&stream, from, core_limits::READ_BYTES))).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&L, &Handle) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        self.metrics.log_reads.inc();
        let gone = || LogError::Storage("the server stops".into());
        let permit = self.reads.clone().acquire_owned().await.map_err(|_| gone())?;
        let (log, runtime) = (self.log.clone(), Handle::current());
        let read = tokio::task::spawn_blocking(move || {
            let read = read(&log, &runtime);
            drop(permit);
            read
        });
        read.await.map_err(|_| gone())?
    }
}
