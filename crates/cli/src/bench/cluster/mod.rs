//! Three nodes that share a log on three NATS servers, beside a server alone and those NATS servers alone.

mod append;
mod beside;
mod failover;
mod log;
mod nodes;
mod seen;
mod streams;

use super::Size;
use super::figures::Figures;
use crate::failure::Failure;
use nodes::Nodes;

/// Measures them, the last time with so many streams.
pub async fn run(against: Option<&str>, streams: u64, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    if against.is_some() {
        return figures.miss("cluster", "it needs nodes of its own");
    }
    let mut nodes = match Nodes::start().await {
        Ok(nodes) => nodes,
        Err(failure) => return figures.miss("cluster", &failure.to_string()),
    };
    beside::prepare(&nodes).await?;
    append::run(&nodes, size, figures).await?;
    log::run(&nodes, size, figures).await?;
    seen::run(&nodes, size, figures).await?;
    failover::run(&mut nodes, figures).await?;
    drop(nodes);
    streams::run(&Nodes::start().await?, streams / size.divide, size, figures).await
}
