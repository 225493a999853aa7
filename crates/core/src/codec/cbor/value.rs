//! Values, names and ops in CBOR.

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::data::Type;
use smol_str::SmolStr;

use super::{CodecError, Reader, Writer, array_len, check_end, map_len};
use crate::limits;
use crate::name::{Collection, FieldName, Key, NameError, ObjectId};
use crate::numbers::{ClientId, Seq};
use crate::op::{Action, Edit, FieldMap, Op};
use crate::value::Value;

/// Encodes one value.
pub fn encode_value(value: &Value) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.value(value);
    writer.finish()
}

/// Reads one value.
///
/// # Errors
/// Where the bytes are no value, or nest too deep.
pub fn decode_value(bytes: &[u8]) -> Result<Value, CodecError> {
    let mut reader = Reader::new(bytes);
    let value = read_value(&mut reader)?;
    check_end(&reader, "a value")?;
    Ok(value)
}

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
    pub(crate) fn value(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Null => super::sure(self.0.null()),
            Value::Bool(truth) => super::sure(self.0.bool(*truth)),
            Value::Int(int) => super::sure(self.0.i64(*int)),
            Value::Float(float) => super::sure(self.0.f64(float.get())),
            Value::Text(text) => super::sure(self.0.str(text)),
            Value::Bytes(bytes) => super::sure(self.0.bytes(bytes)),
            Value::List(items) => {
                self.array(items.len() as u64);
                items.iter().for_each(|item| drop(self.value(item)));
            }
            Value::Map(entries) => {
                self.map(entries.len() as u64);
                for (name, value) in entries.iter() {
                    self.text(name).value(value);
                }
            }
        }
        self
    }

    pub(crate) fn object_id(&mut self, id: &ObjectId) -> &mut Self {
        match id.as_uuid() {
            Some(uuid) => self.bytes(&uuid.to_be_bytes()),
            None => {
                id.with_str(|text| drop(self.text(text)));
                self
            }
        }
    }

    pub(crate) fn key(&mut self, key: &Key) -> &mut Self {
        self.text(key.collection.as_str()).object_id(&key.id)
    }

    pub(crate) fn client(&mut self, client: ClientId) -> &mut Self {
        self.bytes(&client.0.to_be_bytes())
    }

    pub(crate) fn values(&mut self, fields: &FieldMap<Value>) -> &mut Self {
        self.map(fields.len() as u64);
        for (name, value) in fields.iter() {
            self.text(name.as_str()).value(value);
        }
        self
    }

    pub(crate) fn op(&mut self, op: &Op) -> &mut Self {
        let seen = u64::from(op.seen.is_some());
        match &op.action {
            Action::Insert(set) => self.array(4).uint(action::INSERT).key(&op.key).map(1 + seen).uint(part::SET).values(set),
            Action::Upsert(set) => self.array(4).uint(action::UPSERT).key(&op.key).map(1 + seen).uint(part::SET).values(set),
            Action::Update(edits) => self.array(4).uint(action::UPDATE).key(&op.key).edits(edits, seen),
            Action::Delete if seen == 0 => return self.array(3).uint(action::DELETE).key(&op.key),
            Action::Delete => self.array(4).uint(action::DELETE).key(&op.key).map(seen),
        };
        if let Some(seq) = op.seen {
            self.uint(part::SEEN).uint(seq.0);
        }
        self
    }

    fn edits(&mut self, edits: &FieldMap<Edit>, more: u64) -> &mut Self {
        let sets = edits.iter().filter(|(_, edit)| matches!(edit, Edit::Set(_))).count();
        let incs = edits.len() - sets;
        self.map(u64::from(sets > 0) + u64::from(incs > 0) + more);
        if sets > 0 {
            self.uint(part::SET).map(sets as u64);
        }
        for (name, edit) in edits.iter() {
            if let Edit::Set(value) = edit {
                self.text(name.as_str()).value(value);
            }
        }
        if incs > 0 {
            self.uint(part::INC).map(incs as u64);
        }
        for (name, edit) in edits.iter() {
            if let Edit::Inc(amount) = edit {
                self.text(name.as_str()).value(amount);
            }
        }
        self
    }
}

pub(crate) fn read_value(reader: &mut Reader<'_>) -> Result<Value, CodecError> {
    read_nested(reader, limits::VALUE_DEPTH)
}

