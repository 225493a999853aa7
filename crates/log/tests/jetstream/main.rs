//! Nodes on a real NATS server, and on a real cluster of three.

#[path = "../support/nats.rs"]
mod nats;
#[path = "../support/ports.rs"]
mod ports;

mod contract;
mod faults;
mod nodes;
mod races;
mod snapshots;

use std::path::Path;
use std::sync::Arc;

use nats::Nats;
use tapeline_log::jetstream::{JetStream, Settings};
use tapeline_log::node::Node;
use tokio::runtime::Runtime;

/// Servers, and a runtime to reach them on.
struct World {
    nats: Nats,
    runtime: Runtime,
    directory: tempfile::TempDir,
}

impl World {
    fn new(servers: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { nats: Nats::start(servers), runtime, directory: tempfile::tempdir().unwrap() }
    }

    /// A log of this name.
    fn settings(&self, prefix: &str) -> Settings {
        format!("{}&prefix={prefix}", self.nats.address()).parse().unwrap()
    }

    fn connect(&self, prefix: &str) -> JetStream {
        self.runtime.block_on(JetStream::connect(&self.settings(prefix))).unwrap()
    }

    /// A node on a log, with its cache in a directory.
    fn node(&self, prefix: &str, cache: &str) -> Arc<Node> {
        Arc::new(Node::open(self.connect(prefix), &self.cache(cache)).unwrap())
    }

    fn cache(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }
}

fn close(node: &Node, _: &Path) {
    node.cache().close().unwrap();
}
