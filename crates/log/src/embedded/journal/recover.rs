//! Reads the journal back after a stop of any kind.
//!
//! A group is written only when the one before it is synced. So a bad group with nothing good behind it is a torn
//! tail, which nobody was told of: it is cut. A bad group with a good one behind it, in its own or a later segment,
//! is damage to something acknowledged: an error with file and offset, and nothing is changed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::group::{GROUP_MAGIC, GROUP_MAGIC_AT, Group, Record, SEGMENT_HEADER, SegmentHeader};
use super::segments::{SegmentFile, list};
use crate::contract::LogError;

/// What a journal holds.
pub(crate) struct Recovered {
    /// The ordinal of the next group.
    pub(crate) next: u64,
    /// The files that are still needed.
    pub(crate) segments: Vec<SegmentFile>,
}

/// Where reading a segment ended.
struct Scanned {
    end: u64,
    /// Where a torn tail begins.
    torn_at: Option<usize>,
}

/// Reads all groups from `from` on, hands their records to `visit`, cuts a torn tail and deletes what is not needed.
///
/// # Errors
/// Where a group is damaged or missing, or a file cannot be read.
pub(crate) fn recover(
    directory: &Path,
    from: u64,
    mut visit: impl FnMut(u64, Record) -> Result<(), LogError>,
) -> Result<Recovered, LogError> {
    let files = list(directory)?;
    let mut recovered = Recovered { next: from, segments: Vec::new() };
    let mut expected = None;
    for (place, (first, path)) in files.iter().enumerate() {
        let following = files.get(place + 1).map(|(first, _)| *first);
        if following.is_some_and(|following| following <= from) {
            fs::remove_file(path)?;
            continue;
        }
        check_first(path, *first, expected, from)?;
        let bytes = fs::read(path)?;
        let scanned = scan(path, &bytes, *first, following, |ordinal, record| match ordinal >= from {
            true => visit(ordinal, record),
            false => Ok(()),
        })?;
        let kept = cut(path, bytes.len(), *first, &scanned)?;
        expected = Some(scanned.end);
        recovered.next = recovered.next.max(scanned.end);
        match kept > 0 && scanned.end > from {
            true => recovered.segments.push(SegmentFile {
                path: path.clone(),
                end: scanned.end,
                bytes: kept,
                current: false,
            }),
            false => fs::remove_file(path)?,
        }
    }
    Ok(recovered)
}

/// Reads all groups of a journal, changing nothing, and tells `damaged` of every damage.
///
/// # Errors
/// Where a file cannot be read.
pub(crate) fn inspect(
    directory: &Path,
    mut visit: impl FnMut(u64, Record),
    mut damaged: impl FnMut(LogError),
) -> io::Result<()> {
    let files = list(directory)?;
    let mut expected = None;
    for (place, (first, path)) in files.iter().enumerate() {
        if let Err(error) = check_first(path, *first, expected, u64::MAX) {
            damaged(error);
        }
        let following = files.get(place + 1).map(|(first, _)| *first);
        let scanned = scan(path, &fs::read(path)?, *first, following, |ordinal, record| {
            visit(ordinal, record);
            Ok(())
        });
        match scanned {
            Ok(scanned) => expected = Some(scanned.end),
            Err(error) => {
                expected = following;
                damaged(error);
            }
        }
    }
    Ok(())
}

fn check_first(path: &Path, first: u64, expected: Option<u64>, from: u64) -> Result<(), LogError> {
    match expected.unwrap_or(from) {
        // The first segment may begin before what is needed.
        needed if first == needed || (expected.is_none() && first < needed) => Ok(()),
        needed => Err(damage(path, 0, format!("the groups {needed} to {first} are missing before this file"))),
    }
}

/// Reads the groups of one segment. `following` is the first group of the next one, where there is one.
fn scan(
    path: &Path,
    bytes: &[u8],
    first: u64,
    following: Option<u64>,
    mut visit: impl FnMut(u64, Record) -> Result<(), LogError>,
) -> Result<Scanned, LogError> {
    let Some(header) = SegmentHeader::decode(bytes) else {
        // The header is durable before the first group is written.
        return match following.is_none() && bytes.len() <= SEGMENT_HEADER {
            true => Ok(Scanned { end: first, torn_at: Some(0) }),
            false => Err(damage(path, 0, "the header of the segment does not verify")),
        };
    };
    if header.first != first {
        return Err(damage(path, 0, format!("the segment says that its first group is {}", header.first)));
    }
    let (mut offset, mut next) = (SEGMENT_HEADER, first);
    while offset < bytes.len() {
        let Some(group) = Group::decode(&bytes[offset..], header.salt).filter(|group| group.ordinal == next) else {
            let acknowledged = following.is_some() || good_group_after(&bytes[offset + 1..], header.salt);
            return match acknowledged {
                true => Err(damage(path, offset, format!("group {next} does not verify"))),
                false => Ok(Scanned { end: next, torn_at: Some(offset) }),
            };
        };
        read_group(path, offset, &group, &mut visit)?;
        offset += group.size;
        next += 1;
    }
    match following.filter(|&following| following != next) {
        Some(following) => Err(damage(path, offset, format!("the groups {next} to {following} are missing"))),
        None => Ok(Scanned { end: next, torn_at: None }),
    }
}

fn read_group(
    path: &Path,
    offset: usize,
    group: &Group<'_>,
    visit: &mut impl FnMut(u64, Record) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let mut count = 0;
    for record in group.records() {
        count += 1;
        visit(group.ordinal, record.map_err(|what| damage(path, offset, what))?)?;
    }
    match count == group.count {
        true => Ok(()),
        false => Err(damage(path, offset, format!("group {} has {count} records, not {}", group.ordinal, group.count))),
    }
}

/// Whether a group that verifies begins anywhere in some bytes.
fn good_group_after(bytes: &[u8], salt: u64) -> bool {
    let magics = bytes.windows(GROUP_MAGIC.len()).enumerate().filter(|(_, window)| window == GROUP_MAGIC);
    let mut starts = magics.filter_map(|(at, _)| at.checked_sub(GROUP_MAGIC_AT));
    starts.any(|start| Group::decode(&bytes[start..], salt).is_some())
}

/// Cuts a torn tail, durably. Answers how many bytes are left; none where no group is.
fn cut(path: &Path, bytes: usize, first: u64, scanned: &Scanned) -> io::Result<u64> {
    if scanned.end == first {
        return Ok(0);
    }
    if let Some(offset) = scanned.torn_at {
        let file = File::options().write(true).open(path)?;
        file.set_len(offset as u64)?;
        file.sync_all()?;
    }
    Ok(scanned.torn_at.unwrap_or(bytes) as u64)
}

fn damage(path: &Path, offset: usize, what: impl Into<String>) -> LogError {
    LogError::Damaged { place: format!("{} offset {offset}", PathBuf::from(path).display()), what: what.into() }
}
