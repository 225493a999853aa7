//! The devices in the world: what they hear, how they lose the server, and what becomes durable on them.

use tapeline_core::event::Verdict;
use tapeline_core::frame::{ErrorCode, ServerFrame};

use super::{Happening, World};
use crate::network::{ConnId, End};
use crate::plan::Fault;
use crate::sabotage::Sabotage;
use crate::trace;

impl World {
    pub(crate) fn start_device(&mut self, device: usize) -> Result<(), String> {
        let now = self.now;
        let started = &mut self.devices[device];
        if started.replica.is_some() {
            return Ok(());
        }
        let stored = self.checks.stored_through(device);
        started.start(now);
        self.find_drafts(device, stored)?;
        let started = &mut self.devices[device];
        let level = started.stored_level();
        if let Some(replica) = &mut started.replica {
            self.trace.note(format!("d{device}"), || {
                format!("starts as {} at {}", trace::short(replica.client()), replica.played())
            });
            self.checks.look_anew(device, replica, &started.drafts, level)?;
        }
        self.tend(device)
    }

    pub(super) fn arrive_at_device(&mut self, id: ConnId) -> Result<(), String> {
        let Some((device, codec)) = self.network.about(id) else { return Ok(()) };
        if self.is_cut_off(device) {
            self.at(self.devices[device].cut_off_until, Happening::Arrive(id, End::Client));
            return Ok(());
        }
        let Some(bytes) = self.network.arrive(id, End::Client) else { return Ok(()) };
        if self.devices[device].conn != Some(id) {
            return Ok(());
        }
        let frame = codec.decode_server(&bytes).map_err(|error| format!("a server's frame cannot be read: {error}"))?;
        self.trace.note(format!("d{device}"), || format!("hears #{id}: {}", trace::server_frame(&frame)));
        self.devices[device].link.heard(self.now);
        if let ServerFrame::Error(error) = &frame
            && error.code == ErrorCode::Displaced
        {
            return self.drop_connection(device);
        }
        let Some(frame) = self.as_heard(frame) else { return Ok(()) };
        let moment = self.devices[device].moment(self.now);
        if let Some(replica) = &mut self.devices[device].replica {
            replica.receive(moment, frame);
        }
        self.tend(device)
    }

    /// Sabotage of what a device hears.
    fn as_heard(&self, mut frame: ServerFrame) -> Option<ServerFrame> {
        if self.sabotage == Some(Sabotage::RefusalIgnored) {
            match &mut frame {
                ServerFrame::Refused { .. } => return None,
                ServerFrame::Opened(opened) => {
                    opened.verdicts.retain(|own| !matches!(own.verdict, Verdict::Refused(_)))
                }
                _ => {}
            }
        }
        Some(frame)
    }

    pub(super) fn lost_connection(&mut self, id: ConnId) -> Result<(), String> {
        let Some((device, _)) = self.network.about(id) else { return Ok(()) };
        if self.devices[device].conn == Some(id) {
            return self.drop_connection(device);
        }
        Ok(())
    }

    /// A device gives its connection up. The server may notice much later.
    pub(crate) fn drop_connection(&mut self, device: usize) -> Result<(), String> {
        let dropped = &mut self.devices[device];
        let Some(id) = dropped.conn.take() else { return Ok(()) };
        dropped.link.lost(self.now, dropped.random.u64(..));
        if let Some(replica) = &mut dropped.replica {
            replica.disconnected();
        }
        self.network.close(id, End::Client, &mut self.random);
        let noticed = self.random.u64(0..60_000);
        self.later(noticed, Happening::Gone(id, End::Server));
        self.tend(device)
    }

    pub(super) fn stored(&mut self, device: usize, life: u64) -> Result<(), String> {
        let sabotage = self.sabotage;
        if self.devices[device].life != life {
            return Ok(());
        }
        let fails = self.plan.has(Fault::StoreFails) && self.random.u8(0..8) == 0;
        self.devices[device].synced(!fails, sabotage);
        self.trace.note(format!("d{device}"), || if fails { "could not store".into() } else { "stored".into() });
        self.tend(device)
    }
}
