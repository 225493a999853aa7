//! The world: one server, some devices, what is between them, and virtual time. What happens next is the earliest of
//! all that is to happen; everything random comes from the seed.

use std::collections::BTreeMap;

use fastrand::Rng;
use tapeline_core::frame::{ClientFrame, ErrorCode, Hello, PROTOCOL, ServerFrame};
use tapeline_core::link::LinkAction;
use tapeline_core::numbers::{Millis, Position};

use crate::checks::Checks;
use crate::device::Device;
use crate::disk::Disk;
use crate::network::{ConnId, End, Network};
use crate::plan::{Fault, Plan};
use crate::sabotage::Sabotage;
use crate::server::{Out, Outcome, Server};
use crate::trace::{self, Trace};
use crate::workload;

/// How long after everything has healed all must be at rest.
const PATIENCE: Millis = Millis(600_000);
/// How often the server looks for silent sessions, makes a checkpoint, and rest is looked for.
const TICK: Millis = Millis(500);
/// Things that may happen in one run; past it the run goes nowhere.
const MOST_STEPS: u64 = 400_000;

/// The world.
#[derive(Debug)]
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Millis,
    pub(crate) random: Rng,
    pub(crate) network: Network,
    pub(crate) server: Server,
    pub(crate) devices: Vec<Device>,
    pub(crate) checks: Checks,
    pub(crate) trace: Trace,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) healed: Option<Millis>,
    pub(crate) server_pauses_until: Millis,
    pub(crate) images: Vec<Disk>,
    pub(crate) restores: usize,
    queue: BTreeMap<(Millis, u64), Happening>,
    scheduled: u64,
    stage_due: bool,
    edits_left: u64,
    marker: workload::Marker,
}

