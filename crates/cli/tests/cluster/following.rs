//! What is recorded on one node is seen on the others, and all may write.

use std::time::Instant;

use serde_json::json;
use tapeline_client::{Stream, Value};

use super::world::{World, in_time, recorded};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_on_one_node_is_seen_on_another() {
    let world = World::start(1, 2);
    let (ana, ben) = (world.client(0).await, world.client(1).await);
    let (here, there) = (ana.stream("lists/home").await, ben.stream("lists/home").await);
    in_time(there.synced()).await.expect("in step");
    let mut seen = there.changes();
    let things = here.collection("things").expect("a name");
    let mut took = Vec::new();
    for step in 0..60 {
        let begun = Instant::now();
        let (id, receipt) = things.insert([("n", Value::from(step))]).expect("an edit");
        while there.collection("things").expect("a name").get(&id).is_none() {
            in_time(seen.next()).await.expect("changes");
        }
        took.push(begun.elapsed());
        recorded(receipt).await;
    }
    took.sort_unstable();
    eprintln!("from an edit on one node to a client of another: {:?} in the median", took[took.len() / 2]);
    in_time(here.synced()).await.expect("in step");
    assert_eq!(here.digest(), there.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_two_nodes_edit_the_same_and_end_up_with_the_same() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let world = World::start(1, 2);
    let clients = [world.client(0).await, world.client(1).await];
    let streams = [clients[0].stream("lists/home").await, clients[1].stream("lists/home").await];
    let (ours, theirs) = tokio::join!(edit(&streams[0], seed), edit(&streams[1], seed + 1));
    assert!(ours + theirs > 0);
    for stream in &streams {
        in_time(stream.synced()).await.expect("in step");
    }
    world.check_agreement("lists/home");
    let head = world.nodes[0].lines(&["status", "lists/home", "--json"])[0]["head"].as_u64();
    assert_eq!(head, Some(ours + theirs), "each edit is recorded once");
    while streams[0].digest() != streams[1].digest() {
        in_time(streams[0].caught_up()).await.expect("in step");
        in_time(streams[1].caught_up()).await.expect("in step");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_enters_and_leaves_a_query_is_told_on_another_node() {
    let world = World::together(1, 2).await;
    let (ana, ben) = (world.client(0).await, world.client(1).await);
    let (here, part) = (ana.stream("lists/home").await, ben.tapeline.part("lists/home").await.expect("a part"));
    let open = part.hold(&json!({ "collection": "things", "where": { "done": false } })).expect("a query");
    in_time(open.ready()).await.expect("ready");
    let things = here.collection("things").expect("a name");
    let mut changes = part.changes();
    for count in 1..=8_usize {
        let (id, receipt) = things.insert([("done", Value::from(false))]).expect("an edit");
        recorded(receipt).await;
        if count % 2 == 0 {
            recorded(things.update(&id, [("done", Value::from(true))]).expect("an edit")).await;
        }
        while open.objects().len() != count.div_ceil(2) {
            in_time(changes.next()).await.expect("changes");
        }
    }
}

/// Edits the same few things as others do. Answers how many edits there were.
async fn edit(stream: &Stream, seed: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let things = stream.collection("things").expect("a name");
    for step in 0..60 {
        let id = format!("thing-{}", random.u8(..5)).parse().expect("an id");
        let receipt = match random.u8(..3) {
            0 => things.upsert(&id, [("text", format!("{seed} {step}").into())]),
            1 => things.upsert(&id, [("n", Value::from(step))]),
            _ => things.upsert(&id, [("done", random.bool().into())]),
        };
        recorded(receipt.expect("an edit")).await;
    }
    60
}
