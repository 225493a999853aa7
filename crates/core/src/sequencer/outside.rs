//! What somebody outside has a say in: what an event would make of objects is put to them, and the event is pushed again
//! with their word.
//!
//! A word is good for what it was given on and nothing else: where the event would make something else of the objects by
//! now, because somebody else has changed them meanwhile, it is asked for again.

use super::pass::objected;
use super::resolve::{Before, Ground, Guard, Stop};
use super::{Pushed, Sequencer};
use crate::caller::Caller;
use crate::event::Sealed;
use crate::object::{Entry, Stamp, Write};
use crate::valid::{Changed, Objection};

/// What somebody outside says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Of what.
    pub on: Vec<Changed>,
    /// What stands against it, and against which of the changes.
    pub against: Option<(usize, Objection)>,
}

/// What is known of what somebody outside says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outside<'a> {
    /// Their word, where it was given.
    Word(Option<&'a Word>),
    /// It is only asked what would be put to them.
    Foreseen,
}

impl Sequencer {
    /// What an event would need or [ask](Pushed::Asks) if it were decided on now; otherwise [`Dropped`](Pushed::Dropped). Nothing
    /// is decided. It may not be the next of its client, so that many can be asked about together.
    pub fn foresee(&mut self, caller: &Caller, sealed: &Sealed) -> Pushed {
        let (event, seq) = (&sealed.event, self.batch.block.end());
        let Some(gate) = self.gate.clone() else { return Pushed::Dropped };
        if self.check(sealed).is_err() {
            return Pushed::Dropped;
        }
        let stamp = Stamp { seq, client: event.client };
        let write = Write { stamp, base: event.body.base, at: event.body.at, actor: caller.subject.as_ref() };
        let guard = Some(Guard { gate: &*gate, caller, outside: Outside::Foreseen });
        let Self { objects, texts, schema, horizon, .. } = self;
        let mut ground = Ground { objects, texts, schema, guard, horizon: *horizon };
        match ground.take_effect(&event.body, &write) {
            Err(Stop::Needs(needs)) => Pushed::Needs(needs),
            Err(Stop::Asks(changes)) => Pushed::Asks(changes),
            _ => Pushed::Dropped,
        }
    }
}

impl Ground<'_> {
    /// What somebody outside says of what has become of objects. What only was to be foreseen stops here.
    pub(super) fn hear(&self, before: &Before<'_>) -> Result<(), Stop> {
        let Some(Guard { outside, .. }) = self.guard else { return Ok(()) };
        let changes = self.of_concern(before);
        match outside {
            Outside::Word(_) if changes.is_empty() => Ok(()),
            Outside::Word(Some(word)) if word.on == changes => match &word.against {
                None => Ok(()),
                Some((place, objection)) => {
                    let change = changes.get(*place).unwrap_or(&changes[0]);
                    Err(objected(&change.as_change(), objection.clone()).into())
                }
            },
            Outside::Foreseen if changes.is_empty() => Err(Stop::Needs(Vec::new())),
            _ => Err(Stop::Asks(changes)),
        }
    }

    /// The changes that somebody outside has a say in.
    fn of_concern(&self, before: &Before<'_>) -> Vec<Changed> {
        let Some(Guard { gate, .. }) = self.guard else { return Vec::new() };
        let asked = self.changes(before).filter(|(_, change)| gate.is_asked(change));
        let changed = asked.map(|(place, change)| Changed {
            key: change.key.clone(),
            before: before[place].1.as_ref().and_then(Entry::live).cloned(),
            after: self.objects.get(change.key).cloned(),
        });
        changed.filter(|changed| !changed.is_none()).collect()
    }
}
