//! What storage keeps, in CBOR: objects, batches, and the state of streams and clients.

use std::sync::Arc;

use super::event::read_tuple;
use super::value::{read_client, read_value};
use super::{CodecError, Reader, Writer, array_len, check_end, map_len, read_array, read_null, read_verdicts, write_verdicts};
use crate::batch::{Batch, ClientVerdict};
use crate::block::EventBlock;
use crate::hash::{Chain, Digest};
use crate::limits;
use crate::name::{FieldName, Key, Subject};
use crate::numbers::{ClientId, EventNumber, Incarnation, Position, Seq};
use crate::object::{Entry, Field, Object, Stamp, Version};
use crate::state::{ClientState, StreamState};

/// `[from, chain before, events as one byte string, [[client, subject, verdicts], …]]`
pub fn encode_batch(batch: &Batch) -> Vec<u8> {
    let mut writer = Writer::with_capacity(batch.block.bytes().len() + 64);
    writer.array(4).uint(batch.block.from().0).uint(batch.block.before().0).bytes(batch.block.bytes());
    writer.array(batch.verdicts.len() as u64);
    for verdict in &batch.verdicts {
        writer.array(3).client(verdict.client).subject(verdict.subject.as_ref());
        write_verdicts(&mut writer, std::iter::once(&verdict.own));
    }
    writer.finish()
}

/// Reads what [`encode_batch`] wrote.
///
/// # Errors
/// Where the bytes are something else.
pub fn decode_batch(bytes: &[u8]) -> Result<Batch, CodecError> {
    let mut reader = Reader::new(bytes);
    read_tuple(&mut reader, 4, "a batch")?;
    let (from, before) = (Seq(reader.u64()?), Chain(reader.u64()?));
    let block = EventBlock::from_bytes(from, before, reader.bytes()?.to_vec())?;
    let verdicts = read_array(&mut reader, "verdicts", usize::MAX, |reader| {
        read_tuple(reader, 3, "a client's verdict")?;
        let (client, subject) = (read_client(reader)?, read_subject(reader)?);
        let own = read_verdicts(reader)?.pop().ok_or(CodecError::Missing { what: "a client", part: "verdict" })?;
        Ok(ClientVerdict { client, subject, own })
    })?;
    check_end(&reader, "a batch")?;
    Ok(Batch { block, verdicts })
}

/// `[incarnation, position, head, chain, live, digest]`
pub fn encode_stream_state(state: &StreamState) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(6).uint(state.incarnation.0).uint(state.position.0).uint(state.head.0).uint(state.chain.0);
    writer.uint(state.live).bytes(&state.digest.0.to_be_bytes());
    writer.finish()
}

/// Reads what [`encode_stream_state`] wrote.
///
/// # Errors
/// Where the bytes are something else.
pub fn decode_stream_state(bytes: &[u8]) -> Result<StreamState, CodecError> {
    let mut reader = Reader::new(bytes);
    read_tuple(&mut reader, 6, "a stream's state")?;
    let state = StreamState {
        incarnation: Incarnation(reader.u64()?),
        position: Position(reader.u64()?),
        head: Seq(reader.u64()?),
        chain: Chain(reader.u64()?),
        live: reader.u64()?,
        digest: read_digest(&mut reader)?,
    };
    check_end(&reader, "a stream's state")?;
    Ok(state)
}

/// `[subject, last, settled, verdicts]`
pub fn encode_client_state(state: &ClientState) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(4).subject(state.subject.as_ref()).uint(state.last.0).uint(state.settled.0);
    write_verdicts(&mut writer, state.verdicts());
    writer.finish()
}

/// Reads what [`encode_client_state`] wrote.
///
/// # Errors
/// Where the bytes are something else.
pub fn decode_client_state(bytes: &[u8]) -> Result<ClientState, CodecError> {
    let mut reader = Reader::new(bytes);
    read_tuple(&mut reader, 4, "a client's state")?;
    let subject = read_subject(&mut reader)?;
    let (last, settled) = (EventNumber(reader.u64()?), EventNumber(reader.u64()?));
    let verdicts = read_verdicts(&mut reader)?;
    check_end(&reader, "a client's state")?;
    Ok(ClientState::from_parts(subject, last, settled, verdicts))
}

impl Writer {
    fn subject(&mut self, subject: Option<&Subject>) -> &mut Self {
        match subject {
            Some(subject) => self.text(subject.as_str()),
            None => {
                super::sure(self.0.null());
                self
            }
        }
    }
}

fn read_subject(reader: &mut Reader<'_>) -> Result<Option<Subject>, CodecError> {
    if read_null(reader)? {
        return Ok(None);
    }
    Ok(Some(Subject::new(reader.str()?)?))
}

