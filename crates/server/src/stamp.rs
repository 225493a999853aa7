//! Whether a file is another one than it was.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

/// What tells a file from the one that was there before, and whether it can be opened: one that could not be read is looked at
/// again once it can. There is none of a file that is not there.
pub(crate) type Stamp = Option<(SystemTime, u64, bool)>;

/// The stamp of a file as it is now.
pub(crate) fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), File::open(path).is_ok()))
}
