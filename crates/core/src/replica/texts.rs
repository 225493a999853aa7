//! Pending splices as they show: moved past what others have done to the text since they were typed.
//!
//! What was authored stays as it is. What shows is kept beside it, and becomes what is sent when the edit is sealed:
//! the text it then refers to is the one played, so the server need not look far back. A splice whose text was set anew
//! shows no more; it is sent as it was authored, and the server says that it is lost.

use super::Replica;
use super::moves::Moved;
use super::outbox::Pending;
use super::trail::Assigned;
use crate::event::{Recorded, Refusal, RefusalCode};
use crate::name::{FieldName, Key};
use crate::numbers::{EditId, Seq};
use crate::object::{Entry, Object, Write, apply};
use crate::op::{Action, Edit, Op};
use crate::splice::Splices;
use crate::value::Value;

impl Replica {
    /// Moves pending splices past those of somebody else's event in the same texts, but for those that it sets anew.
    pub(super) fn move_past(&mut self, event: &Recorded, assigned: &[Assigned<'_>]) {
        for op in &event.body.ops {
            let is_set = |name: &FieldName| assigned.iter().any(|assigned| assigned.has(&op.key, name));
            for (name, splices) in op.splices().filter(|(name, _)| !is_set(name)) {
                match self.view.shown(&op.key) {
                    Some(_) => self.move_splices(&op.key, name, splices.clone()),
                    None => self.moves.push(&op.key, name, splices, None),
                }
            }
        }
    }

    /// Moves the splices of pending edits past something that was done to a text.
    fn move_splices(&mut self, key: &Key, name: &FieldName, mut done: Splices) {
        for (edit, place) in self.view.ops(key).to_vec() {
            let Some(pending) = self.outbox.pending.get_mut(edit) else { continue };
            match edit_of(&pending.ops()[place], name) {
                Doing::Splices(own) => {
                    let Ok((past, moved)) = Splices::meet(&done, own) else { return };
                    if moved != *own {
                        pending.show(place, name, Some(Edit::Splice(moved)));
                        self.storing.pending(edit);
                    }
                    done = past;
                }
                Doing::Sets => return,
                Doing::Nothing => {}
            }
        }
        self.moves.push(key, name, &done, None);
    }

    /// What others have done to texts as they are shown, in order, since this was last asked. Where a text was set anew, or
    /// too much was done, that shows in the text alone.
    pub fn take_moved(&mut self) -> Vec<Moved> {
        self.moves.take()
    }

    /// What is under a key with some of the pending edits on it.
    pub(super) fn entry_where(&self, key: &Key, which: &dyn Fn(EditId) -> bool) -> Option<Entry> {
        let mut entry = self.confirmed.entry(key).cloned();
        for &(other, place) in self.view.ops(key).iter().filter(|(other, _)| which(*other)) {
            self.apply_pending(&mut entry, other, place);
        }
        entry
    }

    pub(super) fn apply_pending(&self, entry: &mut Option<Entry>, edit: EditId, place: usize) {
        let Some(pending) = self.outbox.pending.get(edit) else { return };
        let write = Write::pending(self.identity.client, pending.body.base, pending.body.at);
        if let Some(op) = pending.ops().get(place) {
            apply(entry, op, &write);
        }
    }

    /// An object is let go that is there all the same: what was typed on its texts refers to them as they were last held,
    /// and shows no more.
    pub(super) fn leave_texts(&mut self, key: &Key) {
        let played = self.history.played;
        for (edit, place) in self.view.ops(key).to_vec() {
            let pending = self.outbox.pending.get_mut(edit).filter(|pending| pending.seal.is_none() && !pending.voided);
            if let Some(pending) = pending.filter(|pending| pending.ops()[place].splices().next().is_some()) {
                pending.body.on = Some(played).filter(|&on| on != pending.body.base);
                pending.body.ops = pending.ops().to_vec();
            }
            self.void_op(edit, place, |_| true);
        }
    }

    /// Whether an edit splices several texts, one of which was set anew: no state is left that all of it refers to.
    pub(super) fn is_torn(&self, edit: EditId) -> bool {
        let Some(pending) = self.outbox.pending.get(edit).filter(|pending| pending.voided) else { return false };
        pending.has_splices()
    }

    /// Keeps such an edit on the device, as the server would refuse it.
    pub(super) fn park_torn(&mut self, edit: EditId) {
        let (code, head) = (RefusalCode::Rebase, self.history.played);
        let reason = "one of the texts was set anew meanwhile: move the edit to what is there".into();
        self.park(edit, Refusal { code, reason, about: None, field: None, current: None, head });
    }

    /// Whether a text that an edit splices is set anew by a later edit that is on its way already.
    pub(super) fn is_overtaken(&self, edit: EditId) -> bool {
        let Some(pending) = self.outbox.pending.get(edit) else { return false };
        let sets = |other: EditId, place: usize, name: &FieldName| {
            let other = self.outbox.pending.get(other).filter(|other| other.seal.is_some() || other.recorded.is_some());
            other.is_some_and(|other| matches!(edit_of(&other.ops()[place], name), Doing::Sets))
        };
        pending.body.ops.iter().any(|op| {
            let later = || self.view.ops(&op.key).iter().filter(|(other, _)| *other > edit);
            op.splices().any(|(name, _)| later().any(|&(other, place)| sets(other, place, name)))
        })
    }

    /// The states that earlier pending edits of the same texts refer to.
    fn states_before(&self, edit: EditId, pending: &Pending) -> Vec<Seq> {
        let mut states = Vec::new();
        for op in pending.ops() {
            for (name, _) in op.splices() {
                for &(other, place) in self.view.ops(&op.key).iter().take_while(|(other, _)| *other < edit) {
                    let Some(other) = self.outbox.pending.get(other) else { continue };
                    if matches!(edit_of(&other.ops()[place], name), Doing::Splices(_)) {
                        states.push(other.on());
                    }
                }
            }
        }
        states
    }

    /// Whether an edit may be sealed as far as its texts go: none of one's own splices of the same text, typed on
    /// another state, is on its way. Where none is, its splices refer to the text as it is played.
    pub(super) fn settle_texts(&mut self, edit: EditId) -> bool {
        let Some(pending) = self.outbox.pending.get(edit) else { return false };
        if !pending.has_splices() {
            return true;
        }
        let states = self.states_before(edit, pending);
        let moved = pending.shown.is_some() || pending.again.is_some() || states.is_empty();
        let on = if moved && !pending.voided { self.history.played } else { pending.on() };
        if states.iter().any(|&state| state != on) {
            return false;
        }
        if let Some(pending) = self.outbox.pending.get_mut(edit).filter(|pending| moved && !pending.voided) {
            pending.body.on = Some(on).filter(|&on| on != pending.body.base);
            if let Some(shown) = pending.shown.take() {
                pending.body.ops = shown;
            }
        }
        true
    }
}

impl Pending {
    pub(super) fn has_splices(&self) -> bool {
        self.ops().iter().any(|op| op.splices().next().is_some())
    }

