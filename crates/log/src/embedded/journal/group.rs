//! The bytes of the journal.
//!
//! ```text
//! segment  = header group*                    one file, named after its first group
//! header   = "TAPELNJ1" salt:8 first:8 check:8        check: xxh3 of the 24 bytes before it
//! group    = check:8 "GRUP" length:4 ordinal:8 count:4 zero:4 record*
//! record   = length:4 number:8 incarnation:8 position:8 name-length:1 name batch
//! ```
//!
//! All numbers are little-endian. `check` of a group is the xxh3 of everything after it in the group, seeded with the
//! segment's random salt, so that neither stale bytes nor bytes that somebody sends us ever look like a group.
//! A group's `length` is that of its records; a record's that of what follows in it.

use std::sync::Arc;

use tapeline_core::batch::Batch;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Incarnation, Position};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 32;
/// Bytes of a group's header.
pub(crate) const GROUP_HEADER: usize = 32;
/// Where in a group its [`GROUP_MAGIC`] stands.
pub(crate) const GROUP_MAGIC_AT: usize = 8;
/// What every group has.
pub(crate) const GROUP_MAGIC: &[u8; 4] = b"GRUP";
const SEGMENT_MAGIC: &[u8; 8] = b"TAPELNJ1";
const RECORD_FIXED: usize = 29;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The seed of its groups' checksums.
    pub(crate) salt: u64,
    /// The ordinal of its first group.
    pub(crate) first: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        let check = xxh3_64(&bytes[..24]);
        bytes[24..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// `None` where the bytes are no header, or a damaged one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER)?;
        let whole = &bytes[..8] == SEGMENT_MAGIC && u64_at(bytes, 24)? == xxh3_64(&bytes[..24]);
        whole.then_some(Self { salt: u64_at(bytes, 8)?, first: u64_at(bytes, 16)? })
    }
}

/// A group that verified: its ordinal, its records, and how many bytes it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group<'b> {
    pub(crate) ordinal: u64,
    pub(crate) count: u32,
    pub(crate) records: &'b [u8],
    pub(crate) size: usize,
}

impl<'b> Group<'b> {
    /// The group at the start of some bytes; `None` where there is no whole and undamaged one.
    pub(crate) fn decode(bytes: &'b [u8], salt: u64) -> Option<Self> {
        let length = u32_at(bytes, 12)? as usize;
        let size = GROUP_HEADER.checked_add(length)?;
        let group = bytes.get(..size)?;
        let magic = group.get(GROUP_MAGIC_AT..GROUP_MAGIC_AT + 4)? == GROUP_MAGIC;
        if !magic || u64_at(group, 0)? != xxh3_64_with_seed(&group[8..], salt) {
            return None;
        }
        Some(Self { ordinal: u64_at(group, 16)?, count: u32_at(group, 24)?, records: &group[GROUP_HEADER..], size })
    }

    /// Its records.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record, String>> + use<'b> {
        let mut rest = self.records;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let split = u32_at(rest, 0).and_then(|length| rest.get(4..)?.split_at_checked(length as usize));
            let Some((record, tail)) = split else {
                rest = &[];
                return Some(Err("a record is longer than its group".into()));
            };
            rest = tail;
            Some(Record::decode(record))
        })
    }
}

/// Finishes a group in place: `bytes` begins with room for the header, the records follow.
pub(crate) fn seal_group(bytes: &mut [u8], ordinal: u64, count: u32, salt: u64) {
    let length = (bytes.len() - GROUP_HEADER) as u32;
    bytes[8..12].copy_from_slice(GROUP_MAGIC);
    bytes[12..16].copy_from_slice(&length.to_le_bytes());
    bytes[16..24].copy_from_slice(&ordinal.to_le_bytes());
    bytes[24..28].copy_from_slice(&count.to_le_bytes());
    bytes[28..32].fill(0);
    let check = xxh3_64_with_seed(&bytes[8..], salt);
    bytes[..8].copy_from_slice(&check.to_le_bytes());
}

/// One append as the journal keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) stream: StreamName,
    /// The number under which the store keeps the stream.
    pub(crate) number: u64,
    pub(crate) incarnation: Incarnation,
    /// Where the stream is after it.
    pub(crate) position: Position,
    pub(crate) batch: Arc<Batch>,
}

impl Record {
    /// Appends its bytes, given those of its batch.
    pub(crate) fn encode(&self, batch: &[u8], to: &mut Vec<u8>) {
        let name = self.stream.as_str().as_bytes();
        let length = RECORD_FIXED - 4 + name.len() + batch.len();
        to.extend_from_slice(&(length as u32).to_le_bytes());
        to.extend_from_slice(&self.number.to_le_bytes());
        to.extend_from_slice(&self.incarnation.0.to_le_bytes());
        to.extend_from_slice(&self.position.0.to_le_bytes());
        to.push(name.len() as u8);
        to.extend_from_slice(name);
        to.extend_from_slice(batch);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let short = || "a record is too short".to_owned();
        let (number, incarnation) = (u64_at(bytes, 0).ok_or_else(short)?, u64_at(bytes, 8).ok_or_else(short)?);
        let position = u64_at(bytes, 16).ok_or_else(short)?;
        let name_length = usize::from(*bytes.get(24).ok_or_else(short)?);
        let (name, batch) = bytes[25..].split_at_checked(name_length).ok_or_else(short)?;
        let name = std::str::from_utf8(name).map_err(|error| error.to_string())?;
        Ok(Self {
            stream: StreamName::new(name).map_err(|error| error.to_string())?,
            number,
            incarnation: Incarnation(incarnation),
            position: Position(position),
            batch: Arc::new(Batch::decode(batch).map_err(|error| error.to_string())?),
        })
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
