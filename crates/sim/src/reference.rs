//! What events do to objects, told once more in the plainest way, to check the core against. Slow, no versions, no
//! sharing: nothing here uses the core's objects, its resolution or its `apply`.

use std::collections::BTreeMap;

use tapeline_core::event::{Lost, LostReason};
use tapeline_core::name::Key;
use tapeline_core::op::{Action, Edit, Op};
use tapeline_core::value::Value;

/// An object: values by field name.
pub type Fields = BTreeMap<String, Value>;

/// All live objects.
pub type Objects = BTreeMap<Key, Fields>;

/// Lets ops take effect, whatever they meet.
pub fn apply(objects: &mut Objects, ops: &[Op]) {
    for op in ops {
        match &op.action {
            Action::Insert(set) | Action::Upsert(set) => {
                let object = objects.entry(op.key.clone()).or_default();
                object.extend(set.iter().map(|(name, value)| (name.to_string(), value.clone())));
            }
            Action::Update(edits) => {
                let Some(object) = objects.get_mut(&op.key) else { continue };
                for (name, edit) in edits.iter() {
                    edit_field(object, name.as_str(), edit);
                }
            }
            Action::Delete => drop(objects.remove(&op.key)),
        }
    }
}

fn edit_field(object: &mut Fields, name: &str, edit: &Edit) {
    match edit {
        Edit::Set(value) => drop(object.insert(name.into(), value.clone())),
        Edit::Inc(amount) => {
            let sum = match (object.get(name), amount) {
                (None | Some(Value::Null), Value::Int(by)) => Some(*by),
                (Some(Value::Int(there)), Value::Int(by)) => there.checked_add(*by),
                _ => None,
            };
            if let Some(sum) = sum {
                object.insert(name.into(), Value::Int(sum));
            }
        }
    }
}

/// What the log must say of an event that is recorded on these objects: its ops as they took effect, and what is lost.
pub fn resolve(objects: &Objects, authored: &[Op]) -> (Vec<Op>, Vec<Lost>) {
    let mut objects = objects.clone();
    let (mut ops, mut lost) = (Vec::new(), Vec::new());
    for op in authored {
        let is_live = objects.contains_key(&op.key);
        match &op.action {
            Action::Insert(set) if is_live => {
                ops.push(Op { action: Action::Upsert(set.clone()), ..op.clone() });
            }
            Action::Update(_) if !is_live => lost.push(Lost { op: op.clone(), reason: LostReason::Gone }),
            Action::Delete if !is_live => {}
            _ => ops.push(op.clone()),
        }
        apply(&mut objects, std::slice::from_ref(op));
    }
    (ops, lost)
}
