//! Taking answers in: what became of the edits that were sent.

use super::edit::NewEdit;
use super::outbox::Parked;
use super::{Moment, Notice, Replica};
use crate::event::{Body, Lost, Refusal};
use crate::frame::{AckRun, LostOf};
use crate::numbers::{EditId, EventNumber, Millis, Seq};

impl Replica {
    /// Events are durable on the log. They stay pending until they are played, where their place among others shows.
    pub(super) fn acknowledged(&mut self, moment: Moment, runs: &[AckRun], mut lost: Vec<LostOf>) {
        for run in runs {
            for step in 0..run.count {
                let n = run.n.plus(step);
                let lost = lost.iter_mut().find(|of| of.n == n).map(|of| std::mem::take(&mut of.lost));
                self.recorded(moment, n, run.seq.plus(step), lost.unwrap_or_default());
            }
        }
    }

    pub(super) fn recorded(&mut self, moment: Moment, n: EventNumber, seq: Seq, lost: Vec<Lost>) {
        let Some(edit) = self.outbox.decide(n) else { return };
        self.outbox.record(edit, seq, lost);
        self.storing.pending(edit);
        self.storing.meta();
        self.came_already(moment, edit, seq);
    }

    /// An edit is refused: it is made again where that helps, and parked otherwise. Nothing behind it waits.
    pub(super) fn refused(&mut self, n: EventNumber, refusal: Refusal) {
        let Some(edit) = self.outbox.decide(n) else { return };
        self.storing.meta();
        let again = self.refused_at(edit, &refusal);
        if !self.make_again(edit, again, refusal.code) {
            self.park(edit, refusal);
        }
    }

    /// Takes an edit off the view and keeps it with the reason.
    pub(super) fn park(&mut self, edit: EditId, refusal: Refusal) {
        let Some(pending) = self.outbox.pending.get(edit) else { return };
        let keys = pending.keys();
        let trails = self.trails(&keys);
        let Some(pending) = self.outbox.pending.remove(edit) else { return };
        self.forget_command(edit, &pending);
        for key in &keys {
            self.view.remove(key, edit);
        }
        self.move_along(trails);
        keys.iter().for_each(|key| self.disturb(key, edit));
        self.reapply(keys);
        self.outbox.parked.insert(edit, Parked { body: pending.body, refusal: refusal.clone() });
        self.storing.pending(edit);
        self.storing.parked(edit);
        for edit in std::iter::once(edit).chain(pending.also) {
            self.notice(Notice::Refused { edit, refusal: refusal.clone() });
        }
    }

    /// The edits that were refused, oldest first.
    pub fn parked(&self) -> impl ExactSizeIterator<Item = (EditId, &Parked)> {
        self.outbox.parked.iter()
    }

    /// Makes a parked edit again, on what is shown now. It leaves the parked ones where that succeeds. What it depended
    /// on is what is shown now. A command is better run anew, by whoever knows it.
    ///
    /// # Errors
    /// Where the edit does not fit what is shown. `None`: there is no such parked edit.
    pub fn retry(&mut self, now: Millis, edit: EditId) -> Option<Result<EditId, super::EditError>> {
        let Body { ops, unchanged, .. } = self.outbox.parked.get(edit)?.body.clone();
        let again = self.edit(now, NewEdit { ops, unchanged, ..NewEdit::default() });
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
