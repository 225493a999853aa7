//! Two nodes that both believe that they decide on a stream: the log takes what one of them appends, and the other decides
//! again on what is there then. Their clients notice nothing.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tapeline_client::{Outcome, Stream, Tapeline, Value};
use tapeline_log::jetstream::JetStream;
use tapeline_log::node::Node;
use tapeline_server::{Server, ServerConfig};

use super::nats::Nats;
use super::world::in_time;

const EDITS: i64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_both_decide_never_give_one_place_twice() {
    let (nats, directory) = (Nats::start(1), tempfile::tempdir().expect("a directory"));
    let (mut servers, mut clients) = (Vec::new(), Vec::new());
    for name in ["a", "b"] {
        let log = JetStream::connect(&nats.address().parse().expect("settings")).await.expect("a log");
        let node = Arc::new(Node::open(log, &directory.path().join(name)).expect("a node"));
        // It hears of no other one, and so decides on everything.
        let config = ServerConfig { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..ServerConfig::default() };
        let server = Server::start_node(config, node).await.expect("a server");
        clients.push(Tapeline::builder(format!("ws://{}", server.address())).open().await.expect("a client"));
        servers.push(server);
    }
    let streams = [clients[0].stream("s").await.expect("a stream"), clients[1].stream("s").await.expect("a stream")];
    tokio::join!(count(&streams[0]), count(&streams[1]));
    for stream in &streams {
        let things = stream.collection("things").expect("a name");
        let mut changes = stream.changes();
        let id = "counter".parse().expect("an id");
        let all = Value::from(2 * EDITS);
        while things.get(&id).and_then(|counter| counter.field("n").map(|n| n.value.clone())) != Some(all.clone()) {
            in_time(changes.next()).await.expect("changes");
        }
        assert!(stream.parked().is_empty());
    }
    in_time(streams[0].synced()).await.expect("in step");
    in_time(streams[1].synced()).await.expect("in step");
    assert_eq!(streams[0].digest(), streams[1].digest());
    assert_eq!(streams[0].status().replica.head, streams[1].status().replica.head);
}

/// Counts one up again and again, and waits each time until that is recorded.
async fn count(stream: &Stream) {
    let things = stream.collection("things").expect("a name");
    let id = "counter".parse().expect("an id");
    in_time(things.upsert(&id, [("by", Value::from(1))]).expect("an edit").recorded()).await.expect("an outcome");
    for _ in 0..EDITS {
        let outcome = in_time(things.increment(&id, "n", 1).expect("an edit").recorded()).await.expect("an outcome");
        assert!(matches!(outcome, Outcome::Recorded { .. }), "{outcome:?}");
    }
}
