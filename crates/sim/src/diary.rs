//! What a device's own edits changed, to check what its undo does: it takes back one's own and nothing else. Nothing here
//! uses how the core finds what to take back.

use std::collections::BTreeMap;

use tapeline_core::name::Key;
use tapeline_core::op::{Action, Edit, Op};
use tapeline_core::replica::Replica;
use tapeline_core::value::Value;

type Fields = BTreeMap<String, Value>;

/// What own edits changed since the program started.
#[derive(Debug, Default)]
pub struct Diary {
    /// A field went from one value to another.
    set: Vec<(Key, String, Value, Value)>,
    /// An object came, or went, with these fields.
    came: Vec<(Key, Fields)>,
    went: Vec<(Key, Fields)>,
}

/// The objects that some ops touch, as they are shown.
pub type Shown = BTreeMap<Key, Option<Fields>>;

/// Looks at the objects that ops touch.
pub fn shown(replica: &Replica, ops: &[Op]) -> Shown {
    let fields = |key: &Key| {
        let fields = replica.get(key)?.fields().map(|(name, field)| (name.to_string(), field.value.clone()));
        Some(fields.collect())
    };
    ops.iter().map(|op| (op.key.clone(), fields(&op.key))).collect()
}

impl Diary {
    /// An edit was made.
    pub fn note(&mut self, before: &Shown, after: &Shown) {
        for (key, was) in before {
            match (was, after.get(key).and_then(Option::as_ref)) {
                (Some(was), Some(is)) => self.note_fields(key, was, is),
                (None, Some(is)) => self.came.push((key.clone(), is.clone())),
                (Some(was), None) => self.went.push((key.clone(), was.clone())),
                (None, None) => {}
            }
        }
    }

    fn note_fields(&mut self, key: &Key, was: &Fields, is: &Fields) {
        for name in is.keys() {
            let of = |fields: &Fields| fields.get(name).cloned().unwrap_or(Value::Null);
            self.set.push((key.clone(), name.clone(), of(was), of(is)));
        }
    }

    /// Whether ops take back what was one's own and is still as it was left.
    ///
    /// # Errors
    /// What they should leave alone.
    pub fn check(&self, ops: &[Op], now: &Shown) -> Result<(), String> {
        let wrong = ops.iter().find(|op| !self.is_own(op, now.get(&op.key).and_then(Option::as_ref)));
        wrong.map_or(Ok(()), |op| Err(format!("undo or redo does {op:?} where {:?} is shown", now.get(&op.key))))
    }

    fn is_own(&self, op: &Op, there: Option<&Fields>) -> bool {
        let of = |list: &[(Key, Fields)], fields: &Fields| list.iter().any(|own| own.0 == op.key && own.1 == *fields);
        match (&op.action, there) {
            (Action::Delete, Some(there)) => of(&self.came, there),
            (Action::Insert(set), None) => {
                of(&self.went, &set.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
            }
            (Action::Update(edits), Some(there)) => edits.iter().all(|(name, edit)| match edit {
                Edit::Set(back) => {
                    let now = there.get(name.as_str()).unwrap_or(&Value::Null);
                    let mine = |own: &(Key, String, Value, Value)| own.0 == op.key && own.1 == name.as_str();
                    self.set.iter().any(|own| mine(own) && own.2 == *back && own.3 == *now)
                }
                _ => true,
            }),
            _ => false,
        }
    }
}
