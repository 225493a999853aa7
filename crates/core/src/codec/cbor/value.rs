//! Values in CBOR.

use std::sync::Arc;

use crate::short_text::SmolStr;

use super::reader::Item;
use super::{CodecError, Reader, Writer, check_end, wrong};
use crate::limits;
use crate::value::{Entries, Value};

/// Encodes one value.
pub fn encode_value(value: &Value) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.value(value);
    writer.finish()
}

/// Encodes named values as one map, in their order, without those that are null.
pub fn encode_named(values: &[(&str, Value)]) -> Vec<u8> {
    let there = || values.iter().filter(|(_, value)| *value != Value::Null);
    let mut writer = Writer::new();
    there().fold(writer.map(there().count() as u64), |map, (name, value)| map.text(name).value(value));
    writer.finish()
}

/// Reads one value.
///
/// # Errors
/// Where the bytes are no value, or nest too deep.
pub fn decode_value(bytes: &[u8]) -> Result<Value, Box<CodecError>> {
    let mut reader = Reader::new(bytes);
    let value = read_value(&mut reader)?;
    check_end(&reader, "a value")?;
    Ok(value)
}

impl Writer {
    pub(crate) fn value(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Null => self.null(),
            Value::Bool(truth) => self.bool(*truth),
            Value::Int(int) => self.int(*int),
            Value::Float(float) => self.float(float.get()),
            Value::Text(text) => self.text_of(text.len(), text.parts()),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::List(items) => items.iter().fold(self.array(items.len() as u64), Self::value),
            Value::Map(entries) => {
                let map = self.map(entries.len() as u64);
                entries.iter().fold(map, |map, (name, value)| map.text(name).value(value))
            }
        }
    }
}

pub(crate) fn read_value(reader: &mut Reader<'_>) -> Result<Value, Box<CodecError>> {
    read_nested(reader, limits::VALUE_DEPTH)
}

fn read_nested(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Box<CodecError>> {
    let within = || depth.checked_sub(1).ok_or(CodecError::TooDeep);
    Ok(match reader.item()? {
        Item::Null => Value::Null,
        Item::Bool(truth) => Value::Bool(truth),
        Item::Int(int) => Value::Int(int),
        Item::Float(number) => Value::number(number)?,
        Item::Text(text) => Value::Text(reader.shared(text).into()),
        Item::Bytes(bytes) => Value::Bytes(Arc::from(bytes)),
        Item::Array(len) => Value::List(read_list(reader, len, within()?)?),
        Item::Map(len) => Value::Map(read_entries(reader, len, within()?)?),
    })
}

fn read_list(reader: &mut Reader<'_>, len: usize, depth: usize) -> Result<Arc<[Value]>, Box<CodecError>> {
    let mut items = Vec::with_capacity(len.min(1_024));
    for _ in 0..len {
        items.push(read_nested(reader, depth)?);
    }
    Ok(items.into())
}

fn read_entries(reader: &mut Reader<'_>, len: usize, depth: usize) -> Result<Entries, Box<CodecError>> {
    let mut entries = Vec::with_capacity(len.min(1_024));
    for _ in 0..len {
        entries.push((SmolStr::new(reader.str()?), read_nested(reader, depth)?));
    }
    Entries::new(entries).map_err(|name| wrong(&format!("the key {name} stands in a map twice")))
}
