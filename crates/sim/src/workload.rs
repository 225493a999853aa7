//! What people do: small edits to few objects, so that they get into each other's way. Each edit carries a marker
//! that no other has, in a field it writes or, where it writes none, in its command.

use fastrand::Rng;
use tapeline_core::event::{Body, Command};
use tapeline_core::name::{Collection, CommandName, FieldName, Key, ObjectId};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::replica::Replica;
use tapeline_core::value::Value;

/// What tells an edit from all others.
pub type Marker = i64;

const MARKER: &str = "marker";

/// A random edit that fits what a replica shows.
pub fn edit(random: &mut Rng, replica: &Replica, marker: Marker, objects: u64) -> (Vec<Op>, Option<Command>) {
    let count = if random.u8(0..4) == 0 { random.usize(2..=4) } else { 1 };
    let mut ops: Vec<Op> = Vec::new();
    while ops.len() < count {
        let key = key(random.u64(0..objects));
        let touched = ops.iter().rev().find(|op| op.key == key);
        let is_live = touched.map_or(replica.get(&key).is_some(), |op| !matches!(op.action, Action::Delete));
        let action = action(random, is_live, marker, ops.is_empty());
        ops.push(Op { key, seen: None, action });
    }
    let named = ops.iter().any(|op| marker_of_op(op).is_some());
    let command =
        (!named).then(|| Command { name: CommandName::new(MARKER).expect("a name"), args: Value::Int(marker) });
    (ops, command)
}

/// An edit that nothing can be said against.
pub fn last_word(device: usize, marker: Marker) -> Vec<Op> {
    let action = Action::Upsert(fields(vec![(MARKER, Value::Int(marker))]));
    vec![Op { key: object("devices", device as u64), seen: None, action }]
}

/// The marker that an edit carries.
pub fn marker(body: &Body) -> Option<Marker> {
    let command = body.command.as_ref().and_then(|command| command.args.as_int());
    command.or_else(|| body.ops.iter().find_map(marker_of_op))
}

/// The marker that an op carries.
pub fn marker_of_op(op: &Op) -> Option<Marker> {
    match &op.action {
        Action::Insert(set) | Action::Upsert(set) => set.get(MARKER)?.as_int(),
        Action::Update(edits) => match edits.get(MARKER)? {
            Edit::Set(value) => value.as_int(),
            Edit::Inc(_) => None,
        },
        Action::Delete => None,
    }
}

fn action(random: &mut Rng, is_live: bool, marker: Marker, marked: bool) -> Action {
    let mark = |mut set: Vec<(&'static str, Value)>| {
        if marked {
            set.push((MARKER, Value::Int(marker)));
        }
        fields(set)
    };
    let set = |random: &mut Rng| match random.u8(0..10) {
        0 => vec![("n", Value::Int(random.i64(0..100)))],
        1..=2 => vec![("n", Value::text("no number"))],
        3..=5 => vec![("a", value(random))],
        _ => vec![("b", value(random))],
    };
    match (is_live, random.u8(0..10)) {
        (false, 0..=6) => Action::Insert(mark(set(random))),
        (false, _) | (true, 0) => Action::Upsert(mark(set(random))),
        (true, 1) => Action::Delete,
        (true, 2..=5) => Action::Update(fields(vec![("n", Edit::Inc(Value::Int(random.i64(1..100))))])),
        (true, _) => {
            let edits = mark(set(random));
            let edits = edits.iter().map(|(name, value)| (name.clone(), Edit::Set(value.clone()))).collect();
            Action::Update(FieldMap::new(edits).expect("few fields, each once"))
        }
    }
}

fn value(random: &mut Rng) -> Value {
    match random.u8(0..8) {
        0 => Value::Null,
        1 => Value::Bool(random.bool()),
        2 => Value::number(random.f64()).expect("finite"),
        3 => Value::Bytes(vec![random.u8(..); random.usize(0..4)].into()),
        4 => Value::text("é😀\n"),
        _ => Value::Int(random.i64(-5..5)),
    }
}

fn key(number: u64) -> Key {
    object(if number.is_multiple_of(2) { "tasks" } else { "notes" }, number)
}

fn object(collection: &str, number: u64) -> Key {
    let id = match number % 3 {
        0 => ObjectId::from_uuid(u128::from(number)),
        _ => ObjectId::new(format!("k{number}")).expect("an id"),
    };
    Key { collection: Collection::new(collection).expect("a name"), id }
}

fn fields<T>(fields: Vec<(&str, T)>) -> FieldMap<T> {
    let fields = fields.into_iter().map(|(name, value)| (FieldName::new(name).expect("a name"), value)).collect();
    FieldMap::new(fields).expect("few fields, each once")
}
