//! The people in the world: what they edit, and what they do with what was refused.

use super::{Happening, World};
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
        self.marker += 1;
        let marker = self.marker;
        let new = workload::edit(&mut self.random, replica, marker, self.plan.objects);
        let told = trace::ops(&new.ops);
        match replica.edit(clock, new) {
            Ok(edit) => {
                self.trace.note(format!("d{device}"), || format!("edits e{edit} #{marker} {told}"));
                self.checks.accepted(device, edit, marker);
            }
            Err(error) => self.trace.note(format!("d{device}"), || format!("cannot {told}: {error}")),
        }
        Ok(())
    }
}
