//! What stands between an event that could take effect and the log: the say of whoever knows what may be done.

use std::fmt;

use crate::caller::Caller;
use crate::event::RefusalCode;
use crate::name::{FieldName, Key};
use crate::object::Object;

/// Decides what may be done on one stream, what is valid, and who may know of what. The same question gets the same answer.
pub trait Gate: fmt::Debug + Send + Sync {
    /// What stands against an event making this of an object. `None`: nothing.
    fn objection(&self, caller: &Caller, change: &Change<'_>) -> Option<Objection>;

    /// What is not valid about an event making this of an object, whoever its author is. `None`: nothing.
    fn invalid(&self, caller: &Caller, change: &Change<'_>) -> Option<Objection>;

    /// Whether a caller may know of an object.
    fn may_read(&self, caller: &Caller, key: &Key, object: &Object) -> bool;

    /// Whether somebody outside, whom a sequencer cannot ask, has a say in what an event makes of an object.
    fn is_asked(&self, _change: &Change<'_>) -> bool {
        false
    }
}

/// What an event makes of one object.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The object.
    pub key: &'a Key,
    /// As it was before the event; `None` where it was not there.
    pub before: Option<&'a Object>,
    /// As it is after it; `None` where it is not there. Never `None` together with `before`.
    pub after: Option<&'a Object>,
}

/// What stands against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The kind of reason, for programs.
    pub code: RefusalCode,
    /// The field that it is about, where it is one.
    pub field: Option<FieldName>,
    /// The reason, for people, without what the caller may not know.
    pub reason: String,
}
