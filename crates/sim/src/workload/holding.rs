//! People, their badges and what they borrow: objects whose values are unique, and which refer to each other.

use fastrand::Rng;
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::op::{Action, Edit, Members, Op};
use tapeline_core::replica::{NewEdit, Replica};
use tapeline_core::schema::{OnDelete, Reference, Rules};
use tapeline_core::value::Value;

use super::{Marker, collection, fields, mark};

/// How many objects there are of each collection at most.
const OBJECTS: u8 = 4;

/// The fields of which no two objects of a collection have the same value.
pub const UNIQUE: [(&str, &str); 2] = [("people", "name"), ("badges", "code")];

/// The fields that refer to others: of which collection, to which, and what happens when those are deleted.
pub const REFERENCES: [(&str, &str, &str, OnDelete); 4] = [
    ("people", "boss", "people", OnDelete::SetNull),
    ("badges", "of", "people", OnDelete::Cascade),
    ("loans", "by", "people", OnDelete::Restrict),
    ("loans", "badges", "badges", OnDelete::SetNull),
];

/// The schema of these collections.
pub fn rules() -> impl Iterator<Item = (Collection, Rules)> {
    ["people", "badges", "loans"].into_iter().map(|of| {
        let unique = UNIQUE.iter().filter(|(name, _)| *name == of).map(|(_, field)| vec![name(field)]);
        let refs = REFERENCES.iter().filter(|(name, ..)| *name == of);
        let refs = refs.map(|&(_, field, to, on_delete)| Reference {
            field: name(field),
            to: collection(to),
            on_delete: Some(on_delete),
        });
        (collection(of), Rules { unique: unique.collect(), refs: refs.collect(), ..Rules::default() })
    })
}

/// A random edit of one or two of these objects, as a replica shows them.
pub fn edit(random: &mut Rng, replica: &Replica, marker: Marker) -> NewEdit {
    let mut ops: Vec<Op> = Vec::new();
    for _ in 0..random.u8(1..=2) {
        let of = ["people", "badges", "loans"][random.usize(0..3)];
        let key = Key { collection: collection(of), id: id(random) };
        if ops.iter().all(|op| op.key != key) {
            ops.push(Op { action: action(random, of, replica.get(&key).is_some()), key, seen: None });
        }
    }
    ops.push(mark(marker));
    ops.into()
}

fn action(random: &mut Rng, of: &str, is_there: bool) -> Action {
    let (word, other) = (Value::text(["a", "b", "c"][random.usize(0..3)]), Value::text(id(random).to_string()));
    let set = match (of, random.u8(0..3)) {
        ("people", 0..=1) => ("name", word),
        ("people", _) => ("boss", other),
        ("badges", 0) => ("code", word),
        ("badges", _) => ("of", other),
        _ => ("by", other),
    };
    match random.u8(0..6) {
        _ if !is_there => Action::Insert(fields(vec![set])),
        0..=1 => Action::Delete,
        2 if of == "loans" => {
            let member = vec![Value::text(id(random).to_string())];
            let (add, remove) = if random.bool() { (member, Vec::new()) } else { (Vec::new(), member) };
            Action::Update(fields(vec![("badges", Edit::Members(Members { add, remove }))]))
        }
        _ => Action::Update(fields(vec![(set.0, Edit::Set(set.1))])),
    }
}

fn id(random: &mut Rng) -> ObjectId {
    ObjectId::new(format!("h{}", random.u8(0..OBJECTS))).expect("an id")
}

fn name(field: &str) -> tapeline_core::name::FieldName {
    field.parse().expect("a name")
}
