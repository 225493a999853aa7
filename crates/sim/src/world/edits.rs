//! The people in the world: what they edit, take back, and do with what was refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use tapeline_core::name::Key;
use tapeline_core::numbers::EditId;
use tapeline_core::object::Object;
use tapeline_core::op::Op;
use tapeline_core::replica::{EditError, Moved, NewEdit, Replica};
use tapeline_core::undo::Direction;

use super::{Happening, World};
use crate::device::Device;
use crate::diary::{self, Shown};
use crate::{trace, workload};

impl World {
    pub(super) fn edit(&mut self) -> Result<(), String> {
        if self.edits_left == 0 || self.healed.is_some() {
            return Ok(());
        }
        let delay = self.random.u64(0..=self.plan.edit_gap);
        self.later(delay, Happening::Edit);
        let device = self.random.usize(0..self.devices.len());
        let burst = if self.random.u8(0..5) == 0 { self.random.u64(1..=8) } else { 1 };
        for _ in 0..burst.min(self.edits_left) {
            self.edits_left -= 1;
            self.edit_at(device)?;
        }
        self.tend(device)
    }

    fn edit_at(&mut self, device: usize) -> Result<(), String> {
        let clock = self.devices[device].clock(self.now);
        let Some(replica) = &mut self.devices[device].replica else { return Ok(()) };
        let parked = self.checks.parked(device);
        if let Some(&(edit, alone)) = self.random.choice(&parked)
            && self.random.u8(0..3) == 0
        {
            if self.random.bool() && alone {
                if let Some(Ok(again)) = replica.retry(clock, edit) {
                    self.trace.note(format!("d{device}"), || format!("tries e{edit} again as e{again}"));
                    self.checks.retried(device, edit, again);
                }
            } else if replica.discard(edit).is_some() {
                self.trace.note(format!("d{device}"), || format!("discards e{edit}"));
                self.checks.discarded(device, edit);
            }
            return Ok(());
        }
        match self.random.u8(0..10) {
            0 if self.plan.drafts => self.draft_at(device),
            1 if replica.status().denied.is_none() => self.step_at(device),
            _ => self.edit_anew_at(device),
        }
    }

    fn edit_anew_at(&mut self, device: usize) -> Result<(), String> {
        self.marker += 1;
        let marker = self.marker;
        let Some(replica) = &mut self.devices[device].replica else { return Ok(()) };
        let new = workload::edit(&mut self.random, replica, marker, &self.plan);
        let (told, meant) = (trace::ops(&new.ops), new.ops[..new.ops.len() - 1].to_vec());
        match self.commit(device, new, &meant, None) {
            Ok(edit) => self.trace.note(format!("d{device}"), || format!("edits e{edit} #{marker} {told}")),
            Err(error) => self.trace.note(format!("d{device}"), || format!("cannot {told}: {error}")),
        }
        Ok(())
    }

    /// Takes the last edit back, or makes it again.
    fn step_at(&mut self, device: usize) -> Result<(), String> {
        let direction = if self.random.u8(0..3) == 0 { Direction::Redo } else { Direction::Undo };
        self.tell_history(device);
        let stepped = &mut self.devices[device];
        let Some(replica) = &stepped.replica else { return Ok(()) };
        let next = stepped.history.next(direction, false, &|key: &Key| replica.get(key).cloned());
        let Some(NewEdit { ops, .. }) = next else { return Ok(()) };
        stepped.diary.check(&ops, &diary::shown(replica, &ops)).map_err(|why| format!("d{device}: {why}"))?;
        self.marker += 1;
        let marker = self.marker;
        let all: Vec<Op> = ops.iter().cloned().chain([workload::mark(marker)]).collect();
        let told = trace::ops(&all);
        let edit = self.commit(device, all.into(), &ops, Some(direction));
        let edit = edit.map_err(|error| format!("d{device} cannot {direction:?}: {error}: {told}"))?;
        self.trace.note(format!("d{device}"), || format!("{direction:?} e{edit} #{marker} {told}"));
        Ok(())
    }

    /// Makes an edit that can be undone: what it `meant`, without its marker.
    fn commit(
        &mut self,
        device: usize,
        new: NewEdit,
        meant: &[Op],
        way: Option<Direction>,
    ) -> Result<EditId, EditError> {
        self.tell_history(device);
        let (clock, marker) = (self.devices[device].clock(self.now), self.marker);
        let Device { replica: Some(replica), history, diary, .. } = &mut self.devices[device] else {
            return Err(EditError::NoOps);
        };
        let objects = |replica: &Replica| -> BTreeMap<Key, Arc<Object>> {
            meant.iter().filter_map(|op| Some((op.key.clone(), replica.get(&op.key)?.clone()))).collect()
        };
        let (before, was): (_, Shown) = (objects(replica), diary::shown(replica, meant));
        let edit = replica.edit(clock, new)?;
        let (before, after) = (|key: &Key| before.get(key).cloned(), |key: &Key| replica.get(key).cloned());
        history.committed(meant, way, &before, &after);
        diary.note(&was, &diary::shown(replica, meant));
        self.checks.accepted(device, edit, marker);
        Ok(edit)
    }

    /// Tells the history of a device what others have done to texts.
    pub(super) fn tell_history(&mut self, device: usize) {
        let Device { replica: Some(replica), history, .. } = &mut self.devices[device] else { return };
        for Moved { key, field, splices, .. } in replica.take_moved() {
            history.spliced(&key, &field, &splices);
        }
    }
}
