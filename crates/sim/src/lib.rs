//! A seeded world of one Tapeline server and its replicas, on virtual time, with everything that can go wrong.
//!
//! A seed is a whole run: how many devices, what is edited, what goes wrong and when all come from it, and the same
//! seed gives the same run to the letter. After every step the promises of the design are checked; at the end
//! everything heals, all devices connect, and whatever was edited must be recorded, refused and kept, or have gone
//! with an excuse.
//!
//! `world` lets things happen; `server`, `disk`, `device` and `network` are what is in it; `workload` edits, `faults`
//! break; `recorder`, `reference`, `checks` and `showing` watch; `plan` says what kind of run it is; `sabotage` plants
//! bugs to show that they are found.
//!
//! What is in it: edits of every kind, drafts, undo and redo, commands, unique values and references, fillings, trimmed
//! logs, parts of a stream (with what their rows refer to), rights that change with data and with tokens (as a gate and
//! filters: the rules' own language is tried in `authority` and `client`). What is not: presence, tabs, schemas that
//! change, tombstones that are forgotten.

mod characters;
mod checks;
mod device;
mod diary;
mod disk;
mod faults;
mod filling;
mod network;
mod part;
mod plan;
mod recorder;
mod reference;
mod rights;
mod sabotage;
mod server;
mod showing;
mod trace;
mod workload;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use sabotage::Sabotage;
use world::World;

/// One run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// How many edits to make, where the plan of the seed is not to say.
    pub steps: Option<u64>,
    /// A bug to plant.
    pub sabotage: Option<Sabotage>,
    /// Whether to note what happens.
    pub traced: bool,
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// What was broken, where something was.
    pub failure: Option<String>,
    /// How many events were recorded.
    pub events: u64,
    /// What happened, where it was to be noted.
    pub trace: Vec<String>,
}

impl Run {
    /// The run of a seed.
    pub fn of(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Runs it. A panic is a failure like any other.
    pub fn run(self) -> Report {
        let mut world = World::new(&self);
        let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
        let failure = match ended {
            Ok(ended) => ended.err(),
            Err(panic) => Some(format!("panic: {}", message(panic.as_ref()))),
        };
        Report { failure, events: world.events(), trace: world.into_trace() }
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".into())
}
