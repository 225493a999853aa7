//! What an authored event becomes when it reaches the log: the one place where concurrent edits meet.
//!
//! Each op is decided on the state that the ops before it left. What merges (counters, sets, texts) always takes effect;
//! a field that is set concurrently goes by the policy of the schema. A delete beats a concurrent update unless the
//! collection revives, and an insert of an id that a concurrent insert took becomes an upsert. What the author knew to
//! be otherwise is refused. `fields` decides on the fields of one op.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::fields::{Fate, Fields};
use super::gate::Gate;
use super::outside::Outside;
use super::texts::{Texts, Typed};
use super::{Changed, Need, renames};
use crate::caller::Caller;
use crate::event::{Body, Lost, LostReason, Read, Refusal, RefusalCode};
use crate::holders::Holders;
use crate::limits;
use crate::name::Key;
use crate::numbers::{ClientId, Seq};
use crate::object::{Entry, Object, Stamp, Write};
use crate::objects::Objects;
use crate::op::{Action, Edit, FieldMap, Op};
use crate::schema::Schema;
use crate::value::Value;

/// How an event took effect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Effect {
    /// The ops as they took effect, where that is not as they were authored.
    pub(super) altered: Option<Vec<Op>>,
    /// What did not.
    pub(super) lost: Vec<Lost>,
    /// What went or changed with what it deleted, as it was.
    pub(super) followed: Vec<(Key, Option<Entry>)>,
}

/// What an event touches, each as it was before the op that touches it.
pub(super) type Before<'o> = Vec<(Cow<'o, Key>, Option<Entry>)>;

/// What an event meets.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    pub(super) objects: &'a mut Objects<Holders>,
    pub(super) texts: &'a mut Texts,
    pub(super) schema: &'a Schema,
    /// Who has a say in it, where not everything may be done.
    pub(super) guard: Option<Guard<'a>>,
    /// What is missing may have been deleted before it.
    pub(super) horizon: Seq,
}

/// Why an event does not take effect.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(Box<Refusal>),
    /// It is not known yet whether it may.
    Needs(Vec<Need>),
    /// Somebody outside has a say in it.
    Asks(Vec<Changed>),
}

impl From<Box<Refusal>> for Stop {
    fn from(refusal: Box<Refusal>) -> Self {
        Self::Refused(refusal)
    }
}

/// A gate, and who wants to pass it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard<'a> {
    pub(super) gate: &'a dyn Gate,
    pub(super) caller: &'a Caller,
    /// What those outside say who have a say, too.
    pub(super) outside: Outside<'a>,
}

impl Guard<'_> {
    /// Whether the caller may not know of an object.
    pub(super) fn hides(&self, key: &Key, object: &Object) -> bool {
        !self.caller.is_trusted && !self.gate.may_read(self.caller, key, object)
    }
}

/// What is decided on one op.
enum Decision {
    AsAuthored,
    Instead {
        ops: Vec<Op>,
        lost: Vec<Lost>,
    },
    /// It makes an object anew that its author took for live: what the op does not set is gone.
    Remade,
    /// The first op brings the object back as it was.
    Revived {
        ops: Vec<Op>,
        lost: Vec<Lost>,
    },
}

impl Decision {
    fn lost(op: &Op, reason: LostReason) -> Self {
        Self::Instead { ops: Vec::new(), lost: vec![Lost { op: op.clone(), reason }] }
    }
}

