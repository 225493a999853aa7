//! Edits are checked before they are taken, where the device knows what is valid.

use super::edit::{EditError, Shown};
use crate::name::Key;
use crate::object::{Entry, Object};
use crate::op::{Action, Op};
use crate::valid::{Change, Validity};

/// Checks what ops make of each object that they touch. `strict`: all that exists is known. Otherwise nobody here knows what
/// becomes of an object that is not, unless it is made anew.
pub(super) fn check(
    validity: &dyn Validity,
    ops: &[Op],
    after: &Shown,
    strict: bool,
    before: &dyn Fn(&Key) -> Option<Entry>,
) -> Result<(), EditError> {
    for op in ops {
        let (before, after) = (before(&op.key), after.get(&op.key).and_then(Option::as_ref));
        if strict || before.is_some() || matches!(op.action, Action::Insert(_)) {
            let before = before.as_ref().and_then(Entry::live).map(AsRef::as_ref);
            let after = after.and_then(Entry::live).map(AsRef::as_ref);
            // A draft may become anything.
            if !before.or(after).is_some_and(Object::is_draft) {
                check_one(validity, &op.key, before, after)?;
            }
        }
    }
    Ok(())
}

/// Checks what becomes of one object.
pub(crate) fn check_one(
    validity: &dyn Validity,
    key: &Key,
    before: Option<&Object>,
    after: Option<&Object>,
) -> Result<(), EditError> {
    let objection = validity.objection(&Change { key, before, after });
    objection.map_or(Ok(()), |objection| Err(EditError::Invalid(objection)))
}
