//! A directory as the cache of a log that is elsewhere: what is durable there is received, and waits to be applied without
//! being written to the journal. After a stop the other log has it again.

use std::path::Path;

use tapeline_core::numbers::Position;

use super::directory::Directory;
use super::{Embedded, OpenError};
use crate::contract::{Append, AppendError};

impl Embedded {
    /// Opens the cache of a log with some identity, making it where there is none.
    ///
    /// # Errors
    /// As [`open`](Self::open), and where the directory is the cache of another log, or has a log of its own.
    pub fn open_cache(path: &Path, of: &str) -> Result<Self, OpenError> {
        Self::open_directory(Directory::take_cache(path, of)?, Self::abort())
    }

    /// Takes a batch that is durable on the log.
    ///
    /// # Errors
    /// Where it does not follow from what was received before: those between are to be received first. Where it was
    /// received before, too.
    pub fn receive(&self, append: Append) -> Result<Position, AppendError> {
        // The journal's groups begin at 1: of group 0 nothing is waited for.
        const NOT_IN_THE_JOURNAL: u64 = 0;
        let unknown = |why: String| AppendError::Unknown(why);
        let mut table = self.table(&append.stream).map_err(|error| unknown(error.to_string()))?;
        if let Some(broken) = &table.broken {
            return Err(unknown(broken.to_string()));
        }
        let record = self.stage(&mut table, append)?;
        table.take_durable(NOT_IN_THE_JOURNAL, &record);
        Ok(record.position)
    }
}
