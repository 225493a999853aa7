//! What events do to objects, told once more in the plainest way, to check the core against. Slow, whole lists of who
//! wrote what, no sharing: nothing here uses the core's objects, its resolution, its edits or its `apply`.
//!
//! How splices are moved is not told here; the core says how, and [`crate::characters`] checks that it kept what their
//! authors meant.

use std::collections::BTreeMap;
use std::rc::Rc;

use tapeline_core::event::{Lost, LostReason};
use tapeline_core::name::Key;
use tapeline_core::numbers::{ClientId, Seq};
use tapeline_core::op::{Action, Edit, FieldMap, Members, Op, Put};
use tapeline_core::splice::{Content, Splices};
use tapeline_core::value::{Entries, Value};

use crate::workload;

pub mod holding;
pub mod refusals;

/// Who wrote, in which event.
pub type Write = (Seq, ClientId);

/// Values by field name.
pub type Fields = BTreeMap<String, Value>;

/// What is shown of an object: its fields, and the values that conflict with them.
pub type Shown = (Fields, Vec<(String, Value)>);

/// An object with everything that was ever done to it.
#[derive(Clone, Debug, Default)]
pub struct Object {
    fields: Fields,
    conflicts: Vec<(String, Value, Write)>,
    made: Option<Write>,
    /// By somebody who took it for live.
    remade: bool,
    writes: BTreeMap<String, Vec<Write>>,
    /// Of these writes, those of the field as a whole.
    assigned: BTreeMap<String, Vec<Write>>,
    /// Who added each member of a set.
    added: BTreeMap<String, Vec<(Value, Vec<Write>)>>,
    all: Vec<Write>,
}

/// All objects, and all that are gone.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    live: BTreeMap<Key, Rc<Object>>,
    gone: BTreeMap<Key, Rc<Object>>,
}

/// An event as it was authored.
#[derive(Clone, Copy, Debug)]
pub struct Authored<'a> {
    /// Its place, and its author.
    pub write: Write,
    /// How far the author had played.
    pub base: Seq,
    /// What its splices refer to.
    pub on: Seq,
    /// What it says.
    pub ops: &'a [Op],
    /// The texts on which something that it typed is lost already.
    pub torn: &'a [(Key, String)],
}

impl Objects {
    /// What is shown, by key.
    pub fn shown(&self) -> BTreeMap<Key, Shown> {
        self.live.iter().map(|(key, object)| (key.clone(), object.shown())).collect()
    }

    /// What is shown under a key.
    pub fn get(&self, key: &Key) -> Option<Shown> {
        self.live.get(key).map(|object| object.shown())
    }
}

impl Object {
    fn shown(&self) -> Shown {
        let conflicts = self.conflicts.iter().map(|(field, value, _)| (field.clone(), value.clone()));
        (self.fields.clone(), conflicts.collect())
    }

    fn assign(&mut self, name: &str, value: Value, write: Write, base: Seq) {
        self.assigned.entry(name.into()).or_default().push(write);
        self.added.remove(name);
        if let Value::List(members) = &value {
            let added = members.iter().map(|member| (member.clone(), vec![write])).collect();
            self.added.insert(name.into(), added);
        }
        self.write(name, value, write);
        self.conflicts.retain(|(field, _, by)| field != name || by.0 >= base && by.1 != write.1);
    }

    fn write(&mut self, name: &str, value: Value, write: Write) {
        self.fields.insert(name.into(), value);
        self.writes.entry(name.into()).or_default().push(write);
    }

    /// Whether another than `client` has written a field at or past `base`.
    fn is_concurrent(&self, name: &str, base: Seq, client: ClientId) -> bool {
        unseen(self.writes.get(name), base, client)
    }
}

fn unseen(writes: Option<&Vec<Write>>, base: Seq, client: ClientId) -> bool {
    writes.is_some_and(|writes| writes.iter().any(|&(seq, by)| seq >= base && by != client))
}

