//! What storage keeps, in CBOR: objects, batches, and the state of streams and clients.

use std::sync::Arc;

use super::op::{read_bits, read_client};
use super::value::read_value;
use super::verdict::read_verdict;
use super::{CodecError, Reader, Writer, check_end, read_array, read_null, read_tuple};
use crate::batch::{Batch, ClientVerdict};
use crate::block::EventBlock;
use crate::hash::{Chain, Digest};
use crate::limits;
use crate::name::{FieldName, Key, Subject};
use crate::numbers::{ClientId, EventNumber, Incarnation, Position, Seq};
use crate::object::{Entry, Field, Object, Stamp, Version};
use crate::state::{ClientState, StreamState};

/// `[from, chain before, events as one byte string, [[client, subject, verdict], …]]`
pub fn encode_batch(batch: &Batch) -> Vec<u8> {
    let mut writer = Writer::with_capacity(batch.block.bytes().len() + 64);
    writer.array(4).uint(batch.block.from().0).uint(batch.block.before().0).bytes(batch.block.bytes());
    writer.array(batch.verdicts.len() as u64);
    for verdict in &batch.verdicts {
        writer.array(3).client(verdict.client).subject(verdict.subject.as_ref()).verdict(&verdict.own);
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
        Ok(ClientVerdict { client: read_client(reader)?, subject: read_subject(reader)?, own: read_verdict(reader)? })
    })?;
    check_end(&reader, "a batch")?;
    Ok(Batch { block, verdicts })
}

/// `[incarnation, position, head, chain, live, digest]`
pub fn encode_stream_state(state: &StreamState) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(6).uint(state.incarnation.0).uint(state.position.0).uint(state.head.0).uint(state.chain.0);
    writer.uint(state.live).bits(state.digest.0);
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
        digest: Digest(read_bits(&mut reader, "a digest has 16 bytes")?),
    };
    check_end(&reader, "a stream's state")?;
    Ok(state)
}

/// `[subject, last, settled, verdicts]`
pub fn encode_client_state(state: &ClientState) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(4).subject(state.subject.as_ref()).uint(state.last.0).uint(state.settled.0);
    writer.verdicts(state.verdicts());
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
    // After a crash there may be more of them than a client may leave unsettled.
    let verdicts = read_array(&mut reader, "verdicts", usize::MAX, read_verdict)?;
    check_end(&reader, "a client's state")?;
    Ok(ClientState::from_parts(subject, last, settled, verdicts))
}

impl Writer {
    fn subject(&mut self, subject: Option<&Subject>) -> &mut Self {
        match subject {
            Some(subject) => self.text(subject.as_str()),
            None => self.null(),
        }
    }
}

fn read_subject(reader: &mut Reader<'_>) -> Result<Option<Subject>, CodecError> {
    if read_null(reader)? {
        return Ok(None);
    }
    Ok(Some(Subject::new(reader.str()?)?))
}

/// The bytes of a live object that the digest is over: `[collection, id, {field: value}]`, fields sorted by name.
/// Ids are text here, whatever their spelling on the wire.
pub fn canonical_object(key: &Key, object: &Object) -> Vec<u8> {
    let mut writer = Writer::with_capacity(160);
    writer.array(3).text(key.collection.as_str());
    key.id.with_str(|id| {
        writer.text(id);
    });
    writer.map(object.fields().len() as u64);
    for (name, field) in object.fields() {
        writer.text(name.as_str()).value(&field.value);
    }
    writer.finish()
}

