//! A replica with a thousand pending edits takes in a thousand events of somebody else: on other objects, which costs
//! what it costs without anything pending, and on the same ones.

use std::time::Duration;

use tapeline_core::name::ObjectId;
use tapeline_core::numbers::Seq;

use super::desk::{Desk, Person, events};
use super::figures::Figures;
use super::load::Todos;
use super::stopwatch::Stopwatch;
use crate::failure::Failure;

/// Pending edits, and events that come in.
const COUNT: usize = 1_000;

/// Rounds of which the median counts.
const ROUNDS: usize = 51;

/// Measures them.
pub fn run(figures: &mut Figures) -> Result<(), Failure> {
    let nothing = median(Pending::Nothing)?;
    let others = median(Pending::Others)?;
    let same = median(Pending::Same)?;
    figures.add("rebase.nothing_pending_ms", nothing, "ms")?;
    figures.add("rebase.other_objects_ms", others, "ms")?;
    figures.add("rebase.other_objects_of_nothing_pending", others / nothing, "1")?;
    figures.add("rebase.same_objects_ms", same, "ms")?;
    figures.add("rebase.same_objects_of_nothing_pending", same / nothing, "1")
}

/// What the pending edits touch.
#[derive(Clone, Copy, PartialEq)]
enum Pending {
    Nothing,
    Others,
    Same,
}

fn median(pending: Pending) -> Result<f64, Failure> {
    let mut times = (0..ROUNDS).map(|_| round(pending)).collect::<Result<Vec<Duration>, _>>()?;
    times.sort();
    Ok(times[ROUNDS / 2].as_secs_f64() * 1e3)
}

fn round(pending: Pending) -> Result<Duration, Failure> {
    let (mut desk, mut todos) = (Desk::new(), Todos::new(3));
    let mut author = Person::new(1, &mut desk)?;
    let mut offline = Person::new(2, &mut desk)?;
    let ids: Vec<ObjectId> = (0..2 * COUNT).map(|_| todos.id()).collect();
    for id in &ids {
        author.edit(todos.insert(id.clone()))?;
    }
    author.send(&mut desk)?;
    let made = events(&desk.block(Seq::FIRST));
    author.take(&made)?;
    offline.take(&made)?;
    let head = author.replica.played();

    let (theirs, others) = ids.split_at(COUNT);
    let ours = match pending {
        Pending::Nothing => &[],
        Pending::Others => others,
        Pending::Same => theirs,
    };
    for id in theirs {
        author.edit(todos.update(id.clone()))?;
    }
    for id in ours {
        offline.edit(todos.update(id.clone()))?;
    }
    author.send(&mut desk)?;
    let inbound = events(&desk.block(head));
    let started = Stopwatch::start();
    offline.take(&inbound)?;
    let took = started.elapsed();
    let all = head.plus(COUNT as u64);
    match offline.replica.played() == all && offline.replica.pending() == ours.len() {
        true => Ok(took),
        false => Err(Failure::Failed("the replica did not play all, or lost what was pending".into())),
    }
}
