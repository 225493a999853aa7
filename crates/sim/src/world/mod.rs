//! The world: one server, some devices, what is between them, and virtual time. What happens next is the earliest of
//! all that is to happen; everything random comes from the seed.

mod devices;
mod drafts;
mod edits;
mod queries;
mod rest;
mod rights;
mod serving;
mod tend;

use std::collections::BTreeMap;

use fastrand::Rng;
use tapeline_core::numbers::{Millis, Position};

use crate::Run;
use crate::checks::Checks;
use crate::device::Device;
use crate::disk::Disk;
use crate::network::{ConnId, End, Network};
use crate::plan::Plan;
use crate::rights::Level;
use crate::sabotage::Sabotage;
use crate::server::Server;
use crate::trace::Trace;
use crate::workload;

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
    pub fn new(run: &Run) -> Self {
        let &Run { seed, steps, sabotage, traced } = run;
        let mut random = Rng::with_seed(seed);
        let mut plan = Plan::new(&mut random);
        plan.edits = steps.unwrap_or(plan.edits);
        let mut world = Self {
            now: Millis(0),
            network: Network::default(),
            server: Server::new(sabotage, plan.rights, random.fork()),
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
            let mut device = Device::new(number, random, Millis(0));
            device.partial = world.plan.parts && world.random.bool();
            if world.plan.rights {
                device.level = Level::draw(&mut world.random, true);
            }
            world.devices.push(device);
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

    /// How many events were recorded.
    pub fn events(&self) -> u64 {
        self.checks.recorder.events()
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
            let outs = self.server.turn(self.plan.trims);
            self.send(outs)?;
            if self.random.u8(0..self.plan.checkpoint) == 0 {
                self.server.checkpoint();
            }
        }
        self.change_queries()?;
        self.change_rights()?;
        match self.healed {
            None if self.edits_left == 0 => self.heal().map(|()| false),
            None => Ok(false),
            Some(since) => self.is_at_rest(since),
        }
    }

    fn is_cut_off(&self, device: usize) -> bool {
        self.now < self.devices[device].cut_off_until
    }
}
