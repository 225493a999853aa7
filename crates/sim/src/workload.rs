//! What people do: small edits to few objects, so that they get into each other's way. Each edit carries a marker
//! that no other has: an object that it makes.

pub mod holding;

use std::collections::BTreeMap;

use fastrand::Rng;
use tapeline_core::event::{Body, Command, Read};
use tapeline_core::frame::Subscription;
use tapeline_core::name::{Collection, CommandName, FieldName, Key, ObjectId};
use tapeline_core::numbers::{EditId, Millis, Seq};
use tapeline_core::object::{Entry, Object, Write, apply};
use tapeline_core::op::{Action, Edit, FieldMap, Members, Op, Put};
use tapeline_core::replica::{Commanded, NewEdit, Ran, Reads, Replica};
use tapeline_core::schema::{Policy, Rules, Schema, UpdateAfterDelete};
use tapeline_core::splice::{Content, Splice, Splices};
use tapeline_core::value::{Entries, Value};

use crate::plan::Plan;

/// What tells an edit from all others.
pub type Marker = i64;

const MARKERS: &str = "markers";

/// The schema of this world.
pub fn schema() -> Schema {
    let fields = |policies: [(&str, Policy); 3]| {
        policies.into_iter().map(|(name, policy)| (name.parse().expect("a name"), policy)).collect()
    };
    let tasks =
        Rules { fields: fields([("f", Policy::First), ("r", Policy::Reject), ("q", Policy::Ask)]), ..Rules::default() };
    let notes = Rules { update_after_delete: UpdateAfterDelete::Revive, ..Rules::default() };
    let update_after_delete = UpdateAfterDelete::Revive;
    let cards = Rules {
        policy: Policy::Ask,
        update_after_delete,
        fields: vec![("f".parse().expect("a name"), Policy::First)],
        ..Rules::default()
    };
    let policies =
        [("tasks", tasks), ("notes", notes), ("cards", cards)].map(|(name, rules)| (collection(name), rules));
    Schema::new(policies.into_iter().chain(holding::rules()))
}

/// The collections of this world.
pub fn collections() -> Vec<Collection> {
    ["tasks", "notes", MARKERS].map(collection).into()
}

/// A query that finds some objects, now and then.
pub fn query(random: &mut Rng) -> Value {
    let of = ["tasks", "notes", MARKERS, "devices"][random.usize(0..4)];
    let mut parts = vec![("collection", Value::text(of))];
    match random.u8(0..5) {
        0 => {}
        1 => parts.push(("where", map(vec![("n", map(vec![("ge", Value::Int(random.i64(0..100)))]))]))),
        2 => parts.push(("where", map(vec![("a", map(vec![("exists", Value::Bool(random.bool()))]))]))),
        3 => parts.push(("where", map(vec![("b", value(random))]))),
        _ => parts.push((
            "where",
            map(vec![("id", map(vec![("in", Value::List(["k1", "k2", "k4"].map(Value::text).into()))]))]),
        )),
    }
    if random.u8(0..3) == 0 {
        parts.push(("orderBy", Value::text(["n", "-n", "a", "-id"][random.usize(0..4)])));
        parts.push(("limit", Value::Int(random.i64(1..6))));
    }
    if random.u8(0..3) == 0 {
        parts.push(("with", map(vec![("a", Value::text("tasks")), ("b", Value::text("notes"))])));
    }
    map(parts)
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    let entries = entries.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Value::Map(Entries::new(entries).expect("each once"))
}

/// The policy of a field, said once more.
pub fn policy(collection: &Collection, field: &str) -> &'static str {
    match (collection.as_str(), field) {
        ("tasks", "f") => "first",
        ("tasks", "r") => "reject",
        ("tasks", "q") => "ask",
        ("cards", "f") => "first",
        ("cards", _) => "ask",
        _ => "last",
    }
}

/// Whether a collection revives, said once more.
pub fn revives(collection: &Collection) -> bool {
    matches!(collection.as_str(), "notes" | "cards")
}

/// A random edit that fits what a replica shows.
pub fn edit(random: &mut Rng, replica: &Replica, marker: Marker, plan: &Plan) -> NewEdit {
    let objects = plan.objects;
    match random.u8(0..8) {
        0 if has_stock(replica, plan) => return claim(random, replica, marker),
        1..=2 => return holding::edit(random, replica, marker),
        _ => {}
    }
    let count = if random.u8(0..4) == 0 { random.usize(2..=4) } else { 1 };
    let mut ops: Vec<Op> = Vec::new();
    let mut shown: BTreeMap<Key, Option<Entry>> = BTreeMap::new();
    for _ in 0..count {
        let key = key(random.u64(0..objects));
        let entry = shown.entry(key.clone()).or_insert_with(|| replica.get(&key).cloned().map(Entry::Live));
        // What came and went in one edit may not be what went: its marker is.
        if ops.iter().any(|op| op.key == key && op.action == Action::Delete) {
            continue;
        }
        let op =
            Op { action: action(random, entry.as_ref().and_then(Entry::live).map(AsRef::as_ref)), key, seen: None };
        apply(entry, &op, &Write::pending(replica.client(), replica.played(), Millis(0)));
        ops.push(op);
    }
    ops.push(mark(marker));
    NewEdit { ops, unchanged: reads_by_hand(random, objects), ..NewEdit::default() }
}

