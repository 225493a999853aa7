//! A directory into which a log is being copied says so, so that no server uses it before it is whole.

use std::path::Path;

use super::directory::Directory;
use super::{Embedded, OpenError};
use crate::contract::LogError;

impl Embedded {
    /// Opens a directory into which another log may be copied, making it where there is none.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for copies that are not whole.
    pub fn open_to_copy(path: &Path) -> Result<Self, OpenError> {
        Self::open_directory(Directory::take_to_copy(path)?, Self::abort())
    }

    /// Whether something is being copied there.
    pub fn is_being_copied(&self) -> bool {
        self.lock_directory().as_ref().is_some_and(Directory::is_being_copied)
    }

    /// No server is to use the directory from now on.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn begin_copy(&self) -> Result<(), LogError> {
        self.lock_directory().as_ref().map_or(Ok(()), |directory| Ok(directory.say_copying(true)?))
    }

    /// All of the copy is there: makes it durable, and lets the directory go as one that a server may use.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn end_copy(&self) -> Result<(), LogError> {
        let directory = self.lock_directory().take();
        self.close()?;
        directory.map_or(Ok(()), |directory| Ok(directory.say_copying(false)?))
    }
}
