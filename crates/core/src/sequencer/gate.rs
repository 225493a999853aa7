//! What stands between an event that could take effect and the log: the say of whoever knows what may be done.

use std::fmt;

use crate::caller::Caller;
use crate::name::{Collection, Key};
use crate::object::Object;
use crate::valid::{Change, Objection};

/// Decides what may be done on one stream, what is valid, and who may know of what. The same question gets the same answer.
pub trait Gate: fmt::Debug + Send + Sync {
    /// What stands against an event making this of an object. `None`: nothing.
    fn objection(&self, caller: &Caller, change: &Change<'_>) -> Option<Objection>;

    /// What is not valid about an event making this of an object, whoever its author is. `None`: nothing.
    fn invalid(&self, caller: &Caller, change: &Change<'_>) -> Option<Objection>;

    /// Whether a caller could write anything in a collection, whatever is there: all that can be asked of an object that is not.
    fn may_write(&self, caller: &Caller, collection: &Collection) -> bool;

    /// Whether a caller may know of an object.
    fn may_read(&self, caller: &Caller, key: &Key, object: &Object) -> bool;

    /// Whether somebody outside, whom a sequencer cannot ask, has a say in what an event makes of an object.
    fn is_asked(&self, _change: &Change<'_>) -> bool {
        false
    }
}
