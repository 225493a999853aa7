//! Taking answers in: what became of the edits that were sent.

use super::outbox::Parked;
use super::{Notice, Replica};
use crate::event::Refusal;
use crate::frame::AckRun;
use crate::name::Key;
use crate::numbers::{EditId, EventNumber, Millis, Seq};

impl Replica {
    /// Events are durable on the log. They stay pending until they are played, where their place among others shows.
    pub(super) fn acknowledged(&mut self, runs: &[AckRun]) {
        for run in runs {
            for step in 0..run.count {
                self.recorded(run.n.plus(step), run.seq.plus(step));
            }
        }
    }

    pub(super) fn recorded(&mut self, n: EventNumber, seq: Seq) {
        let Some(edit) = self.outbox.decide(n) else { return };
        self.outbox.record(edit, seq);
        self.storing.pending(edit);
        self.storing.meta();
    }

    /// An edit is refused: it is taken off the view and parked. Nothing behind it waits.
    pub(super) fn refused(&mut self, n: EventNumber, refusal: Refusal) {
        let Some(edit) = self.outbox.decide(n) else { return };
        let Some(pending) = self.outbox.pending.remove(edit) else { return };
        let keys: Vec<Key> = pending.body.ops.iter().map(|op| op.key.clone()).collect();
        for key in &keys {
            self.view.remove(key, edit);
        }
        self.reapply(keys);
        self.outbox.parked.insert(edit, Parked { body: pending.body, refusal: refusal.clone() });
        self.storing.pending(edit);
        self.storing.parked(edit);
        self.storing.meta();
        self.notice(Notice::Refused { edit, refusal });
    }

    /// The edits that were refused, oldest first.
    pub fn parked(&self) -> impl ExactSizeIterator<Item = (EditId, &Parked)> {
        self.outbox.parked.iter()
    }

    /// Makes a parked edit again, on what is shown now. It leaves the parked ones where that succeeds.
    ///
    /// # Errors
    /// Where the edit does not fit what is shown. `None`: there is no such parked edit.
    pub fn retry(&mut self, now: Millis, edit: EditId) -> Option<Result<EditId, super::EditError>> {
        let body = self.outbox.parked.get(edit)?.body.clone();
        let again = self.edit(now, body.ops, body.command);
        if again.is_ok() {
            self.discard(edit);
        }
        Some(again)
    }

    /// Drops a parked edit for good. Answers it, where there is one.
    pub fn discard(&mut self, edit: EditId) -> Option<Parked> {
        let parked = self.outbox.parked.remove(edit)?;
        self.storing.parked(edit);
        Some(parked)
    }
}
