//! Names and ops in JSON: `{"update":"tasks","id":"…","set":{"done":true},"inc":{"n":1},"seen":5}`; [`crate::part`] has
//! all parts of an update.

use super::members::Members;
use super::tree::Json;
use super::value::read_value;
use super::{CodecError, Writer};
use crate::name::{Collection, FieldName, Key, ObjectId};
use crate::numbers::{ClientId, Seq};
use crate::op::{Action, Edit, FieldMap, Op};
use crate::part::Part;
use crate::value::Value;

impl Writer {
    pub(super) fn client(&mut self, client: ClientId) -> &mut Self {
        self.text(&client.to_string())
    }

    pub(super) fn object_id(&mut self, id: &ObjectId) -> &mut Self {
        id.with_str(|text| self.text(text))
    }

    /// The members `"collection":…,"id":…`
    pub(super) fn named(&mut self, key: &Key) {
        self.key("collection").text(key.collection.as_str()).key("id").object_id(&key.id);
    }

    /// `[collection, id]` or `[collection, id, field]`
    pub(super) fn place(&mut self, key: &Key, field: Option<&FieldName>) -> &mut Self {
        self.list(|list| {
            list.text(key.collection.as_str()).object_id(&key.id);
            if let Some(field) = field {
                list.text(field.as_str());
            }
        })
    }

    pub(super) fn op(&mut self, op: &Op) -> &mut Self {
        self.object(|object| {
            object.key(op.action.name()).text(op.key.collection.as_str()).key("id").object_id(&op.key.id);
            match &op.action {
                Action::Insert(set) | Action::Upsert(set) => object.fields("set", set.iter()),
                Action::Update(edits) => object.edits(edits),
                Action::Delete => {}
            }
            if let Some(seq) = op.seen {
                object.key("seen").uint(seq.0);
            }
        })
    }

    fn fields<'a>(&mut self, part: &str, fields: impl Iterator<Item = (&'a FieldName, &'a Value)>) {
        self.key(part).values(fields.map(|(name, value)| (name.as_str(), value)));
    }

    fn edits(&mut self, edits: &FieldMap<Edit>) {
        for part in Part::ALL {
            let values = edits.iter().filter_map(|(name, edit)| Some((name.as_str(), part.of(edit)?)));
            let values: Vec<_> = values.collect();
            if !values.is_empty() {
                self.key(part.name()).values(values.iter().map(|(name, value)| (name, &**value)));
            }
        }
    }
}

pub(super) fn read_client(json: Json) -> Result<ClientId, CodecError> {
    let text = json.text("client")?;
    let otherwise = || CodecError::Json(format!("client: {text:?} is not 26 characters of Crockford's base 32"));
    ClientId::parse(&text).ok_or_else(otherwise)
}

/// Reads `[collection, id]`, or with a field at its end.
pub(super) fn read_place(json: Json, what: &'static str) -> Result<(Key, Option<FieldName>), CodecError> {
    let items = json.list(what)?;
    let (2..=3) = items.len() else {
        return Err(CodecError::Json(format!("{what} has a collection, an id and perhaps a field")));
    };
    let mut names = items.into_iter().map(|item| item.text(what));
    let mut next = || names.next().transpose();
    let missing = |part| CodecError::Missing { what, part };
    let collection = Collection::new(next()?.ok_or(missing("collection"))?)?;
    let id = ObjectId::new(next()?.ok_or(missing("id"))?)?;
    let field = next()?.map(FieldName::new).transpose()?;
    Ok((Key { collection, id }, field))
}

pub(super) fn read_op(json: Json) -> Result<Op, CodecError> {
    let mut op = Members::of(json, "an op")?;
    let (kind, collection) = take_kind(&mut op)?;
    let key = Key { collection: Collection::new(collection.text(kind)?)?, id: ObjectId::new(op.text("id")?)? };
    let seen = op.count_if_any("seen")?.map(Seq);
    let action = match kind {
        "insert" => Action::Insert(read_set(&mut op)?),
        "upsert" => Action::Upsert(read_set(&mut op)?),
        "update" => Action::Update(read_edits(&mut op)?),
        _ => Action::Delete,
    };
    // Skipping an edit that is not understood would record something else than was meant.
    op.check_empty()?;
    Ok(Op { key, seen, action })
}

fn take_kind(op: &mut Members) -> Result<(&'static str, Json), CodecError> {
    let kinds = ["insert", "update", "upsert", "delete"];
    let kind = kinds.into_iter().find_map(|kind| Some((kind, op.take(kind)?)));
    kind.ok_or_else(|| CodecError::Json(format!("an op is one of {}", kinds.join(", "))))
}

fn read_set(op: &mut Members) -> Result<FieldMap<Value>, CodecError> {
    let set = op.take("set").map(|json| read_fields(json, "set", |value| value)).transpose()?;
    Ok(FieldMap::new(set.unwrap_or_default())?)
}

fn read_edits(op: &mut Members) -> Result<FieldMap<Edit>, CodecError> {
    let mut edits = Vec::new();
    for part in Part::ALL {
        let Some(json) = op.take(part.name()) else { continue };
        for (name, value) in read_fields(json, part.name(), |value| value)? {
            let added = part.add_to(&mut edits, name, value);
            added.map_err(|error| CodecError::Json(format!("{}: {error}", part.name())))?;
        }
    }
    Ok(FieldMap::new(edits)?)
}

/// Reads fields, making something of each value.
pub(super) fn read_fields<T>(
    json: Json,
    what: &'static str,
    made: impl Fn(Value) -> T,
) -> Result<Vec<(FieldName, T)>, CodecError> {
    let fields = json.map(what)?.into_iter();
    fields.map(|(name, json)| Ok((FieldName::new(name)?, made(read_value(json)?)))).collect()
}
