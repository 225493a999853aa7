//! Snapshots: what is known of a stream at one moment beside its events, in a form that any backend can give and take.
//!
//! ```text
//! snapshot = page*
//! page     = length:4 unpacked:4 zstd of record*          about `SNAPSHOT_PAGE_BYTES` of them
//! record   = kind:1 length:4 content
//! kind 0     incarnation position head chain live bytes horizon before source: eight bytes each, digest:16   the first record
//! kind 1     length:1 collection form:1 id entry           form: length of the id, which is text; 255: 16 bytes, a UUID
//! kind 2     client:16 state
//! kind 3     seq:8 events                                  some that were kept of those before the horizon
//! ```
//!
//! All numbers are little-endian. Entries and the states of clients stand in the bytes in which every storage keeps them.

use tapeline_core::block::EventBlock;
use tapeline_core::codec::cbor::{decode_entry, encode_entry};
use tapeline_core::hash::{Chain, Digest};
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::numbers::{ClientId, Incarnation, Position, Seq};
use tapeline_core::object::Entry;
use tapeline_core::state::{ClientState, StreamState};

use crate::contract::LogError;
use crate::limits;

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// The state that it shows.
    pub state: StreamState,
    /// Bytes of all events up to there.
    pub bytes: u64,
    /// The first event that is there, and from which on it shows what was deleted.
    pub horizon: Seq,
    /// The chain before that event.
    pub before: Chain,
    /// The position of the log that it was taken from: another one than the state's where it went to a log of its own.
    pub source: Position,
}

/// What stands in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// What it is of. Stands first.
    Base(Base),
    /// An object, or what is left of one.
    Entry(Key, Entry),
    /// What a client was told.
    Client(ClientId, ClientState),
    /// Events from before the horizon that were kept, and where the segment began that they were in.
    Kept(Seq, EventBlock),
}

/// Takes records, and says whether it can.
pub type Visit<'v> = dyn FnMut(Record) -> Result<(), LogError> + 'v;

/// Puts records into pages.
#[derive(Default)]
pub struct Packing {
    page: Vec<u8>,
}

impl Packing {
    /// Puts a record behind others. Gives the page that is full with it.
    ///
    /// # Errors
    /// Where it cannot be compressed.
    pub fn put(&mut self, record: &Record) -> Result<Option<Vec<u8>>, LogError> {
        let (kind, content) = record.encode();
        self.page.push(kind);
        self.page.extend_from_slice(&(content.len() as u32).to_le_bytes());
        self.page.extend_from_slice(&content);
        if self.page.len() < limits::SNAPSHOT_PAGE_BYTES { Ok(None) } else { self.take().map(Some) }
    }

    /// Gives the last page.
    ///
    /// # Errors
    /// Where it cannot be compressed.
    pub fn take(&mut self) -> Result<Vec<u8>, LogError> {
        let page = std::mem::take(&mut self.page);
        let packed = zstd::bulk::compress(&page, limits::SNAPSHOT_LEVEL)?;
        let lengths = [packed.len() as u32 + 4, page.len() as u32].map(u32::to_le_bytes);
        Ok([lengths.as_flattened(), &packed].concat())
    }
}

/// Reads pages from parts of any length.
#[derive(Default)]
pub struct Unpacking {
    rest: Vec<u8>,
}

impl Unpacking {
    /// Takes the next part, and shows the records of the pages that are whole with it.
    ///
    /// # Errors
    /// Where it is no part of a snapshot, or what it shows cannot be taken.
    pub fn take(&mut self, part: &[u8], visit: &mut Visit<'_>) -> Result<(), LogError> {
        self.rest.extend_from_slice(part);
        let mut rest = &self.rest[..];
        while let Some((page, after)) = split(rest) {
            read_page(page, visit)?;
            rest = after;
        }
        self.rest = rest.to_vec();
        Ok(())
    }

    /// Whether all that was taken was whole.
    pub fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }
}

/// The events of a block up to some event.
pub fn until(block: &EventBlock, end: Seq) -> EventBlock {
    let mut first = EventBlock::empty(block.from(), block.before());
    block.encoded().take(end.since(block.from()) as usize).for_each(|event| first.push(event));
    first
}

impl Record {
    fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Base(base) => (0, base.encode()),
            Self::Entry(key, entry) => (1, [encode_key(key), encode_entry(entry)].concat()),
            Self::Client(client, state) => (2, [&client.0.to_le_bytes()[..], &state.encode()].concat()),
            Self::Kept(seq, events) => (3, [&seq.0.to_le_bytes()[..], events.bytes()].concat()),
        }
    }

    fn decode(kind: u8, content: &[u8]) -> Option<Self> {
        match kind {
            0 => Base::decode(content).map(Self::Base),
            1 => {
                let (key, entry) = decode_key(content)?;
                Some(Self::Entry(key, decode_entry(entry).ok()?))
            }
            2 => {
                let (client, state) = content.split_first_chunk()?;
                Some(Self::Client(ClientId(u128::from_le_bytes(*client)), ClientState::decode(state).ok()?))
            }
            3 => {
                let (seq, events) = content.split_first_chunk()?;
                let block = EventBlock::from_bytes(Seq::FIRST, Chain::EMPTY, events.to_vec()).ok()?;
                Some(Self::Kept(Seq(u64::from_le_bytes(*seq)), block))
            }
            _ => None,
        }
    }
}

