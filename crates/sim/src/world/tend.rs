//! Doing what a device wants done: connecting, sending, storing, waking.

use tapeline_core::frame::{ClientFrame, Hello, PROTOCOL};
use tapeline_core::link::LinkAction;
use tapeline_core::numbers::Millis;

use super::{Happening, World};
use crate::device::Device;
use crate::network::End;
use crate::{trace, workload};

impl World {
    /// Does what a device wants done, then looks at it.
    pub(crate) fn tend(&mut self, device: usize) -> Result<(), String> {
        if self.devices[device].replica.is_none() {
            return Ok(());
        }
        self.tend_commands(device);
        self.tend_link(device)?;
        self.tend_frames(device)?;
        self.tend_store(device);
        self.tend_timers(device);
        self.tell_history(device);
        let Device { replica: Some(replica), history, drafts, .. } = &mut self.devices[device] else { return Ok(()) };
        let mut notices = Vec::new();
        while let Some(notice) = replica.poll_notice() {
            self.trace.note(format!("d{device}"), || format!("{notice:?}"));
            notices.push(notice);
        }
        let changed = self.checks.look(device, replica, &notices, drafts).map_err(|why| format!("d{device}: {why}"))?;
        changed.iter().for_each(|key| history.changed(key, replica.get(key)));
        Ok(())
    }

    fn tend_commands(&mut self, device: usize) {
        let Some(replica) = &mut self.devices[device].replica else { return };
        while let Some(run) = replica.poll_run() {
            let ran = workload::run_again(replica, run.edit, &run.command);
            self.trace.note(format!("d{device}"), || format!("runs e{} again: {ran:?}", run.edit));
            replica.ran(run.edit, ran);
        }
    }

    fn tend_link(&mut self, device: usize) -> Result<(), String> {
        let now = self.now;
        loop {
            match self.devices[device].link.poll(now) {
                LinkAction::Wait(at) => return self.wake_at(device, at),
                LinkAction::Connect if self.is_cut_off(device) || !self.server.is_running() => {
                    let failed = &mut self.devices[device];
                    failed.link.lost(now, failed.random.u64(..));
                }
                LinkAction::Connect => self.connect(device)?,
                LinkAction::Ping => self.say(device, &ClientFrame::Ping)?,
                LinkAction::Drop => return self.drop_connection(device),
            }
        }
    }

    fn connect(&mut self, device: usize) -> Result<(), String> {
        let latency = self.random.u64(1..=self.plan.latency);
        let connecting = &mut self.devices[device];
        let id = self.network.connect(device, connecting.codec(), latency);
        connecting.conn = Some(id);
        connecting.link.connected(self.now);
        let channel = connecting.channel();
        if let Some(replica) = &mut connecting.replica {
            replica.connected(channel);
        }
        self.trace.note(format!("d{device}"), || format!("connects #{id}"));
        self.say_hello(device)
    }

    pub(super) fn say_hello(&mut self, device: usize) -> Result<(), String> {
        let token = Some(self.devices[device].level.token());
        let hello = Hello { protocol: PROTOCOL, agent: "sim".into(), token, deflate: false, schema: None };
        self.say(device, &ClientFrame::Hello(hello))
    }

    fn tend_frames(&mut self, device: usize) -> Result<(), String> {
        let clock = self.devices[device].clock(self.now);
        while let Some(replica) = &mut self.devices[device].replica
            && let Some(frame) = replica.poll_frame(clock)
        {
            self.checks.client_says(replica, &frame)?;
            self.say(device, &frame)?;
        }
        Ok(())
    }

    fn say(&mut self, device: usize, frame: &ClientFrame) -> Result<(), String> {
        let codec = self.devices[device].codec();
        let Some(id) = self.devices[device].conn else { return Err(format!("d{device} speaks without a connection")) };
        self.trace.note(format!("d{device}"), || format!("says #{id}: {}", trace::client_frame(frame)));
        let may_repeat = matches!(frame, ClientFrame::Push { .. });
        self.transmit(id, End::Server, codec.encode_client(frame), may_repeat);
        Ok(())
    }

    fn tend_store(&mut self, device: usize) {
        let sync = self.plan.sync;
        let tended = &mut self.devices[device];
        let Some(batch) = tended.replica.as_mut().and_then(|replica| replica.poll_store()) else { return };
        tended.store(batch, self.checks.level(device));
        let (life, delay) = (tended.life, tended.random.u64(0..=sync));
        self.later(delay, Happening::Stored { device, life });
    }

    fn tend_timers(&mut self, device: usize) {
        let tended = &self.devices[device];
        let Some(due) = tended.replica.as_ref().and_then(|replica| replica.poll_timeout()) else { return };
        let at = tended.world_time(due);
        let _ = self.wake_at(device, at.max(self.now.plus(Millis(1))));
    }

    fn wake_at(&mut self, device: usize, at: Millis) -> Result<(), String> {
        if self.devices[device].wakes_at.is_none_or(|planned| at < planned) {
            self.devices[device].wakes_at = Some(at);
            self.at(at.max(self.now), Happening::Wake(device));
        }
        Ok(())
    }
}
