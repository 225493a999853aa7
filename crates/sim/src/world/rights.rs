//! Tokens in the world: now and then a device has another one, which lets it do more or less.

use super::World;
use crate::rights::Level;

impl World {
    /// Some devices have another token: they show it at once, or when they next connect.
    pub(super) fn change_rights(&mut self) -> Result<(), String> {
        for device in 0..self.devices.len() {
            if self.plan.rights && self.healed.is_none() && self.random.u8(0..8) == 0 {
                let level = Level::draw(&mut self.random, true);
                self.give(device, level)?;
            }
        }
        Ok(())
    }

    /// A device has this token from now on.
    pub(super) fn give(&mut self, device: usize, level: Level) -> Result<(), String> {
        let given = &mut self.devices[device];
        given.level = level;
        self.trace.note(format!("d{device}"), || format!("may read {level:?}"));
        if given.conn.is_none() {
            return Ok(());
        }
        match self.random.bool() {
            true => self.say_hello(device),
            false => self.drop_connection(device),
        }
    }
}
