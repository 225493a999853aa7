//! The two contracts. Every backend passes the suite in [`crate::suite`].

use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::event::Recorded;
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, Key, StreamName};
use tapeline_core::numbers::{ClientId, Incarnation, Position, Seq};
use tapeline_core::object::{Entry, Object};
pub use tapeline_core::state::StateChanges;
use tapeline_core::state::{ClientState, StreamState};

use crate::pin::{Part, Pin};

/// Append-only logs of batches, one a stream. The only contract that matters for truth.
pub trait EventLog: Send + Sync + 'static {
    /// Appends a batch, if the stream is where the caller believes it to be. Returns at once; `done` hears of the
    /// outcome once it is durable, from any thread, appends of one stream in their order. `done` must not block.
    ///
    /// Several appends of one stream may be on their way; each expects the position after the one before.
    /// An append at [`Position::FIRST`] to a stream that does not exist makes it.
    fn append(&self, append: Append, done: Done);

    /// A stream as it is listed. `None` where there is no such stream. Where a log elsewhere cannot be reached, as far as it
    /// is known here. Whoever brings a stream into memory asks for this first: what its log does not have any more comes here
    /// with it.
    fn info(&self, stream: &StreamName) -> impl Future<Output = Result<Option<StreamInfo>, LogError>> + Send;

    /// Where a stream ends now, durably, whoever appended to it. `None` where there is no such stream.
    fn head(&self, stream: &StreamName) -> impl Future<Output = Result<Option<Head>, LogError>> + Send {
        async { Ok(self.info(stream).await?.map(|info| info.head)) }
    }

    /// The durable events of a stream from `from` on, as many as `most_bytes` take but at least one where there is
    /// one. Empty at the head; empty, too, where there is no such stream. [`LogError::Trimmed`] below its horizon.
    fn read(
        &self,
        stream: &StreamName,
        from: Seq,
        most_bytes: usize,
    ) -> impl Future<Output = Result<EventBlock, LogError>> + Send;

    /// The durable batches of a stream after `after`, in order, as many as `most_bytes` take but at least one where there
    /// is one: what the state beside the log has yet to play. Empty at the head. Where a log elsewhere cannot be reached, as
    /// far as they are here. [`LogError::Trimmed`] where the first of them was let go: [`info`](Self::info) brings the state
    /// to where the log goes on.
    /// A backend needs to keep only batches whose changes were not yet given to [`StateStore::apply`] and stored.
    fn replay(
        &self,
        stream: &StreamName,
        after: Position,
        most_bytes: usize,
    ) -> impl Future<Output = Result<Vec<Arc<Batch>>, LogError>> + Send;

    /// Lets go the oldest events of a stream, those before `before` or somewhat fewer, and answers where it begins then.
    /// Only what the state has durably, or will have, goes. The tombstones of what was deleted by them go too. Events
    /// that touch one of the collections `keep` stay readable by [`kept`](Self::kept). A crash soon after may undo it.
    ///
    /// Works through the events that go, and so may block for long; readers and writers go on meanwhile.
    fn trim(
        &self,
        stream: &StreamName,
        before: Seq,
        keep: &[Collection],
    ) -> impl Future<Output = Result<Seq, LogError>> + Send;

    /// Has the space of what was let go given back soon, however little it is.
    fn reclaim(&self) {}

    /// The events before the horizon of a stream that were kept, from `from` on, as many as `most_bytes` take but at
    /// least one where there is one.
    fn kept(
        &self,
        stream: &StreamName,
        from: Seq,
        most_bytes: usize,
    ) -> impl Future<Output = Result<Vec<Recorded>, LogError>> + Send;

    /// Up to `limit` streams whose names come after `after`, in the order of their names.
    fn streams(
        &self,
        after: Option<&StreamName>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<StreamInfo>, LogError>> + Send;

    /// The streams with durable batches that were not yet given to [`StateStore::apply`]: after a crash, those whose
    /// state has to catch up. Those of a log that keeps batches only for as long as they are asked for are none.
    fn unapplied_streams(&self) -> Vec<StreamName> {
        Vec::new()
    }

    /// The incarnation that a stream is to have which does not exist yet. All who share a log have to give it the same one.
    fn incarnation(&self, _stream: &StreamName) -> Incarnation {
        Incarnation(fastrand::u64(..1 << Self::INCARNATION_BITS))
    }

    /// Bits of an incarnation, so that it is a number in any JSON.
    const INCARNATION_BITS: u32 = 53;

    /// Whether others append to it, too. Then what is known of a stream may be old, and asking takes a while.
    fn is_shared(&self) -> bool {
        false
    }

    /// Has somebody hear how far each stream is whenever anybody has appended to it, for as long as there is a log. What
    /// was appended before is not told of; what is told may have been told before.
    fn watch(&self, heard: Heard) {
        drop(heard);
    }
}

/// Hears how far a stream is, from any thread. Must not block.
pub type Heard = Arc<dyn Fn(&StreamName, Position) + Send + Sync>;

