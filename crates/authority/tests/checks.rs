//! What is valid whoever writes it: patterns and conditions, asked where what they look at changes.

mod support;

use std::sync::Arc;

use support::*;
use tapeline_authority::{Authority, Check, Checks, Kind, Pattern, StreamGate};
use tapeline_core::caller::Caller;
use tapeline_core::event::RefusalCode;
use tapeline_core::name::FieldName;
use tapeline_core::object::Object;
use tapeline_core::sequencer::{Change, Gate, Objection};
use tapeline_core::value::Value;

fn field(name: &str) -> FieldName {
    FieldName::new(name).unwrap()
}

fn check(holds: &str, about: Option<&str>) -> Check {
    Check { rule: rule(holds, Kind::Check).unwrap(), field: about.map(field), message: format!("not {holds}") }
}

fn gate(patterns: &[(&str, &str)], conditions: Vec<Check>) -> StreamGate {
    let patterns = patterns.iter().map(|(name, text)| (field(name), Pattern::parse(text).unwrap())).collect();
    let checks = [(key("x").collection, Checks { patterns, conditions })];
    StreamGate::new(Arc::new(Authority::new(Vec::new(), Vec::new(), Vec::new()).checking(checks)), stream())
}

fn invalid(gate: &StreamGate, before: Option<&Object>, after: Option<&Object>) -> Option<Objection> {
    let trusted = Caller { is_trusted: true, ..Caller::default() };
    let change = Change { key: &key("x"), before, after };
    assert_eq!(gate.objection(&Caller::default(), &change), None, "checks allow everything");
    let objection = gate.invalid(&Caller::default(), &change);
    assert_eq!(gate.invalid(&trusted, &change), objection, "they hold for everybody");
    assert!(objection.as_ref().is_none_or(|objection| objection.code == RefusalCode::Invalid));
    objection
}

#[test]
fn a_text_looks_like_its_pattern_once_it_is_set() {
    let gate = gate(&[("code", "[A-Z]{3}-[0-9]+")], Vec::new());
    let of = |value: Value| object(&[("code", value)]);
    for fits in [of(Value::text("ABC-12")), of(Value::Null), object(&[])] {
        assert_eq!(invalid(&gate, None, Some(&fits)), None, "{fits:?}");
    }
    for wrong in [of(Value::text("abc-12")), of(Value::Int(3))] {
        let objection = invalid(&gate, None, Some(&wrong)).unwrap();
        assert_eq!(objection.field, Some(field("code")));
        assert!(objection.reason.contains("a text like [A-Z]{3}-[0-9]+"), "{}", objection.reason);
    }
    let (old, other) = (of(Value::Int(3)), object(&[("code", Value::Int(3)), ("title", Value::text("a"))]));
    assert_eq!(invalid(&gate, Some(&old), Some(&other)), None, "what was there blocks no edit of another field");
    assert_eq!(invalid(&gate, Some(&old), None), None, "nor that it goes");
}

#[test]
fn a_condition_is_asked_of_what_was_and_what_is_to_be() {
    let closed = "!has(old.state) || old.state != 'closed' || new.state == 'closed'";
    let gate = gate(&[], vec![check("size(new.members) <= 2", Some("members")), check(closed, None)]);
    let of = |members: &[&str], state: &str| object(&[("members", texts(members)), ("state", Value::text(state))]);
    assert_eq!(invalid(&gate, None, Some(&of(&["ana", "bo"], "closed"))), None);
    let objection = invalid(&gate, None, Some(&of(&["ana", "bo", "cy"], "open"))).unwrap();
    assert_eq!((objection.field, &*objection.reason), (Some(field("members")), "not size(new.members) <= 2"));
    let (many, shut) = (of(&["ana", "bo", "cy"], "open"), of(&["ana", "bo", "cy"], "closed"));
    assert_eq!(invalid(&gate, Some(&many), Some(&shut)), None, "the members are as they were");
    let objection = invalid(&gate, Some(&shut), Some(&many)).unwrap();
    assert_eq!((objection.field, objection.reason), (None, format!("not {closed}")));
    // What cannot be told is a no.
    assert!(invalid(&gate, None, Some(&object(&[]))).is_some());
}

#[test]
fn a_condition_may_look_at_who_asks() {
    let gate = gate(&[], vec![check("auth.sub == new.by", Some("by"))]);
    let change_by = |by: &str| object(&[("by", Value::text(by))]);
    let of = |object: &Object| {
        let change = Change { key: &key("x"), before: None, after: Some(object) };
        gate.invalid(&caller("ana", &[]), &change).is_none()
    };
    assert_eq!((of(&change_by("ana")), of(&change_by("bo"))), (true, false));
}
