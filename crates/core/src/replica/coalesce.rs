//! Queueing edits, and keeping the queue short: an edit that is not yet sealed takes in a later one of the same objects.
//!
//! An edit joins the last pending edit that touches any of its objects, where that is one and the same for all of them,
//! and neither of the two is a command, declares reads, or is sealed; where nothing that came in meanwhile touches the
//! earlier one; where it names no object that was made in between; and, where it deletes something, where nothing was
//! edited in between that may have referred to it. [`crate::edit`] says what two changes are together.

use super::Replica;
use super::edit::{Commanded, Shown};
use super::outbox::Pending;
use crate::edit::Together;
use crate::event::Body;
use crate::limits;
use crate::name::{Key, ObjectId};
use crate::numbers::EditId;
use crate::op::{Action, Edit, Op};
use crate::value::Value;

impl Replica {
    /// Queues an edit that shows this. Answers what its keys are to show.
    pub(super) fn add(&mut self, edit: EditId, body: Body, command: Option<Commanded>, shown: Shown) -> Shown {
        if command.is_none()
            && body.unchanged.is_empty()
            && let Some(earlier) = self.coalesces_into(&body)
            && let Some(ops) = self.together(earlier, &body)
        {
            self.join(earlier, edit, &body, ops);
            self.reapply(body.ops.into_iter().map(|op| op.key));
            return Shown::default();
        } else {
            for (place, op) in body.ops.iter().enumerate() {
                self.view.add(&op.key, edit, place);
            }
            if let Some(commanded) = &command {
                self.commands.watch(edit, &commanded.reads);
            }
            self.changed.extend(body.ops.iter().map(|op| op.key.clone()));
            self.outbox.push(edit, body, command);
            self.storing.pending(edit);
        }
        shown
    }

    /// The pending edit that an edit may join.
    fn coalesces_into(&self, body: &Body) -> Option<EditId> {
        let mut touching = body.ops.iter().filter_map(|op| self.view.last(&op.key));
        let earlier = touching.next()?;
        if touching.any(|other| other != earlier) || !self.outbox.pending.get(earlier).is_some_and(Pending::may_grow) {
            return None;
        }
        let last = self.outbox.pending.iter().next_back();
        if body.ops.iter().any(|op| op.action == Action::Delete) && last.is_none_or(|(last, _)| last != earlier) {
            return None;
        }
        let mut refers = false;
        body.ops.iter().for_each(|op| each_value(op, &mut |value| refers |= self.made_after(earlier, value)));
        (!refers).then_some(earlier)
    }

    /// Whether a value names an object that a pending edit after `earlier` touches first.
    fn made_after(&self, earlier: EditId, value: &Value) -> bool {
        let id = value.as_text().and_then(|text| ObjectId::new(text).ok());
        id.is_some_and(|id| self.view.first_of(&id).is_some_and(|first| first > earlier))
    }

    /// The ops of a pending edit with those of another one taken in.
    fn together(&mut self, earlier: EditId, body: &Body) -> Option<Vec<Op>> {
        let pending = self.outbox.pending.get(earlier)?;
        let mut ops: Vec<Option<Op>> = pending.ops().iter().cloned().map(Some).collect();
        for op in &body.ops {
            let same = |other: &&mut Option<Op>| other.as_ref().is_some_and(|other| other.key == op.key);
            match ops.iter_mut().rev().find(same) {
                None => ops.push(Some(op.clone())),
                Some(slot) => {
                    let first = slot.as_ref().filter(|first| first.seen.is_none() && op.seen.is_none())?;
                    *slot = match first.action.then(&op.action) {
                        Together::One(action) => Some(Op { key: op.key.clone(), seen: None, action }),
                        Together::Nothing => None,
                        Together::Two => return None,
                    };
                }
            }
        }
        let ops: Vec<Op> = ops.into_iter().flatten().collect();
        (ops.len() <= limits::COALESCED_OPS && bytes(&ops) <= limits::COALESCED_BYTES).then_some(ops)
    }

    /// A pending edit takes in a later one.
    fn join(&mut self, earlier: EditId, edit: EditId, body: &Body, ops: Vec<Op>) {
        let Some(pending) = self.outbox.pending.get_mut(earlier) else { return };
        let before: Vec<Key> = pending.body.ops.iter().map(|op| op.key.clone()).collect();
        pending.also.push(edit);
        (pending.body.base, pending.body.on, pending.shown) = (body.base, body.on, None);
        pending.body.ops = ops;
        let after: Vec<Key> = pending.body.ops.iter().map(|op| op.key.clone()).collect();
        for key in &before {
            self.view.remove(key, earlier);
        }
        for (place, key) in after.iter().enumerate() {
            self.view.add_in_order(key, earlier, place);
        }
        if after.is_empty()
            && let Some(gone) = self.outbox.pending.remove(earlier)
        {
            self.cancelled(earlier, &gone.also);
        }
        self.storing.pending(earlier);
        self.reapply(before);
    }
}

impl Pending {
    /// Whether it may take in a later edit.
    fn may_grow(&self) -> bool {
        let Body { command, unchanged, .. } = &self.body;
        let on_its_way =
            self.seal.is_some() || self.former.is_some() || self.recorded.is_some() || self.again.is_some();
        !on_its_way && !self.met && !self.voided && command.is_none() && unchanged.is_empty()
    }
}

/// Visits the values in which an op may name objects.
fn each_value<'a>(op: &'a Op, visit: &mut dyn FnMut(&'a Value)) {
    match &op.action {
        Action::Insert(set) | Action::Upsert(set) => set.iter().for_each(|(_, value)| each_within(value, visit)),
        Action::Update(edits) => edits.iter().for_each(|(_, edit)| each_of_edit(edit, visit)),
        Action::Delete => {}
    }
}

fn each_of_edit<'a>(edit: &'a Edit, visit: &mut dyn FnMut(&'a Value)) {
    match edit {
        Edit::Set(value) => each_within(value, visit),
        Edit::Members(members) => members.add.iter().for_each(|member| each_within(member, visit)),
        Edit::Put(puts) => puts.iter().flat_map(|put| &put.value).for_each(|value| each_within(value, visit)),
        Edit::Inc(_) | Edit::Splice(_) | Edit::Ask(_) => {}
    }
}

/// Visits a value, or all that is in it.
fn each_within<'a>(value: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
    match value {
        Value::List(items) => items.iter().for_each(|item| each_within(item, visit)),
        Value::Map(entries) => entries.iter().for_each(|(_, value)| each_within(value, visit)),
        value => visit(value),
    }
}

/// Roughly how many bytes ops take.
fn bytes(ops: &[Op]) -> usize {
    let mut bytes = 64 * ops.len();
    ops.iter().for_each(|op| each_value(op, &mut |value| bytes += value.estimated_bytes()));
    bytes
}