impl Ground<'_> {
    /// Lets an event take effect, all of it or, where it is refused, nothing.
    pub(super) fn take_effect(&mut self, body: &Body, write: &Write<'_>) -> Result<Effect, Stop> {
        let Some(ops) = renames::doubled(self.schema, self.objects, &body.ops) else {
            return self.take_ops(body, &[], write);
        };
        if ops.len() > limits::EVENT_OPS {
            let reason = "with what it does to fields that were renamed, the event has too many ops: make several";
            return Err(refuse(RefusalCode::Invalid, reason.into(), &body.ops[0].key, None).into());
        }
        let doubled = Body { ops, ..body.clone() };
        let mut effect = self.take_ops(&doubled, &body.ops, write)?;
        effect.altered.get_or_insert(doubled.ops);
        // Whoever wrote under one name hears of that one.
        effect.lost.retain(|lost| renames::is_authored(lost, &body.ops));
        Ok(effect)
    }

    /// Lets ops take effect. `single`: those of them that were authored, where others were added to them.
    fn take_ops<'b>(&mut self, body: &'b Body, single: &'b [Op], write: &Write<'_>) -> Result<Effect, Stop> {
        self.check_reads(body, write.stamp.client)?;
        let mut effect = Effect { altered: None, lost: Vec::new(), followed: Vec::new() };
        let mut before = Before::new();
        let (mut typed, mut revives) = (Typed::default(), false);
        for (place, op) in body.ops.iter().enumerate() {
            let decision = match self.decide(op, body, write.stamp, &mut typed) {
                Ok(decision) => decision,
                Err(refusal) => {
                    self.undo(before);
                    self.texts.refused(&body.ops[..place], write.stamp.seq);
                    return Err(refusal.into());
                }
            };
            if body.ops.len() > 1 || self.is_guarded() {
                before.push((Cow::Borrowed(&op.key), self.objects.entry(&op.key).cloned()));
            }
            let revived = matches!(decision, Decision::Revived { .. });
            if revives {
                self.texts.set_by_reviver(op, write.stamp.seq);
            }
            revives |= revived;
            match decision {
                Decision::AsAuthored | Decision::Remade => {
                    self.apply(op, write);
                    typed.took_effect(op);
                    if matches!(decision, Decision::Remade) {
                        self.texts.remade(&op.key, write.stamp.seq);
                    }
                    effect.altered.iter_mut().for_each(|ops| ops.push(op.clone()));
                }
                Decision::Instead { ops, lost } | Decision::Revived { ops, lost } => {
                    for op in &ops {
                        self.apply(op, write);
                        typed.took_effect(op);
                    }
                    if revived && let Some(object) = self.objects.get(&op.key) {
                        self.texts.revived(op, object, write.stamp.seq);
                    }
                    effect.altered.get_or_insert_with(|| body.ops[..place].to_vec()).extend(ops);
                    effect.lost.extend(lost);
                }
            }
        }
        let evened = self.even(single, &mut before, write);
        if !evened.is_empty() {
            evened.iter().for_each(|op| typed.took_effect(op));
            effect.altered.get_or_insert_with(|| body.ops.clone()).extend(evened);
        }
        if self.is_guarded() {
            let (authored, ops) = (before.len(), effect.altered.as_ref().unwrap_or(&body.ops).len());
            match self.pass(&mut before, limits::EVENT_OPS.saturating_sub(ops), write) {
                Ok(following) if following.is_empty() => {}
                Ok(following) => {
                    following.iter().for_each(|op| typed.took_effect(op));
                    effect.altered.get_or_insert_with(|| body.ops.clone()).extend(following);
                    let followed = before.drain(authored..).map(|(key, entry)| (key.into_owned(), entry));
                    effect.followed = followed.collect();
                }
                Err(stop) => {
                    self.undo(before);
                    self.texts.refused(&body.ops, write.stamp.seq);
                    return Err(stop);
                }
            }
        }
        typed.spliced.into_iter().for_each(|spliced| self.texts.push(spliced));
        Ok(effect)
    }

    pub(super) fn apply(&mut self, op: &Op, write: &Write<'_>) {
        let last = self.objects.get(&op.key).filter(|_| op.action == Action::Delete).cloned();
        self.objects.play_op(op, write);
        keep_last(self.objects, self.schema, &op.key, last);
    }

    fn undo(&mut self, before: Before<'_>) {
        for (key, entry) in before.into_iter().rev() {
            self.objects.replace(&key, entry);
        }
    }

    fn decide(&self, op: &Op, body: &Body, stamp: Stamp, typed: &mut Typed) -> Result<Decision, Box<Refusal>> {
        typed.sets(op);
        let base = op.seen.unwrap_or(body.base);
        let entry = self.objects.entry(&op.key);
        let live = entry.and_then(Entry::live).map(AsRef::as_ref);
        let mut fields = Fields { ground: self, op, base, on: body.on.unwrap_or(body.base), stamp, typed };
        match (&op.action, live) {
            (Action::Insert(_), Some(object)) if knew(object.created(), base, stamp.client) => Err(refuse(
                RefusalCode::Exists,
                format!("{} exists; update it, or insert under another id", op.key),
                &op.key,
                live,
            )),
            (Action::Insert(set) | Action::Upsert(set), Some(object)) => {
                let fate = fields.decide_set(object, set)?;
                Ok(match (fate, &op.action) {
                    (Fate::Kept, Action::Upsert(_)) => Decision::AsAuthored,
                    (Fate::Kept, _) => instead(op, Action::Upsert(set.clone())),
                    (Fate::Changed { kept, lost }, _) => Decision::Instead { ops: as_upsert(op, kept), lost },
                })
            }
            (Action::Update(edits), Some(object)) => Ok(match fields.decide_all(object, edits)? {
                Fate::Kept => Decision::AsAuthored,
                Fate::Changed { kept, lost } => {
                    let ops = if kept.is_empty() { Vec::new() } else { vec![with(op, Action::Update(kept))] };
                    Decision::Instead { ops, lost }
                }
            }),
            (Action::Update(_), None) => match entry {
                Some(gone) if !knew(gone.version().last, base, stamp.client) => self.revive(op, gone, &mut fields),
                // Nobody remembers whether it was deleted since.
                None if base < self.horizon => Ok(Decision::lost(op, LostReason::Gone)),
                _ => Err(refuse(RefusalCode::NotFound, not_found(&op.key), &op.key, None)),
            },
            (Action::Delete, None) => Ok(Decision::Instead { ops: Vec::new(), lost: Vec::new() }),
            (Action::Upsert(_), None) if entry.is_some_and(|gone| !knew(gone.version().last, base, stamp.client)) => {
                Ok(Decision::Remade)
            }
            (Action::Insert(_) | Action::Upsert(_), None) | (Action::Delete, Some(_)) => Ok(Decision::AsAuthored),
        }
    }

    /// An update of an object that was deleted concurrently.
    fn revive(&self, op: &Op, gone: &Entry, fields: &mut Fields<'_, '_>) -> Result<Decision, Box<Refusal>> {
        let last = match gone {
            Entry::Tombstone(tombstone) if self.schema.revives(&op.key.collection) => tombstone.last.as_ref(),
            _ => None,
        };
        let Some(last) = last else { return Ok(Decision::lost(op, LostReason::Gone)) };
        let Action::Update(edits) = &op.action else { return Ok(Decision::AsAuthored) };
        // A splice was typed on a text that may have changed before it went.
        let (splices, others): (Vec<_>, Vec<_>) = edits
            .iter()
            .map(|(name, edit)| (name.clone(), edit.clone()))
            .partition(|(_, edit)| matches!(edit, Edit::Splice(_)));
        let others = FieldMap::new(others).unwrap_or_default();
        // Who might not know of it hears nothing of what it was.
        let is_hidden = || self.guard.is_some_and(|guard| guard.hides(&op.key, last));
        let as_told = |refusal| {
            if is_hidden() { refuse(RefusalCode::NotFound, not_found(&op.key), &op.key, None) } else { refusal }
        };
        let (others, mut lost) = match fields.decide_all(last, &others).map_err(as_told)? {
            Fate::Kept => (others, Vec::new()),
            Fate::Changed { kept, lost } => (kept, lost),
        };
        let restored = last.values().map(|(name, value)| (name.clone(), value.clone()));
        let mut ops = vec![with(op, Action::Upsert(FieldMap::new(restored.collect()).unwrap_or_default()))];
        if !others.is_empty() {
            ops.push(with(op, Action::Update(others)));
        }
        if !splices.is_empty() {
            fields.typed.lost.extend(splices.iter().map(|(name, _)| (op.key.clone(), name.clone())));
            let typed = with(op, Action::Update(FieldMap::new(splices).unwrap_or_default()));
            lost.push(Lost { op: typed, reason: LostReason::Gone });
        }
        Ok(Decision::Revived { ops, lost })
    }

    fn check_reads(&self, body: &Body, client: ClientId) -> Result<(), Box<Refusal>> {
        // Of what somebody may not read it does not tell when it has changed.
        let is_hidden = |read: &&Read| {
            self.objects
                .get(&read.key)
                .zip(self.guard.as_ref())
                .is_some_and(|(object, guard)| guard.hides(&read.key, object))
        };
        if let Some(read) = body.unchanged.iter().find(is_hidden) {
            return Err(refuse(RefusalCode::NotFound, not_found(&read.key), &read.key, None));
        }
        // Of what its author does not hold they knew nothing, though they wrote it once.
        let unheld: FxHashSet<&Key> = match body.unchanged.is_empty() {
            true => FxHashSet::default(),
            false => body.ops.iter().filter(|op| op.seen == Some(Seq::FIRST)).map(|op| &op.key).collect(),
        };
        let changed = |read: &&Read| match self.objects.entry(&read.key) {
            Some(Entry::Live(_)) if unheld.contains(&read.key) => true,
            Some(entry) => has_changed(entry, read, body.base, client),
            None => body.base < self.horizon,
        };
        match body.unchanged.iter().find(changed) {
            None => Ok(()),
            Some(read) => Err(refuse(
                RefusalCode::Stale,
                format!("{} has changed since it was read; read it again", read.key),
                &read.key,
                self.objects.get(&read.key).map(AsRef::as_ref),
            )),
        }
    }
}

