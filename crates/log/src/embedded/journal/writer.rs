//! Writes groups: one write and one sync each.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::group::{SEGMENT_HEADER, SegmentHeader, seal_group};
use super::segments::{Segments, path_of};
use crate::embedded::directory::sync_directory;
use crate::limits;

/// The end of the journal.
pub(super) struct Writer {
    directory: PathBuf,
    /// The ordinal of the next group.
    next: u64,
    segments: Arc<Segments>,
    current: Option<Current>,
}

struct Current {
    file: File,
    salt: u64,
    size: u64,
}

impl Writer {
    pub(super) fn new(directory: PathBuf, next: u64, segments: Arc<Segments>) -> Self {
        Self { directory, next, segments, current: None }
    }

    /// Makes a group durable and answers its ordinal. `bytes` begins with room for the header.
    pub(super) fn write(&mut self, bytes: &mut [u8], count: u32) -> io::Result<u64> {
        if self.current.as_ref().is_some_and(|current| current.size >= limits::JOURNAL_SEGMENT_BYTES) {
            self.end_segment();
        }
        let current = match &mut self.current {
            Some(current) => current,
            none => none.insert(begin(&self.directory, self.next, &self.segments)?),
        };
        seal_group(bytes, self.next, count, current.salt);
        current.file.write_all(bytes)?;
        current.file.sync_data()?;
        current.size += bytes.len() as u64;
        self.next += 1;
        self.segments.grow(self.next, bytes.len() as u64);
        Ok(self.next - 1)
    }

    /// The next group begins another segment.
    pub(super) fn end_segment(&mut self) {
        self.current = None;
        self.segments.end_current();
    }
}

/// Makes a segment that is durable before its first group is written.
fn begin(directory: &std::path::Path, first: u64, segments: &Segments) -> io::Result<Current> {
    let (path, salt) = (path_of(directory, first), fastrand::u64(..));
    let mut file = File::create_new(&path)?;
    file.write_all(&SegmentHeader { salt, first }.encode())?;
    file.sync_all()?;
    sync_directory(directory)?;
    segments.begin(path, first, SEGMENT_HEADER as u64);
    Ok(Current { file, salt, size: SEGMENT_HEADER as u64 })
}
