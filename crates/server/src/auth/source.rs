//! Where what an authenticator knows comes from, and whether that has changed since.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::error::AuthFileError;
use super::file::{Settings, named_files};
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

/// Files as they were when they were read, whether that could be done or not.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<(PathBuf, Stamp)>);

impl Seen {
    /// Whether all are as they were.
    pub(super) fn is_so_still(&self) -> bool {
        self.0.iter().all(|(path, was)| stamp(path) == *was)
    }

    /// What is read from now on may be newer, but not older than this.
    fn see(&mut self, path: PathBuf) {
        let stamp = stamp(&path);
        self.0.push((path, stamp));
    }
}

impl Source {
    /// Reads all of it, and says of which files that is, those among them that could not be read.
    pub(super) fn read(&self) -> (Seen, Result<(Settings, Revoked), AuthFileError>) {
        let mut seen = Seen::default();
        let read = self.read_seen(&mut seen);
        (seen, read)
    }

    fn read_seen(&self, seen: &mut Seen) -> Result<(Settings, Revoked), AuthFileError> {
        let (text, directory): (Cow<'_, str>, &Path) = match self {
            Self::Text { text, directory } => ((&**text).into(), directory),
            Self::File(path) => {
                seen.see(path.clone());
                (read_file(path, limits::AUTH_FILE_BYTES)?.into(), path.parent().unwrap_or(Path::new("")))
            }
        };
        named_files(&text, directory).into_iter().for_each(|path| seen.see(path));
        let settings = Settings::read(&text, directory)?;
        let revoked = settings.revoked_file.as_deref().map(Revoked::read).transpose()?.unwrap_or_default();
        Ok((settings, revoked))
    }
}
