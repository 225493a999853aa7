//! The browser's way into Tapeline's core: the thinnest shell around replicas, mirrors and links. It decides nothing.
//!
//! What is structured goes over as CBOR, which the npm package reads and writes anyway; times are milliseconds, random
//! numbers come in as 16 bytes. Errors are `Error`s with the core's own words.

mod link;
mod mirror;
mod replica;
mod socket;

use smol_str::SmolStr;
use tapeline_core::numbers::Millis;
use tapeline_core::value::{Entries, Value};
use wasm_bindgen::JsError;

type Result<T> = std::result::Result<T, JsError>;

/// A time from JavaScript. What is none there (before 1970, not a number) is 0 here.
fn millis(time: f64) -> Millis {
    Millis(time as u64)
}

/// 16 bytes from JavaScript.
fn bits(bytes: &[u8]) -> Result<u128> {
    let bytes = bytes.try_into().map_err(|_| JsError::new("an id has 16 bytes"))?;
    Ok(u128::from_be_bytes(bytes))
}

/// A number for JavaScript, as far as it has it.
fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Named values for JavaScript, without those that are null.
fn record<const N: usize>(parts: [(&'static str, Value); N]) -> Vec<u8> {
    let parts = parts.into_iter().filter(|(_, value)| *value != Value::Null);
    let entries = Entries::new(parts.map(|(name, value)| (SmolStr::new_static(name), value)).collect());
    tapeline_core::codec::cbor::encode_value(&entries.map_or(Value::Null, Value::Map))
}