/// Where a collection revives, its tombstones keep what the objects were.
pub(super) fn keep_last(objects: &mut Objects<Holders>, schema: &Schema, key: &Key, last: Option<Arc<Object>>) {
    if last.is_some() && schema.revives(&key.collection) {
        objects.change(key, &mut |entry| {
            if let Some(Entry::Tombstone(tombstone)) = entry {
                tombstone.last = last.clone();
            }
        });
    }
}

/// Whether an author had seen a write: it is below its base, or its own.
fn knew(written: Stamp, base: Seq, client: ClientId) -> bool {
    written.seq < base || written.client == client
}

fn with(op: &Op, action: Action) -> Op {
    Op { key: op.key.clone(), seen: op.seen, action }
}

fn instead(op: &Op, action: Action) -> Decision {
    Decision::Instead { ops: vec![with(op, action)], lost: Vec::new() }
}

/// An upsert of the fields that are set, and an update of those that became conflicts.
fn as_upsert(op: &Op, kept: FieldMap<Edit>) -> Vec<Op> {
    let (mut set, mut others): (Vec<(_, Value)>, Vec<_>) = Default::default();
    for (name, edit) in kept.iter() {
        match edit {
            Edit::Set(value) => set.push((name.clone(), value.clone())),
            other => others.push((name.clone(), other.clone())),
        }
    }
    let mut ops = vec![with(op, Action::Upsert(FieldMap::new(set).unwrap_or_default()))];
    if !others.is_empty() {
        ops.push(with(op, Action::Update(FieldMap::new(others).unwrap_or_default())));
    }
    ops
}

fn has_changed(entry: &Entry, read: &Read, base: Seq, client: ClientId) -> bool {
    match (entry, &read.field) {
        (Entry::Live(object), Some(field)) => {
            let remade = !knew(object.created(), base, client);
            let field = object.field(field.as_str());
            remade || field.is_some_and(|field| field.version.changed_since(base, client))
        }
        (entry, _) => entry.version().changed_since(base, client),
    }
}

pub(super) fn not_found(key: &Key) -> String {
    format!("{key} does not exist; insert it, or use upsert")
}

/// A refusal; how far the stream was is told by whoever decides.
pub(super) fn refuse(code: RefusalCode, reason: String, about: &Key, current: Option<&Object>) -> Box<Refusal> {
    let current = current.map(Object::to_value);
    Box::new(Refusal { code, reason, about: Some(about.clone()), field: None, current, head: Seq::FIRST })
}