/// What an edit says it has read: mostly nothing.
fn reads_by_hand(random: &mut Rng, objects: u64) -> Vec<Read> {
    let count = if random.u8(0..10) == 0 { random.usize(1..=2) } else { 0 };
    let field = |random: &mut Rng| ["a", "n", "text", "q"][random.usize(0..4)].parse().expect("a name");
    let read =
        |random: &mut Rng| Read { key: key(random.u64(0..objects)), field: random.bool().then(|| field(random)) };
    (0..count).map(|_| read(random)).collect()
}

/// An edit that nothing can be said against.
pub fn last_word(device: usize, marker: Marker) -> Vec<Op> {
    let action = Action::Upsert(fields(vec![("said", Value::Int(marker))]));
    vec![Op { key: object("devices", device as u64), seen: None, action }, mark(marker)]
}

/// The markers that an edit carries: its own, and those of edits it has taken in.
pub fn markers(body: &Body) -> Vec<Marker> {
    body.ops.iter().filter_map(marker_of_op).collect()
}

/// The marker that an op is.
pub fn marker_of_op(op: &Op) -> Option<Marker> {
    if op.key.collection.as_str() != MARKERS {
        return None;
    }
    op.key.id.to_string().strip_prefix('m')?.parse().ok()
}

/// The op that carries a marker.
pub fn mark(marker: Marker) -> Op {
    Op { key: marker_key(marker), seen: None, action: Action::Insert(FieldMap::default()) }
}

/// The object that a marker is.
pub fn marker_key(marker: Marker) -> Key {
    Key { collection: collection(MARKERS), id: ObjectId::new(format!("m{marker}")).expect("an id") }
}

// A command: takes one of what is left.

const CLAIM: &str = "claim";

fn claim(random: &mut Rng, replica: &Replica, marker: Marker) -> NewEdit {
    let command = Command { name: CommandName::new(CLAIM).expect("a name"), args: Value::Int(marker) };
    let read = replica.get(&stock()).and_then(|object| object.get("left")?.as_int());
    let (ops, reads) = claimed(read, marker).unwrap_or_else(|_| (vec![mark(marker)], reads()));
    let command = Commanded { command, seed: random.u64(..), reads, serializable: random.bool() };
    NewEdit { ops, command: Some(command), ..NewEdit::default() }
}

/// Whether a device has what claims read: where it holds a part, or may have lost what it held, that has to come first.
fn has_stock(replica: &Replica, plan: &Plan) -> bool {
    let is_it = |held: &Subscription| held.ready && held.query == query_of_stock();
    match replica.is_partial() {
        true => replica.subscriptions().iter().any(is_it),
        false => !plan.rights || replica.is_caught_up(),
    }
}

/// Whether a device may have lost what claims read.
fn may_lack_stock(replica: &Replica) -> bool {
    replica.is_partial() || replica.played() == Seq::FIRST
}

/// Finds what claims take from.
pub fn query_of_stock() -> Value {
    map(vec![("collection", Value::text("stock"))])
}

/// Runs a command again.
pub fn run_again(replica: &Replica, edit: EditId, command: &Command) -> Ran {
    let read = replica.get_before(edit, &stock()).and_then(|object| object.get("left")?.as_int());
    if read.is_none() && may_lack_stock(replica) {
        return Ran::Failed("it is not known how many are left".into());
    }
    match claimed(read, command.args.as_int().unwrap_or_default()) {
        Ok((ops, reads)) => Ran::Ops(ops, reads),
        Err(why) => Ran::Failed(why.into()),
    }
}

/// What a claim does where so many are left.
pub fn claimed(left: Option<i64>, marker: Marker) -> Result<(Vec<Op>, Reads), &'static str> {
    let action = match left {
        None => Action::Upsert(fields(vec![("left", Value::Int(5))])),
        Some(0) => return Err("nothing is left"),
        Some(left) => Action::Update(fields(vec![("left", Edit::Set(Value::Int(left - 1)))])),
    };
    Ok((vec![Op { key: stock(), seen: None, action }, mark(marker)], reads()))
}

fn reads() -> Reads {
    Reads { objects: vec![stock()], collections: Vec::new() }
}

/// What claims take from.
pub fn stock() -> Key {
    object("stock", 1)
}