/// Encodes an object or tombstone with its versions.
///
/// `[clients, version, created, {field: [value] | [value, version]}]` where `version` is
/// `[seq, index of the client]` or `[seq, index of the client, seq of the other]`, a tombstone stops after `version`,
/// and a field written by the event that made the object has no version of its own.
pub fn encode_entry(entry: &Entry) -> Vec<u8> {
    let mut writer = Writer::with_capacity(160);
    match entry {
        Entry::Tombstone(version) => {
            let clients = [version.last.client];
            writer.array(2).clients(&clients).version(version, &clients);
        }
        Entry::Live(object) => {
            let clients = clients_of(object);
            writer.array(4).clients(&clients).version(&object.version, &clients);
            writer.array(2).stamp(object.created, &clients).map(object.fields().len() as u64);
            for (name, field) in object.fields() {
                writer.text(name.as_str());
                match field.version == Version::first(object.created) {
                    true => writer.array(1).value(&field.value),
                    false => writer.array(2).value(&field.value).version(&field.version, &clients),
                };
            }
        }
    }
    writer.finish()
}

impl Writer {
    fn clients(&mut self, clients: &[ClientId]) -> &mut Self {
        let array = self.array(clients.len() as u64);
        clients.iter().fold(array, |array, client| array.client(*client))
    }

    fn version(&mut self, version: &Version, clients: &[ClientId]) -> &mut Self {
        match version.other {
            None => self.array(2).stamp(version.last, clients),
            Some(other) => self.array(3).stamp(version.last, clients).uint(other.0),
        }
    }

    /// A seq and the index of a client: two items.
    fn stamp(&mut self, stamp: Stamp, clients: &[ClientId]) -> &mut Self {
        let index = clients.iter().position(|&known| known == stamp.client).unwrap_or_default();
        self.uint(stamp.seq.0).uint(index as u64)
    }
}

/// All clients that a version of an object names, each once.
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

/// Reads what [`encode_entry`] wrote.
///
/// # Errors
/// Where the bytes are something else.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, CodecError> {
    let mut reader = Reader::new(bytes);
    let parts = reader.array()?;
    let clients = read_array(&mut reader, "clients of one object", limits::OBJECT_FIELDS + 2, read_client)?;
    let version = read_version(&mut reader, &clients)?;
    if parts == 2 {
        check_end(&reader, "a tombstone")?;
        return Ok(Entry::Tombstone(Box::new(version)));
    }
    read_tuple(&mut reader, 2, "a stamp")?;
    let created = read_stamp(&mut reader, &clients)?;
    let fields = read_fields(&mut reader, created, &clients)?;
    check_end(&reader, "an object")?;
    Ok(Entry::Live(Arc::new(Object::from_sorted(created, version, fields))))
}

fn read_fields(
    reader: &mut Reader<'_>,
    created: Stamp,
    clients: &[ClientId],
) -> Result<Vec<(FieldName, Field)>, CodecError> {
    let len = reader.map()?;
    CodecError::check_count("fields of one object", len, limits::OBJECT_FIELDS)?;
    let mut fields = Vec::with_capacity(len);
    for _ in 0..len {
        let name = FieldName::new(reader.str()?)?;
        let parts = reader.array()?;
        let value = read_value(reader)?;
        let version = if parts == 1 { Version::first(created) } else { read_version(reader, clients)? };
        fields.push((name, Field { value, version }));
    }
    match fields.is_sorted_by(|(a, _), (b, _)| a < b) {
        true => Ok(fields),
        false => Err(CodecError::Cbor("the fields of an object are not in order".into())),
    }
}

fn read_version(reader: &mut Reader<'_>, clients: &[ClientId]) -> Result<Version, CodecError> {
    let parts = reader.array()?;
    let last = read_stamp(reader, clients)?;
    let other = if parts == 2 { None } else { Some(Seq(reader.u64()?)) };
    Ok(Version { last, other })
}

fn read_stamp(reader: &mut Reader<'_>, clients: &[ClientId]) -> Result<Stamp, CodecError> {
    let (seq, index) = (Seq(reader.u64()?), reader.u64()?);
    let client = usize::try_from(index).ok().and_then(|index| clients.get(index));
    let unknown = || CodecError::Unknown { what: "client of an object", found: index.to_string() };
    Ok(Stamp { seq, client: *client.ok_or_else(unknown)? })
}
