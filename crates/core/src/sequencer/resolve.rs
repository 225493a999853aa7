//! What an authored event becomes when it reaches the log: the one place where concurrent edits meet.
//!
//! Each op is decided on the state that the ops before it left. The policy for fields is `last`: whoever reaches the
//! log last wins. A delete beats a concurrent update, and an insert of an id that a concurrent insert took becomes an
//! upsert. What the author knew to be otherwise is refused.

use crate::event::{Body, Lost, LostReason, Read, Refusal, RefusalCode};
use crate::limits;
use crate::name::{FieldName, Key};
use crate::numbers::{ClientId, Seq};
use crate::object::{Entry, Object, Stamp, apply};
use crate::objects::Objects;
use crate::op::{Action, Edit, FieldMap, Op};

/// How an event took effect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Effect {
    /// The ops as they took effect, where that is not as they were authored.
    pub(super) altered: Option<Vec<Op>>,
    /// What did not.
    pub(super) lost: Vec<Lost>,
}

/// What is decided on one op.
enum Decision {
    AsAuthored,
    Instead(Op),
    Lost(LostReason),
    /// It has nothing to do: the object is gone already.
    Nothing,
}

/// Lets an event take effect on the objects, all of it or, where it is refused, nothing.
pub(super) fn take_effect(objects: &mut Objects, body: &Body, stamp: Stamp) -> Result<Effect, Refusal> {
    check_reads(objects, body, stamp.client)?;
    let mut effect = Effect { altered: None, lost: Vec::new() };
    let mut before: Vec<(&Key, Option<Entry>)> = Vec::new();
    for (place, op) in body.ops.iter().enumerate() {
        let decision = match decide(objects, op, op.seen.unwrap_or(body.base), stamp.client) {
            Ok(decision) => decision,
            Err(refusal) => {
                undo(objects, before);
                return Err(refusal);
            }
        };
        if body.ops.len() > 1 {
            before.push((&op.key, objects.entry(&op.key).cloned()));
        }
        effect.note(&body.ops[..place], op, &decision);
        match &decision {
            Decision::AsAuthored => objects.change(&op.key, |entry| apply(entry, op, stamp)),
            Decision::Instead(other) => objects.change(&op.key, |entry| apply(entry, other, stamp)),
            Decision::Lost(_) | Decision::Nothing => {}
        }
    }
    Ok(effect)
}

fn undo(objects: &mut Objects, before: Vec<(&Key, Option<Entry>)>) {
    for (key, entry) in before.into_iter().rev() {
        objects.replace(key, entry);
    }
}

impl Effect {
    fn note(&mut self, earlier: &[Op], op: &Op, decision: &Decision) {
        if matches!(decision, Decision::AsAuthored) {
            if let Some(ops) = &mut self.altered {
                ops.push(op.clone());
            }
            return;
        }
        let ops = self.altered.get_or_insert_with(|| earlier.to_vec());
        match decision {
            Decision::Instead(other) => ops.push(other.clone()),
            Decision::Lost(reason) => self.lost.push(Lost { op: op.clone(), reason: *reason }),
            Decision::AsAuthored | Decision::Nothing => {}
        }
    }
}

fn decide(objects: &Objects, op: &Op, base: Seq, client: ClientId) -> Result<Decision, Refusal> {
    let entry = objects.entry(&op.key);
    let live = entry.and_then(Entry::live).map(AsRef::as_ref);
    match (&op.action, live) {
        (Action::Insert(_), Some(object)) if knew(object.created, base, client) => Err(refuse(
            RefusalCode::Exists,
            format!("{} exists; update it, or insert under another id", op.key),
            &op.key,
            live,
        )),
        (Action::Insert(set), Some(object)) => {
            check_room(object, set, &op.key)?;
            let action = Action::Upsert(set.clone());
            Ok(Decision::Instead(Op { key: op.key.clone(), seen: op.seen, action }))
        }
        (Action::Upsert(set), Some(object)) => check_room(object, set, &op.key).map(|()| Decision::AsAuthored),
        (Action::Update(edits), Some(object)) => check_edits(object, edits, &op.key).map(|()| Decision::AsAuthored),
        (Action::Update(_), None) => match entry {
            Some(gone) if !knew(gone.version().last, base, client) => Ok(Decision::Lost(LostReason::Gone)),
            _ => Err(refuse(
                RefusalCode::NotFound,
                format!("{} does not exist; insert it, or use upsert", op.key),
                &op.key,
                None,
            )),
        },
        (Action::Delete, None) => Ok(Decision::Nothing),
        (Action::Insert(_) | Action::Upsert(_), None) | (Action::Delete, Some(_)) => Ok(Decision::AsAuthored),
    }
}

/// Whether an author had seen a write: it is below its base, or its own.
fn knew(written: Stamp, base: Seq, client: ClientId) -> bool {
    written.seq < base || written.client == client
}

fn check_room<T>(object: &Object, fields: &FieldMap<T>, key: &Key) -> Result<(), Refusal> {
    if object.has_room(fields.iter().map(|(name, _)| name)) {
        return Ok(());
    }
    let reason = format!("{key} would have too many fields; the most is {}", limits::OBJECT_FIELDS);
    Err(refuse(RefusalCode::Invalid, reason, key, None))
}

fn check_edits(object: &Object, edits: &FieldMap<Edit>, key: &Key) -> Result<(), Refusal> {
    check_room(object, edits, key)?;
    edits.iter().try_for_each(|(name, edit)| check_edit(object, name, edit, key))
}

fn check_edit(object: &Object, name: &FieldName, edit: &Edit, key: &Key) -> Result<(), Refusal> {
    let Edit::Inc(amount) = edit else { return Ok(()) };
    let refused = |error| refuse(RefusalCode::Invalid, format!("{key}, field {name}: {error}"), key, Some(object));
    Object::incremented(object.get(name.as_str()), amount).map(drop).map_err(refused)
}

fn check_reads(objects: &Objects, body: &Body, client: ClientId) -> Result<(), Refusal> {
    match body.unchanged.iter().find(|read| has_changed(objects, read, body.base, client)) {
        None => Ok(()),
        Some(read) => Err(refuse(
            RefusalCode::Stale,
            format!("{} has changed since it was read; read it again", read.key),
            &read.key,
            objects.get(&read.key).map(AsRef::as_ref),
        )),
    }
}

fn has_changed(objects: &Objects, read: &Read, base: Seq, client: ClientId) -> bool {
    let Some(entry) = objects.entry(&read.key) else { return false };
    match (entry, &read.field) {
        (Entry::Live(object), Some(field)) => {
            let remade = !knew(object.created, base, client);
            let field = object.field(field.as_str());
            remade || field.is_some_and(|field| field.version.changed_since(base, client))
        }
        (entry, _) => entry.version().changed_since(base, client),
    }
}

fn refuse(code: RefusalCode, reason: String, about: &Key, current: Option<&Object>) -> Refusal {
    Refusal { code, reason, about: Some(about.clone()), current: current.map(Object::to_value) }
}
