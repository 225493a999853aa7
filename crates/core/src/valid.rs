//! What is valid: a question that is asked of what an edit makes of an object, by a replica before it takes the edit, and by
//! the sequencer before it records the event.
//!
//! Whoever knows what an app says of its data answers it. A replica that nobody told takes every edit; the sequencer decides.

use std::fmt;
use std::sync::Arc;

use crate::event::RefusalCode;
use crate::name::{FieldName, Key};
use crate::object::Object;

/// What an edit makes of one object.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The object.
    pub key: &'a Key,
    /// As it was before the edit; `None` where it was not there.
    pub before: Option<&'a Object>,
    /// As it is after it; `None` where it is not there. Never `None` together with `before`.
    pub after: Option<&'a Object>,
}

/// What an edit would make of one object, to be kept and sent elsewhere.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The object.
    pub key: Key,
    /// As it is; `None` where it is not there.
    pub before: Option<Arc<Object>>,
    /// As it would be; `None` where it would not be there.
    pub after: Option<Arc<Object>>,
}

impl Changed {
    /// Whether the object shows the same before and after.
    pub(crate) fn is_none(&self) -> bool {
        shows_same(&self.before, &self.after)
    }

    /// The same, to be asked about.
    pub fn as_change(&self) -> Change<'_> {
        Change { key: &self.key, before: self.before.as_deref(), after: self.after.as_deref() }
    }
}

/// Whether it is the same change, whichever edits made the objects what they are.
impl PartialEq for Changed {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && shows_same(&self.before, &other.before) && shows_same(&self.after, &other.after)
    }
}

impl Eq for Changed {}

fn shows_same(a: &Option<Arc<Object>>, b: &Option<Arc<Object>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.has_fields_of(b),
        (None, None) => true,
        _ => false,
    }
}

/// What stands against a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The kind of reason, for programs.
    pub code: RefusalCode,
    /// The field that it is about, where it is one.
    pub field: Option<FieldName>,
    /// The reason, for people, without what the caller may not know.
    pub reason: String,
}

/// Knows what is valid on one stream, as far as a device can tell. The same question gets the same answer.
pub trait Validity: fmt::Debug + Send + Sync {
    /// What is not valid about a change. `None`: nothing that can be told here.
    fn objection(&self, change: &Change<'_>) -> Option<Objection>;
}
