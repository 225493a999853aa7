//! Pins: the state of one stream as it was at one moment, for those who read it page after page.

use std::ops::ControlFlow;

use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::numbers::Seq;
use tapeline_core::object::Entry;
use tapeline_core::query::index::{Index, Place, Plan};
use tapeline_core::state::StreamState;

use crate::contract::LogError;

/// The state of a stream at one moment, whatever is applied later. It shares what it shows with the store; what it
/// costs is that the store keeps what it would have replaced meanwhile, for as long as the pin is held.
///
/// Calls may read from disk and so block for a moment, as those of the store do.
pub trait Pin: Send + Sync {
    /// How far the state is.
    fn state(&self) -> &StreamState;

    /// What is under each of some keys, in their order.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, LogError>;

    /// Shows `visit` the entries of a part of the stream in the order of their keys, tombstones too, until it breaks.
    /// To begin anywhere costs the same.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn scan(&self, part: Part<'_>, visit: &mut Visit<'_>) -> Result<(), LogError>;

    /// The keys of which an event at or past `since` says something, sorted, if they are at most `limit`. An event may
    /// say something and change nothing.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn touched(&self, since: Seq, limit: usize) -> Result<Touched, LogError>;

    /// The indexes that can be read.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn indexes(&self) -> Result<Vec<Index>, LogError> {
        Ok(Vec::new())
    }

    /// The next rows of a plan for one of its indexes, those after `after`, at most so many; none past the last.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn index_rows(&self, plan: &Plan, after: Option<&IndexRow>, most: usize) -> Result<Vec<IndexRow>, LogError> {
        let _ = (plan, after, most);
        Ok(Vec::new())
    }
}

/// A row of an index: an object that is there, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRow {
    /// Its values.
    pub place: Place,
    /// Its id.
    pub id: ObjectId,
}

/// Is shown entries until it breaks.
pub type Visit<'v> = dyn FnMut(&Key, &Entry) -> ControlFlow<()> + 'v;

/// A part of a stream's entries, and the order in which to see them. By default all, from the first to the last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part<'k> {
    /// Of this collection alone.
    pub collection: Option<&'k Collection>,
    /// Only those that come after this one, in the order in which they are shown.
    pub after: Option<&'k Key>,
    /// From the last to the first.
    pub reverse: bool,
}

/// What events touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// These keys, sorted.
    Keys(Vec<Key>),
    /// More than was asked for.
    More,
}
