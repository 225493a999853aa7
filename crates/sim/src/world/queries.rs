//! What people want to see: devices that hold a part of the stream subscribe to queries, and let go of them.

use super::World;
use crate::device::Device;
use crate::workload;

/// Queries that one device wants at most.
const MOST_QUERIES: usize = 4;

impl World {
    /// Some devices want something else.
    pub(super) fn change_queries(&mut self) -> Result<(), String> {
        for device in 0..self.devices.len() {
            if self.devices[device].partial && self.random.u8(0..3) == 0 {
                self.change_queries_of(device)?;
            }
        }
        Ok(())
    }

    fn change_queries_of(&mut self, device: usize) -> Result<(), String> {
        let Device { replica: Some(replica), wanted, .. } = &mut self.devices[device] else { return Ok(()) };
        let one = self.random.choice(&*wanted).copied();
        match (self.random.u8(0..6), one) {
            (0..=2, _) | (_, None) if wanted.len() < MOST_QUERIES => {
                // Somebody may want the same already, or have wanted it before the process started.
                let same = self.random.choice(replica.subscriptions()).filter(|_| self.random.bool());
                let query = same.map_or_else(|| workload::query(&mut self.random), |same| same.query);
                let number = replica.subscribe(&query).map_err(|error| error.to_string())?;
                wanted.push(number);
                self.trace.note(format!("d{device}"), || format!("wants q{number}: {query:?}"));
            }
            (3, Some(number)) => {
                let more = replica.want_more(number, self.random.usize(1..12));
                self.trace.note(format!("d{device}"), || format!("wants more of q{number}: {more}"));
            }
            (4, Some(number)) => {
                wanted.remove(wanted.iter().position(|wanted| *wanted == number).expect("it is one of them"));
                replica.unsubscribe(number);
                self.trace.note(format!("d{device}"), || format!("lets go of q{number}"));
            }
            _ => return Ok(()),
        }
        self.tend(device)
    }
}