    /// The ops as they show.
    pub(super) fn ops(&self) -> &[Op] {
        self.shown.as_deref().unwrap_or(&self.body.ops)
    }

    /// The state that its splices, as they were authored, refer to.
    pub(super) fn on(&self) -> Seq {
        self.body.on.unwrap_or(self.body.base)
    }

    /// An op shows another edit of a field, or none.
    pub(super) fn show(&mut self, place: usize, name: &FieldName, edit: Option<Edit>) {
        let ops = self.shown.get_or_insert_with(|| self.body.ops.clone());
        if let Some(Op { action: Action::Update(edits), .. }) = ops.get_mut(place) {
            *edits = edits.with(name, edit);
        }
    }
}

/// What an op does to a text.
enum Doing<'o> {
    Nothing,
    Splices(&'o Splices),
    Sets,
}

fn edit_of<'o>(op: &'o Op, name: &FieldName) -> Doing<'o> {
    match &op.action {
        Action::Update(edits) => match edits.get(name.as_str()) {
            Some(Edit::Splice(splices)) => Doing::Splices(splices),
            None => Doing::Nothing,
            Some(_) => Doing::Sets,
        },
        Action::Delete => Doing::Sets,
        // Where somebody else has made the object meanwhile, an insert only assigns.
        Action::Insert(set) | Action::Upsert(set) => {
            if set.get(name.as_str()).is_some() {
                Doing::Sets
            } else {
                Doing::Nothing
            }
        }
    }
}

/// The fields that hold text or bytes.
pub(super) fn texts(object: &Object) -> impl Iterator<Item = &FieldName> {
    let texts = object.values().filter(|(_, value)| matches!(value, Value::Text(_) | Value::Bytes(_)));
    texts.map(|(name, _)| name)
}

pub(super) fn value<'o>(object: Option<&'o Object>, name: &FieldName) -> Option<&'o Value> {
    object.and_then(|object| object.get(name.as_str()))
}
