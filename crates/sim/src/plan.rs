//! What kind of run a seed makes: how many devices, what goes wrong and how often. Most seeds have few kinds of
//! trouble but much of each; that finds more than a little of everything always.

use fastrand::Rng;

/// The kind of run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many devices there are to begin with.
    pub devices: usize,
    /// How many objects they fight over.
    pub objects: u64,
    /// How many edits are made before everything heals.
    pub edits: u64,
    /// Milliseconds between two edits, at most.
    pub edit_gap: u64,
    /// Milliseconds that a disk takes to sync, at most.
    pub sync: u64,
    /// Milliseconds that a frame takes, about.
    pub latency: u64,
    /// Milliseconds between two faults, at most.
    pub fault_gap: u64,
    /// How likely each kind of fault is, against the others.
    pub faults: Vec<(Fault, u32)>,
    /// One tick in so many makes a checkpoint of the server's state.
    pub checkpoint: u8,
    /// Whether the server trims its log.
    pub trims: bool,
    /// Whether some devices hold a part of the stream.
    pub parts: bool,
    /// Whether not everybody may do everything.
    pub rights: bool,
    /// How often a store may be copied.
    pub copies: usize,
    /// Whether there are objects that stay on their device for a while.
    pub drafts: bool,
    /// One append in so many has an unknown outcome; 0: none.
    pub unknown: u32,
    /// One frame in so many arrives twice; 0: none.
    pub twice: u32,
}

/// What goes wrong at once, at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A connection is cut.
    Cut,
    /// A device drops its connection; the server does not notice.
    HalfOpen,
    /// A device is cut off for a while; what is in flight waits.
    Partition,
    /// The server's process ends; what was not synced may be lost.
    ServerCrash,
    /// The server does nothing for a while.
    ServerPause,
    /// A device's process ends; what was not synced may be lost.
    DeviceCrash,
    /// A device's clock jumps.
    ClockJump,
    /// A device's storage says that it could not write.
    StoreFails,
    /// A device's store is copied to another device; both go on.
    DeviceCopy,
    /// A device's store is replaced by an older copy.
    DeviceRestore,
    /// The server is replaced by an older image.
    ServerRestore,
}

impl Fault {
    const COMMON: [Self; 8] = [
        Self::Cut,
        Self::HalfOpen,
        Self::Partition,
        Self::ServerCrash,
        Self::ServerPause,
        Self::DeviceCrash,
        Self::ClockJump,
        Self::StoreFails,
    ];
}

impl Plan {
    /// The plan of a seed.
    pub fn new(random: &mut Rng) -> Self {
        let mut plan = Self {
            devices: random.usize(1..=4),
            objects: random.u64(1..=8),
            edits: random.u64(20..=160),
            edit_gap: *random.choice(&[20, 100, 400]).unwrap_or(&100),
            sync: *random.choice(&[2, 20, 150, 1_500]).unwrap_or(&20),
            latency: *random.choice(&[1, 10, 60, 250]).unwrap_or(&10),
            fault_gap: *random.choice(&[150, 600, 2500]).unwrap_or(&600),
            faults: Vec::new(),
            checkpoint: *random.choice(&[2, 20, 100]).unwrap_or(&20),
            trims: false,
            parts: false,
            rights: false,
            copies: *random.choice(&[1, 1, 4]).unwrap_or(&1),
            drafts: true,
            unknown: 0,
            twice: 0,
        };
        if random.u8(0..10) == 0 {
            return plan;
        }
        for fault in Fault::COMMON {
            if random.u8(0..3) == 0 {
                plan.faults.push((fault, random.u32(1..=8)));
            }
        }
        // A copied store and a restored server both send again what they know; together they send it twice.
        match random.u8(0..6) {
            0 => plan.faults.push((Fault::DeviceCopy, random.u32(1..=4))),
            1 => plan.faults.push((Fault::DeviceRestore, random.u32(1..=4))),
            2 => plan.faults.push((Fault::ServerRestore, random.u32(1..=4))),
            _ => {}
        }
        // Two copies of a store would both publish what both have.
        plan.drafts = !plan.has(Fault::DeviceCopy) && !plan.has(Fault::DeviceRestore);
        // Of events that are gone nobody can recognise its own.
        let recognised =
            [Fault::DeviceCopy, Fault::DeviceRestore, Fault::ServerRestore].into_iter().any(|fault| plan.has(fault));
        plan.trims = !recognised && random.bool();
        plan.parts = !recognised && random.bool();
        plan.rights = !recognised && random.u8(0..3) == 0;
        if random.u8(0..4) == 0 {
            plan.unknown = *random.choice(&[3, 20]).unwrap_or(&20);
        }
        if random.u8(0..4) == 0 {
            plan.twice = *random.choice(&[3, 20]).unwrap_or(&20);
        }
        plan
    }

    /// Whether a kind of fault may happen.
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.iter().any(|&(planned, _)| planned == fault)
    }

    /// One of the planned faults.
    pub fn draw(&self, random: &mut Rng) -> Option<Fault> {
        let all: u32 = self.faults.iter().map(|&(_, weight)| weight).sum();
        let mut drawn = random.u32(0..all.max(1));
        self.faults.iter().find_map(|&(fault, weight)| match drawn.checked_sub(weight) {
            None => Some(fault),
            Some(rest) => {
                drawn = rest;
                None
            }
        })
    }
}
