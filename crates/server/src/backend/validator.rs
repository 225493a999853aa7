//! Somebody outside who has a say in what is recorded.

use std::fmt;
use std::sync::Arc;

use tapeline_core::caller::Caller;
use tapeline_core::event::Command;
use tapeline_core::name::{Collection, StreamName};
use tapeline_core::numbers::{ClientId, EventNumber};
use tapeline_core::retention::StreamPattern;
use tapeline_core::sequencer::{Changed, Objection};

use super::{NotAsked, concerns};

/// Says what may be recorded. The same may be asked more than once, also of events that are never recorded: saying
/// yes to something must not do it.
pub trait Validator: fmt::Debug + Send + Sync {
    /// What stands against each of these, in their order, and against which of its changes. Called on a thread where it may
    /// block, several times at once.
    ///
    /// # Errors
    /// Where it cannot be said. It is asked again soon where the error is retryable, and then as its [`Validation`] says.
    fn validate(&self, questions: &[Question]) -> Result<Vec<Option<(usize, Objection)>>, NotAsked>;
}

/// What is asked: whether an event may make this of objects.
#[derive(Clone, Debug)]
pub struct Question {
    /// The stream.
    pub stream: StreamName,
    /// Who wants it.
    pub caller: Arc<Caller>,
    /// The client that made the event.
    pub client: ClientId,
    /// Which of its events it is.
    pub n: EventNumber,
    /// The command that made it, where one did.
    pub command: Option<Command>,
    /// What it makes of each object that the validator has a say in.
    pub changes: Vec<Changed>,
}

/// A validator, and what it has a say in.
#[derive(Clone, Debug)]
pub struct Validation {
    /// What it is called where the server speaks of it.
    pub name: String,
    /// On which streams; all where there is none.
    pub streams: Vec<StreamPattern>,
    /// In which collections; all where there is none.
    pub collections: Vec<Collection>,
    /// What becomes of events while it does not say anything.
    pub unreachable: Unreachable,
    /// The validator.
    pub validator: Arc<dyn Validator>,
}

/// What becomes of events while a validator does not say anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unreachable {
    /// They wait with their authors, who send them again.
    #[default]
    Wait,
    /// They are recorded without its word.
    Pass,
}

impl Validation {
    /// Whether it has a say on a stream.
    pub(super) fn is_on(&self, stream: &StreamName) -> bool {
        concerns(&self.streams, stream)
    }

    /// Whether it has a say in a collection.
    pub(super) fn is_of(&self, collection: &Collection) -> bool {
        self.collections.is_empty() || self.collections.contains(collection)
    }
}