fn read_nested(reader: &mut Reader<'_>, depth: usize) -> Result<Value, CodecError> {
    let depth = depth.checked_sub(1).ok_or(CodecError::TooDeep)?;
    Ok(match reader.datatype()? {
        Type::Null => {
            reader.null()?;
            Value::Null
        }
        Type::Bool => Value::Bool(reader.bool()?),
        Type::F16 | Type::F32 | Type::F64 => Value::number(reader.f64()?)?,
        Type::String => Value::Text(SmolStr::new(reader.str()?)),
        Type::Bytes => Value::Bytes(Arc::from(reader.bytes()?)),
        Type::Array => {
            let len = array_len(reader)?;
            let items: Result<Vec<_>, _> = (0..len).map(|_| read_nested(reader, depth)).collect();
            Value::List(items?.into())
        }
        Type::Map => {
            let mut entries = BTreeMap::new();
            for _ in 0..map_len(reader)? {
                let name = SmolStr::new(reader.str()?);
                let value = read_nested(reader, depth)?;
                if let Some(_twice) = entries.insert(name.clone(), value) {
                    return Err(CodecError::Cbor(format!("the key {name:?} stands in a map twice")));
                }
            }
            Value::Map(Arc::new(entries))
        }
        // Integers that do not fit are refused with the place.
        _ => Value::Int(reader.i64()?),
    })
}

pub(crate) fn read_object_id(reader: &mut Reader<'_>) -> Result<ObjectId, CodecError> {
    match reader.datatype()? {
        Type::Bytes => {
            let bytes = reader.bytes()?.try_into();
            let bytes = bytes.map_err(|_| CodecError::Cbor("an object id as bytes that are no UUID".into()))?;
            Ok(ObjectId::from_uuid(u128::from_be_bytes(bytes)))
        }
        _ => Ok(ObjectId::new(reader.str()?)?),
    }
}

pub(crate) fn read_key(reader: &mut Reader<'_>) -> Result<Key, CodecError> {
    Ok(Key { collection: Collection::new(reader.str()?)?, id: read_object_id(reader)? })
}

pub(crate) fn read_client(reader: &mut Reader<'_>) -> Result<ClientId, CodecError> {
    let bytes = reader.bytes()?.try_into();
    bytes.map(|bytes| ClientId(u128::from_be_bytes(bytes))).map_err(|_| CodecError::Cbor("a client id has 16 bytes".into()))
}

fn read_fields<T>(
    reader: &mut Reader<'_>,
    to: &mut Vec<(FieldName, T)>,
    of: impl Fn(Value) -> T,
) -> Result<(), CodecError> {
    for _ in 0..map_len(reader)? {
        let name = FieldName::new(reader.str()?).map_err(|error: NameError| CodecError::from(error))?;
        to.push((name, of(read_value(reader)?)));
    }
    Ok(())
}

/// The parts of an op after its key.
#[derive(Default)]
struct Parts {
    set: Vec<(FieldName, Value)>,
    inc: Vec<(FieldName, Edit)>,
    seen: Option<Seq>,
}

fn read_parts(reader: &mut Reader<'_>) -> Result<Parts, CodecError> {
    let mut parts = Parts::default();
    super::read_map(reader, |key, reader| {
        match key {
            part::SET => read_fields(reader, &mut parts.set, |value| value)?,
            part::INC => read_fields(reader, &mut parts.inc, Edit::Inc)?,
            part::SEEN => parts.seen = Some(Seq(reader.u64()?)),
            // Skipping an edit that is not understood would record something else than was meant.
            other => return Err(CodecError::Unknown { what: "part of an op", found: other.to_string() }),
        }
        Ok(true)
    })?;
    Ok(parts)
}

pub(crate) fn read_op(reader: &mut Reader<'_>) -> Result<Op, CodecError> {
    let len = array_len(reader)?;
    if len < 3 {
        return Err(CodecError::Missing { what: "an op", part: "object" });
    }
    let kind = reader.u64()?;
    let key = read_key(reader)?;
    let mut parts = if len > 3 { read_parts(reader)? } else { Parts::default() };
    for _ in 4..len {
        reader.skip()?;
    }
    if kind != action::UPDATE && !parts.inc.is_empty() {
        return Err(CodecError::Unknown { what: "part of an op", found: "inc outside an update".into() });
    }
    let action = match kind {
        action::INSERT => Action::Insert(FieldMap::new(parts.set)?),
        action::UPSERT => Action::Upsert(FieldMap::new(parts.set)?),
        action::UPDATE => {
            let mut edits: Vec<_> = parts.set.into_iter().map(|(name, value)| (name, Edit::Set(value))).collect();
            edits.append(&mut parts.inc);
            Action::Update(FieldMap::new(edits)?)
        }
        action::DELETE => Action::Delete,
        other => return Err(CodecError::Unknown { what: "op", found: other.to_string() }),
    };
    Ok(Op { key, seen: parts.seen, action })
}
