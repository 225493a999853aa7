//! Edits are checked before they are taken, where the device knows what is valid.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::edit::{EditError, Shown};
use crate::name::Key;
use crate::object::Entry;
use crate::op::{Action, Op};
use crate::valid::{Change, Validity};

/// What edits are checked by. By default nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checking(Option<Arc<dyn Validity>>);

impl Checking {
    pub(crate) fn by(validity: Arc<dyn Validity>) -> Self {
        Self(Some(validity))
    }

    /// Checks what ops make of each object, in the order in which they touch them, but of drafts. `strict`: all that exists
    /// is known. Otherwise nobody here knows what becomes of an object that is not, unless it is made anew.
    pub(crate) fn check(
        &self,
        ops: &[Op],
        after: &Shown,
        strict: bool,
        before: &dyn Fn(&Key) -> Option<Entry>,
        is_draft: &dyn Fn(&Key) -> bool,
    ) -> Result<(), EditError> {
        if self.0.is_none() {
            return Ok(());
        }
        let mut seen = FxHashSet::default();
        for op in ops.iter().filter(|op| seen.insert(&op.key) && !is_draft(&op.key)) {
            let before = before(&op.key);
            if strict || before.is_some() || matches!(op.action, Action::Insert(_)) {
                self.check_one(&op.key, before.as_ref(), after.get(&op.key).and_then(Option::as_ref))?;
            }
        }
        Ok(())
    }

    /// Checks what becomes of one object.
    pub(crate) fn check_one(&self, key: &Key, before: Option<&Entry>, after: Option<&Entry>) -> Result<(), EditError> {
        let live = |entry: Option<&'_ Entry>| entry.and_then(Entry::live).cloned();
        let (before, after) = (live(before), live(after));
        let change = Change { key, before: before.as_deref(), after: after.as_deref() };
        let objection = self.0.as_ref().and_then(|validity| validity.objection(&change));
        objection.map_or(Ok(()), |objection| Err(EditError::Invalid(objection)))
    }
}
