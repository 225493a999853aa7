//! What a schema lets go of goes from the log, and a node with an empty disk begins with what is left.

use std::time::{Duration, Instant};

use super::nats::Nats;
use super::snapshots::{status, with_an_empty_disk, write};
use super::support::Server;

/// Objects of the stream.
const OBJECTS: usize = 20_000;

#[test]
fn a_node_with_an_empty_disk_has_what_was_let_go_from_a_snapshot() {
    let (nats, schema) = (Nats::start(3), tempfile::NamedTempFile::new().expect("a file"));
    std::fs::write(schema.path(), "[streams.\"*\"]\nretain = { events = 1000 }\n").expect("written");
    let arguments = ["--log", &nats.address(), "--schema", schema.path().to_str().expect("text")];
    let node = Server::start_with(&arguments);
    write(&node, 0..OBJECTS, |id| format!("thing {id}"));
    let horizon = |node: &Server| status(node)["horizon"].as_u64().expect("a number");
    let begun = Instant::now();
    // What is not in the cache yet is not let go.
    while horizon(&node) == 0 {
        assert!(node.run(&["compact"]).status.success());
        assert!(begun.elapsed() < Duration::from_secs(60), "in time");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Whoever asks again finds the snapshot, which is made after the cache is trimmed.
    let log = loop {
        let other = Server::start_with(&arguments);
        if horizon(&other) > 0 || begun.elapsed() > Duration::from_secs(60) {
            break other;
        }
    };
    assert!(horizon(&log) > 0);
    let fresh = with_an_empty_disk(&nats, &node);
    assert_eq!(fresh.lines(&["objects", "large"]).len(), OBJECTS);
}
