//! Reading the files that a server is given: all of one, up to a bound.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tapeline_authority::toml_file::TextError;

/// Why a file is none that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It says something that cannot be.
    #[error(transparent)]
    Wrong(#[from] TextError),
    /// It, or one that it names, cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

/// Reads a file that has so many bytes at most.
pub(crate) fn read_bounded(path: &Path, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() > most {
        true => Err(std::io::Error::other(format!("it has more than {most} bytes"))),
        false => Ok(bytes),
    }
}

/// Reads a text that has so many bytes at most.
pub(crate) fn read_file(path: &Path, most: usize) -> Result<String, FileError> {
    let bytes = read_bounded(path, most);
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other));
    text.map_err(|error| FileError::Unreadable { path: path.to_owned(), error })
}
