//! Whether a caller could write anything at all, whatever were there: all that can be told where there is no object to ask
//! rules about.

use tapeline_core::caller::Caller;
use tapeline_core::name::{Collection, StreamName};

use crate::expression::{Rule, Vars};
use crate::rules::{Access, Authority, OnStream};
use crate::vars;

impl Authority {
    /// Whether a caller could write anything on a stream.
    pub fn may_write(&self, stream: &StreamName, caller: &Caller) -> bool {
        let (auth, of) = (vars::auth(caller), vars::stream(stream));
        caller.is_trusted || self.is_empty() || self.on(stream).may_write(&[("auth", &auth), ("stream", &of)])
    }
}

impl OnStream<'_> {
    /// Whether somebody of whom this is known could write anything.
    fn may_write(&self, known: &Vars<'_>) -> bool {
        let write = self.write();
        let of_any = || self.collections.iter().any(|(_, access)| access.may_write(write.is_some(), known));
        // What no rule names goes by the stream's own.
        write.is_none_or(|rule| rule.may_hold(known)) && (write.is_some() || of_any())
    }

    /// The same in one collection.
    pub(crate) fn may_write_in(&self, collection: &Collection, known: &Vars<'_>) -> bool {
        let write = self.write();
        let in_it = match self.access(collection) {
            Some(access) => access.may_write(write.is_some(), known),
            None => write.is_some(),
        };
        in_it && write.is_none_or(|rule| rule.may_hold(known))
    }

    fn write(&self) -> Option<&Rule> {
        self.stream.and_then(|rules| rules.write.as_ref())
    }
}

impl Access {
    /// Whether there is something that it lets somebody do of whom this is known. `is_open`: what it says nothing of may be
    /// done.
    fn may_write(&self, is_open: bool, known: &Vars<'_>) -> bool {
        let is_open = is_open || self.write.is_some();
        let mut doing = [&self.insert, &self.update, &self.delete].into_iter();
        let may = |rule: &Option<Rule>| rule.as_ref().map_or(is_open, |rule| rule.may_hold(known));
        self.write.as_ref().is_none_or(|rule| rule.may_hold(known)) && doing.any(may)
    }
}
