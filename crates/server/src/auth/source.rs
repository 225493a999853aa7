//! Where what an authenticator knows comes from, and whether that has changed since.

use std::path::{Path, PathBuf};

use super::error::AuthFileError;
use super::file::Settings;
use super::revoked::Revoked;
use crate::files::read_file;
use crate::limits;
use crate::stamp::{Stamp, stamp};

/// Where an auth file is.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    /// Nowhere: what it says was given, and where the files are that it names.
    Text {
        text: Box<str>,
        directory: PathBuf,
    },
}

impl Source {
    /// Reads all of it.
    pub(super) fn read(&self) -> Result<(Settings, Revoked), AuthFileError> {
        let settings = match self {
            Self::Text { text, directory } => Settings::read(text, directory)?,
            Self::File(path) => {
                let text = read_file(path, limits::AUTH_FILE_BYTES)?;
                Settings::read(&text, path.parent().unwrap_or(Path::new("")))?
            }
        };
        let revoked = settings.revoked_file.as_deref().map(Revoked::read).transpose()?.unwrap_or_default();
        Ok((settings, revoked))
    }

    /// What is to be looked at.
    pub(super) fn stamps(&self, settings: &Settings) -> Vec<Stamp> {
        let file = match self {
            Self::File(path) => Some(path),
            Self::Text { .. } => None,
        };
        file.into_iter().chain(&settings.files).map(|path| stamp(path)).collect()
    }
}
