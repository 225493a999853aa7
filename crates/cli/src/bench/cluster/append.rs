//! Streams written by clients of one node, whoever decides on them, beside clients of a server alone.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::beside::{STREAMS, measure, write};
use super::nodes::Nodes;
use crate::bench::Size;
use crate::bench::figures::Figures;
use crate::bench::load::{Writer, stream};
use crate::bench::server::Server;
use crate::failure::Failure;

/// Events that each writer has on their way.
const OUTSTANDING: u64 = 512;

/// Measures it.
pub async fn run(nodes: &Nodes, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let alone = Server::start(None).await?;
    let time = Duration::from_secs(size.seconds);
    let events = write(connect(&alone.url, 0).await?, OUTSTANDING, time).await?;
    figures.add("cluster.append_alone_events_per_s", events as f64 / time.as_secs_f64(), "1/s")?;
    drop(alone);
    let connect = async |round| connect(&nodes.nodes[0].url, round).await;
    measure("append", (nodes, size), OUTSTANDING, connect, figures).await
}

async fn connect(url: &str, round: u64) -> Result<Vec<Writer>, Failure> {
    let names = (0..STREAMS).map(|place| (stream(format!("bench/cluster-{round}-{place}")), place));
    try_join_all(names.map(|(name, seed)| async move { Writer::open(url, &name, seed).await })).await
}
