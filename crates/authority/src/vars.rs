//! What rules speak of: the values of fields and claims, as the expression language has them.
//!
//! A field that is not there, or is null, is none of an object's members: to look at it is an error, which a rule takes
//! for a no, and `has(old.field)` tells.

use std::collections::HashMap;
use std::sync::Arc;

use cel::Value as Cel;
use cel::objects::{Key as CelKey, Map};
use tapeline_core::caller::Caller;
use tapeline_core::name::{ObjectId, StreamName};
use tapeline_core::object::Object;
use tapeline_core::value::{Entries, Value};

use crate::limits;

/// Somebody who asks, as rules know them: what their token claims, with `sub`.
pub(crate) fn auth(caller: &Caller) -> Cel {
    let claims = caller.claims.iter().map(|(name, value)| (name.as_str(), cel(value)));
    let subject = caller.subject.iter().map(|subject| ("sub", Cel::from(subject.as_str())));
    map(claims.chain(subject))
}

/// A stream: its `name` and the `parts` of it between slashes.
pub(crate) fn stream(stream: &StreamName) -> Cel {
    let parts = stream.as_str().split('/').map(Cel::from).collect::<Vec<_>>();
    map([("name", Cel::from(stream.as_str())), ("parts", Cel::List(parts.into()))].into_iter())
}

/// An object, of which a rule looks at these fields.
pub(crate) fn object(id: &ObjectId, object: &Object, fields: &[String]) -> Cel {
    map(fields.iter().filter_map(|field| {
        let value = match field.as_str() {
            "id" => Cel::from(id.to_string()),
            field => object.get(field).filter(|value| **value != Value::Null).map(cel)?,
        };
        Some((field.as_str(), value))
    }))
}

/// An object that is not there, as one without fields.
pub(crate) fn nothing() -> Cel {
    map(std::iter::empty())
}

/// A value of the expression language as one of ours. `None`: there is none.
pub(crate) fn value(value: &Cel) -> Option<Value> {
    Some(match value {
        Cel::Null => Value::Null,
        Cel::Bool(truth) => Value::Bool(*truth),
        Cel::Int(number) => Value::Int(*number),
        Cel::UInt(number) => Value::Int(i64::try_from(*number).ok()?),
        Cel::Float(number) => Value::number(*number).ok()?,
        Cel::String(text) => Value::text(text.as_str()),
        Cel::Bytes(bytes) => Value::Bytes(bytes.as_slice().into()),
        Cel::List(items) => Value::List(items.iter().map(self::value).collect::<Option<Vec<_>>>()?.into()),
        Cel::Map(entries) => {
            let entries = entries.map.iter().map(|(name, value)| match name {
                CelKey::String(name) => Some((name.as_str().into(), self::value(value)?)),
                _ => None,
            });
            Value::Map(Entries::new(entries.collect::<Option<Vec<_>>>()?).ok()?)
        }
        _ => return None,
    })
}

/// Whether one of these fields is a list too long for rules to go over, or has one in it.
pub(crate) fn has_long(object: &Object, fields: &[String]) -> bool {
    fields.iter().filter_map(|field| object.get(field)).any(is_long)
}

fn is_long(value: &Value) -> bool {
    match value {
        Value::List(items) => items.len() > limits::LIST_ITEMS || items.iter().any(is_long),
        Value::Map(entries) => entries.len() > limits::LIST_ITEMS || entries.iter().any(|(_, value)| is_long(value)),
        _ => false,
    }
}

fn cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(truth) => Cel::Bool(*truth),
        Value::Int(number) => Cel::Int(*number),
        Value::Float(number) => Cel::Float(number.get()),
        Value::Text(text) => Cel::from(text.as_str()),
        Value::Bytes(bytes) => Cel::Bytes(Arc::new(bytes.to_vec())),
        Value::List(items) => Cel::List(Arc::new(items.iter().map(cel).collect())),
        Value::Map(entries) => map(entries.iter().map(|(name, value)| (name.as_str(), cel(value)))),
    }
}

fn map<'n>(entries: impl Iterator<Item = (&'n str, Cel)>) -> Cel {
    let entries = entries.map(|(name, value)| (CelKey::from(name.to_owned()), value));
    Cel::Map(Map { map: Arc::new(entries.collect::<HashMap<_, _>>()) })
}
