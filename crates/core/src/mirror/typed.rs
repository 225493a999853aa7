//! Splices of a tab meet what its leader shows.
//!
//! A tab types on the text as it sees it. When the leader takes the edit, other tabs and other people may have changed
//! that text, and the tab had not heard of it. So an edit names the texts that its splices were typed on. From them and
//! the texts as they are now, the leader and the tab work out alike where the splices belong.

use rustc_hash::FxHashMap;

use crate::name::{FieldName, Key};
use crate::object::{Entry, Write, apply};
use crate::op::{Action, Edit, Op};
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

/// Moves splices to what is shown now.
pub(crate) fn move_to(ops: &mut [Op], typed: &[TypedOn], write: &Write<'_>, shown: &dyn Fn(&Key) -> Option<Entry>) {
    if typed.is_empty() {
        return;
    }
    let mut entries = FxHashMap::default();
    for (place, op) in ops.iter_mut().enumerate() {
        let entry = entries.entry(op.key.clone()).or_insert_with(|| shown(&op.key));
        for on in typed.iter().filter(|on| on.op == place) {
            move_one(op, on, value(entry, &on.field));
        }
        apply(entry, op, write);
    }
}

fn move_one(op: &mut Op, on: &TypedOn, now: Option<&Value>) {
    let Action::Update(edits) = &mut op.action else { return };
    let Some(Edit::Splice(own)) = edits.get(on.field.as_str()) else { return };
    let is_other = on.value.as_ref() != now;
    if let Some(moved) = is_other.then(|| own.moved_to(on.value.as_ref(), now)).flatten() {
        *edits = edits.with(&on.field, Some(Edit::Splice(moved)));
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
