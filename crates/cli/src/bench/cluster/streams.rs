//! Many streams that are written to once a minute, open on all nodes: memory follows how many there are, not what they have
//! been through.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::Barrier;

use super::nodes::Nodes;
use crate::bench::Size;
use crate::bench::figures::Figures;
use crate::bench::load::spawned;
use crate::bench::many::Writer;
use crate::failure::Failure;

/// Sockets, spread over the nodes.
const SOCKETS: u64 = 48;
/// How often each stream is written to.
const ROUNDS: u64 = 2;

/// Measures it with so many streams.
pub async fn run(nodes: &Nodes, streams: u64, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let (each, minute) = (streams.div_ceil(SOCKETS), Duration::from_secs(6 * size.seconds));
    let all = &Arc::new(Barrier::new(SOCKETS as usize));
    let open = |place: u64| {
        let (url, all) = (nodes.after(place as usize, 0).url.clone(), all.clone());
        spawned(async move {
            let mut writer = Writer::open(&url, place, each, 0).await?;
            writer.wait_for_all(&all).await?;
            Ok(writer)
        })
    };
    let mut writers = try_join_all((0..SOCKETS).map(open)).await?;
    figures.add("cluster.streams", (each * SOCKETS) as f64, "1")?;
    add("open_", nodes, figures)?;
    for round in 1..=ROUNDS {
        let rounds = writers.into_iter().map(|mut writer| {
            let all = all.clone();
            spawned(async move {
                writer.write_once_each(minute).await?;
                writer.wait_for_all(&all).await?;
                Ok(writer)
            })
        });
        writers = try_join_all(rounds).await?;
        figures.add("cluster.streams_sent_again", writers.iter().map(|writer| writer.late).sum::<u64>() as f64, "1")?;
        add(if round < ROUNDS { "first_" } else { "" }, nodes, figures)?;
    }
    Ok(())
}

/// What the node and the NATS server have in memory that have most.
fn add(when: &str, nodes: &Nodes, figures: &mut Figures) -> Result<(), Failure> {
    let node = nodes.nodes.iter().filter_map(|node| node.resident_bytes()).max().unwrap_or_default();
    figures.add(format!("cluster.streams_{when}rss_bytes"), node as f64, "B")?;
    let nats = nodes.nats.resident_bytes().unwrap_or_default();
    figures.add(format!("cluster.streams_{when}nats_rss_bytes"), nats as f64, "B")
}
