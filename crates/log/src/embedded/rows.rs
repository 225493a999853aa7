//! The rows of the store: one ordered tree, the first byte of a key names the table.
//!
//! ```text
//! 0                                           position of the journal, next stream number   8 + 8
//! 1 name                                      a stream, see `StreamRow`
//! 2 stream from-seq                           a run of a stream's newest events: chain before:8, block
//! 3 stream from-seq                           a sealed segment of a stream, see `tape`
//! 4 stream collection 0 1 uuid:16             an object or tombstone
//! 4 stream collection 0 2 text                the same, under an id that is no UUID
//! 5 stream client:16                          what a client was told, see `clients`
//! 6 stream from-seq                           which objects a segment touches, see `index`
//! 7 stream from-seq                           what was kept of a segment that is gone, see `kept`
//! 8 stream index values id                    an object in an index, see `indexes`
//! ```
//!
//! Numbers in keys (`stream`, `from-seq`, `index`) are one byte of length, then that many bytes, the most significant first:
//! short, and ordered as the numbers are. Numbers in values are little-endian. Each block of rows is checksummed by
//! the tree below.

use lsm_tree::Slice;
use tapeline_core::hash::{Chain, Digest};
use tapeline_core::name::{Collection, Key, ObjectId, StreamName};
use tapeline_core::numbers::{ClientId, Incarnation, Position, Seq};
pub(super) use tapeline_core::query::index::past;
use tapeline_core::state::StreamState;

use super::clients::Clients;
use super::indexes::Indexes;
use crate::contract::Head;

pub(super) mod table {
    pub(in crate::embedded) const META: u8 = 0;
    pub(in crate::embedded) const STREAM: u8 = 1;
    pub(in crate::embedded) const TAIL: u8 = 2;
    pub(in crate::embedded) const SEGMENT: u8 = 3;
    pub(in crate::embedded) const ENTRY: u8 = 4;
    pub(in crate::embedded) const CLIENT: u8 = 5;
    pub(in crate::embedded) const INDEX: u8 = 6;
    pub(in crate::embedded) const KEPT: u8 = 7;
    pub(in crate::embedded) const FIELDS: u8 = 8;
}

const UUID_ID: u8 = 1;
const TEXT_ID: u8 = 2;
const STREAM_ROW_BYTES: usize = 88;

/// A row to write: a value, or the end of one.
pub(super) type Row = (Slice, Option<Slice>);

/// The one row of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MetaRow {
    /// All groups of the journal below it are in the store.
    pub(super) journal: u64,
    /// The number that the next stream gets.
    pub(super) next_number: u64,
}

impl MetaRow {
    pub(super) const KEY: [u8; 1] = [table::META];

    pub(super) fn encode(&self) -> Vec<u8> {
        [self.journal.to_le_bytes(), self.next_number.to_le_bytes()].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let [journal, next_number] = numbers(bytes)?;
        Some(Self { journal, next_number })
    }
}

/// What the store has of a stream: events and state, always up to the same position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamRow {
    /// The number in the keys of its rows.
    pub(super) number: u64,
    /// How far it is.
    pub(super) state: StreamState,
    /// Bytes of all its events.
    pub(super) bytes: u64,
    /// How its events are kept.
    pub(super) tail: Tail,
    /// Its clients, while they are few.
    pub(super) clients: Clients,
    /// Where its events begin.
    pub(super) horizon: Horizon,
    /// By what its objects are sorted.
    pub(super) indexes: Indexes,
}

/// Where the events of a stream begin: those before were let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Horizon {
    /// The first event that is there.
    pub(super) seq: Seq,
    /// The chain before it.
    pub(super) chain: Chain,
}

/// Where the sealed segments of a stream end and its newest events begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The first event that is not sealed.
    pub(super) from: Seq,
    /// Bytes of the events that are not sealed.
    pub(super) bytes: u64,
}

impl StreamRow {
    pub(super) fn key(stream: &StreamName) -> Vec<u8> {
        [&[table::STREAM], stream.as_str().as_bytes()].concat()
    }

    /// The name in a key that [`key`](Self::key) made.
    pub(super) fn name(key: &[u8]) -> Option<StreamName> {
        let name = std::str::from_utf8(key.strip_prefix(&[table::STREAM])?).ok()?;
        StreamName::new(name).ok()
    }

