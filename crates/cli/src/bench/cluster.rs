//! Three nodes that share a log on three NATS servers: what they record beside bare publishes to the same servers, how long
//! a change takes from node to node, and how long nothing is recorded when the node that decides is killed.

use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tapeline_client::{Outcome, Tapeline};
use tapeline_core::name::StreamName;

use super::cold::milliseconds;
use super::drive::{self, CHANGES_PER_S, Listeners, OUTSTANDING, Target, Writer as _};
use super::figures::Figures;
use super::load::{Writer, stream};
use super::ours::{Ours, Subscriber};
use super::peers::Nats;
use super::server::Server;
use super::{Size, limit};
use crate::failure::Failure;
use crate::http;

const ROUNDS: u64 = 3;

/// Measures all three.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    if against.is_some() {
        return figures.miss("cluster.append.of_bare", "it needs nodes of its own");
    }
    let nats = match Nats::cluster(OUTSTANDING).await {
        Ok(nats) => nats,
        Err(failure) => return figures.miss("cluster.append.of_bare", &failure.to_string()),
    };
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Server::on_log(nats.log()).await?);
    }
    append(&nats, &nodes, size, figures).await?;
    seen(nats.with(1), &nodes, size, figures).await?;
    failover(nodes, figures).await
}

/// A stream that is written through some nodes and read from others.
struct Through<'a> {
    writers: Vec<&'a Server>,
    reader: &'a Server,
    name: StreamName,
}

impl Target for Through<'_> {
    type Writer = Writer;
    type Reader = Subscriber;

    async fn writer(&self, seed: u64) -> Result<Writer, Failure> {
        let node = self.writers[seed as usize % self.writers.len()];
        Writer::open(&node.url, &self.name, seed).await
    }

    async fn reader(&self, seed: u64) -> Result<Subscriber, Failure> {
        Subscriber::open(&self.reader.url, &self.name, seed).await
    }
}

/// Events a second, in turn with as many in messages of as much as one writer of ours has on its way.
async fn append(nats: &Nats, nodes: &[Server], size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let time = Duration::from_millis(size.seconds * 1_000 / ROUNDS);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let name = stream(format!("bench/cluster-{round}"));
        let through = Through { writers: nodes.iter().collect(), reader: &nodes[0], name };
        ours.push(drive::rate(&through, time).await?);
        bare.push(drive::rate(nats, time).await?);
    }
    let (ours, bare) = (median(ours), median(bare));
    figures.add("cluster.append.events_per_s", ours, "1/s")?;
    figures.add("cluster.append.bare_events_per_s", bare, "1/s")?;
    figures.add("cluster.append.of_bare", ours / bare, "1")
}

/// From a change at one node to another one's reader, beside the same on a server alone and a bare publish.
async fn seen(nats: Nats, nodes: &[Server], size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let changes = CHANGES_PER_S * size.seconds.min(5);
    let name = stream("bench/cluster-seen");
    let holder = holder(nodes, &name)?;
    let others = [(holder + 1) % 3, (holder + 2) % 3].map(|number| &nodes[number]);
    let at_holder = Through { writers: vec![&nodes[holder]], reader: others[0], name: name.clone() };
    let passed_on = Through { writers: vec![others[0]], reader: others[1], name: stream("bench/cluster-passed") };
    let alone = Server::start(None).await?;
    let alone = p50(&Ours::new(&alone.url, "alone"), changes).await?;
    let across = p50(&at_holder, changes).await?;
    figures.add("cluster.seen.alone_p50_ms", alone, "ms")?;
    figures.add("cluster.seen.p50_ms", across, "ms")?;
    figures.add("cluster.seen.passed_on_p50_ms", p50(&passed_on, changes).await?, "ms")?;
    let (mut publisher, mut times) = (nats.writer(1).await?, limit::histogram());
    for _ in 0..changes {
        let begun = Instant::now();
        publisher.send(1).await?;
        publisher.acknowledged().await?;
        limit::record(&mut times, begun.elapsed());
    }
    let publish = milliseconds(limit::quantile(&times, 0.5));
    figures.add("cluster.seen.bare_publish_p50_ms", publish, "ms")?;
    figures.add("cluster.seen.beyond_both_ms", across - alone - publish, "ms")
}

async fn p50(target: &impl Target, changes: u64) -> Result<f64, Failure> {
    let writer = target.writer(1).await?;
    let times = Listeners::connect(target, 1, changes).await?.time(writer).await?;
    Ok(milliseconds(limit::quantile(&times, 0.5)))
}

/// Which of the nodes decides on a stream.
fn holder(nodes: &[Server], name: &StreamName) -> Result<usize, Failure> {
    let path = format!("/v1/cluster?stream={}", http::encode(name.as_str()));
    let said: Vec<Json> = nodes.iter().map(|node| http::get_json(&node.url, &path)).collect::<Result<_, _>>()?;
    let place = said.iter().position(|said| said["node"] == said["holder"]);
    place.ok_or_else(|| Failure::Failed("no node decides".into()))
}

/// From the kill of the node that decides until an edit that a client of another one made then is recorded.
async fn failover(mut nodes: Vec<Server>, figures: &mut Figures) -> Result<(), Failure> {
    let name = stream("bench/cluster-failover");
    let holder = holder(&nodes, &name)?;
    let client = Tapeline::builder(&nodes[(holder + 1) % 3].url).open().await.map_err(Failure::failed)?;
    let todos = client.stream(name.as_str()).await.map_err(Failure::failed)?.collection("todos");
    let todos = todos.map_err(Failure::failed)?;
    let edit = async || {
        let (_, receipt) = todos.insert([("title", "an edit".into())]).map_err(Failure::failed)?;
        match receipt.recorded().await.map_err(Failure::failed)? {
            Outcome::Recorded { .. } => Ok(()),
            other => Err(Failure::Failed(format!("an edit was not recorded: {other:?}"))),
        }
    };
    edit().await?;
    nodes[holder].kill().await?;
    let killed = Instant::now();
    edit().await?;
    figures.add("cluster.failover_ms", milliseconds(killed.elapsed()), "ms")?;
    client.close().await.map_err(Failure::failed)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
