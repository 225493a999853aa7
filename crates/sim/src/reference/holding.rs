//! What is unique, what refers to what, and what goes with what is deleted: told by looking at all objects.

use std::collections::BTreeSet;

use tapeline_core::name::{Key, ObjectId};
use tapeline_core::op::{Action, Edit, FieldMap, Members, Op};
use tapeline_core::schema::OnDelete;
use tapeline_core::value::Value;

use super::{Object, Objects, Write, apply};
use crate::workload::holding::{REFERENCES, UNIQUE};

/// Lets go, or change, what refers to what an event has deleted. Answers by which ops; their order says nothing.
pub fn follow(before: &Objects, after: &mut Objects, write: Write) -> Vec<Op> {
    let mut gone: BTreeSet<Key> = gone(before, after).cloned().collect();
    let mut ops = Vec::new();
    while let Some(op) = gone.iter().find_map(|gone| follower(after, gone)) {
        apply(after, std::slice::from_ref(&op), &[], write, write.0);
        if op.action == Action::Delete {
            gone.insert(op.key.clone());
        }
        ops.push(op);
    }
    ops
}

/// Whether what an event, with all that follows, has made of the objects must not be.
pub fn is_broken(before: &Objects, after: &Objects) -> bool {
    let anew = |key: &Key, field: &str, value: &Value| {
        before.live.get(key).is_none_or(|object| !held(object, field).contains(value))
    };
    let taken = UNIQUE.iter().any(|&(of, field)| {
        all_of(after, of).any(|(key, object)| {
            let others = || all_of(after, of).filter(|(other, _)| *other != key);
            held(object, field)
                .iter()
                .any(|value| anew(key, field, value) && others().any(|(_, other)| held(other, field).contains(value)))
        })
    });
    let dangling = REFERENCES.iter().any(|&(of, field, to, _)| {
        let is_there = |value: &Value| after.live.keys().any(|key| refers_to(value, to, key));
        all_of(after, of)
            .any(|(key, object)| held(object, field).iter().any(|value| anew(key, field, value) && !is_there(value)))
    });
    let must_stay = gone(before, after).any(|gone| {
        let restricting = REFERENCES.iter().filter(|(.., on_delete)| *on_delete == OnDelete::Restrict);
        restricting.into_iter().any(|&(of, field, to, _)| {
            all_of(after, of).any(|(_, object)| held(object, field).iter().any(|value| refers_to(value, to, gone)))
        })
    });
    taken || dangling || must_stay
}

fn gone<'o>(before: &'o Objects, after: &Objects) -> impl Iterator<Item = &'o Key> {
    before.live.keys().filter(|key| !after.live.contains_key(*key))
}

/// What happens to one of those that refer to what is gone.
fn follower(objects: &Objects, gone: &Key) -> Option<Op> {
    REFERENCES.iter().filter(|(.., on_delete)| *on_delete != OnDelete::Restrict).find_map(
        |&(of, field, to, on_delete)| {
            let (key, object) = all_of(objects, of)
                .find(|(_, object)| held(object, field).iter().any(|value| refers_to(value, to, gone)))?;
            let name = field.parse().expect("a name");
            let edit = match &object.fields[field] {
                Value::List(_) => Edit::Members(Members { add: Vec::new(), remove: vec![text_of(&gone.id)] }),
                _ => Edit::Set(Value::Null),
            };
            let action = match on_delete {
                OnDelete::Cascade => Action::Delete,
                _ => Action::Update(FieldMap::new(vec![(name, edit)]).expect("one")),
            };
            Some(Op { key: key.clone(), seen: None, action })
        },
    )
}

fn all_of<'o>(objects: &'o Objects, of: &'static str) -> impl Iterator<Item = (&'o Key, &'o Object)> {
    objects.live.iter().map(|(key, object)| (key, &**object)).filter(move |(key, _)| key.collection.as_str() == of)
}

/// The values of a field: of a list each.
fn held(object: &Object, field: &str) -> Vec<Value> {
    match object.fields.get(field) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::List(items)) => items.to_vec(),
        Some(value) => vec![value.clone()],
    }
}

fn refers_to(value: &Value, to: &str, key: &Key) -> bool {
    key.collection.as_str() == to && *value == text_of(&key.id)
}

fn text_of(id: &ObjectId) -> Value {
    Value::text(id.to_string())
}
