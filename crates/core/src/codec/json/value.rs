//! Values in JSON: JSON's own, and one spelling for each of those that it lacks.
//!
//! | value | spelling |
//! |---|---|
//! | an integer past ±2^53 | `{"$int":"9007199254740993"}` |
//! | bytes | `{"$bytes":"aGVsbG8="}` |
//! | a map that looks like one of these three | `{"$map":{"$int":"…"}}` |

use crate::short_text::SmolStr;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::tree::Json;
use super::{CodecError, Writer};
use crate::codec::LARGEST_COUNT;
use crate::limits;
use crate::object::Object;
use crate::value::{Entries, Value};

const INT: &str = "$int";
const BYTES: &str = "$bytes";
const MAP: &str = "$map";

impl Writer {
    pub(super) fn value(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Null => self.null(),
            Value::Bool(truth) => self.bool(*truth),
            Value::Int(int) if int.unsigned_abs() <= LARGEST_COUNT => self.int(*int),
            Value::Int(int) => self.object(|object| {
                object.key(INT).text(&int.to_string());
            }),
            Value::Float(float) => self.float(float.get()),
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) => self.object(|object| {
                object.key(BYTES).text(&STANDARD.encode(bytes));
            }),
            Value::List(items) => self.list_of(items.iter(), Self::value),
            Value::Map(entries) if entries.len() == 1 && entries.iter().any(|(name, _)| is_special(name)) => self
                .object(|object| {
                    object.key(MAP).values(entries.iter());
                }),
            Value::Map(entries) => self.values(entries.iter()),
        }
    }

    /// An object of values.
    pub(super) fn values<'a>(&mut self, entries: impl Iterator<Item = (impl AsRef<str>, &'a Value)>) -> &mut Self {
        self.object(|object| {
            for (name, value) in entries {
                object.key(name.as_ref()).value(value);
            }
        })
    }

    pub(super) fn fields_of(&mut self, object: &Object) -> &mut Self {
        self.values(object.values().map(|(name, value)| (name.as_str(), value)))
    }
}

fn is_special(name: &str) -> bool {
    [INT, BYTES, MAP].contains(&name)
}

/// Reads a value.
pub(super) fn read_value(json: Json) -> Result<Value, CodecError> {
    read_nested(json, limits::VALUE_DEPTH)
}

fn read_nested(json: Json, depth: usize) -> Result<Value, CodecError> {
    let within = || depth.checked_sub(1).ok_or(CodecError::TooDeep);
    match json {
        Json::Scalar(value) => Ok(value),
        Json::List(items) => {
            let depth = within()?;
            let items: Result<_, _> = items.into_iter().map(|item| read_nested(item, depth)).collect();
            Ok(Value::List(items?))
        }
        Json::Map(mut members) => match take_special(&mut members) {
            None => read_map(members, within()?),
            Some((INT, json)) => read_int(json),
            Some((BYTES, json)) => read_bytes(json),
            Some((_, json)) => read_map(json.map(MAP)?, within()?),
        },
    }
}

/// What stands under the only key of an object, where that key has a meaning.
fn take_special(members: &mut Vec<(SmolStr, Json)>) -> Option<(&'static str, Json)> {
    let [(only, _)] = members.as_slice() else { return None };
    let special = [INT, BYTES, MAP].into_iter().find(|special| *special == only.as_str())?;
    Some((special, members.pop()?.1))
}

fn read_map(members: Vec<(SmolStr, Json)>, depth: usize) -> Result<Value, CodecError> {
    let entries = members.into_iter().map(|(name, json)| Ok((name, read_nested(json, depth)?)));
    let entries = Entries::new(entries.collect::<Result<_, CodecError>>()?);
    entries.map(Value::Map).map_err(|name| CodecError::Json(format!("the key {name:?} stands in an object twice")))
}

fn read_int(json: Json) -> Result<Value, CodecError> {
    let text: SmolStr = json.text(INT)?;
    // A number has one spelling: no plus, no zeros in front.
    let int = text.parse::<i64>().ok().filter(|int| int.to_string() == text.as_str());
    int.map(Value::Int).ok_or_else(|| CodecError::Json(format!("{INT}: {text:?} is not a 64-bit integer")))
}

fn read_bytes(json: Json) -> Result<Value, CodecError> {
    let text = json.text(BYTES)?;
    let bytes = STANDARD.decode(text.as_bytes());
    bytes.map(|bytes| Value::Bytes(bytes.into())).map_err(|error| CodecError::Json(format!("{BYTES}: {error}")))
}