/// Reads a digest: 16 bytes, the most significant first.
pub(super) fn read_digest(reader: &mut Reader<'_>) -> Result<Digest, CodecError> {
    let bytes = reader.bytes()?.try_into();
    bytes.map(|bytes| Digest(u128::from_be_bytes(bytes))).map_err(|_| CodecError::Cbor("a digest has 16 bytes".into()))
}

/// The bytes of a live object that the digest is over: `[collection, id, {field: value}]`, fields sorted by name.
/// Ids are text here, whatever their spelling on the wire.
pub fn canonical_object(key: &Key, object: &Object) -> Vec<u8> {
    let mut writer = Writer::with_capacity(160);
    writer.array(3).text(key.collection.as_str());
    key.id.with_str(|id| drop(writer.text(id)));
    writer.map(object.fields().len() as u64);
    for (name, field) in object.fields() {
        writer.text(name.as_str()).value(&field.value);
    }
    writer.finish()
}

/// Encodes an object or tombstone with its versions.
///
/// `[clients, version, created, {field: value | [value, version]}]` where `version` is
/// `[seq, index of the client, seq of the other | null]`, a tombstone stops after `version`, and a field written by
/// the event that made the object has no version of its own.
pub fn encode_entry(entry: &Entry) -> Vec<u8> {
    let mut writer = Writer::with_capacity(160);
    match entry {
        Entry::Tombstone(version) => {
            writer.array(2).array(1).client(version.last.client);
            write_version(&mut writer, version, &[version.last.client]);
        }
        Entry::Live(object) => {
            let clients = clients_of(object);
            writer.array(4).array(clients.len() as u64);
            clients.iter().for_each(|&client| drop(writer.client(client)));
            write_version(&mut writer, &object.version, &clients);
            writer.array(2).uint(object.created.seq.0).uint(index_of(&clients, object.created.client));
            writer.map(object.fields().len() as u64);
            for (name, field) in object.fields() {
                writer.text(name.as_str());
                match field.version == Version::first(object.created) {
                    true => drop(writer.array(1).value(&field.value)),
                    false => write_version(writer.array(2).value(&field.value), &field.version, &clients),
                }
            }
        }
    }
    writer.finish()
}

/// Reads what [`encode_entry`] wrote.
///
/// # Errors
/// Where the bytes are something else.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, CodecError> {
    let mut reader = Reader::new(bytes);
    let parts = array_len(&mut reader)?;
    let clients = super::read_array(&mut reader, "clients of one object", limits::OBJECT_FIELDS * 2 + 2, read_client)?;
    let version = read_version(&mut reader, &clients)?;
    if parts == 2 {
        check_end(&reader, "a tombstone")?;
        return Ok(Entry::Tombstone(version));
    }
    read_tuple(&mut reader, 2, "a stamp")?;
    let created = Stamp { seq: Seq(reader.u64()?), client: read_index(&mut reader, &clients)? };
    let len = map_len(&mut reader)?;
    let mut fields = Vec::with_capacity(len.min(limits::OBJECT_FIELDS));
    for _ in 0..len {
        let name = FieldName::new(reader.str()?)?;
        let versioned = array_len(&mut reader)? == 2;
        let value = read_value(&mut reader)?;
        let version = if versioned { read_version(&mut reader, &clients)? } else { Version::first(created) };
        fields.push((name, Field { value, version }));
    }
    check_end(&reader, "an object")?;
    Ok(Entry::Live(Arc::new(Object::from_sorted(created, version, fields))))
}

fn clients_of(object: &Object) -> Vec<ClientId> {
    let mut clients = vec![object.created.client];
    let versions = object.fields().map(|(_, field)| &field.version).chain([&object.version]);
    for version in versions {
        if !clients.contains(&version.last.client) {
            clients.push(version.last.client);
        }
    }
    clients
}

fn index_of(clients: &[ClientId], client: ClientId) -> u64 {
    clients.iter().position(|&known| known == client).unwrap_or_default() as u64
}

fn write_version(writer: &mut Writer, version: &Version, clients: &[ClientId]) {
    writer.array(2 + u64::from(version.other.is_some())).uint(version.last.seq.0);
    writer.uint(index_of(clients, version.last.client));
    version.other.iter().for_each(|seq| drop(writer.uint(seq.0)));
}

fn read_version(reader: &mut Reader<'_>, clients: &[ClientId]) -> Result<Version, CodecError> {
    let len = array_len(reader)?;
    let last = Stamp { seq: Seq(reader.u64()?), client: read_index(reader, clients)? };
    let other = if len == 3 && !read_null(reader)? { Some(Seq(reader.u64()?)) } else { None };
    Ok(Version { last, other })
}

fn read_index(reader: &mut Reader<'_>, clients: &[ClientId]) -> Result<ClientId, CodecError> {
    let index = reader.u64()?;
    let client = usize::try_from(index).ok().and_then(|index| clients.get(index));
    client.copied().ok_or_else(|| CodecError::Unknown { what: "client of an object", found: index.to_string() })
}