/// Lets ops take effect, whatever they meet. `sent`: what their author said; what makes an object and was not said
/// brings it back.
pub fn apply(objects: &mut Objects, ops: &[Op], sent: &[Op], write: Write, base: Seq) {
    let makes = |op: &Op, made: &FieldMap<Value>| matches!(&op.action, Action::Insert(set) | Action::Upsert(set) if set == made);
    for op in ops {
        if let Some(object) = objects.live.get_mut(&op.key) {
            Rc::make_mut(object).all.push(write);
        }
        match &op.action {
            Action::Insert(set) | Action::Upsert(set) => {
                let upserts = matches!(op.action, Action::Upsert(_));
                let unseen = objects.gone.get(&op.key).and_then(|gone| gone.all.last());
                let seen = op.seen.unwrap_or(base);
                let unseen = unseen.is_some_and(|(seq, by)| *seq >= seen && *by != write.1);
                let object = objects.live.entry(op.key.clone()).or_insert_with(|| {
                    let all = objects.gone.get(&op.key).map(|gone| gone.all.clone()).unwrap_or_default();
                    let all = all.into_iter().chain([write]).collect();
                    Rc::new(Object { made: Some(write), remade: upserts && unseen, all, ..Object::default() })
                });
                let object = Rc::make_mut(object);
                let gone = objects.gone.remove(&op.key);
                for (name, value) in set.iter() {
                    object.assign(name.as_str(), value.clone(), write, base);
                }
                // Brought back as it was: nobody has typed on it yet.
                if gone.is_some() && !sent.iter().any(|other| other.key == op.key && makes(other, set)) {
                    object.remade = false;
                    let nobody = (write.0, ClientId(u128::MAX));
                    let fields = object.fields.iter();
                    let texts = fields.filter(|(_, value)| matches!(value, Value::Text(_) | Value::Bytes(_)));
                    for (name, _) in texts {
                        object.assigned.entry(name.clone()).or_default().push(nobody);
                    }
                }
            }
            Action::Update(edits) => {
                let Some(object) = objects.live.get_mut(&op.key) else { continue };
                let object = Rc::make_mut(object);
                for (name, edit) in edits.iter() {
                    edit_field(object, name.as_str(), edit, write, base);
                }
            }
            Action::Delete => {
                if let Some(object) = objects.live.remove(&op.key) {
                    objects.gone.insert(op.key.clone(), object);
                }
            }
        }
    }
}

fn edit_field(object: &mut Object, name: &str, edit: &Edit, write: Write, base: Seq) {
    let there = object.fields.get(name).cloned().filter(|value| *value != Value::Null);
    match edit {
        Edit::Set(value) => object.assign(name, value.clone(), write, base),
        Edit::Inc(amount) => {
            if let Some(sum) = sum(there.as_ref(), amount) {
                object.write(name, sum, write);
            }
        }
        Edit::Members(members) => edit_set(object, name, there, members, write),
        Edit::Splice(splices) if splices.is_empty() => {}
        Edit::Splice(splices) => {
            if let Some(text) = spliced(there.as_ref(), splices) {
                object.write(name, text, write);
            }
        }
        Edit::Put(_) => {
            let value = wanted(object, name, edit);
            object.write(name, value, write);
            object.assigned.entry(name.into()).or_default().push(write);
        }
        Edit::Ask(value) => {
            object.conflicts.retain(|(field, _, by)| field != name || by.1 != write.1);
            object.conflicts.push((name.into(), value.clone(), write));
        }
    }
}

fn sum(there: Option<&Value>, amount: &Value) -> Option<Value> {
    let float = |value: &Value| match value {
        Value::Int(int) => Some(*int as f64),
        Value::Float(float) => Some(float.get()),
        _ => None,
    };
    match (there.unwrap_or(&Value::Int(0)), amount) {
        (Value::Int(there), Value::Int(by)) => there.checked_add(*by).map(Value::Int),
        (there, by) => Value::number(float(there)? + float(by)?).ok(),
    }
}

