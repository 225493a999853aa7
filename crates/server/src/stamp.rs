//! Whether a file is another one than it was.

use std::path::Path;
use std::time::SystemTime;

/// What tells a file from the one that was there before. There is none of a file that is not there.
pub(crate) type Stamp = Option<(SystemTime, u64)>;

/// The stamp of a file as it is now.
pub(crate) fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
