//! How long nothing is recorded when the node is killed that decides on a stream which is written through another one.

use std::time::{Duration, Instant};

use tapeline_client::{Outcome, Tapeline};
use tapeline_core::name::StreamName;
use tokio::sync::watch;

use super::nodes::Nodes;
use crate::bench::cold::milliseconds;
use crate::bench::figures::Figures;
use crate::bench::load::stream;
use crate::failure::Failure;

/// How often a node is killed. The longest time counts.
const KILLED: usize = 3;
/// Edits that are recorded before it is.
const BEFORE: u64 = 50;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures it.
pub async fn run(nodes: &mut Nodes, figures: &mut Figures) -> Result<(), Failure> {
    let (name, mut longest) = (stream("bench/cluster-failover"), Duration::ZERO);
    for _ in 0..KILLED {
        let holder = nodes.holder(&name)?;
        let url = nodes.after(holder, 1).url.clone();
        longest = longest.max(kill(nodes, holder, &url, &name).await?);
        nodes.nodes[holder].restart().await?;
        nodes.know_each_other().await?;
    }
    figures.add("cluster.failover_ms", milliseconds(longest), "ms")
}

/// From the kill until the first edit is recorded that was made after it.
async fn kill(nodes: &mut Nodes, holder: usize, url: &str, name: &StreamName) -> Result<Duration, Failure> {
    let (tell, mut recorded) = watch::channel(Recorded::default());
    let writing = tokio::spawn(write(url.to_owned(), name.clone(), tell));
    let killed = async {
        recorded.wait_for(|recorded| recorded.edits >= BEFORE).await.map_err(Failure::failed)?;
        nodes.nodes[holder].kill().await?;
        let killed = Instant::now();
        let made_after = |recorded: &Recorded| recorded.last.is_some_and(|(made, _)| made >= killed);
        let last = recorded.wait_for(made_after).await.map_err(Failure::failed)?.last;
        Ok(last.map_or(PATIENCE, |(_, at)| at - killed))
    };
    let took = tokio::time::timeout(PATIENCE, killed).await;
    drop(recorded);
    writing.await.map_err(Failure::failed)??;
    took.unwrap_or_else(|_| Err(Failure::Failed("nothing is recorded any more".into())))
}

/// What was recorded so far.
#[derive(Debug, Default)]
struct Recorded {
    edits: u64,
    /// When the last edit was made, and when it was recorded.
    last: Option<(Instant, Instant)>,
}

/// Edits one after another, as long as somebody wants to know.
async fn write(url: String, name: StreamName, tell: watch::Sender<Recorded>) -> Result<(), Failure> {
    let client = Tapeline::builder(&url).open().await.map_err(Failure::failed)?;
    let todos = client.stream(name.as_str()).await.map_err(Failure::failed)?.collection("todos");
    let todos = todos.map_err(Failure::failed)?;
    while !tell.is_closed() {
        let made = Instant::now();
        let (_, receipt) = todos.insert([("title", "an edit".into())]).map_err(Failure::failed)?;
        match receipt.recorded().await.map_err(Failure::failed)? {
            Outcome::Recorded { .. } => {}
            other => return Err(Failure::Failed(format!("an edit was not recorded: {other:?}"))),
        }
        tell.send_modify(|recorded| {
            *recorded = Recorded { edits: recorded.edits + 1, last: Some((made, Instant::now())) };
        });
    }
    client.close().await.map_err(Failure::failed)
}