/// Something that is to happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening {
    /// A frame arrives at an end.
    Arrive(ConnId, End),
    /// An end learns that the connection is gone.
    Gone(ConnId, End),
    /// A device wakes.
    Wake(usize),
    /// What a device was storing is durable.
    Stored { device: usize, life: u64 },
    /// A device starts.
    DeviceStarts(usize),
    /// Somebody edits.
    Edit,
    /// The server stages what it has gathered.
    Stage,
    /// What the server wrote is durable.
    Synced { life: u64, end: Position },
    /// The server starts.
    ServerStarts,
    /// Something goes wrong.
    Fault,
    /// A look at the clock.
    Tick,
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64, steps: Option<u64>, sabotage: Option<Sabotage>, traced: bool) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut plan = Plan::new(&mut random);
        plan.edits = steps.unwrap_or(plan.edits);
        let mut world = Self {
            now: Millis(0),
            network: Network::default(),
            server: Server::new(sabotage, random.fork()),
            devices: Vec::new(),
            checks: Checks::new(&plan),
            trace: Trace::new(traced),
            sabotage,
            healed: None,
            server_pauses_until: Millis(0),
            images: Vec::new(),
            restores: 0,
            queue: BTreeMap::new(),
            scheduled: 0,
            stage_due: false,
            edits_left: plan.edits,
            marker: 0,
            random,
            plan,
        };
        world.trace.note("plan", || format!("{:?}", world.plan));
        for number in 0..world.plan.devices {
            let random = world.random.fork();
            world.devices.push(Device::new(number, random, Millis(0)));
            world.later(0, Happening::DeviceStarts(number));
        }
        world.later(0, Happening::ServerStarts);
        world.later(1, Happening::Edit);
        world.later(1, Happening::Tick);
        if !world.plan.faults.is_empty() {
            world.later(1, Happening::Fault);
        }
        world
    }

    /// Runs to the end: until all edits are made, everything has healed, and all is at rest.
    ///
    /// # Errors
    /// Where a promise is broken.
    pub fn run(&mut self) -> Result<(), String> {
        for _ in 0..MOST_STEPS {
            let Some(((at, _), happening)) = self.queue.pop_first() else { return Err("nothing more happens".into()) };
            self.now = self.now.max(at);
            self.trace.at(self.now);
            if self.is_for_paused_server(happening) {
                self.at(self.server_pauses_until, happening);
                continue;
            }
            if self.happen(happening)? {
                return self.checks.settle();
            }
        }
        Err("too much happens".into())
    }

    /// What happened, for people.
    pub fn into_trace(self) -> Vec<String> {
        self.trace.into_lines()
    }

    /// Lets something happen. Answers whether it was the end.
    fn happen(&mut self, happening: Happening) -> Result<bool, String> {
        match happening {
            Happening::Arrive(id, End::Server) => self.arrive_at_server(id)?,
            Happening::Arrive(id, End::Client) => self.arrive_at_device(id)?,
            Happening::Gone(id, End::Server) => self.server.closed(id),
            Happening::Gone(id, End::Client) => self.lost_connection(id)?,
            Happening::Wake(device) => {
                self.devices[device].wakes_at = None;
                self.tend(device)?;
            }
            Happening::Stored { device, life } => self.stored(device, life)?,
            Happening::DeviceStarts(device) => self.start_device(device)?,
            Happening::Edit => self.edit()?,
            Happening::Stage => self.stage()?,
            Happening::Synced { life, end } if life == self.server.life => {
                let outs = self.server.synced(end);
                self.trace.note("s", || format!("synced {end}"));
                self.send(outs)?;
            }
            Happening::Synced { .. } => {}
            Happening::ServerStarts => self.start_server()?,
            Happening::Fault => self.fault()?,
            Happening::Tick => return self.tick(),
        }
        Ok(false)
    }

    pub(crate) fn later(&mut self, delay: u64, happening: Happening) {
        self.at(self.now.plus(Millis(delay)), happening);
    }

    fn at(&mut self, at: Millis, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((at, self.scheduled), happening);
    }

    fn is_for_paused_server(&self, happening: Happening) -> bool {
        let for_server = matches!(
            happening,
            Happening::Arrive(_, End::Server)
                | Happening::Stage
                | Happening::Synced { .. }
                | Happening::Gone(_, End::Server)
        );
        for_server && self.now < self.server_pauses_until
    }

    fn tick(&mut self) -> Result<bool, String> {
        self.later(TICK.0, Happening::Tick);
        if self.now >= self.server_pauses_until {
            let outs = self.server.drop_silent(self.now);
            self.send(outs)?;
            if self.random.u8(0..self.plan.checkpoint) == 0 {
                self.server.checkpoint();
            }
        }
        match self.healed {
            None if self.edits_left == 0 => self.heal().map(|()| false),
            None => Ok(false),
            Some(since) => self.is_at_rest(since),
        }
    }

    fn is_at_rest(&self, since: Millis) -> Result<bool, String> {
        let server = if self.server.is_idle() { Ok(()) } else { Err("the server is busy".to_owned()) };
        let settled = self.devices.iter().try_fold((), |(), device| match &device.replica {
            Some(replica) => self.checks.is_settled(replica).map_err(|why| format!("d{}: {why}", device.number)),
            None => Err(format!("d{} does not run", device.number)),
        });
        match server.and(settled) {
            Ok(()) => Ok(true),
            Err(why) if self.now.since(since) > PATIENCE => Err(format!("no rest long after all was healed: {why}")),
            Err(_) => Ok(false),
        }
    }

    /// From now on nothing goes wrong, and everybody says a last word.
    fn heal(&mut self) -> Result<(), String> {
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
            if self.devices[device].replica.is_none() {
                self.start_device(device)?;
            }
            self.marker += 1;
            let (marker, now) = (self.marker, self.now);
            let ops = workload::last_word(device, marker);
            let clock = self.devices[device].clock(now);
            let Some(replica) = &mut self.devices[device].replica else { continue };
            let edit = replica.edit(clock, ops, None).map_err(|error| error.to_string())?;
            self.checks.accepted(device, edit, marker);
            self.tend(device)?;
        }
        Ok(())
    }

    // The server.

    pub(crate) fn start_server(&mut self) -> Result<(), String> {
        if self.server.is_running() {
            return Ok(());
        }
        self.server.start();
        self.trace.note("s", || format!("starts at {}", self.server.disk.head()));
        self.checks.recorder.observe(&self.server.disk)
    }

    fn arrive_at_server(&mut self, id: ConnId) -> Result<(), String> {
        let Some((device, codec)) = self.network.about(id) else { return Ok(()) };
        if self.is_cut_off(device) {
            self.at(self.devices[device].cut_off_until, Happening::Arrive(id, End::Server));
            return Ok(());
        }
        let Some(bytes) = self.network.arrive(id, End::Server) else { return Ok(()) };
        let frame = codec.decode_client(&bytes).map_err(|error| format!("a client's frame cannot be read: {error}"))?;
        self.trace.note("s", || format!("hears d{device}#{id}: {}", trace::client_frame(&frame)));
        self.checks.server_hears(&frame)?;
        let outs = self.server.receive(self.now, id, frame);
        self.send(outs)?;
        if self.server.has_batch() && !self.stage_due {
            self.stage_due = true;
            let delay = self.random.u64(0..=5);
            self.later(delay, Happening::Stage);
        }
        Ok(())
    }

    fn stage(&mut self) -> Result<(), String> {
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
    fn send(&mut self, outs: Vec<Out>) -> Result<(), String> {
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

    fn transmit(&mut self, id: ConnId, towards: End, bytes: Vec<u8>, may_repeat: bool) {
        let twice = may_repeat && self.plan.twice > 0 && self.random.u32(0..self.plan.twice) == 0;
        if twice && let Some(at) = self.network.send(id, towards, bytes.clone(), self.now, &mut self.random) {
            self.at(at, Happening::Arrive(id, towards));
        }
        if let Some(at) = self.network.send(id, towards, bytes, self.now, &mut self.random) {
            self.at(at, Happening::Arrive(id, towards));
        }
    }

    // The devices.

    pub(crate) fn start_device(&mut self, device: usize) -> Result<(), String> {
        let now = self.now;
        let started = &mut self.devices[device];
        if started.replica.is_some() {
            return Ok(());
        }
        started.start(now);
        if let Some(replica) = &mut started.replica {
            self.trace.note(format!("d{device}"), || {
                format!("starts as {} at {}", trace::short(replica.client()), replica.played())
            });
            self.checks.look_anew(device, replica)?;
        }
        self.tend(device)
    }

    fn arrive_at_device(&mut self, id: ConnId) -> Result<(), String> {
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
                    opened.verdicts.retain(|own| !matches!(own.verdict, tapeline_core::event::Verdict::Refused(_)))
                }
                _ => {}
            }
        }
        Some(frame)
    }

    fn lost_connection(&mut self, id: ConnId) -> Result<(), String> {
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

    fn stored(&mut self, device: usize, life: u64) -> Result<(), String> {
        let sabotage = self.sabotage;
        if self.devices[device].life != life {
            return Ok(());
        }
        let fails = self.plan.has(Fault::StoreFails) && self.random.u8(0..8) == 0;
        self.devices[device].synced(!fails, sabotage);
        self.trace.note(format!("d{device}"), || if fails { "could not store".into() } else { "stored".into() });
        self.tend(device)
    }

    fn edit(&mut self) -> Result<(), String> {
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
        let (ops, command) = workload::edit(&mut self.random, replica, marker, self.plan.objects);
        let told = trace::ops(&ops);
        match replica.edit(clock, ops, command) {
            Ok(edit) => {
                self.trace.note(format!("d{device}"), || format!("edits e{edit} #{marker} {told}"));
                self.checks.accepted(device, edit, marker);
            }
            Err(error) => self.trace.note(format!("d{device}"), || format!("cannot {told}: {error}")),
        }
        Ok(())
    }

    /// Does what a device wants done, then looks at it.
    pub(crate) fn tend(&mut self, device: usize) -> Result<(), String> {
        if self.devices[device].replica.is_none() {
            return Ok(());
        }
        self.tend_link(device)?;
        self.tend_frames(device)?;
        self.tend_store(device);
        self.tend_timers(device);
        let Some(replica) = &mut self.devices[device].replica else { return Ok(()) };
        let mut notices = Vec::new();
        while let Some(notice) = replica.poll_notice() {
            self.trace.note(format!("d{device}"), || format!("{notice:?}"));
            notices.push(notice);
        }
        self.checks.look(device, replica, &notices).map_err(|why| format!("d{device}: {why}"))
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
        self.say(device, &ClientFrame::Hello(Hello { protocol: PROTOCOL, agent: "sim".into(), token: None }))
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
        tended.store(batch);
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

    fn is_cut_off(&self, device: usize) -> bool {
        self.now < self.devices[device].cut_off_until
    }
}
