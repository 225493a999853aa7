//! What goes wrong, and how it is put right later.

use tapeline_core::limits;
use tapeline_core::numbers::Millis;
use tapeline_core::replica::Keeping;

use crate::network::End;
use crate::plan::Fault;
use crate::world::{Happening, World};

/// Devices there may be, copies included.
const MOST_DEVICES: usize = 7;

/// How often the server may be replaced: replicas remember their last few identities, not all.
const MOST_RESTORES: usize = limits::FORMER_CLIENTS - 2;

impl World {
    /// Lets one of the planned faults happen.
    pub(crate) fn fault(&mut self) -> Result<(), String> {
        if self.healed.is_some() {
            return Ok(());
        }
        let delay = self.random.u64(0..=self.plan.fault_gap);
        self.later(delay, Happening::Fault);
        let device = self.random.usize(0..self.devices.len());
        let Some(fault) = self.plan.draw(&mut self.random) else { return Ok(()) };
        self.trace.note("fault", || format!("{fault:?} (d{device})"));
        match fault {
            Fault::Cut => self.cut(device),
            Fault::HalfOpen => return self.drop_connection(device),
            Fault::Partition => self.devices[device].cut_off_until = self.in_a_while(60_000),
            Fault::ServerCrash => self.crash_server(),
            Fault::ServerPause => self.server_pauses_until = self.in_a_while(5_000),
            Fault::DeviceCrash => self.crash_device(device),
            Fault::ClockJump => self.devices[device].jump(),
            Fault::StoreFails => {}
            Fault::DeviceCopy => return self.copy_device(device),
            Fault::DeviceRestore => self.restore_device(device),
            Fault::ServerRestore => return self.restore_server(),
        }
        Ok(())
    }

    fn in_a_while(&mut self, most: u64) -> Millis {
        self.now.plus(Millis(self.random.u64(0..=most)))
    }

    fn cut(&mut self, device: usize) {
        let Some(id) = self.devices[device].conn else { return };
        self.network.cut(id, &mut self.random);
        for end in [End::Client, End::Server] {
            let noticed = self.random.u64(0..2_000);
            self.later(noticed, Happening::Gone(id, end));
        }
    }

    fn crash_server(&mut self) {
        if !self.server.is_running() {
            return;
        }
        let lost = self.server.crash();
        self.trace.note("fault", || format!("the server crashed; {lost} batches lost"));
        self.after_server_end();
    }

    fn after_server_end(&mut self) {
        for device in 0..self.devices.len() {
            self.cut(device);
        }
        let down = self.random.u64(0..3_000);
        self.later(down, Happening::ServerStarts);
    }

    /// The server is replaced by an older image, or an image is kept for later.
    fn restore_server(&mut self) -> Result<(), String> {
        if self.images.is_empty() || self.restores >= MOST_RESTORES || self.random.bool() {
            if self.server.disk.head().0 > 0 {
                self.images.push(self.server.disk.image());
            }
            return Ok(());
        }
        self.restores += 1;
        let image = self.random.usize(0..self.images.len());
        self.server.crash();
        self.server.disk = self.images[image].clone();
        // Later images are of a log that is no more.
        self.images.truncate(image + 1);
        self.trace.note("fault", || format!("the server is back at {}", self.server.disk.head()));
        self.checks.recorder.replaced(&self.server.disk)?;
        self.after_server_end();
        Ok(())
    }

    fn crash_device(&mut self, device: usize) {
        if self.devices[device].replica.is_none() {
            return;
        }
        self.end_device(device);
        let down = self.random.u64(0..5_000);
        self.later(down, Happening::DeviceStarts(device));
    }

    fn end_device(&mut self, device: usize) {
        if self.devices[device].keeping == Keeping::Memory {
            self.checks.forgotten(device);
        }
        if let Some(id) = self.devices[device].conn {
            self.network.close(id, End::Client, &mut self.random);
            let noticed = self.random.u64(0..60_000);
            self.later(noticed, Happening::Gone(id, End::Server));
        }
        self.devices[device].crash();
    }

    fn copy_device(&mut self, device: usize) -> Result<(), String> {
        let number = self.devices.len();
        if number >= MOST_DEVICES
            || self.checks.copies() >= self.plan.copies
            || self.devices[device].keeping == Keeping::Memory
        {
            return Ok(());
        }
        self.checks.copied(self.checks.had_by(device));
        let copy = self.devices[device].copy(number, self.now);
        self.devices.push(copy);
        self.start_device(number)
    }

    /// A device's store is replaced by an older copy, or a copy is kept for later.
    fn restore_device(&mut self, device: usize) {
        if self.devices[device].keeping == Keeping::Memory {
            return;
        }
        if self.devices[device].copies.is_empty() || self.random.bool() {
            if self.checks.copies() < self.plan.copies {
                self.checks.copied(self.checks.had_by(device));
                self.devices[device].keep_copy();
            }
            return;
        }
        let copy = self.random.usize(0..self.devices[device].copies.len());
        let rows = self.devices[device].copies[copy].clone();
        self.checks.restored();
        self.checks.excused(device);
        self.end_device(device);
        self.devices[device].restore(rows);
        let down = self.random.u64(0..5_000);
        self.later(down, Happening::DeviceStarts(device));
    }
}
