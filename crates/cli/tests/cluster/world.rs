//! NATS servers, nodes, and clients of which each has a front before the node that it speaks to.

use std::time::{Duration, Instant};

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
        Self::start_with(servers, nodes, &[])
    }

    /// Starts nodes of which more is said.
    pub fn start_with(servers: usize, nodes: usize, more: &[&str]) -> Self {
        let nats = Nats::start(servers);
        let address = nats.address();
        let arguments = [&["--log", &address], more].concat();
        let nodes = (0..nodes).map(|_| Server::start_with(&arguments)).collect();
        Self { nats, nodes }
    }

    /// Starts so many NATS servers and nodes, and waits until the nodes know each other.
    pub async fn together(servers: usize, nodes: usize) -> Self {
        let world = Self::start(servers, nodes);
        world.know_each_other(nodes).await;
        world
    }

    /// Waits until all nodes that run know so many.
    pub async fn know_each_other(&self, count: usize) {
        let knows =
            |node: &Server| node.lines(&["cluster", "--json"])[0]["nodes"].as_array().map_or(0, Vec::len) == count;
        let all_know = async {
            while !self.nodes.iter().filter(|node| node.runs()).all(knows) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        in_time(all_know).await;
    }

    /// Which node decides on a stream.
    pub fn holder(&self, stream: &str) -> usize {
        let asked = |node: &Server| node.lines(&["cluster", stream, "--json"]).remove(0);
        let any = self.nodes.iter().find(|node| node.runs()).expect("a node runs");
        let holder = asked(any)["holder"].clone();
        let is_it = |node: &Server| node.runs() && asked(node)["node"] == holder;
        self.nodes.iter().position(is_it).expect("a node decides")
    }

    /// Where a node listens, without a scheme.
    pub fn address(&self, node: usize) -> String {
        self.nodes[node].url.trim_start_matches("ws://").to_owned()
    }

    /// A client of a node, with what stands between.
    pub async fn client(&self, node: usize) -> Client {
        let front = Front::before(&[self.address(node)]).await;
        let tapeline = Tapeline::builder(format!("ws://{}", front.address)).open().await.expect("a client");
        Client { front, tapeline }
    }

    /// A client that any of the nodes may serve, each time it connects.
    pub async fn client_of_all(&self) -> Client {
        let addresses: Vec<String> = (0..self.nodes.len()).map(|node| self.address(node)).collect();
        let front = Front::before(&addresses).await;
        let tapeline = Tapeline::builder(format!("ws://{}", front.address)).open().await.expect("a client");
        Client { front, tapeline }
    }

    /// Checks that all nodes say the same of a stream.
    pub fn check_agreement(&self, stream: &str) {
        let all: Vec<Value> = self.nodes.iter().map(|node| status(node, stream)).collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:#?}");
    }
}

/// What a node says of a stream, but for who is there. It may have to be asked again until it hears from the log's servers.
fn status(node: &Server, stream: &str) -> Value {
    let asked = Instant::now();
    loop {
        let output = node.run(&["status", stream, "--json"]);
        if output.status.success() {
            let mut status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            status.as_object_mut().expect("an object").remove("subscribers");
            return status;
        }
        assert!(asked.elapsed() < PATIENCE, "{}", String::from_utf8_lossy(&output.stderr));
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
