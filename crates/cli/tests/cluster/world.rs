//! NATS servers, nodes, and clients of which each has a front before the node that it speaks to.

use std::time::Duration;

use serde_json::Value;
use tapeline_client::{Outcome, Receipt, Stream, Tapeline};

use super::front::Front;
use super::nats::Nats;
use super::support::Server;

const PATIENCE: Duration = Duration::from_secs(60);

/// NATS servers and nodes.
pub struct World {
    pub nats: Nats,
    pub nodes: Vec<Server>,
}

impl World {
    /// Starts so many NATS servers and nodes.
    pub fn start(servers: usize, nodes: usize) -> Self {
        let nats = Nats::start(servers);
        let nodes = (0..nodes).map(|_| Server::start_with(&["--log", &nats.address()])).collect();
        Self { nats, nodes }
    }

    /// Where a node listens, without a scheme.
    pub fn address(&self, node: usize) -> &str {
        self.nodes[node].url.trim_start_matches("ws://")
    }

    /// A client of a node, with what stands between.
    pub async fn client(&self, node: usize) -> Client {
        let front = Front::before(self.address(node)).await;
        let tapeline = Tapeline::builder(format!("ws://{}", front.address)).open().await.expect("a client");
        Client { front, tapeline }
    }

    /// Checks that all nodes say the same of a stream.
    pub fn check_agreement(&self, stream: &str) {
        let of = |node: &Server| {
            let mut status = node.lines(&["status", stream, "--json"]).remove(0);
            status.as_object_mut().expect("an object").remove("subscribers");
            status
        };
        let all: Vec<Value> = self.nodes.iter().map(of).collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:#?}");
    }
}

/// A client, and what stands between it and its node.
pub struct Client {
    pub front: Front,
    pub tapeline: Tapeline,
}

impl Client {
    pub async fn stream(&self, name: &str) -> Stream {
        self.tapeline.stream(name).await.expect("a stream")
    }
}

/// Waits until an edit is recorded.
pub async fn recorded(receipt: Receipt) {
    let outcome = in_time(receipt.recorded()).await.expect("an outcome");
    assert!(matches!(outcome, Outcome::Recorded { .. }), "{outcome:?}");
}

/// Waits for something, but not for ever.
pub async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}
