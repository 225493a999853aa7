//! What a sequencer needs to know before it can decide on an event, besides what the event touches.

use super::texts::splices;
use super::{Changed, Sequencer};
use crate::event::{Body, Recorded};
use crate::holders::LookUp;
use crate::limits;
use crate::name::Key;
use crate::numbers::Seq;

/// What became of a pushed event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is decided on, or was before. The answer comes when the decision is durable.
    Decided,
    /// Nothing was decided, and nothing after it from this peer can be: the rest of its push is to be dropped.
    Dropped,
    /// It cannot be decided on before this is known. It is to be pushed again then.
    Needs(Vec<Need>),
    /// It cannot be decided on before somebody outside has said what they say of this. It is to be
    /// [pushed again with their word](Sequencer::push_with) then.
    Asks(Vec<Changed>),
}

/// What a sequencer needs to know of what is in storage and not in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// What is under a key: an entry to [load](Sequencer::load_entry).
    Entry(Key),
    /// Who holds a value: entries to [load](Sequencer::load_entry), and whether those are [all](Sequencer::holds_all).
    Holders(LookUp),
}

impl Sequencer {
    /// From where on the log has to be read before an event can be decided on, up to where: it edits a text that it
    /// saw before what is remembered. `None`: nothing need be read, or it would be too much.
    pub fn text_history_needed(&self, body: &Body) -> Option<std::ops::Range<Seq>> {
        let (on, from) = (body.on.unwrap_or(body.base), self.texts.from());
        let edits_text = || body.ops.iter().any(|op| splices(op).next().is_some());
        let there = on >= self.horizon && from.since(on) <= limits::TEXT_HISTORY_EVENTS;
        (on < from && there && edits_text()).then_some(on..from)
    }

    /// Takes the events of a range that was [needed](Self::text_history_needed).
    pub fn load_text_history(&mut self, events: &[Recorded]) {
        if events.last().is_some_and(|last| last.seq.next() == self.texts.from()) {
            self.texts.load(events);
        }
    }

    /// All objects were loaded that storage has of those that are looked for.
    pub fn holds_all(&mut self, look: LookUp) {
        self.objects.holds_all(look);
    }
}