/// The first of some batches, as many as `most_bytes` take but at least one where there is one.
pub(crate) fn first_of(batches: &[Arc<Batch>], most_bytes: usize) -> Vec<Arc<Batch>> {
    let mut bytes = 0;
    let fits = |(place, batch): &(usize, &Arc<Batch>)| {
        bytes += batch.block.bytes().len();
        *place == 0 || bytes <= most_bytes
    };
    batches.iter().enumerate().take_while(fits).map(|(_, batch)| batch.clone()).collect()
}

/// A request to append.
#[derive(Clone, Debug)]
pub struct Append {
    /// To which stream.
    pub stream: StreamName,
    /// The incarnation, where this append makes the stream.
    pub incarnation: Incarnation,
    /// Where the stream must be for the append to happen.
    pub expected: Position,
    /// What to append.
    pub batch: Arc<Batch>,
}

/// Hears of the outcome of an append: the stream's new position, or why not.
pub type Done = Box<dyn FnOnce(Result<Position, AppendError>) + Send>;

/// Why an append did not, or may not have, happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The stream is elsewhere. Nothing was appended; read what others appended, then decide anew.
    #[error("the stream is at batch {position}, not where the append expected it")]
    Conflict {
        /// Where it is.
        position: Position,
    },
    /// It is not known whether the batch was appended. Read the log before anything else is staged.
    #[error("the outcome of the append is unknown: {0}")]
    Unknown(String),
}

impl AppendError {
    /// Whether it is certain that nothing was appended.
    pub const fn has_no_side_effects(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}

/// Where a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which life of the stream this is.
    pub incarnation: Incarnation,
    /// How many batches it has.
    pub position: Position,
    /// How many events it has.
    pub seq: Seq,
    /// The chain after them.
    pub chain: Chain,
}

/// A stream as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its name.
    pub stream: StreamName,
    /// Where it ends.
    pub head: Head,
    /// Its first event that is there: those before were let go.
    pub horizon: Seq,
    /// Bytes of all its events as they are recorded, before any compression, those that were let go too.
    pub bytes: u64,
}

/// Why a log or store could not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// What is stored is damaged. Trying again does not help; `tapeline verify` names all damage.
    #[error("damaged at {place}: {what}")]
    Damaged {
        /// File and offset, or table and key.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// The events were let go. What they made is in the state.
    #[error("the events before {horizon} were let go")]
    Trimmed {
        /// The first event that is there.
        horizon: Seq,
    },
    /// The storage below failed. Trying again may help.
    #[error("storage failed: {0}")]
    Storage(String),
}

impl From<std::io::Error> for LogError {
    fn from(error: std::io::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

impl LogError {
    /// Whether the same may succeed when tried again.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage(_))
    }
}

/// The state beside the logs: objects, field versions and client verdicts, each stream at its own position.
///
/// Calls may read from disk and so block for a moment; they are made from threads that may.
pub trait StateStore: Send + Sync + 'static {
    /// How far the state of a stream is. `None` where nothing of it is stored.
    fn stream(&self, stream: &StreamName) -> Result<Option<StreamState>, LogError>;

    /// What is stored under each of some keys of a stream, in their order.
    fn entries(&self, stream: &StreamName, keys: &[Key]) -> Result<Vec<Option<Entry>>, LogError>;

    /// What is stored of each of some clients of a stream, in their order.
    fn clients(&self, stream: &StreamName, clients: &[ClientId]) -> Result<Vec<Option<ClientState>>, LogError>;

    /// Takes changes that bring a stream's state to a later position. All of them take effect at once for readers.
    /// They become durable later, on their own time; until then the log keeps the batches they come from.
    ///
    /// Only what is durable on the log may be given here. Blocks while too much is waiting to be written.
    fn apply(&self, stream: &StreamName, changes: StateChanges) -> Result<(), LogError>;

    /// Whether changes are taken.
    ///
    /// # Errors
    /// Why they are not any more, until the store is opened again.
    fn takes_changes(&self) -> Result<(), LogError> {
        Ok(())
    }

    /// The state of a stream as it is now, held for a reader. `None` where nothing of it is stored.
    fn pin(&self, stream: &StreamName) -> Result<Option<Arc<dyn Pin>>, LogError>;

    /// Shows `visit` all live objects of a stream, or of one of its collections, sorted by collection and id, as they
    /// were at one position whatever is applied meanwhile, until it breaks. Answers the state at that position.
    fn objects(
        &self,
        stream: &StreamName,
        collection: Option<&Collection>,
        visit: &mut dyn FnMut(&Key, &Arc<Object>) -> ControlFlow<()>,
    ) -> Result<Option<StreamState>, LogError> {
        let Some(pin) = self.pin(stream)? else { return Ok(None) };
        let part = Part { collection, ..Part::default() };
        pin.scan(part, &mut |key, entry| entry.live().map_or(ControlFlow::Continue(()), |object| visit(key, object)))?;
        Ok(Some(*pin.state()))
    }
}
