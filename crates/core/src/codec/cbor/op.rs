//! Names and ops in CBOR: `[kind, collection, id, {part: …}]`.

use super::reader::Item;
use super::value::read_value;
use super::{CodecError, Reader, Writer, read_map};
use crate::limits;
use crate::name::{Collection, FieldName, Key, ObjectId};
use crate::numbers::{ClientId, Seq};
use crate::op::{Action, Edit, FieldMap, Op};
use crate::value::Value;

mod action {
    pub(super) const INSERT: u64 = 0;
    pub(super) const UPDATE: u64 = 1;
    pub(super) const UPSERT: u64 = 2;
    pub(super) const DELETE: u64 = 3;
}

mod part {
    pub(super) const SET: u64 = 0;
    pub(super) const INC: u64 = 1;
    pub(super) const SEEN: u64 = 9;
}

impl Writer {
    pub(crate) fn client(&mut self, client: ClientId) -> &mut Self {
        self.bits(client.0)
    }

    /// A collection and an id: two items.
    pub(crate) fn key(&mut self, key: &Key) -> &mut Self {
        self.text(key.collection.as_str());
        match key.id.as_uuid() {
            Some(uuid) => self.bits(uuid),
            None => key.id.with_str(|text| self.text(text)),
        }
    }

    pub(crate) fn op(&mut self, op: &Op) -> &mut Self {
        let seen = u64::from(op.seen.is_some());
        match &op.action {
            Action::Insert(set) => self.op_head(action::INSERT, &op.key, 1 + seen).set(set),
            Action::Upsert(set) => self.op_head(action::UPSERT, &op.key, 1 + seen).set(set),
            Action::Update(edits) => {
                let (sets, incs) = count_edits(edits);
                let parts = u64::from(sets > 0) + u64::from(incs > 0);
                self.op_head(action::UPDATE, &op.key, parts + seen).edits(edits, sets, incs)
            }
            Action::Delete => self.op_head(action::DELETE, &op.key, seen),
        };
        match op.seen {
            Some(seq) => self.uint(part::SEEN).uint(seq.0),
            None => self,
        }
    }

    fn op_head(&mut self, action: u64, key: &Key, parts: u64) -> &mut Self {
        match parts {
            0 => self.array(3).uint(action).key(key),
            _ => self.array(4).uint(action).key(key).map(parts),
        }
    }

    fn set(&mut self, fields: &FieldMap<Value>) -> &mut Self {
        let map = self.uint(part::SET).map(fields.len() as u64);
        fields.iter().fold(map, |map, (name, value)| map.text(name.as_str()).value(value))
    }

    fn edits(&mut self, edits: &FieldMap<Edit>, sets: u64, incs: u64) -> &mut Self {
        if sets > 0 {
            self.uint(part::SET).map(sets);
            for (name, edit) in edits.iter() {
                if let Edit::Set(value) = edit {
                    self.text(name.as_str()).value(value);
                }
            }
        }
        if incs > 0 {
            self.uint(part::INC).map(incs);
            for (name, edit) in edits.iter() {
                if let Edit::Inc(amount) = edit {
                    self.text(name.as_str()).value(amount);
                }
            }
        }
        self
    }
}

fn count_edits(edits: &FieldMap<Edit>) -> (u64, u64) {
    let sets = edits.iter().filter(|(_, edit)| matches!(edit, Edit::Set(_))).count();
    (sets as u64, (edits.len() - sets) as u64)
}

pub(crate) fn read_client(reader: &mut Reader<'_>) -> Result<ClientId, Box<CodecError>> {
    read_bits(reader, "a client id has 16 bytes").map(ClientId)
}

/// Reads 128 bits: 16 bytes, the most significant first.
pub(super) fn read_bits(reader: &mut Reader<'_>, otherwise: &str) -> Result<u128, Box<CodecError>> {
    as_bits(reader.bytes()?, otherwise)
}

fn as_bits(bytes: &[u8], otherwise: &str) -> Result<u128, Box<CodecError>> {
    bytes.try_into().map(u128::from_be_bytes).map_err(|_| CodecError::Cbor(otherwise.into()).into())
}

pub(crate) fn read_key(reader: &mut Reader<'_>) -> Result<Key, Box<CodecError>> {
    let collection = Collection::new(reader.str()?)?;
    let id = match reader.item()? {
        Item::Bytes(bytes) => ObjectId::from_uuid(as_bits(bytes, "an object id as bytes is a UUID: 16 of them")?),
        Item::Text(text) => ObjectId::new(text)?,
        _ => return Err(CodecError::Cbor("an object id is text, or the 16 bytes of a UUID".into()).into()),
    };
    Ok(Key { collection, id })
}

pub(crate) fn read_op(reader: &mut Reader<'_>) -> Result<Op, Box<CodecError>> {
    let items = reader.array()?;
    if !(3..=4).contains(&items) {
        return Err(CodecError::Cbor("an op has a kind, a collection, an id, and perhaps parts".into()).into());
    }
    let kind = reader.u64()?;
    let key = read_key(reader)?;
    let mut parts = Parts { there: items == 4, seen: None };
    let action = match kind {
        action::INSERT => Action::Insert(parts.read(reader, assigned)?),
        action::UPSERT => Action::Upsert(parts.read(reader, assigned)?),
        action::UPDATE => Action::Update(parts.read(reader, edited)?),
        action::DELETE => {
            parts.read::<Value>(reader, |_| None)?;
            Action::Delete
        }
        other => return Err(CodecError::Unknown { what: "op", found: other.to_string() }.into()),
    };
    Ok(Op { key, seen: parts.seen, action })
}

/// What a part makes of a value, where the op may have such a part.
type Made<T> = Option<fn(Value) -> T>;

fn assigned(part: u64) -> Made<Value> {
    (part == part::SET).then_some(|value| value)
}

fn edited(part: u64) -> Made<Edit> {
    match part {
        part::SET => Some(Edit::Set),
        part::INC => Some(Edit::Inc),
        _ => None,
    }
}

/// The parts of an op after its key.
struct Parts {
    there: bool,
    seen: Option<Seq>,
}

impl Parts {
    fn read<T>(&mut self, reader: &mut Reader<'_>, made: fn(u64) -> Made<T>) -> Result<FieldMap<T>, Box<CodecError>> {
        if !self.there {
            return Ok(FieldMap::default());
        }
        let mut fields = Vec::new();
        read_map(reader, |part, reader| {
            match (part, made(part)) {
                (part::SEEN, _) => self.seen = Some(Seq(reader.count()?)),
                (_, Some(made)) => read_fields(reader, &mut fields, made)?,
                // Skipping an edit that is not understood would record something else than was meant.
                (_, None) => {
                    return Err(CodecError::Unknown { what: "part of such an op", found: part.to_string() }.into());
                }
            }
            Ok(true)
        })?;
        Ok(FieldMap::new(fields)?)
    }
}

fn read_fields<T>(
    reader: &mut Reader<'_>,
    fields: &mut Vec<(FieldName, T)>,
    made: fn(Value) -> T,
) -> Result<(), Box<CodecError>> {
    let len = reader.map()?;
    CodecError::check_count("fields in one op", len, limits::OBJECT_FIELDS)?;
    fields.reserve_exact(len);
    for _ in 0..len {
        let name = FieldName::new(reader.str()?)?;
        fields.push((name, made(read_value(reader)?)));
    }
    Ok(())
}
