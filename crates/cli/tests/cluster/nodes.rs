//! One node decides on a stream, as long as it is there: the others have it decide on what their clients send.

use tapeline_client::{Stream, Value};

use super::support::Server;
use super::world::{Client, World, in_time, recorded};

#[tokio::test(flavor = "multi_thread")]
async fn one_node_decides_on_a_stream_and_all_streams_are_spread() {
    let world = World::together(1, 3).await;
    let clients = [world.client(0).await, world.client(1).await, world.client(2).await];
    let mut holders = [0; 3];
    for number in 0..12 {
        let name = format!("lists/{number}");
        holders[world.holder(&name)] += 1;
        let streams = open(&clients, &name).await;
        for (step, stream) in streams.iter().enumerate() {
            edit(stream, step as i64).await;
        }
        world.check_agreement(&name);
    }
    let refused: f64 = world.nodes.iter().map(|node| metric(node, "tapeline_append_failures_total")).sum();
    assert_eq!(refused, 0.0, "no two nodes decided on one stream");
    assert!(holders.iter().all(|count| *count < 12), "{holders:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_node_that_decides_stops_or_is_killed_the_others_go_on() {
    let mut world = World::together(1, 3).await;
    let clients = [world.client(0).await, world.client(1).await, world.client(2).await];
    let streams = open(&clients, "lists/home").await;
    for is_killed in [false, true] {
        let holder = world.holder("lists/home");
        let others: Vec<usize> = (0..3).filter(|node| *node != holder).collect();
        match is_killed {
            true => world.nodes[holder].kill(),
            false => assert!(world.nodes[holder].stop()),
        }
        let begun = std::time::Instant::now();
        for node in &others {
            edit(&streams[*node], 1).await;
        }
        eprintln!("killed {is_killed}: recorded after {:?}", begun.elapsed());
        // The client of the node that is gone goes to another one.
        clients[holder].front.move_to(&[world.address(others[0])]);
        edit(&streams[holder], 2).await;
        world.nodes[holder].restart();
        world.know_each_other(3).await;
        clients[holder].front.move_to(&[world.address(holder)]);
    }
    for stream in &streams {
        in_time(stream.synced()).await.expect("in step");
    }
    world.check_agreement("lists/home");
    let head = world.nodes[0].lines(&["status", "lists/home", "--json"])[0]["head"].as_u64();
    assert_eq!(head, Some(6), "each edit is recorded once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_takes_no_events_has_others_decide() {
    let mut world = World::together(1, 1).await;
    let reader = Server::start_with(&["--log", &world.nats.address(), "--read-only"]);
    world.nodes.push(reader);
    world.know_each_other(2).await;
    let clients = [world.client(0).await, world.client(1).await];
    let streams = open(&clients, "lists/home").await;
    edit(&streams[1], 1).await;
    edit(&streams[0], 2).await;
    world.check_agreement("lists/home");
    assert_eq!(world.holder("lists/home"), 0);
    // Without one that decides, events wait, and what is there can be read.
    world.nodes[0].kill();
    let waiting = add(&streams[1], 3);
    assert_eq!(world.nodes[1].lines(&["objects", "lists/home"]).len(), 2);
    world.nodes[0].restart();
    recorded(waiting).await;
}

/// The same stream at each client.
async fn open(clients: &[Client], name: &str) -> Vec<Stream> {
    let mut streams = Vec::new();
    for client in clients {
        let stream = client.stream(name).await;
        in_time(stream.caught_up()).await.expect("in step");
        streams.push(stream);
    }
    streams
}

async fn edit(stream: &Stream, number: i64) {
    recorded(add(stream, number)).await;
}

fn add(stream: &Stream, number: i64) -> tapeline_client::Receipt {
    let things = stream.collection("things").expect("a name");
    things.insert([("n", Value::from(number))]).expect("an edit").1
}

/// A figure of a node.
fn metric(node: &Server, name: &str) -> f64 {
    let url = format!("{}/metrics", node.url.replace("ws://", "http://"));
    let text = ureq::get(&url).call().expect("metrics").body_mut().read_to_string().expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect("the figure");
    line.parse().expect("a number")
}
