//! JSON that a person can read: the same frames as in CBOR, in the spelling of `docs/protocol.md`.
//!
//! A text is parsed to a tree, and the tree is read: what is written twice, or would not come through every JSON
//! unchanged, is refused while parsing. JSON is for people, tools and plain HTTP; sockets speak CBOR unless told
//! otherwise.

mod client_frame;
mod event;
mod frame;
mod members;
mod op;
mod page;
mod presence;
mod server_frame;
mod tree;
mod value;
mod verdict;
mod writer;

pub use client_frame::{decode_client_frame, encode_client_frame};
pub use server_frame::{decode_server_frame, encode_server_frame};

use super::CodecError;
use crate::event::{Body, Lost, OwnVerdict, Recorded};
use crate::name::Key;
use crate::numbers::Seq;
use crate::object::Object;
use crate::op::{FieldMap, Op};
use crate::value::Value;
use members::Members;
use writer::Writer;

/// Writes a value.
pub fn value_to_json(value: &Value) -> String {
    let mut writer = Writer::default();
    writer.value(value);
    writer.finish()
}

/// Reads a value.
///
/// # Errors
/// Where the text is no value, or nests too deep.
pub fn value_from_json(text: &str) -> Result<Value, CodecError> {
    value::read_value(tree::parse(text.as_bytes())?)
}

/// Writes a recorded event on one line.
pub fn recorded_to_json(event: &Recorded) -> String {
    let mut writer = Writer::default();
    writer.recorded(event);
    writer.finish()
}

/// Writes what became of an event, as in `{"n":1,"hash":"…","seq":7}`.
pub fn verdict_to_json(own: &OwnVerdict) -> String {
    let mut writer = Writer::default();
    writer.verdict(own);
    writer.finish()
}

/// Writes where an event stands, and what of it did not take effect, as the event itself says it: `{"seq":7,"lost":[…]}`.
pub fn outcome_to_json(seq: Seq, lost: &[Lost]) -> String {
    let mut writer = Writer::default();
    writer.object(|members| members.outcome(seq, lost));
    writer.finish()
}

/// Writes the fields of an object.
pub fn object_fields_to_json(object: &Object) -> String {
    let mut writer = Writer::default();
    writer.fields_of(object);
    writer.finish()
}

/// Writes an object with its key, and the seq of the last event that touched it, on one line.
pub fn object_to_json(key: &Key, object: &Object) -> String {
    let mut writer = Writer::default();
    writer.object(|members| {
        members.named(key);
        members.key("fields").fields_of(object);
        members.key("seq").uint(object.seq().0);
    });
    writer.finish()
}

/// Writes that there is no object under a key any more, and the seq of the event that deleted it, on one line.
pub fn gone_to_json(key: &Key, seq: Seq) -> String {
    let mut writer = Writer::default();
    writer.object(|members| {
        members.key("gone").object(|gone| gone.named(key));
        members.key("seq").uint(seq.0);
    });
    writer.finish()
}

/// Reads fields, as in `{"title":"x"}`.
///
/// # Errors
/// Where the text is no object of fields, or breaks a limit.
pub fn fields_from_json(text: &str) -> Result<FieldMap<Value>, CodecError> {
    Ok(FieldMap::new(op::read_fields(tree::parse(text.as_bytes())?, "fields", |value| value)?)?)
}

/// Reads an op, as in `{"update":"tasks","id":"1","set":{"done":true}}`.
///
/// # Errors
/// Where the text is no op, or breaks a limit.
pub fn op_from_json(text: &str) -> Result<Op, CodecError> {
    op::read_op(tree::parse(text.as_bytes())?)
}

/// Reads the body of an event, as in `{"base":42,"ops":[…]}`. Everything but `ops` may be left out.
///
/// # Errors
/// Where the text is no body, or breaks a limit.
pub fn body_from_json(text: &str) -> Result<Body, CodecError> {
    event::read_body(&mut Members::of(tree::parse(text.as_bytes())?, "an event")?)
}
