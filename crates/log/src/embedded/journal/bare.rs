//! The limit of this disk: what the journal would do if it were nothing but writes and syncs.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a disk can do.
#[derive(Clone, Copy, Debug)]
pub struct BareJournal {
    /// Groups written and synced.
    pub groups: u64,
    /// Bytes written.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

impl BareJournal {
    /// Events per second, where each group had this many.
    pub fn events_per_second(&self, events_per_group: u64) -> f64 {
        (self.groups * events_per_group) as f64 / self.took.as_secs_f64()
    }
}

/// Writes groups of `group_bytes` to a file in a directory for about `during`, syncing each before the next, and
/// deletes the file.
///
/// # Errors
/// Where the directory cannot be written.
pub fn bare_journal(directory: &Path, group_bytes: usize, during: Duration) -> io::Result<BareJournal> {
    let path = directory.join("bare.measure");
    let (mut file, group) = (File::create(&path)?, vec![0x5a; group_bytes]);
    let (mut groups, started) = (0, Instant::now());
    while started.elapsed() < during {
        file.write_all(&group)?;
        file.sync_data()?;
        groups += 1;
    }
    let took = started.elapsed();
    std::fs::remove_file(path)?;
    Ok(BareJournal { groups, bytes: groups * group_bytes as u64, took })
}
