//! Writers in turn with bare publishes to as many JetStream streams: the same events, as many on their way, and as many in a
//! message as the writers' had.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use super::nodes::Nodes;
use crate::bench::Size;
use crate::bench::drive::{self, write_until};
use crate::bench::figures::Figures;
use crate::bench::load::{recorded, spawned};
use crate::failure::Failure;

/// Streams, each with a writer: as many as a log has JetStream streams.
pub const STREAMS: u64 = 16;
const ROUNDS: u64 = 3;

/// Measures writers that have so many events on their way, beside bare publishes. `connect` connects those of a round.
pub async fn measure<W: drive::Writer>(
    name: &str,
    (nodes, size): (&Nodes, Size),
    outstanding: u64,
    mut connect: impl AsyncFnMut(u64) -> Result<Vec<W>, Failure>,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let time = Duration::from_millis(size.seconds * 1_000 / ROUNDS);
    let (mut ours, mut bare, mut together) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (writers, before) = (connect(round).await?, messages(nodes).await?);
        let events = write(writers, outstanding, time).await?;
        let in_message = (events / (messages(nodes).await? - before).max(1)).max(1);
        ours.push(events);
        together.push(in_message);
        bare.push(write(publishers(nodes, in_message).await?, outstanding, time).await?);
    }
    let [ours, bare, together] = [ours, bare, together].map(|rounds| median(rounds) as f64);
    let a_second = |events| events / time.as_secs_f64();
    figures.add(format!("cluster.{name}_events_per_s"), a_second(ours), "1/s")?;
    figures.add(format!("cluster.{name}_bytes_per_s"), a_second(ours) * event_bytes(), "B/s")?;
    figures.add(format!("cluster.{name}_events_per_message"), together, "1")?;
    figures.add(format!("cluster.{name}_bare_bytes_per_s"), a_second(bare) * event_bytes(), "B/s")?;
    figures.add(format!("cluster.{name}_ratio"), ours / bare, "1")
}

/// Makes what bare publishes go to.
pub async fn prepare(nodes: &Nodes) -> Result<(), Failure> {
    try_join_all((0..STREAMS).map(|place| async move { nodes.nats.create(&bare_name(place)).await })).await.map(drop)
}

async fn publishers(nodes: &Nodes, together: u64) -> Result<Vec<impl drive::Writer>, Failure> {
    let mut publishers = Vec::new();
    for place in 0..STREAMS {
        publishers.push(nodes.nats.publisher(&bare_name(place), place, together).await?);
    }
    Ok(publishers)
}

/// Events that were acknowledged in time.
pub async fn write(writers: Vec<impl drive::Writer>, outstanding: u64, time: Duration) -> Result<u64, Failure> {
    let end = Instant::now() + time;
    let all = writers.into_iter().map(|writer| spawned(write_until(writer, end, outstanding)));
    Ok(try_join_all(all).await?.into_iter().sum())
}

/// Messages of the log.
async fn messages(nodes: &Nodes) -> Result<u64, Failure> {
    let of = |place| async move { nodes.nats.messages(&format!("tapeline-{place}")).await };
    Ok(try_join_all((0..STREAMS).map(of)).await?.into_iter().sum())
}

/// Bytes of an event as it is recorded, in the mean.
fn event_bytes() -> f64 {
    let sizes = recorded(1_000);
    sizes.iter().map(Vec::len).sum::<usize>() as f64 / sizes.len() as f64
}

fn bare_name(place: u64) -> String {
    format!("bare-{place}")
}

fn median(mut rounds: Vec<u64>) -> u64 {
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}
