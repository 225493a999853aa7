//! Splices of a tab meet what its leader shows.
//!
//! A tab types on the text as it sees it. When the leader takes the edit, other tabs and other people may have changed
//! that text, and the tab had not heard of it. The leader remembers what was done to texts and tells it; both move the
//! splices past it, one after the other. An edit also names the texts that its splices were typed on: where what is
//! remembered does not lead from them to what is shown, as after a change of leaders, the difference says where the
//! splices belong.

use rustc_hash::FxHashMap;

use super::Commit;
use crate::name::{FieldName, Key};
use crate::object::{Entry, Write, apply};
use crate::op::{Action, Edit, Op};
use crate::replica::Moved;
use crate::splice::Splices;
use crate::value::Value;

/// A text or bytes, as they were before a splice of one op was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedOn {
    /// The place of the op among those of its edit.
    pub op: usize,
    /// The field.
    pub field: FieldName,
    /// What it held, if anything.
    pub value: Option<Value>,
}

/// What the splices of an edit are typed on, where this is what is shown.
pub(super) fn typed_on(ops: &[Op], write: &Write<'_>, shown: &dyn Fn(&Key) -> Option<Entry>) -> Vec<TypedOn> {
    if !ops.iter().any(|op| fields(op).next().is_some()) {
        return Vec::new();
    }
    let mut typed = Vec::new();
    let mut entries = FxHashMap::default();
    for (place, op) in ops.iter().enumerate() {
        let entry = entries.entry(op.key.clone()).or_insert_with(|| shown(&op.key));
        let on =
            fields(op).map(|field| TypedOn { op: place, field: field.clone(), value: value(entry, field).cloned() });
        typed.extend(on);
        apply(entry, op, write);
    }
    typed
}

impl Commit {
    /// Moves what it types past what was done to a text, and that past what it types.
    pub(crate) fn move_past(&mut self, done: &mut Moved) {
        if !self.typed.iter().any(|on| on.field == done.field) {
            return;
        }
        let (ops, typed) = self.moved.get_or_insert_with(|| (self.body.ops.clone(), self.typed.clone()));
        for on in typed.iter_mut().filter(|on| on.field == done.field) {
            let Some(op) = ops.get_mut(on.op).filter(|op| op.key == done.key) else { continue };
            let met = splices(op, &on.field).and_then(|own| Splices::meet(&done.splices, own).ok());
            if let (Some((past, own)), Ok(now)) = (met, done.splices.apply(on.value.as_ref())) {
                splice(op, &on.field, own);
                (on.value, done.splices) = (Some(now), past);
            }
        }
    }

    /// Moves what it types to what is shown now: as it was moved, where that leads there, and otherwise by what differs.
    /// Answers whether it is typed on something else now.
    pub(crate) fn move_to(&mut self, write: &Write<'_>, shown: &dyn Fn(&Key) -> Option<Entry>) -> bool {
        if let Some((ops, typed)) = self.moved.take()
            && typed_on(&ops, write, shown) == typed
        {
            (self.body.ops, self.typed) = (ops, typed);
            return true;
        }
        let mut moved = false;
        if self.typed.is_empty() {
            return moved;
        }
        let mut entries = FxHashMap::default();
        for (place, op) in self.body.ops.iter_mut().enumerate() {
            let entry = entries.entry(op.key.clone()).or_insert_with(|| shown(&op.key));
            for on in self.typed.iter_mut().filter(|on| on.op == place) {
                let now = value(entry, &on.field);
                if on.value.as_ref() != now {
                    if let Some(splices) = splices(op, &on.field).and_then(|own| own.moved_to(on.value.as_ref(), now)) {
                        splice(op, &on.field, splices);
                    }
                    (on.value, moved) = (now.cloned(), true);
                }
            }
            apply(entry, op, write);
        }
        moved
    }
}

fn splices<'o>(op: &'o Op, field: &FieldName) -> Option<&'o Splices> {
    op.splices().find_map(|(name, splices)| (name == field).then_some(splices))
}

fn splice(op: &mut Op, field: &FieldName, splices: Splices) {
    if let Action::Update(edits) = &mut op.action {
        *edits = edits.with(field, Some(Edit::Splice(splices)));
    }
}

/// The fields that an op splices.
fn fields(op: &Op) -> impl Iterator<Item = &FieldName> {
    op.splices().map(|(name, _)| name)
}

/// What a field holds. Null counts as nothing.
fn value<'e>(entry: &'e Option<Entry>, field: &FieldName) -> Option<&'e Value> {
    entry.as_ref()?.live()?.get(field.as_str()).filter(|value| **value != Value::Null)
}