    pub(super) fn head(&self) -> Head {
        head_of(&self.state)
    }

    /// number, incarnation, position, head, chain, live, bytes, tail from, tail bytes, digest: eight bytes each,
    /// the digest 16. Then the clients, and where events were let go or there are indexes, the horizon: seq, chain; then
    /// the indexes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let state = &self.state;
        let numbers = [
            self.number,
            state.incarnation.0,
            state.position.0,
            state.head.0,
            state.chain.0,
            state.live,
            self.bytes,
            self.tail.from.0,
            self.tail.bytes,
        ];
        let mut bytes = Vec::with_capacity(STREAM_ROW_BYTES + 64);
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(&state.digest.0.to_le_bytes());
        self.clients.encode(&mut bytes);
        if self.horizon != Horizon::default() || !self.indexes.0.is_empty() {
            bytes.extend_from_slice(&self.horizon.seq.0.to_le_bytes());
            bytes.extend_from_slice(&self.horizon.chain.0.to_le_bytes());
        }
        if !self.indexes.0.is_empty() {
            bytes.extend_from_slice(&self.indexes.encode());
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (fixed, clients) = bytes.split_at_checked(STREAM_ROW_BYTES)?;
        let (fixed, digest) = fixed.split_last_chunk()?;
        let [number, incarnation, position, head, chain, live, bytes, tail_from, tail_bytes] = numbers(fixed)?;
        let state = StreamState {
            incarnation: Incarnation(incarnation),
            position: Position(position),
            head: Seq(head),
            chain: Chain(chain),
            live,
            digest: Digest(u128::from_le_bytes(*digest)),
        };
        let tail = Tail { from: Seq(tail_from), bytes: tail_bytes };
        let (clients, rest) = Clients::decode(clients)?;
        let (horizon, indexes) = if rest.is_empty() { (rest, rest) } else { rest.split_at_checked(16)? };
        let [seq, chain] = if horizon.is_empty() { [0, Chain::EMPTY.0] } else { numbers(horizon)? };
        let horizon = Horizon { seq: Seq(seq), chain: Chain(chain) };
        let indexes = if indexes.is_empty() { Indexes::default() } else { Indexes::decode(indexes)? };
        Some(Self { number, state, bytes, tail, clients, horizon, indexes })
    }
}

/// The end of a stream whose state is there too.
pub(super) fn head_of(state: &StreamState) -> Head {
    Head { incarnation: state.incarnation, position: state.position, seq: state.head, chain: state.chain }
}

fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: &[[u8; 8]; N] = words.try_into().ok()?;
    rest.is_empty().then(|| words.map(u64::from_le_bytes))
}

pub(super) fn write_number(key: &mut Vec<u8>, number: u64) {
    let bytes = number.to_be_bytes();
    let skip = (number.leading_zeros() / 8) as usize;
    key.push(8 - skip as u8);
    key.extend_from_slice(&bytes[skip..]);
}

