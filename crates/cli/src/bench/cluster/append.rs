//! Streams written through one node, whoever decides on them, in turn with bare publishes to as many JetStream streams: as
//! many events on their way, and as many in a message as ours had.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde_json::Value;
use tapeline_core::name::StreamName;

use super::nodes::Nodes;
use crate::bench::Size;
use crate::bench::drive::{self, write_until};
use crate::bench::figures::Figures;
use crate::bench::load::{Writer, recorded, spawned, stream};
use crate::failure::Failure;
use crate::http;

/// Streams, each with a writer: as many as a log has JetStream streams.
const STREAMS: u64 = 16;
/// Events that each writer has on their way.
const OUTSTANDING: u64 = 512;
const ROUNDS: u64 = 3;

/// Measures both.
pub async fn run(nodes: &Nodes, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let time = Duration::from_millis(size.seconds * 1_000 / ROUNDS);
    try_join_all((0..STREAMS).map(|place| async move { nodes.nats.create(&bare_name(place)).await })).await?;
    let (mut all_ours, mut all_bare) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let ours = ours(nodes, round, time).await?;
        all_bare.push(bare(nodes, ours.together, time).await?);
        all_ours.push(ours);
    }
    let (ours, bare) = (median(all_ours), median(all_bare));
    figures.add("cluster.append_events_per_s", ours.events, "1/s")?;
    figures.add("cluster.append_bytes_per_s", ours.bytes, "B/s")?;
    figures.add("cluster.append_events_per_message", ours.together as f64, "1")?;
    figures.add("cluster.append_bare_bytes_per_s", bare.bytes, "B/s")?;
    figures.add("cluster.append_ratio", ours.bytes / bare.bytes, "1")
}

/// What was acknowledged.
struct Rate {
    /// Events a second.
    events: f64,
    /// Bytes of events a second.
    bytes: f64,
    /// Events in a message.
    together: u64,
}

async fn ours(nodes: &Nodes, round: u64, time: Duration) -> Result<Rate, Failure> {
    let names: Vec<StreamName> = (0..STREAMS).map(|place| stream(format!("bench/cluster-{round}-{place}"))).collect();
    let url = &nodes.nodes[0].url;
    let writers = names.iter().zip(0..).map(|(name, seed)| Writer::open(url, name, seed));
    let writers = try_join_all(writers).await?;
    let before = messages(nodes).await?;
    let events_per_s = write(writers, time).await?;
    let (mut events, mut bytes) = (0, 0);
    for name in &names {
        let status: Value = http::get_json(url, &format!("/v1/streams/{}", http::encode(name.as_str())))?;
        events += status["head"].as_u64().unwrap_or_default();
        bytes += status["bytes"].as_u64().unwrap_or_default();
    }
    let together = events / (messages(nodes).await? - before).max(1);
    Ok(Rate { events: events_per_s, bytes: events_per_s * bytes as f64 / events as f64, together: together.max(1) })
}

async fn bare(nodes: &Nodes, together: u64, time: Duration) -> Result<Rate, Failure> {
    let mut writers = Vec::new();
    for place in 0..STREAMS {
        writers.push(nodes.nats.publisher(&bare_name(place), place, together).await?);
    }
    let events = write(writers, time).await?;
    let sizes = recorded(1_000);
    let bytes = sizes.iter().map(Vec::len).sum::<usize>() as f64 / sizes.len() as f64;
    Ok(Rate { events, bytes: events * bytes, together })
}

/// Events a second that were acknowledged in time.
async fn write(writers: Vec<impl drive::Writer>, time: Duration) -> Result<f64, Failure> {
    let start = Instant::now();
    let pushes = writers.into_iter().map(|writer| spawned(write_until(writer, start + time, OUTSTANDING)));
    let acknowledged: u64 = try_join_all(pushes).await?.into_iter().sum();
    Ok(acknowledged as f64 / time.as_secs_f64())
}

/// Messages of the log.
async fn messages(nodes: &Nodes) -> Result<u64, Failure> {
    let of = |place| async move { nodes.nats.messages(&format!("tapeline-{place}")).await };
    Ok(try_join_all((0..STREAMS).map(of)).await?.into_iter().sum())
}

fn bare_name(place: u64) -> String {
    format!("bare-{place}")
}

fn median(mut rates: Vec<Rate>) -> Rate {
    rates.sort_by(|a, b| a.bytes.total_cmp(&b.bytes));
    rates.swap_remove(rates.len() / 2)
}
