//! What others do to texts as they are shown, for those who keep places in them: cursors, and what can be undone.

use rustc_hash::FxHashSet;

use crate::limits;
use crate::name::{FieldName, Key};
use crate::op::Op;
use crate::splice::Splices;

/// What others have done to a text as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Of which object.
    pub key: Key,
    /// In which field.
    pub field: FieldName,
    /// What was done.
    pub splices: Splices,
}

/// What is yet to be told.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// The objects with texts that were edited here.
    edited: FxHashSet<Key>,
    untold: Vec<Moved>,
}

impl Moves {
    /// Ops are made here.
    pub(super) fn edited(&mut self, ops: &[Op]) {
        for op in ops.iter().filter(|op| op.splices().next().is_some()) {
            if self.edited.len() >= limits::UNDO_STEPS {
                self.edited.clear();
            }
            self.edited.insert(op.key.clone());
        }
    }

    /// Whether any text was edited here: somebody may keep places in it.
    pub(super) fn are_wanted(&self) -> bool {
        !self.edited.is_empty()
    }

    pub(super) fn push(&mut self, key: &Key, field: &FieldName, splices: &Splices) {
        if !self.edited.contains(key) || splices.is_empty() {
            return;
        }
        if self.untold.len() >= limits::TEXT_MOVES {
            self.untold.clear();
        }
        self.untold.push(Moved { key: key.clone(), field: field.clone(), splices: splices.clone() });
    }

    pub(super) fn take(&mut self) -> Vec<Moved> {
        std::mem::take(&mut self.untold)
    }
}
