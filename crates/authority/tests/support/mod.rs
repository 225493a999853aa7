//! What rules and checks are asked about.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;

use tapeline_authority::{Kind, Rule};
use tapeline_core::caller::Caller;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName, Subject};
use tapeline_core::numbers::{ClientId, Millis, Seq};
use tapeline_core::object::{Entry, Object, Write, apply};
use tapeline_core::op::{Action, FieldMap, Op};
use tapeline_core::value::{Entries, Value};

pub const TASKS: &str = "tasks";

pub fn stream() -> StreamName {
    StreamName::new("lists/home").unwrap()
}

pub fn key(id: &str) -> Key {
    Key { collection: Collection::new(TASKS).unwrap(), id: ObjectId::new(id).unwrap() }
}

pub fn texts(values: &[&str]) -> Value {
    Value::List(values.iter().map(Value::text).collect())
}

pub fn caller(sub: &str, claims: &[(&str, Value)]) -> Caller {
    let claims = claims.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    Caller { subject: Subject::new(sub).ok(), claims: Entries::new(claims).unwrap(), is_trusted: false }
}

pub fn object(fields: &[(&str, Value)]) -> Arc<Object> {
    let fields = fields.iter().map(|(name, value)| (FieldName::new(name).unwrap(), value.clone())).collect();
    let op = Op { key: key("x"), seen: None, action: Action::Insert(FieldMap::new(fields).unwrap()) };
    let mut entry = None;
    apply(&mut entry, &op, &Write::pending(ClientId(1), Seq(0), Millis(0)));
    entry.as_ref().and_then(Entry::live).unwrap().clone()
}

pub fn rule(text: &str, kind: Kind) -> Option<Rule> {
    Some(Rule::parse(text, kind).unwrap_or_else(|error| panic!("{text}: {error}")))
}
