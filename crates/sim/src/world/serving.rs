//! The server in the world: what reaches it, and what it says and makes durable.

use tapeline_core::frame::ServerFrame;

use super::{Happening, World};
use crate::network::{ConnId, End};
use crate::server::{Out, Outcome};
use crate::trace;

impl World {
    pub(crate) fn start_server(&mut self) -> Result<(), String> {
        if self.server.is_running() {
            return Ok(());
        }
        self.server.start();
        self.trace.note("s", || format!("starts at {}", self.server.disk.head()));
        self.checks.recorder.observe(&self.server.disk)
    }

    pub(super) fn arrive_at_server(&mut self, id: ConnId) -> Result<(), String> {
        let Some((device, codec)) = self.network.about(id) else { return Ok(()) };
        if self.is_cut_off(device) {
            self.at(self.devices[device].cut_off_until, Happening::Arrive(id, End::Server));
            return Ok(());
        }
        let Some(bytes) = self.network.arrive(id, End::Server) else { return Ok(()) };
        let frame = codec.decode_client(&bytes).map_err(|error| format!("a client's frame cannot be read: {error}"))?;
        self.trace.note("s", || format!("hears d{device}#{id}: {}", trace::client_frame(&frame)));
        self.checks.server_hears(&frame, self.server.level(id))?;
        let outs = self.server.receive(self.now, id, frame);
        self.send(outs)?;
        if self.server.has_batch() && !self.stage_due {
            self.stage_due = true;
            let delay = self.random.u64(0..=5);
            self.later(delay, Happening::Stage);
        }
        Ok(())
    }

    pub(super) fn stage(&mut self) -> Result<(), String> {
        self.stage_due = false;
        let outcome = match self.plan.unknown {
            0 => Outcome::Written,
            odds if self.random.u32(0..odds) == 0 => Outcome::Unknown { landed: self.random.bool() },
            _ => Outcome::Written,
        };
        let (end, outs) = self.server.stage(outcome);
        self.trace.note("s", || format!("stages up to {end:?}, {outcome:?}"));
        self.send(outs)?;
        if let Some(end) = end {
            let (life, delay) = (self.server.life, self.random.u64(0..=self.plan.sync));
            self.later(delay, Happening::Synced { life, end });
        }
        Ok(())
    }

    /// Does what the server wants done.
    pub(super) fn send(&mut self, outs: Vec<Out>) -> Result<(), String> {
        self.checks.recorder.observe(&self.server.disk)?;
        for out in outs {
            match out {
                Out::Send(id, client, frame) => {
                    self.checks.server_says(client, &frame)?;
                    let Some((device, codec)) = self.network.about(id) else { continue };
                    self.trace.note("s", || format!("says d{device}#{id}: {}", trace::server_frame(&frame)));
                    let bytes = codec.encode_server(&frame);
                    let twice =
                        matches!(frame, ServerFrame::Ack { .. } | ServerFrame::Events(_) | ServerFrame::Refused { .. });
                    self.transmit(id, End::Client, bytes, twice);
                }
                Out::Close(id) => {
                    self.server.closed(id);
                    self.network.close(id, End::Server, &mut self.random);
                    self.later(self.plan.latency, Happening::Gone(id, End::Client));
                }
            }
        }
        Ok(())
    }

    pub(super) fn transmit(&mut self, id: ConnId, towards: End, bytes: Vec<u8>, may_repeat: bool) {
        let twice = may_repeat && self.plan.twice > 0 && self.random.u32(0..self.plan.twice) == 0;
        if twice && let Some(at) = self.network.send(id, towards, bytes.clone(), self.now, &mut self.random) {
            self.at(at, Happening::Arrive(id, towards));
        }
        if let Some(at) = self.network.send(id, towards, bytes, self.now, &mut self.random) {
            self.at(at, Happening::Arrive(id, towards));
        }
    }
}
