//! What an event costs the server when ten of those who hold the stream may read of it, however many do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use tapeline_core::name::{ObjectId, StreamName};
use tapeline_core::op::Op;
use tokio::task::JoinSet;

use super::super::Size;
use super::super::figures::Figures;
use super::super::load::{Todos, Writer, stream};
use super::super::partial::{Partial, query};
use super::guarded::{ALL, Guarded, OWNERS_AND_MEMBERS, owned, person};
use crate::failure::Failure;
use crate::output;

/// Those who may read of an event.
const ENTITLED: u64 = 10;
/// Sockets that are opened at once.
const AT_ONCE: u64 = 100;

/// Measures it where all may, where one in a hundred may, and where one in a thousand may.
pub async fn run(size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let mut costs = Vec::new();
    for subscribers in [ENTITLED, 1_000 / size.divide, 10_000 / size.divide] {
        let cost = cost(subscribers, 4_000 / size.divide).await?;
        figures.add(format!("rules.entitled.server_us_per_event.{subscribers}"), cost.as_secs_f64() * 1e6, "us")?;
        costs.push(cost.as_secs_f64());
    }
    figures.add("rules.entitled.ratio_1000", costs[1] / costs[0], "1")?;
    figures.add("rules.entitled.ratio_10000", costs[2] / costs[0], "1")
}

/// The server's processor time for an event, with so many who hold what they may read.
async fn cost(subscribers: u64, events: u64) -> Result<Duration, Failure> {
    let guarded = Guarded::start(OWNERS_AND_MEMBERS).await?;
    let name = stream("bench/rules-entitled");
    let mut writer = Writer::open_on(guarded.connect_backend().await?, &name, 1).await?;
    let mut todos = Todos::new(2);
    let ids: Vec<ObjectId> = (0..subscribers).map(|_| todos.id()).collect();
    let made = |todos: &mut Todos, place: usize| {
        let members = (0..ENTITLED).map(|step| (place as u64 + step) % subscribers);
        owned(todos.insert(ids[place].clone()), "nobody", members)
    };
    // While there is nothing yet, everybody knows soon what there is for them.
    let seen = Arc::new(AtomicU64::new(0));
    let _reading = read(&guarded, &name, subscribers, &seen).await?;
    let mut places = 0..ids.len();
    writer.push(subscribers, 1_000, &mut |todos| made(todos, places.next().expect("as many"))).await?;
    // One at a time, so that each is told of by itself.
    let event = |todos: &mut Todos| -> Op {
        let place = todos.pick(ids.len());
        todos.update(ids[place].clone())
    };
    for _ in 0..events / 4 {
        writer.push_one(event(&mut todos)).await?;
    }
    let before = guarded.server.processor_time().unwrap_or_default();
    let was = seen.load(Ordering::Relaxed);
    for _ in 0..events {
        writer.push_one(event(&mut todos)).await?;
    }
    let took = guarded.server.processor_time().unwrap_or_default() - before;
    // Some are told of together.
    let told = seen.load(Ordering::Relaxed) - was;
    match told >= events * ENTITLED / 4 {
        true => Ok(took / events as u32),
        false => Err(Failure::Failed(format!("of {events} events for {ENTITLED} each {told} were told"))),
    }
}

/// Has everybody hold what they may read, counting what they are told. They do until this is dropped.
async fn read(
    guarded: &Guarded,
    name: &StreamName,
    subscribers: u64,
    seen: &Arc<AtomicU64>,
) -> Result<JoinSet<()>, Failure> {
    let mut reading = JoinSet::new();
    let bar = output::bar(subscribers, "connecting");
    for first in (0..subscribers).step_by(AT_ONCE as usize) {
        let some = first..subscribers.min(first + AT_ONCE);
        for mut partial in try_join_all(some.map(|number| hold(guarded, name, number))).await? {
            let seen = seen.clone();
            reading.spawn(async move {
                while partial.page().await.is_ok() {
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        bar.inc(AT_ONCE);
    }
    bar.finish_and_clear();
    Ok(reading)
}

async fn hold(guarded: &Guarded, name: &StreamName, number: u64) -> Result<Partial, Failure> {
    let mut partial = Partial::on(guarded.connect(&person(number)).await?);
    partial.open(name, 0, query(ALL)?).await?;
    while partial.page().await?.after.is_some() {}
    Ok(partial)
}