fn read_number(key: &[u8]) -> Option<(u64, &[u8])> {
    let (&length, rest) = key.split_first()?;
    let (bytes, rest) = rest.split_at_checked(usize::from(length))?;
    let mut whole = [0; 8];
    whole.get_mut(8usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some((u64::from_be_bytes(whole), rest))
}

/// The stream's number in the key of one of its rows.
pub(super) fn read_stream_number(key: &[u8]) -> Option<u64> {
    read_number(key.get(1..)?).map(|(number, _)| number)
}

/// What the keys of a stream's rows in a table begin with.
pub(super) fn prefix(table: u8, number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(40);
    key.push(table);
    write_number(&mut key, number);
    key
}

/// The key of events from `from` on, in the table of tails or of segments.
pub(super) fn events_key(table: u8, number: u64, from: Seq) -> Vec<u8> {
    let mut key = prefix(table, number);
    write_number(&mut key, from.0);
    key
}

/// The stream's number and the seq in a key that [`events_key`] made.
pub(super) fn read_events_key(key: &[u8]) -> Option<(u64, Seq)> {
    let (number, rest) = read_number(key.get(1..)?)?;
    let (from, rest) = read_number(rest)?;
    rest.is_empty().then_some((number, Seq(from)))
}

/// What the keys of a collection begin with.
pub(super) fn collection_prefix(number: u64, collection: &Collection) -> Vec<u8> {
    let mut key = prefix(table::ENTRY, number);
    key.extend_from_slice(collection.as_str().as_bytes());
    key.push(0);
    key
}

/// What the keys of a collection begin with whose ids are UUIDs, or whose ids are not.
pub(super) fn ids_prefix(number: u64, collection: &Collection, uuids: bool) -> Vec<u8> {
    let mut key = collection_prefix(number, collection);
    key.push(if uuids { UUID_ID } else { TEXT_ID });
    key
}

pub(super) fn entry_key(number: u64, key: &Key) -> Vec<u8> {
    let Some(uuid) = key.id.as_uuid() else {
        return key.id.with_str(|text| text_key(number, &key.collection, text));
    };
    let mut row = ids_prefix(number, &key.collection, true);
    row.extend_from_slice(&uuid.to_be_bytes());
    row
}

/// The key that an object has, or would have, whose id is this and no UUID.
pub(super) fn text_key(number: u64, collection: &Collection, id: &str) -> Vec<u8> {
    let mut row = ids_prefix(number, collection, false);
    row.extend_from_slice(id.as_bytes());
    row
}

/// The stream's number and the object's key in a key that [`entry_key`] made.
pub(super) fn read_entry_key(row: &[u8]) -> Option<(u64, Key)> {
    let (number, rest) = read_number(row.strip_prefix(&[table::ENTRY])?)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    let collection = Collection::new(std::str::from_utf8(&rest[..end]).ok()?).ok()?;
    let (&kind, id) = rest[end + 1..].split_first()?;
    let id = match kind {
        UUID_ID => ObjectId::from_uuid(u128::from_be_bytes(id.try_into().ok()?)),
        TEXT_ID => ObjectId::new(std::str::from_utf8(id).ok()?).ok()?,
        _ => return None,
    };
    Some((number, Key { collection, id }))
}

pub(super) fn client_key(number: u64, client: ClientId) -> Vec<u8> {
    let mut key = prefix(table::CLIENT, number);
    key.extend_from_slice(&client.0.to_be_bytes());
    key
}

/// The client in a key that [`client_key`] made.
pub(super) fn read_client_key(row: &[u8]) -> Option<ClientId> {
    let (_, client) = read_number(row.strip_prefix(&[table::CLIENT])?)?;
    Some(ClientId(u128::from_be_bytes(client.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_keys_are_ordered_as_they_are() {
        let numbers = [0, 1, 127, 128, 255, 256, 65_535, 65_536, u64::MAX - 1, u64::MAX];
        let keys: Vec<_> = numbers.iter().map(|&number| prefix(table::TAIL, number)).collect();
        assert!(keys.is_sorted());
        for (number, key) in numbers.iter().zip(&keys) {
            assert_eq!(read_number(&key[1..]), Some((*number, &[][..])));
        }
    }

    #[test]
    fn keys_and_rows_read_back() {
        for id in ["018f3b2a-0c1d-7e4f-8a9b-0c1d2e3f4a5b", "shopping"] {
            let key = Key { collection: Collection::new("tasks").unwrap(), id: ObjectId::new(id).unwrap() };
            assert_eq!(read_entry_key(&entry_key(300, &key)), Some((300, key)));
        }
        let row = StreamRow {
            number: 7,
            state: StreamState { live: 3, digest: Digest(u128::MAX - 5), ..StreamState::empty(Incarnation(9)) },
            bytes: 1 << 40,
            tail: Tail { from: Seq(1024), bytes: 77 },
            clients: Clients::Few(vec![(ClientId(8), vec![1, 2]), (ClientId(9), Vec::new())]),
            horizon: Horizon::default(),
            indexes: Indexes::default(),
        };
        assert_eq!(StreamRow::decode(&row.encode()), Some(row.clone()));
        let horizon = Horizon { seq: Seq(512), chain: Chain(u64::MAX) };
        let row = StreamRow { clients: Clients::Apart, horizon, ..row };
        assert_eq!(StreamRow::decode(&row.encode()), Some(row));
        let name = StreamName::new("lists/groceries").unwrap();
        assert_eq!(StreamRow::name(&StreamRow::key(&name)), Some(name));
    }
}
