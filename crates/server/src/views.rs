//! What callers could read lately: one who comes back with a token that says something else is told what that differs in.
//! A replica names what it could read by a number alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tapeline_authority::Reading;
use tapeline_core::caller::Caller;
use tapeline_core::name::Subject;
use tapeline_core::numbers::View;

use crate::limits;
use crate::lock::lock;

/// What callers could read lately, the last first.
#[derive(Debug, Default)]
pub(crate) struct Views(Mutex<VecDeque<Known>>);

#[derive(Debug)]
struct Known {
    /// Whose it was: nobody is told how somebody else's differs from their own.
    subject: Option<Subject>,
    view: View,
    reading: Arc<Reading>,
}

impl Views {
    /// What a view was of that a caller had, where that is known.
    pub(crate) fn find(&self, caller: &Caller, view: View) -> Option<Arc<Reading>> {
        let all = lock(&self.0);
        all.iter().find(|known| known.is(caller, view)).map(|known| known.reading.clone())
    }

    /// Keeps in mind what a caller can read, where that is a part.
    pub(crate) fn keep(&self, caller: &Caller, reading: &Arc<Reading>) {
        let Some(view) = reading.readable().map(|readable| readable.view) else { return };
        let mut all = lock(&self.0);
        if let Some(place) = all.iter().position(|known| known.is(caller, view)) {
            all.remove(place);
        }
        all.push_front(Known { subject: caller.subject.clone(), view, reading: reading.clone() });
        all.truncate(limits::VIEWS);
    }
}

impl Known {
    fn is(&self, caller: &Caller, view: View) -> bool {
        self.view == view && self.subject == caller.subject
    }
}
