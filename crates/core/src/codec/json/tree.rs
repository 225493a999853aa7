//! JSON text as a tree: parsed once, each key once, numbers in their canonical form.

use std::fmt;

use crate::short_text::SmolStr;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::CodecError;
use crate::codec::LARGEST_COUNT;
use crate::value::Value;

/// Anything that JSON can say.
#[derive(Debug)]
pub(super) enum Json {
    /// Null, a truth value, a number or text.
    Scalar(Value),
    List(Vec<Json>),
    /// Members, sorted by key, each key once.
    Map(Vec<(SmolStr, Json)>),
}

/// Parses a text.
pub(super) fn parse(text: &[u8]) -> Result<Json, CodecError> {
    serde_json::from_slice(text).map_err(|error| CodecError::Json(error.to_string()))
}

impl Json {
    pub(super) fn map(self, what: &'static str) -> Result<Vec<(SmolStr, Json)>, CodecError> {
        match self {
            Self::Map(members) => Ok(members),
            other => Err(other.unexpected(what, "an object")),
        }
    }

    pub(super) fn list(self, what: &'static str) -> Result<Vec<Json>, CodecError> {
        match self {
            Self::List(items) => Ok(items),
            other => Err(other.unexpected(what, "a list")),
        }
    }

    /// A list of which each item is read by `read`.
    pub(super) fn list_of<T>(
        self,
        what: &'static str,
        most: usize,
        read: impl FnMut(Json) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let items = self.list(what)?;
        CodecError::check_count(what, items.len(), most)?;
        items.into_iter().map(read).collect()
    }

    pub(super) fn text(self, what: &'static str) -> Result<SmolStr, CodecError> {
        match self {
            Self::Scalar(Value::Text(text)) => Ok(text.into()),
            other => Err(other.unexpected(what, "text")),
        }
    }

    pub(super) fn is_text(&self, text: &str) -> bool {
        matches!(self, Self::Scalar(Value::Text(found)) if **found == *text)
    }

    /// A number that counts something.
    pub(super) fn count(self, what: &'static str) -> Result<u64, CodecError> {
        match self {
            Self::Scalar(Value::Int(count @ 0..)) if count as u64 <= LARGEST_COUNT => Ok(count as u64),
            other => Err(other.unexpected(what, "an integer from 0 to 2^53")),
        }
    }

    /// 64 bits as 16 hexadecimal digits.
    pub(super) fn hex_64(self, what: &'static str) -> Result<u64, CodecError> {
        Ok(self.hex(what, 16)? as u64)
    }

    /// 128 bits as 32 hexadecimal digits.
    pub(super) fn hex_128(self, what: &'static str) -> Result<u128, CodecError> {
        self.hex(what, 32)
    }

    fn hex(self, what: &'static str, digits: usize) -> Result<u128, CodecError> {
        let text = self.text(what)?;
        let proper = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = if proper { u128::from_str_radix(&text, 16).ok() } else { None };
        number
            .ok_or_else(|| CodecError::Json(format!("{what}: {text:?} is not {digits} lower-case hexadecimal digits")))
    }

    fn unexpected(&self, what: &'static str, wanted: &'static str) -> CodecError {
        let found = match self {
            Self::Scalar(Value::Null) => "null",
            Self::Scalar(Value::Bool(_)) => "a truth value",
            Self::Scalar(Value::Text(_)) => "text",
            Self::Scalar(_) => "a number",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        };
        CodecError::Json(format!("{what}: {found}, where {wanted} is expected"))
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Scalar(Value::Null))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Scalar(Value::Bool(truth)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        if number as f64 as i128 != number.into() {
            let (found, spelling) = (number, format!(r#"{{"$int":"{number}"}}"#));
            return Err(E::custom(format_args!("{found} is more than most JSON carries exactly: write {spelling}")));
        }
        Ok(Json::Scalar(Value::Int(number)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            // No 64-bit integer can be meant.
            Err(_) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Value::number(number).map(Json::Scalar).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Scalar(Value::text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut map = Vec::new();
        while let Some((Name(name), json)) = members.next_entry()? {
            map.push((name, json));
        }
        map.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        match map.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            None => Ok(Json::Map(map)),
            Some(twice) => Err(A::Error::custom(format_args!("the key {:?} stands in an object twice", twice[0].0))),
        }
    }
}

struct Name(SmolStr);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
                Ok(Name(SmolStr::new(name)))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}
