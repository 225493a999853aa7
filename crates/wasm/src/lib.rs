//! The browser's way into Tapeline's core: the thinnest shell around replicas, mirrors and links. It decides nothing.
//!
//! Plain exported functions and two buffers instead of generated bindings, which would be a fifth of the download. The
//! other side of it is `packages/tapeline/src/core.ts`.
//!
//! ```text
//! input(bytes) -> place      JavaScript writes what a function takes there …
//! function(handle, …)        … calls it …
//! output() -> place          … and reads what it answers there.
//! ```
//!
//! An answer is the number of bytes in the output, [`NOTHING`], or [`FAILED`] with the error's words in the output.
//! What is structured is CBOR; times are milliseconds; random numbers and ids are 16 bytes.

mod checks;
mod link;
mod mirror;
mod replica;
mod socket;
mod state;

use std::sync::Arc;

use tapeline_core::codec::cbor;
use tapeline_core::name::Key;
use tapeline_core::numbers::{ClientId, Millis, Seq};
use tapeline_core::object::{Entry, Object, Write, apply};
use tapeline_core::order;
use tapeline_core::value::Value;

use crate::state::{Answer, Answered, Words, answer};

/// There is no answer.
const NOTHING: i32 = -1;
/// The output holds the words of an error.
const FAILED: i32 = -2;

/// Reads `[collection, id]`.
fn read_key(bytes: &[u8]) -> Result<Key, Words> {
    Ok(cbor::decode_key(bytes)?)
}

/// One object, as a row, as ops would leave it. Input: `[collection, id]`, then, after `key` bytes of it, the ops.
fn row_after(input: &[u8], key: usize, look: &dyn Fn(&Key) -> Option<Arc<Object>>) -> Answered {
    let (key, ops) = input.split_at_checked(key).ok_or("the input is too short")?;
    let (key, ops) = (read_key(key)?, cbor::decode_ops(ops)?);
    let mut entry = look(&key).map(Entry::Live);
    for op in &ops {
        apply(&mut entry, op, &Write::pending(ClientId(0), Seq::FIRST, Millis(0)));
    }
    Ok(entry.as_ref().and_then(Entry::live).map(|object| cbor::encode_row(&key.id, object)).into())
}

/// A position between two others, for a field that people sort by. Input: `[before | null, after | null]`.
#[unsafe(no_mangle)]
extern "C" fn position_between(bytes: usize, random: f64) -> i32 {
    answer(bytes, &mut |_, input| {
        let Value::List(ends) = cbor::decode_value(input)? else { return Err("two positions, or null".into()) };
        let [before, after] = &*ends else { return Err("two positions, or null".into()) };
        let position = order::between(end(before)?, end(after)?, random as u64)?;
        Ok(Answer::Bytes(position.as_bytes().to_vec()))
    })
}

fn end(position: &Value) -> Result<Option<&str>, &'static str> {
    match position {
        Value::Null => Ok(None),
        position => position.as_text().map(Some).ok_or("a position is text, or null for an end"),
    }
}

/// A time from JavaScript. What is none there (before 1970, not a number) is 0 here.
fn millis(time: f64) -> Millis {
    Millis(time as u64)
}

/// A number for JavaScript, as far as it has it.
fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