impl Base {
    fn encode(&self) -> Vec<u8> {
        let StreamState { incarnation, position, head, chain, live, digest } = self.state;
        let place = [incarnation.0, position.0, head.0, chain.0, live];
        let rest = [self.bytes, self.horizon.0, self.before.0, self.source.0];
        let numbers = place.iter().chain(&rest).flat_map(|number| number.to_le_bytes());
        numbers.chain(digest.0.to_le_bytes()).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, digest) = bytes.split_last_chunk()?;
        let (numbers, rest) = numbers.as_chunks::<8>();
        let numbers: &[[u8; 8]; 9] = numbers.try_into().ok().filter(|_| rest.is_empty())?;
        let [incarnation, position, head, chain, live, bytes, horizon, before, source] =
            numbers.map(u64::from_le_bytes);
        let (incarnation, position, digest) =
            (Incarnation(incarnation), Position(position), u128::from_le_bytes(*digest));
        let (head, chain, digest) = (Seq(head), Chain(chain), Digest(digest));
        let state = StreamState { incarnation, position, head, chain, live, digest };
        Some(Self { state, bytes, horizon: Seq(horizon), before: Chain(before), source: Position(source) })
    }
}

const UUID: u8 = u8::MAX;

fn encode_key(key: &Key) -> Vec<u8> {
    let collection = key.collection.as_str().as_bytes();
    let mut bytes = vec![collection.len() as u8];
    bytes.extend_from_slice(collection);
    match key.id.as_uuid() {
        Some(uuid) => {
            bytes.push(UUID);
            bytes.extend(uuid.to_le_bytes());
        }
        None => key.id.with_str(|text| {
            bytes.push(text.len() as u8);
            bytes.extend_from_slice(text.as_bytes());
        }),
    }
    bytes
}

/// The key, and what follows it.
fn decode_key(bytes: &[u8]) -> Option<(Key, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (collection, rest) = rest.split_at_checked(usize::from(length))?;
    let collection = Collection::new(std::str::from_utf8(collection).ok()?).ok()?;
    let (&form, rest) = rest.split_first()?;
    let (id, rest) = rest.split_at_checked(if form == UUID { 16 } else { usize::from(form) })?;
    let id = match form {
        UUID => ObjectId::from_uuid(u128::from_le_bytes(id.try_into().ok()?)),
        _ => ObjectId::new(std::str::from_utf8(id).ok()?).ok()?,
    };
    Some((Key { collection, id }, rest))
}

/// The first page, and what follows it. `None` where it is not whole yet.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

fn read_page(page: &[u8], visit: &mut Visit<'_>) -> Result<(), LogError> {
    let damaged =
        || LogError::Damaged { place: "a snapshot".into(), what: "it has something else than records".into() };
    let (unpacked, packed) = page.split_first_chunk().ok_or_else(damaged)?;
    let unpacked = u32::from_le_bytes(*unpacked) as usize;
    let is_page = unpacked <= limits::SNAPSHOT_MOST_BYTES;
    let page = zstd::bulk::decompress(packed, unpacked * usize::from(is_page)).map_err(|_| damaged())?;
    let mut rest = &page[..];
    while let Some((&kind, after)) = rest.split_first() {
        let (content, after) = split(after).ok_or_else(damaged)?;
        visit(Record::decode(kind, content).ok_or_else(damaged)?)?;
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Writer;

    #[test]
    fn records_come_back_whatever_they_are_cut_into() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let (mut random, mut writer) = (fastrand::Rng::with_seed(seed), Writer::new("s"));
        let next = writer.upserts(&(0..5_000).collect::<Vec<_>>(), "a title");
        let changes = writer.play(&next.batch);
        let (state, source) = (StreamState { digest: Digest(u128::MAX - 7), ..changes.state }, Position(1 << 40));
        let base = Base { state, bytes: 9, horizon: Seq(4), before: Chain(u64::MAX), source };
        let mut records = vec![Record::Base(base), Record::Kept(Seq(3), next.batch.block.slice(Seq::FIRST, 4_000))];
        records.extend(changes.entries.into_iter().map(|(key, entry)| Record::Entry(key, entry)));
        records.extend(changes.clients.into_iter().map(|(client, state)| Record::Client(client, state)));
        let (mut packing, mut bytes) = (Packing::default(), Vec::new());
        records.iter().for_each(|record| bytes.extend(packing.put(record).unwrap().into_iter().flatten()));
        bytes.extend(packing.take().unwrap());
        let (mut unpacking, mut read, mut rest) = (Unpacking::default(), Vec::new(), &bytes[..]);
        while !rest.is_empty() {
            let (part, after) = rest.split_at(random.usize(1..=rest.len().min(100_000)));
            let mut take = |record| {
                read.push(record);
                Ok(())
            };
            unpacking.take(part, &mut take).unwrap();
            rest = after;
        }
        assert!(unpacking.is_whole());
        assert_eq!(read, records);
        let mut hurt = bytes.clone();
        hurt[random.usize(8..bytes.len())] ^= 1;
        let heard = Unpacking::default().take(&hurt, &mut |_| Ok(()));
        println!("hurt: {heard:?}");
    }
}
