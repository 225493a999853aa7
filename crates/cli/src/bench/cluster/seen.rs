//! From a change at one node to a reader of another one, beside the same on a server alone and a bare publish: what nodes add
//! to both.

use std::time::{Duration, Instant};

use tapeline_core::name::StreamName;

use super::nodes::Nodes;
use crate::bench::cold::milliseconds;
use crate::bench::drive::{CHANGES_PER_S, Listeners, Target, Writer as _};
use crate::bench::figures::Figures;
use crate::bench::load::{Writer, stream};
use crate::bench::ours::{Ours, Subscriber};
use crate::bench::server::Server;
use crate::bench::{Size, limit};
use crate::failure::Failure;

const BARE: &str = "bare-latency";

/// Measures them.
pub async fn run(nodes: &Nodes, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let changes = CHANGES_PER_S * size.seconds;
    let (decided, passed_on) = (stream("bench/cluster-seen"), stream("bench/cluster-passed-on"));
    let holder = nodes.holder(&decided)?;
    let decided = Across { writer: nodes.after(holder, 0), reader: nodes.after(holder, 1), name: decided };
    let holder = nodes.holder(&passed_on)?;
    let passed_on = Across { writer: nodes.after(holder, 1), reader: nodes.after(holder, 2), name: passed_on };
    let alone = Server::start(None).await?;
    let same = p50(&Ours::new(&alone.url, "alone"), changes).await?;
    drop(alone);
    let publish = publish(nodes, changes).await?;
    let cross = p50(&decided, changes).await?;
    let passed_on = p50(&passed_on, changes).await?;
    figures.add("cluster.same_p50_ms", same, "ms")?;
    figures.add("cluster.publish_p50_ms", publish, "ms")?;
    figures.add("cluster.cross_p50_ms", cross, "ms")?;
    figures.add("cluster.cross_extra_ms", cross - same - publish, "ms")?;
    figures.add("cluster.passed_on_p50_ms", passed_on, "ms")?;
    figures.add("cluster.passed_on_extra_ms", passed_on - same - publish, "ms")
}

/// A stream that is written through one node and read from another.
struct Across<'n> {
    writer: &'n Server,
    reader: &'n Server,
    name: StreamName,
}

impl Target for Across<'_> {
    type Writer = Writer;
    type Reader = Subscriber;

    async fn writer(&self, seed: u64) -> Result<Writer, Failure> {
        Writer::open(&self.writer.url, &self.name, seed).await
    }

    async fn reader(&self, seed: u64) -> Result<Subscriber, Failure> {
        Subscriber::open(&self.reader.url, &self.name, seed).await
    }
}

async fn p50(target: &impl Target, changes: u64) -> Result<f64, Failure> {
    let writer = target.writer(1).await?;
    let times = Listeners::connect(target, 1, changes).await?.time(writer).await?;
    Ok(milliseconds(limit::quantile(&times, 0.5)))
}

/// How long JetStream takes to acknowledge an event, as many a second.
async fn publish(nodes: &Nodes, changes: u64) -> Result<f64, Failure> {
    nodes.nats.create(BARE).await?;
    let (mut publisher, mut times) = (nodes.nats.publisher(BARE, 1, 1).await?, limit::histogram());
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / CHANGES_PER_S));
    for _ in 0..changes {
        ticks.tick().await;
        let begun = Instant::now();
        publisher.send(1).await?;
        publisher.acknowledged().await?;
        limit::record(&mut times, begun.elapsed());
    }
    Ok(milliseconds(limit::quantile(&times, 0.5)))
}
