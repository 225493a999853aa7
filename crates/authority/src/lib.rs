//! Who may do what on a stream, and what is valid there.
//!
//! What an app says of its data stands in its schema file ([`read_schema`]): how concurrent edits meet, which `tapeline_core`
//! knows, and what this crate does. Rules are expressions of the Common Expression Language. What they say of reading becomes queries
//! ([`Reading`]), so that a subscriber to a part of a stream and one who may read a part of it are served by the same
//! code; what they say of writing becomes a [`Gate`](tapeline_core::sequencer::Gate) before the log.
//!
//! ```text
//! expression   one rule: read, checked, evaluated         rules      all of them, and which hold for what
//! translate    a read rule as a filter                    reading    what a caller may read of a stream
//! vars         what rules speak of                        gate       what a caller may write
//! checks       what is valid, whoever writes it           pattern    what a text must look like
//! plain        a rule for one caller, as filters           told       what of a read rule no query says
//! parts        what expressions are made of                device     what is valid as far as a device can tell
//! schema       the file of all that                        toml_file  reading what people write
//! writing      whether anything could be written
//! ```
//!
//! Where there are no rules everything is allowed. Where there are any, what none of them allows is not.

mod checks;
mod device;
mod expression;
mod gate;
pub mod limits;
mod parts;
mod pattern;
mod plain;
mod reading;
mod rules;
mod schema;
mod told;
pub mod toml_file;
mod translate;
mod vars;
mod writing;

pub use checks::{Check, Checks};
pub use device::DeviceChecks;
pub use expression::{ExpressionError, Kind, Rule};
pub use gate::{Ruling, StreamGate};
pub use pattern::{Pattern, PatternError};
pub use reading::Reading;
pub use rules::{Access, Authority, CollectionRules, StreamRules};
pub use schema::{SchemaFile, read_schema};
pub use toml_file::TextError;
