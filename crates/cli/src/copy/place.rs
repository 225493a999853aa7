//! Where a log is: in a directory, or on NATS.

use std::path::PathBuf;
use std::str::FromStr;

use tapeline_log::jetstream::{Settings, SettingsError};

/// Where a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a directory.
    Directory(PathBuf),
    /// On NATS.
    Log(Settings),
}

impl FromStr for Place {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        if text.contains("://") { text.parse().map(Self::Log) } else { Ok(Self::Directory(text.into())) }
    }
}
