//! Where a server keeps streams: the contracts of the log and of the state beside it, and their backends.
//!
//! [`EventLog`] is the truth: what it has acknowledged is durable. [`StateStore`] is a view of it, always on this
//! machine, that can be lost and made again. [`memory`] holds both in memory, for tests and simulation; [`embedded`]
//! keeps both in one directory; with the feature `jetstream`, a `node` keeps the log on a NATS cluster that it shares with
//! others. Every backend passes [`suite`].

pub mod cluster;
mod contract;
pub mod embedded;
#[cfg(feature = "jetstream")]
pub mod jetstream;
pub mod limits;
pub mod memory;
#[cfg(feature = "jetstream")]
pub mod node;
mod pin;
pub mod play;
pub mod snapshot;
pub mod suite;
mod touches;

pub use contract::{Append, AppendError, Done, EventLog, Head, Heard, LogError, StateChanges, StateStore, StreamInfo};
pub use pin::{IndexRow, Part, Pin, Touched, Visit};
