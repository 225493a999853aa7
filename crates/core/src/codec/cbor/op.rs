//! Names and ops in CBOR: `[kind, collection, id, {part: …}]`.

use super::reader::Item;
use super::value::read_value;
use super::{CodecError, Reader, Writer, read_array, read_map, read_tuple, unknown, wrong};
use crate::limits;
use crate::name::{FieldName, Key, ObjectId};
use crate::numbers::{ClientId, Seq};
use crate::op::{Action, Edit, FieldMap, Op};
use crate::part::Part;
use crate::splice::{Content, Splice, Splices};
use crate::value::Value;

mod action {
    pub(super) const INSERT: u64 = 0;
    pub(super) const UPDATE: u64 = 1;
    pub(super) const UPSERT: u64 = 2;
    pub(super) const DELETE: u64 = 3;
}

/// The key of `seen` among the parts.
const SEEN: u64 = 9;

impl Writer {
    pub(crate) fn client(&mut self, client: ClientId) -> &mut Self {
        self.bits(client.0)
    }

    /// A collection and an id: two items.
    pub(crate) fn key(&mut self, key: &Key) -> &mut Self {
        self.text(key.collection.as_str());
        match key.id.as_uuid_bytes() {
            Some(uuid) => self.bytes(uuid),
            None => key.id.with_str(|text| self.text(text)),
        }
    }

    pub(crate) fn op(&mut self, op: &Op) -> &mut Self {
        let seen = u64::from(op.seen.is_some());
        match &op.action {
            Action::Insert(set) => self.op_head(action::INSERT, &op.key, 1 + seen).set(set),
            Action::Upsert(set) => self.op_head(action::UPSERT, &op.key, 1 + seen).set(set),
            Action::Update(edits) => {
                let parts = Part::ALL.into_iter().filter(|&part| count(edits, part) > 0).count();
                self.op_head(action::UPDATE, &op.key, parts as u64 + seen).edits(edits)
            }
            Action::Delete => self.op_head(action::DELETE, &op.key, seen),
        };
        match op.seen {
            Some(seq) => self.uint(SEEN).uint(seq.0),
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
        let map = self.uint(Part::Set as u64).map(fields.len() as u64);
        fields.iter().fold(map, |map, (name, value)| map.text(name.as_str()).value(value))
    }

    fn edits(&mut self, edits: &FieldMap<Edit>) -> &mut Self {
        for part in Part::ALL {
            let count = count(edits, part);
            if count > 0 {
                self.uint(part as u64).map(count as u64);
                for (name, edit) in edits.iter() {
                    match edit {
                        Edit::Splice(splices) if part == Part::Splice => {
                            self.text(name.as_str()).splices(splices);
                        }
                        _ => {
                            if let Some(value) = part.of(edit) {
                                self.text(name.as_str()).value(&value);
                            }
                        }
                    }
                }
            }
        }
        self
    }
}

impl Writer {
    /// `[[offset, delete, insert], …]`
    fn splices(&mut self, splices: &Splices) -> &mut Self {
        let list = self.array(splices.iter().len() as u64);
        splices.iter().fold(list, |list, Splice { offset, delete, insert }| {
            list.array(3).uint(*offset).uint(*delete);
            match insert {
                Content::Text(text) => list.text(text),
                Content::Bytes(bytes) => list.bytes(bytes),
            }
        })
    }
}

/// How many fields have something in a part.
fn count(edits: &FieldMap<Edit>, part: Part) -> usize {
    edits.iter().filter(|(_, edit)| part.is_in(edit)).count()
}

pub(crate) fn read_client(reader: &mut Reader<'_>) -> Result<ClientId, Box<CodecError>> {
    read_bits(reader, "a client id has 16 bytes").map(ClientId)
}

/// Reads 128 bits: 16 bytes, the most significant first.
pub(super) fn read_bits(reader: &mut Reader<'_>, otherwise: &str) -> Result<u128, Box<CodecError>> {
    sixteen(reader.bytes()?, otherwise).map(u128::from_be_bytes)
}

fn sixteen(bytes: &[u8], otherwise: &str) -> Result<[u8; 16], Box<CodecError>> {
    bytes.try_into().map_err(|_| wrong(otherwise))
}

/// `[collection, id]`
pub(crate) fn encode_key(key: &Key) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(2).key(key);
    writer.finish()
}