fn edit_set(object: &mut Object, name: &str, there: Option<Value>, members: &Members, write: Write) {
    let mut list = match there {
        None => Vec::new(),
        Some(Value::List(list)) => list.to_vec(),
        Some(_) => return,
    };
    let added = object.added.entry(name.into()).or_default();
    list.retain(|member| members.add.contains(member) || !members.remove.contains(member));
    added.retain(|(member, _)| list.contains(member));
    for member in &members.add {
        if !list.contains(member) {
            list.push(member.clone());
        }
        match added.iter_mut().find(|(other, _)| other == member) {
            Some((_, writes)) => writes.push(write),
            None => added.push((member.clone(), vec![write])),
        }
    }
    object.write(name, Value::List(list.into()), write);
}

fn put_into(value: Option<Value>, put: &Put) -> Option<Value> {
    fn at(value: Option<Value>, path: &[String], new: &Option<Value>) -> Option<Value> {
        let Some((name, rest)) = path.split_first() else { return new.clone() };
        let mut map: BTreeMap<String, Value> = match &value {
            Some(Value::Map(entries)) => {
                entries.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
            }
            _ if new.is_none() => return value,
            _ => BTreeMap::new(),
        };
        if let Some(below) = at(map.remove(name), rest, new) {
            map.insert(name.clone(), below);
        }
        Entries::new(map.into_iter().map(|(name, value)| (name.into(), value)).collect()).ok().map(Value::Map)
    }
    let path: Vec<String> = put.path.iter().map(ToString::to_string).collect();
    at(value, &path, &put.value)
}

/// A text with splices done to it, character by character; bytes byte by byte.
fn spliced(there: Option<&Value>, splices: &Splices) -> Option<Value> {
    let is_text = splices.iter().all(|splice| matches!(splice.insert, Content::Text(_)));
    match there {
        None if is_text => spliced_text("", splices),
        Some(Value::Text(text)) if is_text => spliced_text(text, splices),
        None => spliced_bytes(&[], splices),
        Some(Value::Bytes(bytes)) => spliced_bytes(bytes, splices),
        Some(_) => None,
    }
}

fn spliced_text(text: &str, splices: &Splices) -> Option<Value> {
    let edited = edited(&text.chars().collect::<Vec<_>>(), splices, |insert| match insert {
        Content::Text(text) => Some(text.chars().collect()),
        Content::Bytes(_) => None,
    })?;
    Some(Value::text(edited.into_iter().collect::<String>()))
}

fn spliced_bytes(bytes: &[u8], splices: &Splices) -> Option<Value> {
    let edited = edited(bytes, splices, |insert| match insert {
        Content::Bytes(bytes) => Some(bytes.to_vec()),
        Content::Text(_) => None,
    })?;
    Some(Value::Bytes(edited.into()))
}

fn edited<T: Copy>(units: &[T], splices: &Splices, of: impl Fn(&Content) -> Option<Vec<T>>) -> Option<Vec<T>> {
    let (mut edited, mut at) = (Vec::new(), 0);
    for splice in splices.iter() {
        let (offset, end) = (splice.offset as usize, (splice.offset + splice.delete) as usize);
        edited.extend(units.get(at..offset)?);
        edited.extend(of(&splice.insert)?);
        units.get(offset..end)?;
        at = end;
    }
    edited.extend(&units[at..]);
    Some(edited)
}

/// What the log must say of an event that is recorded on these objects: its ops as they took effect, and what is lost.
/// Where a splice takes effect, it is as `recorded` says.
pub fn resolve(objects: &Objects, event: Authored<'_>, recorded: &[Op]) -> (Vec<Op>, Vec<Lost>) {
    let mut objects = objects.clone();
    let (mut ops, mut lost, mut torn) = (Vec::new(), Vec::new(), Vec::new());
    for op in event.ops {
        let (before, lost_before) = (ops.len(), lost.len());
        let from_here = recorded.get(before..).unwrap_or_default();
        tear(&mut torn, op, &[]);
        resolve_op(&objects, Authored { torn: &torn, ..event }, op, from_here, &mut ops, &mut lost);
        tear(&mut torn, op, &lost[lost_before..]);
        apply(&mut objects, &ops[before..], std::slice::from_ref(op), event.write, event.base);
    }
    (ops, lost)
}

