//! Whether somebody else's edit of a field, one's own last write of which its author had not seen, writes over it. What
//! sets the field does. What puts a value within it does where one's own stands at that place, above or below it.

use super::outbox::Outbox;
use crate::name::{FieldName, Key};
use crate::numbers::Seq;
use crate::op::{Action, Edit, Op, Put};

impl Outbox {
    /// `base`: how far the edit's author had played.
    pub(super) fn is_written_over(&self, key: &Key, name: &FieldName, edit: &Edit, base: Seq) -> bool {
        let puts = match edit {
            Edit::Set(_) => return true,
            Edit::Put(puts) => puts,
            Edit::Inc(_) | Edit::Members(_) | Edit::Splice(_) | Edit::Ask(_) => return false,
        };
        let mut remembered = false;
        for kept in self.kept.iter().filter(|kept| kept.seq.is_none_or(|seq| seq >= base)) {
            for op in kept.body.ops.iter().filter(|op| op.key == *key) {
                if writes_within(op, name, puts) {
                    return true;
                }
                remembered = true;
            }
        }
        // What is not remembered may have been anything.
        !remembered
    }
}

fn writes_within(op: &Op, name: &FieldName, puts: &[Put]) -> bool {
    match &op.action {
        Action::Insert(set) | Action::Upsert(set) => set.get(name.as_str()).is_some(),
        Action::Delete => true,
        Action::Update(edits) => match edits.get(name.as_str()) {
            None => false,
            Some(Edit::Put(own)) => own.iter().any(|own| puts.iter().any(|put| meet(own, put))),
            Some(_) => true,
        },
    }
}

/// Whether one stands above the other, or at the same place.
fn meet(a: &Put, b: &Put) -> bool {
    a.path.iter().zip(&b.path).all(|(a, b)| a == b)
}
