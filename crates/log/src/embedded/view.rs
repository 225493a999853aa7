//! A store's files under other names, so that opening it changes nothing: a tree that is opened removes what a killed
//! merge has left, and here it removes names alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::contract::LogError;

/// Names for the files of a directory, in another directory that goes with them.
pub(super) struct View {
    names: TempDir,
    of: PathBuf,
}

impl View {
    /// Names all files below a directory.
    pub(super) fn new(of: &Path) -> io::Result<Self> {
        let view = Self { names: TempDir::with_prefix("tapeline-view-")?, of: fs::canonicalize(of)? };
        name_files(&view.of, view.path())?;
        Ok(view)
    }

    /// The directory with the names.
    pub(super) fn path(&self) -> &Path {
        self.names.path()
    }

    /// An error that may mention the names, with those of the files themselves instead.
    pub(super) fn in_words_of_the_original(&self, error: LogError) -> LogError {
        let original = |text: String| text.replace(&self.path().display().to_string(), &self.of.display().to_string());
        match error {
            LogError::Damaged { place, what } => LogError::Damaged { place: original(place), what: original(what) },
            LogError::Trimmed { .. } => error,
            LogError::Storage(what) => LogError::Storage(original(what)),
        }
    }
}

fn name_files(of: &Path, names: &Path) -> io::Result<()> {
    for entry in fs::read_dir(of)? {
        let entry = entry?;
        let name = names.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&name)?;
            name_files(&entry.path(), &name)?;
        } else {
            give_name(&entry.path(), &name)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn give_name(file: &Path, name: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(file, name)
}

/// Where a name cannot be had by everybody, a copy serves.
#[cfg(not(unix))]
fn give_name(file: &Path, name: &Path) -> io::Result<()> {
    fs::copy(file, name).map(drop)
}