/// On which texts something is lost, after one more op: what it sets is whole again.
fn tear(torn: &mut Vec<(Key, String)>, op: &Op, lost: &[Lost]) {
    let sets = |name: &String| match &op.action {
        Action::Insert(set) | Action::Upsert(set) => set.get(name).is_some(),
        Action::Update(edits) => matches!(edits.get(name), Some(Edit::Set(_) | Edit::Put(_))),
        Action::Delete => true,
    };
    torn.retain(|(key, name)| *key != op.key || !sets(name));
    for Lost { op, .. } in lost {
        let Action::Update(edits) = &op.action else { continue };
        let texts = edits.iter().filter(|(_, edit)| matches!(edit, Edit::Set(_) | Edit::Put(_) | Edit::Splice(_)));
        torn.extend(texts.map(|(name, _)| (op.key.clone(), name.to_string())));
    }
}

fn resolve_op(
    objects: &Objects,
    event: Authored<'_>,
    op: &Op,
    recorded: &[Op],
    ops: &mut Vec<Op>,
    lost: &mut Vec<Lost>,
) {
    let with = |action| Op { action, ..op.clone() };
    match (&op.action, objects.live.get(&op.key).map(Rc::as_ref)) {
        (Action::Insert(set) | Action::Upsert(set), Some(object)) => {
            let edits: Vec<_> = set.iter().map(|(name, value)| (name.clone(), Edit::Set(value.clone()))).collect();
            let edits = FieldMap::new(edits).expect("as they were");
            let kept = resolve_edits(object, event, op, &edits, recorded, lost);
            let (mut set, mut asks) = (Vec::new(), Vec::new());
            for (name, edit) in kept {
                match edit {
                    Edit::Set(value) => set.push((name, value)),
                    other => asks.push((name, other)),
                }
            }
            ops.push(with(Action::Upsert(FieldMap::new(set).expect("fewer"))));
            if !asks.is_empty() {
                ops.push(with(Action::Update(FieldMap::new(asks).expect("fewer"))));
            }
        }
        (Action::Update(edits), Some(object)) => {
            let kept = resolve_edits(object, event, op, edits, recorded, lost);
            if !kept.is_empty() || edits.is_empty() {
                ops.push(with(Action::Update(FieldMap::new(kept).expect("fewer"))));
            }
        }
        (Action::Update(edits), None) => match objects.gone.get(&op.key) {
            Some(gone) if workload::revives(&op.key.collection) => {
                let fields = gone.fields.iter().map(|(name, value)| (name.parse().expect("a name"), value.clone()));
                ops.push(with(Action::Upsert(FieldMap::new(fields.collect()).expect("as they were"))));
                let is_splice = |edit: &Edit| matches!(edit, Edit::Splice(_));
                let of = |splices: bool| {
                    let some = edits.iter().filter(|(_, edit)| is_splice(edit) == splices);
                    FieldMap::new(some.map(|(name, edit)| (name.clone(), edit.clone())).collect()).expect("fewer")
                };
                let kept = resolve_edits(gone, event, op, &of(false), recorded, lost);
                if !kept.is_empty() {
                    ops.push(with(Action::Update(FieldMap::new(kept).expect("fewer"))));
                }
                if !of(true).is_empty() {
                    lost.push(Lost { op: with(Action::Update(of(true))), reason: LostReason::Gone });
                }
            }
            _ => lost.push(Lost { op: op.clone(), reason: LostReason::Gone }),
        },
        (Action::Delete, None) => {}
        _ => ops.push(op.clone()),
    }
}

