//! Which versions of an app a server serves: those from the oldest it still knows up to that of its own schema.
//!
//! The schema says both. Names on the log stay as they are for ever, so a version is no form of the data: it tells an app
//! that was left behind, or has run ahead, that it is to wait, with all it has.

use crate::numbers::SchemaVersion;

/// Which versions of an app a server serves. By default all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// That of the server's schema.
    pub own: Option<SchemaVersion>,
    /// The oldest that is served.
    pub oldest: Option<SchemaVersion>,
}

/// Why an app is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    /// It is too old, until it is upgraded.
    #[error(
        "this app was written for version {app} of its schema, and {oldest} is the oldest that is served: upgrade the app"
    )]
    TooOld {
        /// The app's.
        app: SchemaVersion,
        /// The oldest that is served.
        oldest: SchemaVersion,
    },
    /// It is ahead of the server, until that is upgraded.
    #[error(
        "this app was written for version {app} of its schema, and the server has {own}: the server is to be upgraded"
    )]
    TooNew {
        /// The app's.
        app: SchemaVersion,
        /// The server's.
        own: SchemaVersion,
    },
}

impl Versions {
    /// Whether an app is served. One that says no version is.
    ///
    /// # Errors
    /// Where it is not. It keeps all it has, and is served once either is upgraded.
    pub fn serve(&self, app: Option<SchemaVersion>) -> Result<(), Unserved> {
        match (app, self.oldest, self.own) {
            (Some(app), Some(oldest), _) if app < oldest => Err(Unserved::TooOld { app, oldest }),
            (Some(app), _, Some(own)) if app > own => Err(Unserved::TooNew { app, own }),
            _ => Ok(()),
        }
    }
}
