//! What storage keeps, in CBOR: objects, batches, and the state of streams and clients.

use std::ops::Deref;
use std::sync::Arc;

use super::op::{read_bits, read_client};
use super::value::read_value;
use super::verdict::read_verdict;
use super::{CodecError, Reader, Writer, check_end, missing, read_array, read_null, read_tuple, unknown, wrong};
use crate::batch::{Batch, ClientVerdict};
use crate::block::EventBlock;
use crate::hash::{Chain, Digest};
use crate::limits;
use crate::name::{FieldName, Key, Subject};
use crate::numbers::{ClientId, EventNumber, Incarnation, Millis, Position, Seq};
use crate::object::{Conflict, Entry, Object, Stamp, Tombstone, Version};
use crate::state::{ClientState, StreamState};
use crate::value::Value;

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
pub fn decode_batch(bytes: &[u8]) -> Result<Batch, Box<CodecError>> {
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
pub fn decode_stream_state(bytes: &[u8]) -> Result<StreamState, Box<CodecError>> {
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
pub fn decode_client_state(bytes: &[u8]) -> Result<ClientState, Box<CodecError>> {
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

fn read_subject(reader: &mut Reader<'_>) -> Result<Option<Subject>, Box<CodecError>> {
    if read_null(reader)? {
        return Ok(None);
    }
    Ok(Some(Subject::new(reader.str()?)?))
}

/// The bytes of a live object that the digest is over: `[collection, id, {field: value}]`, fields sorted by name, and
/// the conflicts as a fourth item where there are any. Ids are text here, whatever their spelling on the wire.
pub fn canonical_object(key: &Key, object: &Object) -> Vec<u8> {
    let mut writer = Writer::with_capacity(160);
    let conflicts = object.conflicts();
    writer.array(3 + u64::from(!conflicts.is_empty())).text(key.collection.as_str());
    key.id.with_str(|id| {
        writer.text(id);
    });
    writer.fields(object);
    if !conflicts.is_empty() {
        writer.conflicts(conflicts);
    }
    writer.finish()
}

/// Encodes an object or tombstone with its versions.
///
/// `[clients, versions, {field: value}, indexes]`: each client and each version stands there once; a version is
/// `[seq, index of the client]` or `[seq, index of the client, seq of the other]`. The first version is the object's
/// own; `indexes` names the version of its creation, then that of each field. Most fields of most objects share their
/// version with others: what is said once takes little on the disk. An object with edited sets or conflicts goes on
/// with `[[field, [index of each member's version, …]], …], conflicts`. A tombstone is `[clients, versions]`, and goes
/// on with the object as it was where it may be revived.
pub fn encode_entry(entry: &Entry) -> Vec<u8> {
    let mut writer = Writer::with_capacity(160);
    match entry {
        Entry::Tombstone(tombstone) => {
            writer.array(2 + u64::from(tombstone.last.is_some())).versions(&[tombstone.version]);
            if let Some(last) = &tombstone.last {
                writer.bytes(&encode_entry(&Entry::Live(last.clone())));
            }
        }
        Entry::Live(object) => writer.object(object),
    }
    writer.finish()
}

/// The versions an object names, each once, its own first.
#[derive(Default)]
struct Versions(Vec<Version>);

impl Versions {
    /// Where a version stands.
    fn index(&mut self, version: Version) -> usize {
        let known = self.0.iter().position(|&known| known == version);
        known.unwrap_or_else(|| {
            self.0.push(version);
            self.0.len() - 1
        })
    }
}

impl Writer {
    /// The values of an object's fields, by name.
    pub(crate) fn fields(&mut self, object: &Object) -> &mut Self {
        let map = self.map(object.values().len() as u64);
        object.values().fold(map, |map, (name, value)| map.text(name.as_str()).value(value))
    }

    fn object(&mut self, object: &Object) {
        let (members, conflicts) = (object.members(), object.conflicts());
        let mut versions = Versions(vec![object.version()]);
        let fields = object.fields().map(|(_, field)| field.version);
        let created = Version::first(object.created());
        let indexes: Vec<_> = std::iter::once(created).chain(fields).map(|version| versions.index(version)).collect();
        let of_set = |set: &Vec<Version>, versions: &mut Versions| -> Vec<usize> {
            set.iter().map(|&version| versions.index(version)).collect()
        };
        let sets: Vec<_> = members.iter().map(|(field, set)| (field, of_set(set, &mut versions))).collect();
        let more = !sets.is_empty() || !conflicts.is_empty();
        self.array(if more { 6 } else { 4 }).versions(&versions.0).fields(object).indexes(&indexes);
        if more {
            self.array(sets.len() as u64);
            for (field, indexes) in &sets {
                self.array(2).text(field.as_str()).indexes(indexes);
            }
            self.conflicts(conflicts);
        }
    }

    fn indexes(&mut self, indexes: &[usize]) -> &mut Self {
        let array = self.array(indexes.len() as u64);
        indexes.iter().fold(array, |array, &index| array.uint(index as u64))
    }

    /// `[[field, value, seq, client, at, actor | null], …]`
    pub(crate) fn conflicts(&mut self, conflicts: &[Conflict]) -> &mut Self {
        let array = self.array(conflicts.len() as u64);
        conflicts.iter().fold(array, |array, Conflict { field, value, stamp, at, actor }| {
            let array = array.array(6).text(field.as_str()).value(value).uint(stamp.seq.0).client(stamp.client);
            array.uint(at.0).subject(actor.as_ref())
        })
    }

    /// The clients of some versions, then the versions: two items.
    fn versions(&mut self, versions: &[Version]) -> &mut Self {
        let mut clients: Vec<ClientId> = Vec::new();
        for version in versions {
            if !clients.contains(&version.last.client) {
                clients.push(version.last.client);
            }
        }
        let array = self.array(clients.len() as u64);
        let array = clients.iter().fold(array, |array, client| array.client(*client)).array(versions.len() as u64);
        versions.iter().fold(array, |array, version| array.version(version, &clients))
    }

    fn version(&mut self, version: &Version, clients: &[ClientId]) -> &mut Self {
        let Version { last, other } = version;
        let index = clients.iter().position(|&known| known == last.client).unwrap_or_default();
        let array = self.array(2 + u64::from(other.is_some())).uint(last.seq.0).uint(index as u64);
        other.iter().fold(array, |array, seq| array.uint(seq.0))
    }
}

/// Reads what [`encode_entry`] wrote.
///
/// # Errors
/// Where the bytes are something else.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, Box<CodecError>> {
    read_entry(Reader::new(bytes))
}

/// Reads an object or tombstone with its versions, all there is.
pub(crate) fn read_entry(mut reader: Reader<'_>) -> Result<Entry, Box<CodecError>> {
    let parts = reader.array()?;
    let clients = read_few(&mut reader, "clients of one object", read_client)?;
    let read_version = |reader: &mut Reader<'_>| read_version(reader, &clients);
    let versions = read_few(&mut reader, "versions of one object", read_version)?;
    let own = *versions.first().ok_or_else(|| missing("an object", "version"))?;
    let entry = match parts {
        2 | 3 => {
            let last = if parts == 3 { decode_entry(reader.bytes()?)?.live().cloned() } else { None };
            Entry::Tombstone(Box::new(Tombstone { version: own, last }))
        }
        _ => Entry::Live(Arc::new(read_object(&mut reader, parts, own, &versions)?)),
    };
    check_end(&reader, "an object")?;
    Ok(entry)
}

fn read_object(
    reader: &mut Reader<'_>,
    parts: usize,
    own: Version,
    versions: &[Version],
) -> Result<Object, Box<CodecError>> {
    let values = read_values(reader)?;
    read_tuple(reader, values.len() + 1, "the versions of an object's fields")?;
    let created = read_index(reader, versions, WHAT)?.last;
    let fields = values.len();
    let mut object = Object::from_sorted(created, own, values);
    for place in 0..fields {
        object.set_version(place, read_index(reader, versions, WHAT)?);
    }
    if parts == 4 {
        return Ok(object);
    }
    let members = read_array(reader, "sets of one object", limits::OBJECT_FIELDS, |reader| {
        read_tuple(reader, 2, "a set of an object")?;
        let field = FieldName::new(reader.str()?)?;
        Ok((field, read_array(reader, "members of a set", usize::MAX, |reader| read_index(reader, versions, WHAT))?))
    })?;
    Ok(object.with(members, read_conflicts(reader)?))
}

const WHAT: &str = "version of an object";

pub(crate) fn read_conflicts(reader: &mut Reader<'_>) -> Result<Vec<Conflict>, Box<CodecError>> {
    read_array(reader, "conflicts of one object", limits::CONFLICTS, |reader| {
        read_tuple(reader, 6, "a conflict")?;
        let (field, value) = (FieldName::new(reader.str()?)?, read_value(reader)?);
        let stamp = Stamp { seq: Seq(reader.u64()?), client: read_client(reader)? };
        Ok(Conflict { field, value, stamp, at: Millis(reader.u64()?), actor: read_subject(reader)? })
    })
}

/// Reads the values of an object's fields.
pub(crate) fn read_values(reader: &mut Reader<'_>) -> Result<Vec<(FieldName, Value)>, Box<CodecError>> {
    let len = reader.map()?;
    CodecError::check_count("fields of one object", len, limits::OBJECT_FIELDS)?;
    let mut values = Vec::with_capacity(len);
    for _ in 0..len {
        values.push((reader.field_name()?, read_value(reader)?));
    }
    match values.is_sorted_by(|(a, _), (b, _)| a < b) {
        true => Ok(values),
        false => Err(wrong("the fields of an object are not in order")),
    }
}

fn read_version(reader: &mut Reader<'_>, clients: &[ClientId]) -> Result<Version, Box<CodecError>> {
    let parts = reader.array()?;
    let seq = Seq(reader.u64()?);
    let client = read_index(reader, clients, "client of an object")?;
    let other = if parts == 2 { None } else { Some(Seq(reader.u64()?)) };
    Ok(Version { last: Stamp { seq, client }, other })
}

/// Things in order, of which there is mostly one: that takes no allocation.
enum Few<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

fn read_few<T>(
    reader: &mut Reader<'_>,
    what: &'static str,
    item: impl Fn(&mut Reader<'_>) -> Result<T, Box<CodecError>>,
) -> Result<Few<T>, Box<CodecError>> {
    let mut at = *reader;
    if at.array()? == 1 {
        *reader = at;
        return item(reader).map(Few::One);
    }
    read_array(reader, what, usize::MAX, item).map(Few::Many)
}

/// Reads the place of something in a list.
fn read_index<T: Copy>(reader: &mut Reader<'_>, list: &[T], what: &'static str) -> Result<T, Box<CodecError>> {
    let index = reader.u64()?;
    let found = usize::try_from(index).ok().and_then(|index| list.get(index)).copied();
    found.ok_or_else(|| unknown(what, &index))
}
