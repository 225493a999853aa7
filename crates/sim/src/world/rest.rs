//! How it ends: everything heals, everybody says a last word, and all come to rest.

use tapeline_core::numbers::Millis;

use super::World;
use crate::rights::Level;
use crate::workload;

/// How long after everything has healed all must be at rest.
const PATIENCE: Millis = Millis(600_000);

impl World {
    pub(super) fn is_at_rest(&self, since: Millis) -> Result<bool, String> {
        let server = if self.server.is_idle() { Ok(()) } else { Err("the server is busy".to_owned()) };
        let settled = self.devices.iter().try_fold((), |(), device| match &device.replica {
            Some(replica) => {
                self.checks.is_settled(replica, device.level).map_err(|why| format!("d{}: {why}", device.number))
            }
            None => Err(format!("d{} does not run", device.number)),
        });
        match server.and(settled) {
            Ok(()) => Ok(true),
            Err(why) if self.now.since(since) > PATIENCE => Err(format!("no rest long after all was healed: {why}")),
            Err(_) => Ok(false),
        }
    }

    /// From now on nothing goes wrong, and everybody says a last word.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        self.trace.note("world", || "healed".into());
        self.healed = Some(self.now);
        self.plan.faults.clear();
        (self.plan.unknown, self.plan.twice) = (0, 0);
        self.server_pauses_until = self.now;
        if !self.server.is_running() {
            self.start_server()?;
        }
        for device in 0..self.devices.len() {
            self.devices[device].cut_off_until = self.now;
            if self.plan.rights {
                let level = Level::draw(&mut self.random, false);
                self.give(device, level)?;
            }
            if self.devices[device].replica.is_none() {
                self.start_device(device)?;
            }
            self.marker += 1;
            let (marker, now) = (self.marker, self.now);
            let ops = workload::last_word(device, marker);
            let clock = self.devices[device].clock(now);
            let Some(replica) = &mut self.devices[device].replica else { continue };
            let edit = replica.edit(clock, ops).map_err(|error| error.to_string())?;
            self.checks.accepted(device, edit, marker);
            self.tend(device)?;
        }
        Ok(())
    }
}