pub(crate) fn read_key(reader: &mut Reader<'_>) -> Result<Key, Box<CodecError>> {
    let collection = reader.collection()?;
    let id = match reader.item()? {
        Item::Bytes(bytes) => ObjectId::from_uuid_bytes(sixteen(bytes, "an object id as bytes is a UUID: 16 of them")?),
        Item::Text(text) => ObjectId::new(text)?,
        _ => return Err(wrong("an object id is text, or the 16 bytes of a UUID")),
    };
    Ok(Key { collection, id })
}

/// Reads the key of an op, and past the rest of it.
pub(super) fn read_op_key(reader: &mut Reader<'_>) -> Result<Key, Box<CodecError>> {
    let items = reader.array()?;
    reader.skip()?;
    let key = read_key(reader)?;
    (3..items).try_for_each(|_| reader.skip())?;
    Ok(key)
}

pub(crate) fn read_op(reader: &mut Reader<'_>) -> Result<Op, Box<CodecError>> {
    let items = reader.array()?;
    if !(3..=4).contains(&items) {
        return Err(wrong("an op has a kind, a collection, an id, and perhaps parts"));
    }
    let kind = reader.u64()?;
    let key = read_key(reader)?;
    let mut parts = Parts { there: items == 4, seen: None };
    let action = match kind {
        action::INSERT => Action::Insert(parts.read(reader, 1, assigned)?),
        action::UPSERT => Action::Upsert(parts.read(reader, 1, assigned)?),
        action::UPDATE => Action::Update(parts.read(reader, Part::ALL.len(), |part, edits, name, reader| {
            if part == Part::Splice {
                edits.push((name, Edit::Splice(read_splices(reader)?)));
                return Ok(());
            }
            part.add_to(edits, name, read_value(reader)?).map_err(wrong)
        })?),
        action::DELETE => {
            parts.read::<()>(reader, 0, |_, _, _, _| Ok(()))?;
            Action::Delete
        }
        other => return Err(unknown("op", &other)),
    };
    Ok(Op { key, seen: parts.seen, action })
}

/// Takes what a part says of a field.
type Take<T> = fn(Part, &mut Vec<(FieldName, T)>, FieldName, &mut Reader<'_>) -> Result<(), Box<CodecError>>;

fn assigned(
    _: Part,
    fields: &mut Vec<(FieldName, Value)>,
    name: FieldName,
    reader: &mut Reader<'_>,
) -> Result<(), Box<CodecError>> {
    fields.push((name, read_value(reader)?));
    Ok(())
}

fn read_splices(reader: &mut Reader<'_>) -> Result<Splices, Box<CodecError>> {
    let splices = read_array(reader, "splices of one field", limits::EDIT_PARTS, |reader| {
        read_tuple(reader, 3, "a splice")?;
        let (offset, delete) = (reader.count()?, reader.count()?);
        let insert = match reader.item()? {
            Item::Text(text) => Content::Text(text.into()),
            Item::Bytes(bytes) => Content::Bytes(bytes.into()),
            _ => return Err(wrong("a splice inserts text or bytes")),
        };
        Ok(Splice { offset, delete, insert })
    })?;
    Splices::new(splices).map_err(|error| wrong(&error.to_string()))
}

/// Skipping an edit that is not understood would record something else than was meant.
fn unknown_part(part: u64) -> Box<CodecError> {
    unknown("part of such an op", &part)
}

/// The parts of an op after its key.
struct Parts {
    there: bool,
    seen: Option<Seq>,
}

impl Parts {
    /// Reads the parts of an op that may have the first `parts` of them.
    fn read<T>(
        &mut self,
        reader: &mut Reader<'_>,
        parts: usize,
        take: Take<T>,
    ) -> Result<FieldMap<T>, Box<CodecError>> {
        if !self.there {
            return Ok(FieldMap::default());
        }
        let mut fields = Vec::new();
        read_map(reader, |key, reader| {
            if key == SEEN {
                self.seen = Some(Seq(reader.count()?));
                return Ok(true);
            }
            let part = usize::try_from(key).ok().and_then(|key| Part::ALL[..parts].get(key));
            let part = *part.ok_or_else(|| unknown_part(key))?;
            let len = reader.map()?;
            CodecError::check_count("fields in one op", len, limits::OBJECT_FIELDS)?;
            fields.reserve_exact(len);
            for _ in 0..len {
                let name = reader.field_name()?;
                take(part, &mut fields, name, reader)?;
            }
            Ok(true)
        })?;
        Ok(FieldMap::new(fields)?)
    }
}
