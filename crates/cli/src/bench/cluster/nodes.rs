//! The nodes that are measured, and their NATS servers.

use std::time::Duration;

use serde_json::Value;
use tapeline_core::name::StreamName;

use crate::bench::peers::Nats;
use crate::bench::server::Server;
use crate::failure::Failure;
use crate::http;

/// How many there are.
const NODES: usize = 3;
/// How long they may take until they know each other.
const PATIENCE: Duration = Duration::from_secs(30);

/// Nodes, and the servers with their log.
pub struct Nodes {
    // Ends before the servers do.
    pub nodes: Vec<Server>,
    pub nats: Nats,
}

impl Nodes {
    /// Starts them, and waits until they know each other.
    pub async fn start() -> Result<Self, Failure> {
        let nats = Nats::cluster().await?;
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            nodes.push(Server::on_log(nats.log()).await?);
        }
        let nodes = Self { nodes, nats };
        nodes.know_each_other().await?;
        Ok(nodes)
    }

    /// Waits until each of them knows all: before that two may believe that a stream is theirs.
    pub async fn know_each_other(&self) -> Result<(), Failure> {
        let all_know = async {
            for node in &self.nodes {
                while http::get_json::<Value>(&node.url, "/v1/cluster")?["nodes"].as_array().map(Vec::len)
                    != Some(NODES)
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Ok(())
        };
        let known = tokio::time::timeout(PATIENCE, all_know).await;
        known.unwrap_or_else(|_| Err(Failure::Failed("the nodes do not find each other".into())))
    }

    /// Which of them decides on a stream.
    pub fn holder(&self, name: &StreamName) -> Result<usize, Failure> {
        let path = format!("/v1/cluster?stream={}", http::encode(name.as_str()));
        for (place, node) in self.nodes.iter().enumerate() {
            let said: Value = http::get_json(&node.url, &path)?;
            if said["node"] == said["holder"] {
                return Ok(place);
            }
        }
        Err(Failure::Failed(format!("no node decides on {name}")))
    }

    /// The node that comes so many after another one.
    pub fn after(&self, place: usize, count: usize) -> &Server {
        &self.nodes[(place + count) % NODES]
    }
}
