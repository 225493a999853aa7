//! The application's own backend: whom a server asks before an event is recorded, and whom it tells afterwards
//! ([`receivers`]).
//!
//! ```text
//! push ─▶ sequencer: somebody outside has a say ─▶ Validators ─▶ Line ─▶ Validator (a webhook, or one that is built in)
//!                ▲                                                            │
//!                └───────────── the event again, with their word ◀────────────┘
//! ```

mod endpoint;
mod error;
mod file;
mod line;
pub(crate) mod receivers;
mod secret;
mod validator;
mod validators;
mod webhook;

use std::path::Path;

use tapeline_core::name::StreamName;
use tapeline_core::retention::StreamPattern;

use crate::files::FileError;
pub use error::NotAsked;
pub use receivers::Receiver;
pub(crate) use receivers::{Queue, Receivers};
pub use validator::{Question, Unreachable, Validation, Validator};
pub(crate) use validators::{ValidatedGate, Validators};

/// Whom a server asks and tells.
#[derive(Clone, Debug, Default)]
pub struct Backend {
    /// They have a say in what is recorded, one after the other.
    pub validators: Vec<Validation>,
    /// They are told what was recorded.
    pub receivers: Vec<Receiver>,
}

impl Backend {
    /// Reads a backend file, and the secrets that it names.
    ///
    /// # Errors
    /// Where a file cannot be read, or says what cannot be.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        file::read(path)
    }
}

/// Whether somebody who named these streams, or none and so all, has to do with a stream.
fn concerns(streams: &[StreamPattern], stream: &StreamName) -> bool {
    receivers::is_of_apps(stream) && (streams.is_empty() || streams.iter().any(|pattern| pattern.fits(stream)))
}
