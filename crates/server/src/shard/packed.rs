//! What is known of a small stream's objects and clients, in little memory: a fifth of what they take unpacked.
//!
//! Records, one after another: the bytes of a key, and what is under it, each after its length. A stream has few, so
//! they are looked through from the start.

use tapeline_core::codec::cbor::{decode_entry, encode_entry};
use tapeline_core::name::Key;
use tapeline_core::numbers::ClientId;
use tapeline_core::object::Entry;
use tapeline_core::sequencer::Forgotten;
use tapeline_core::state::ClientState;

/// What is known of a stream's objects and clients, encoded.
#[derive(Debug, Default)]
pub(super) struct Packed(Box<[u8]>);

/// What a key begins with.
const ENTRY: u8 = 0;
const CLIENT: u8 = 1;
const SIZE_BYTES: usize = 4;

impl Packed {
    /// Packs what a sequencer has forgotten, beside what was packed before and is not among it.
    pub(super) fn add(&mut self, forgotten: &Forgotten) {
        let mut records = Vec::with_capacity(self.0.len());
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let entries = forgotten.entries().map(|(key, entry)| (key_of_entry(&key), entry.map(encode_entry)));
        let clients =
            forgotten.clients().map(|(client, state)| (key_of_client(client), state.map(ClientState::encode)));
        for (key, value) in entries.chain(clients) {
            put(&mut records, &key, &value.unwrap_or_default());
            keys.push(key);
        }
        for (key, value) in self.records().filter(|(key, _)| keys.iter().all(|known| known != key)) {
            put(&mut records, key, value);
        }
        self.0 = records.into();
    }

    /// What is under a key, where that is known.
    pub(super) fn entry(&self, key: &Key) -> Option<Option<Entry>> {
        read(self.find(&key_of_entry(key))?, |bytes| decode_entry(bytes).ok())
    }

    /// What is known of a client, where anything is.
    pub(super) fn client(&self, client: ClientId) -> Option<Option<ClientState>> {
        read(self.find(&key_of_client(client))?, |bytes| ClientState::decode(bytes).ok())
    }

    /// How many bytes it takes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn find(&self, key: &[u8]) -> Option<&[u8]> {
        self.records().find(|(found, _)| *found == key).map(|(_, value)| value)
    }

    fn records(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || Some((take(&mut rest)?, take(&mut rest)?)))
    }
}

/// Nothing where nothing is known to be there; a value that cannot be read is not known.
fn read<T>(value: &[u8], decode: impl FnOnce(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if value.is_empty() { Some(None) } else { decode(value).map(Some) }
}

fn key_of_entry(key: &Key) -> Vec<u8> {
    let collection = key.collection.as_str().as_bytes();
    let mut bytes = vec![ENTRY, collection.len() as u8];
    bytes.extend_from_slice(collection);
    bytes.push(u8::from(key.id.as_uuid().is_some()));
    match key.id.as_uuid() {
        Some(uuid) => bytes.extend(uuid.to_be_bytes()),
        None => key.id.with_str(|text| bytes.extend_from_slice(text.as_bytes())),
    }
    bytes
}

fn key_of_client(client: ClientId) -> Vec<u8> {
    let mut bytes = vec![CLIENT];
    bytes.extend(client.0.to_be_bytes());
    bytes
}

fn put(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    for part in [key, value] {
        records.extend((part.len() as u32).to_le_bytes());
        records.extend_from_slice(part);
    }
}

fn take<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (size, tail) = rest.split_first_chunk::<SIZE_BYTES>()?;
    let (part, tail) = tail.split_at_checked(u32::from_le_bytes(*size) as usize)?;
    *rest = tail;
    Some(part)
}

#[cfg(test)]
mod tests {
    use tapeline_core::caller::Caller;
    use tapeline_core::event::{Authored, Body, Sealed};
    use tapeline_core::name::{Collection, ObjectId};
    use tapeline_core::numbers::{Channel, EventNumber, Incarnation};
    use tapeline_core::op::{Action, FieldMap, Op};
    use tapeline_core::sequencer::{Peer, Pushed, Sequencer};
    use tapeline_core::state::StreamState;

    use super::*;

    fn key(id: ObjectId) -> Key {
        Key { collection: Collection::new("c").unwrap(), id }
    }

    /// A sequencer on which a client's `n`th event made an object.
    fn push(sequencer: &mut Sequencer, n: u64, key: &Key) {
        let op = Op { key: key.clone(), seen: None, action: Action::Upsert(FieldMap::default()) };
        let body = Body { ops: vec![op], ..Body::default() };
        let event = Authored { client: ClientId(7), n: EventNumber(n), settled: EventNumber(0), body };
        let peer = Peer { session: 0, channel: Channel(0) };
        assert_eq!(sequencer.push(peer, &Caller::default(), &Sealed::new(event)), Pushed::Decided);
    }

    #[test]
    fn what_was_packed_is_found_until_it_is_packed_anew() {
        let mut sequencer = Sequencer::new(StreamState::empty(Incarnation(1)), std::sync::Arc::default(), None);
        let [uuid, text] = [ObjectId::from_uuid(5), ObjectId::new("five").unwrap()].map(key);
        let absent = key(ObjectId::new("none").unwrap());
        sequencer.load_entry(absent.clone(), None);
        let mut packed = Packed::default();
        assert_eq!((packed.entry(&uuid), packed.client(ClientId(7))), (None, None));
        push(&mut sequencer, 1, &uuid);
        packed.add(&sequencer.forget());
        sequencer.load_client(ClientId(7), packed.client(ClientId(7)).unwrap());
        push(&mut sequencer, 2, &text);
        packed.add(&sequencer.forget());
        assert_eq!(packed.entry(&absent), Some(None));
        for (key, seq) in [(&uuid, 0), (&text, 1)] {
            let entry = packed.entry(key).unwrap().unwrap();
            assert_eq!(entry.live().unwrap().seq().0, seq);
        }
        assert_eq!(packed.client(ClientId(7)).unwrap().unwrap().last, EventNumber(2));
        assert_eq!(packed.client(ClientId(8)), None);
    }
}