fn resolve_edits(
    object: &Object,
    event: Authored<'_>,
    op: &Op,
    edits: &FieldMap<Edit>,
    recorded: &[Op],
    lost: &mut Vec<Lost>,
) -> Vec<(tapeline_core::name::FieldName, Edit)> {
    let (mut kept, client) = (Vec::new(), event.write.1);
    let base = op.seen.unwrap_or(event.base);
    for (name, edit) in edits.iter() {
        let mut lose = |edit: Edit, reason| {
            let action = Action::Update(FieldMap::new(vec![(name.clone(), edit)]).expect("one"));
            lost.push(Lost { op: Op { action, ..op.clone() }, reason });
        };
        let concurrent = object.is_concurrent(name.as_str(), base, client);
        match edit {
            Edit::Set(_) | Edit::Put(_) => match workload::policy(&op.key.collection, name.as_str()) {
                "first" if concurrent => lose(edit.clone(), LostReason::First),
                "ask" if concurrent => {
                    kept.push((name.clone(), Edit::Ask(wanted(object, name.as_str(), edit))));
                    lose(edit.clone(), LostReason::Conflict);
                }
                _ => kept.push((name.clone(), edit.clone())),
            },
            Edit::Members(members) => {
                let added = object.added.get(name.as_str());
                let stays = |member: &&Value| {
                    let writes = added.and_then(|added| added.iter().find(|(other, _)| other == *member));
                    let unseen = writes.is_some_and(|(_, writes)| unseen(Some(writes), base, client));
                    unseen && !members.add.contains(member)
                };
                let stay: Vec<Value> = members.remove.iter().filter(stays).cloned().collect();
                let go = members.remove.iter().filter(|member| !stays(member)).cloned().collect::<Vec<_>>();
                if stay.is_empty() {
                    kept.push((name.clone(), edit.clone()));
                    continue;
                }
                if !go.is_empty() || !members.add.is_empty() {
                    kept.push((name.clone(), Edit::Members(Members { add: members.add.clone(), remove: go })));
                }
                lose(Edit::Members(Members { add: Vec::new(), remove: stay }), LostReason::Added);
            }
            Edit::Splice(_) => match is_overwritten(object, op, name.as_str(), event) {
                true => lose(edit.clone(), LostReason::Overwritten),
                false => {
                    kept.push((name.clone(), recorded_splice(recorded, op, name.as_str()).unwrap_or(edit.clone())))
                }
            },
            _ => kept.push((name.clone(), edit.clone())),
        }
    }
    kept
}

/// What an edit would make of a field.
fn wanted(object: &Object, name: &str, edit: &Edit) -> Value {
    let there = object.fields.get(name).cloned().filter(|value| *value != Value::Null);
    match edit {
        Edit::Set(value) => value.clone(),
        Edit::Put(puts) => puts.iter().fold(there, put_into).unwrap_or(Value::Null),
        _ => there.unwrap_or(Value::Null),
    }
}

/// Whether somebody else has set a text anew since an author saw it, and the author has not set it after that.
fn is_overwritten(object: &Object, op: &Op, name: &str, event: Authored<'_>) -> bool {
    if event.torn.iter().any(|(key, field)| *key == op.key && field == name) {
        return true;
    }
    let assigned = object.assigned.get(name).into_iter().flatten().copied();
    // Who made it anew and took it for live has left nothing of what it does not set.
    let nobody = |(seq, by): Write| (seq, if object.remade { ClientId(u128::MAX) } else { by });
    let last = object.made.map(nobody).into_iter().chain(assigned).filter(|(seq, _)| *seq >= event.on);
    last.max_by_key(|(seq, _)| *seq).is_some_and(|(_, by)| by != event.write.1)
}

fn recorded_splice(recorded: &[Op], op: &Op, name: &str) -> Option<Edit> {
    recorded.iter().filter(|other| other.key == op.key).find_map(|other| match &other.action {
        Action::Update(edits) => edits.get(name).filter(|edit| matches!(edit, Edit::Splice(_))).cloned(),
        _ => None,
    })
}
