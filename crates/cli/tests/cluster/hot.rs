//! Hot streams that one node would decide on are spread over all, while they are written to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tapeline_client::{Stream, Value};

use super::world::{World, in_time, recorded};

/// Hot streams.
const STREAMS: usize = 4;
/// Edits of each that are on their way at once.
const TOGETHER: i64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn hot_streams_are_spread_over_nodes_and_nothing_is_lost() {
    let world = World::together(1, 3).await;
    let names: Vec<String> =
        (0..).map(|number| format!("lists/{number}")).filter(|name| world.holder(name) == 0).take(STREAMS).collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let clients = [world.client(0).await, world.client(1).await, world.client(2).await];
    let (mut streams, mut writing) = (Vec::new(), Vec::new());
    for (name, client) in names.iter().zip(clients.iter().cycle()) {
        let stream = client.stream(name).await;
        writing.push(tokio::spawn(write(stream.clone(), is_over.clone())));
        streams.push(stream);
    }
    let holders = || -> Vec<usize> { names.iter().map(|name| world.holder(name)).collect() };
    let spread = async {
        while holders().iter().filter(|holder| **holder != 0).count() < 2 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    in_time(spread).await;
    eprintln!("decided on by {:?}", holders());
    is_over.store(true, Ordering::SeqCst);
    for ((name, stream), writing) in names.iter().zip(&streams).zip(writing) {
        let written = in_time(writing).await.expect("all was recorded");
        in_time(stream.synced()).await.expect("in step");
        world.check_agreement(name);
        let status = world.nodes[0].lines(&["status", name, "--json"]).remove(0);
        assert_eq!(status["head"].as_u64(), Some(written), "each edit is recorded once");
        assert_eq!(status["digest"].as_str(), Some(&*stream.digest().to_string()));
    }
}

/// Makes objects until all is over. Answers how many.
async fn write(stream: Stream, is_over: Arc<AtomicBool>) -> u64 {
    let things = stream.collection("things").expect("a name");
    let mut written = 0;
    while !is_over.load(Ordering::SeqCst) {
        let some: Vec<_> = (0..TOGETHER).map(|n| things.insert([("n", Value::from(n))]).expect("an edit").1).collect();
        for receipt in some {
            recorded(receipt).await;
            written += 1;
        }
    }
    written
}