fn action(random: &mut Rng, shown: Option<&Object>) -> Action {
    let set = |random: &mut Rng| match random.u8(0..13) {
        0 => vec![("n", Value::Int(random.i64(0..100)))],
        1 => vec![("n", Value::text("no number"))],
        2 => vec![("tags", Value::List([Value::Int(1), Value::Int(2)].into()))],
        3 => vec![("text", Value::text("anew"))],
        4..=5 => vec![("f", value(random)), ("q", value(random))],
        6 => vec![("q", value(random))],
        7 => vec![("r", value(random))],
        8..=9 => vec![("a", value(random))],
        10 => vec![("blob", Value::Bytes([1, 2, 3].into()))],
        _ => vec![("b", value(random))],
    };
    let Some(shown) = shown else {
        return match random.u8(0..10) {
            0..=6 => Action::Insert(fields(set(random))),
            _ => Action::Upsert(fields(set(random))),
        };
    };
    let one = |name: &str, edit: Edit| Action::Update(fields(vec![(name, edit)]));
    match random.u8(0..18) {
        0 => Action::Upsert(fields(set(random))),
        1 => Action::Delete,
        2..=3 => one("n", Edit::Inc(Value::Int(random.i64(1..100)))),
        4 => one("n", Edit::Inc(Value::number(0.5).expect("finite"))),
        5..=6 => one("tags", Edit::Members(members(random))),
        7..=10 => match shown.get("text") {
            Some(Value::Text(text)) => one("text", Edit::Splice(splices(random, text.chars().count() as u64))),
            Some(other) if *other != Value::Null => one("text", Edit::Set(Value::text("text"))),
            _ => one("text", Edit::Splice(splices(random, 0))),
        },
        11 => one("map", Edit::Put(vec![put(random), put(random)])),
        12 => one(["f", "r", "q"][random.usize(0..3)], Edit::Put(vec![put(random)])),
        13 => match shown.get("blob") {
            Some(Value::Bytes(bytes)) => one("blob", Edit::Splice(byte_splices(random, bytes.len() as u64))),
            _ => one("blob", Edit::Set(Value::Bytes([4, 5].into()))),
        },
        14 => Action::Update(fields(vec![
            ("b", Edit::Set(value(random))),
            ("map", Edit::Put(vec![put(random)])),
            ("tags2", Edit::Members(members(random))),
        ])),
        _ => {
            let edits = set(random).into_iter().map(|(name, value)| (name, Edit::Set(value))).collect();
            Action::Update(fields(edits))
        }
    }
}

fn members(random: &mut Rng) -> Members {
    let member = |random: &mut Rng| Value::Int(random.i64(0..4));
    let (add, remove) = (member(random), member(random));
    match random.u8(0..3) {
        0 => Members { add: vec![add], remove: vec![remove] },
        1 => Members { add: vec![add], remove: Vec::new() },
        _ => Members { add: Vec::new(), remove: vec![remove] },
    }
}

fn splices(random: &mut Rng, len: u64) -> Splices {
    let (mut at, mut splices) = (0, Vec::new());
    for _ in 0..random.u8(1..=2) {
        let offset = random.u64(at..=len);
        let delete = random.u64(0..=(len - offset).min(3));
        let insert = ["x", "", "é😀", "e\u{301}\r\n", "words"][random.usize(0..5)];
        splices.push(Splice { offset, delete, insert: Content::Text(insert.into()) });
        at = offset + delete;
    }
    let made = Splices::new(splices).expect("they are in order");
    if made.is_empty() { Splices::text(0, 0, "y") } else { made }
}

fn byte_splices(random: &mut Rng, len: u64) -> Splices {
    let offset = random.u64(0..=len);
    let delete = random.u64(0..=(len - offset).min(2));
    let insert = Content::Bytes(vec![random.u8(..); random.usize(1..3)].into());
    Splices::new(vec![Splice { offset, delete, insert }]).expect("it is one")
}

fn put(random: &mut Rng) -> Put {
    let path = ["a", "b"][..random.usize(1..=2)].iter().map(|name| (*name).into()).collect();
    Put { path, value: (random.u8(0..4) > 0).then(|| value(random)) }
}

fn value(random: &mut Rng) -> Value {
    match random.u8(0..8) {
        0 => Value::Null,
        1 => Value::Bool(random.bool()),
        2 => Value::number(random.f64()).expect("finite"),
        3 => Value::Bytes(vec![random.u8(..); random.usize(0..4)].into()),
        4 => Value::text(["é😀\n", "k0", "k1", "k3", "k4"][random.usize(0..5)]),
        _ => Value::Int(random.i64(-5..5)),
    }
}

fn key(number: u64) -> Key {
    object(["tasks", "notes", "cards"][number as usize % 3], number)
}

fn object(name: &str, number: u64) -> Key {
    let id = match number % 2 {
        0 => ObjectId::from_uuid(u128::from(number)),
        _ => ObjectId::new(format!("k{number}")).expect("an id"),
    };
    Key { collection: collection(name), id }
}

fn collection(name: &str) -> Collection {
    Collection::new(name).expect("a name")
}

fn fields<T>(fields: Vec<(&str, T)>) -> FieldMap<T> {
    let fields = fields.into_iter().map(|(name, value)| (FieldName::new(name).expect("a name"), value)).collect();
    FieldMap::new(fields).expect("few fields, each once")
}
