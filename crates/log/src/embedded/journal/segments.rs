//! The files of the journal, oldest first: which groups each has, and when it may go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

const EXTENSION: &str = "journal";

/// One file of the journal.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFile {
    pub(crate) path: PathBuf,
    /// The ordinal after its last group.
    pub(crate) end: u64,
    pub(crate) bytes: u64,
    /// Whether groups are still written to it.
    pub(crate) current: bool,
}

/// All of them.
pub(crate) struct Segments(Mutex<Vec<SegmentFile>>);

impl Segments {
    pub(crate) fn new(segments: Vec<SegmentFile>) -> Self {
        Self(Mutex::new(segments))
    }

    /// Takes note of a new file, which is the current one.
    pub(crate) fn begin(&self, path: PathBuf, first: u64, bytes: u64) {
        self.lock().push(SegmentFile { path, end: first, bytes, current: true });
    }

    /// Takes note of a group written to the current file.
    pub(crate) fn grow(&self, end: u64, bytes: u64) {
        if let Some(current) = self.lock().last_mut() {
            (current.end, current.bytes) = (end, current.bytes + bytes);
        }
    }

    /// No file is current any more.
    pub(crate) fn end_current(&self) {
        self.lock().iter_mut().for_each(|segment| segment.current = false);
    }

    /// Whether there is a current file and all its groups are below `below`.
    pub(crate) fn current_ends_by(&self, below: u64) -> bool {
        self.lock().last().is_some_and(|segment| segment.current && segment.end <= below)
    }

    /// Deletes the files, oldest first, that have only groups below `below`.
    pub(crate) fn delete_below(&self, below: u64) -> io::Result<()> {
        loop {
            let mut segments = self.lock();
            match segments.first() {
                Some(first) if !first.current && first.end <= below => {}
                _ => return Ok(()),
            }
            let first = segments.remove(0);
            drop(segments);
            fs::remove_file(first.path)?;
        }
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes_below(u64::MAX)
    }

    /// Bytes of the files that have only groups below `below`.
    pub(crate) fn bytes_below(&self, below: u64) -> u64 {
        self.lock().iter().filter(|segment| segment.end <= below).map(|segment| segment.bytes).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SegmentFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path of the segment whose first group is `first`.
pub(crate) fn path_of(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:016x}.{EXTENSION}"))
}

/// The segments in a directory by their first group.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let first = stem.and_then(|stem| u64::from_str_radix(stem, 16).ok());
        if let (Some(first), Some(EXTENSION)) = (first, path.extension().and_then(|extension| extension.to_str())) {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found)
}
