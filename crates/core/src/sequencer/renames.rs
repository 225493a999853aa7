//! Fields that have another name now than they had, while apps of both versions are about: what an event does to a field
//! under one name it does under the other as well, so that each app finds the name it was written for.
//!
//! The log says what became of both, so nobody who plays it needs to know of renames.

use std::borrow::Cow;

use rustc_hash::FxHashSet;

use super::resolve::{Before, Ground};
use crate::event::Lost;
use crate::holders::Holders;
use crate::name::FieldName;
use crate::object::{Object, Write};
use crate::objects::Objects;
use crate::op::{Action, Edit, FieldMap, Op};
use crate::part::could_become;
use crate::schema::{Rename, Schema};
use crate::value::Value;

/// The ops of an event, and after each what it comes to under the other names of its fields. `None`: it touches none that
/// has two.
///
/// Before the first op on a field comes what its object lacks under one name and has under the other, as objects do that
/// were made before the rename: what is to be added to is there then.
pub(super) fn doubled(schema: &Schema, objects: &Objects<Holders>, ops: &[Op]) -> Option<Vec<Op>> {
    let is_renamed = |op: &Op| schema.renames(&op.key.collection).iter().any(|rename| touched(rename, op).is_some());
    if !ops.iter().any(is_renamed) {
        return None;
    }
    let (mut doubled, mut seen, mut deleted) = (Vec::new(), FxHashSet::default(), FxHashSet::default());
    for op in ops {
        let renames = schema.renames(&op.key.collection);
        let met = renames.iter().filter(|rename| touched(rename, op).is_some());
        let first: Vec<&Rename> = met.filter(|rename| seen.insert((&op.key, &rename.now))).collect();
        // What an event deletes and makes again has nothing of what was there.
        let object = objects.get(&op.key).filter(|_| !deleted.contains(&op.key));
        doubled.extend(object.and_then(|object| lacking(&first, op, object)));
        if op.action == Action::Delete {
            deleted.insert(&op.key);
        }
        doubled.push(op.clone());
        doubled.extend(under_other_names(renames, op));
    }
    Some(doubled)
}

/// Whether what was lost is a part of what was authored, and no doing of ours.
pub(super) fn is_authored(lost: &Lost, ops: &[Op]) -> bool {
    ops.iter().any(|op| op.key == lost.op.key && could_become(&op.action, &lost.op.action))
}

impl<'o> Ground<'_> {
    /// Makes fields the same under both names where what an event did came to something else under one of them, as with
    /// what was typed on a text before that had two. The name that the event used last counts. Answers what was to be done.
    pub(super) fn even(&mut self, ops: &'o [Op], before: &mut Before<'o>, write: &Write<'_>) -> Vec<Op> {
        // Of each field, the last op on it.
        let mut seen = FxHashSet::default();
        let mut evened = Vec::new();
        for op in ops.iter().rev() {
            let Some(object) = self.objects.get(&op.key) else { continue };
            let renames = self.schema.renames(&op.key.collection).iter();
            let differing = renames.filter_map(|rename| {
                let (used, other) = touched(rename, op)?.of(rename);
                let value = |name: &FieldName| object.get(name.as_str()).unwrap_or(&Value::Null);
                let is_last = seen.insert((&op.key, &rename.now));
                (is_last && value(used) != value(other)).then(|| (other.clone(), Edit::Set(value(used).clone())))
            });
            evened.extend(update(op, differing.collect()));
        }
        for op in &evened {
            before.push((Cow::Owned(op.key.clone()), self.objects.entry(&op.key).cloned()));
            self.apply(op, write);
        }
        evened
    }
}

/// One of the names of a field.
#[derive(Clone, Copy)]
enum Name {
    Now,
    Was,
}

impl Name {
    /// It, and the other one.
    fn of(self, rename: &Rename) -> (&FieldName, &FieldName) {
        match self {
            Self::Now => (&rename.now, &rename.was),
            Self::Was => (&rename.was, &rename.now),
        }
    }
}

/// The name by which an op touches a field; where it uses both, the present one.
fn touched(rename: &Rename, op: &Op) -> Option<Name> {
    let touches = |name: &FieldName| match &op.action {
        Action::Insert(set) | Action::Upsert(set) => set.get(name.as_str()).is_some(),
        Action::Update(edits) => edits.get(name.as_str()).is_some(),
        Action::Delete => false,
    };
    [Name::Now, Name::Was].into_iter().find(|name| touches(name.of(rename).0))
}

/// What an object lacks under one name that it has under the other.
fn lacking(renames: &[&Rename], op: &Op, object: &Object) -> Option<Op> {
    let lacking = renames.iter().filter_map(|rename| {
        let (now, was) = (object.get(rename.now.as_str()), object.get(rename.was.as_str()));
        match (now, was) {
            (None, Some(value)) => Some((rename.now.clone(), Edit::Set(value.clone()))),
            (Some(value), None) => Some((rename.was.clone(), Edit::Set(value.clone()))),
            _ => None,
        }
    });
    update(op, lacking.collect())
}

/// What an op comes to under the other names of its fields, where it does not say it itself.
fn under_other_names(renames: &[Rename], op: &Op) -> Option<Op> {
    let other = |rename: &Rename| {
        let (used, other) = touched(rename, op)?.of(rename);
        let edit = |name: &FieldName| match &op.action {
            Action::Insert(set) | Action::Upsert(set) => set.get(name.as_str()).cloned().map(Edit::Set),
            Action::Update(edits) => edits.get(name.as_str()).cloned(),
            Action::Delete => None,
        };
        match edit(other) {
            None => Some((other.clone(), edit(used)?)),
            Some(_) => None,
        }
    };
    update(op, renames.iter().filter_map(other).collect())
}

/// An update of the object of an op. `None`: of nothing.
fn update(op: &Op, edits: Vec<(FieldName, Edit)>) -> Option<Op> {
    let edits = FieldMap::new(edits).ok().filter(|edits| !edits.is_empty())?;
    Some(Op { key: op.key.clone(), seen: op.seen, action: Action::Update(edits) })
}
