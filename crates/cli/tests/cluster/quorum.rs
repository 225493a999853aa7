//! Without a quorum of NATS servers edits wait and what is there can be read; when it is back, all is recorded and seen.

use tapeline_client::Value;

use super::world::{World, in_time, recorded};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_edits_wait_and_what_is_there_can_be_read() {
    let mut world = World::together(3, 2).await;
    let clients = [world.client(0).await, world.client(1).await];
    let streams = [clients[0].stream("lists/home").await, clients[1].stream("lists/home").await];
    let things = streams.each_ref().map(|stream| stream.collection("things").expect("a name"));
    for (step, things) in things.iter().enumerate() {
        recorded(things.insert([("n", Value::from(step as i64))]).expect("an edit").1).await;
    }
    // What a node has not read by then it cannot read without a quorum.
    for (stream, things) in streams.iter().zip(&things) {
        let mut seen = stream.changes();
        while things.all().len() < 2 {
            in_time(seen.next()).await.expect("changes");
        }
    }
    world.nats.kill(1);
    world.nats.kill(2);
    let (id, waiting) = things[0].insert([("n", Value::from(2))]).expect("an edit");
    // So long it takes until a node is told nothing by JetStream.
    for node in &world.nodes {
        assert_eq!(node.lines(&["objects", "lists/home"]).len(), 2);
        assert_eq!(node.lines(&["tail", "lists/home"]).len(), 2);
    }
    assert_eq!(waiting.outcome(), None);
    assert_eq!(streams[0].status().replica.pending, 1);
    assert!(things[0].get(&id).is_some() && things[1].get(&id).is_none());
    world.nats.resume(1);
    recorded(waiting).await;
    let mut seen = streams[1].changes();
    while things[1].get(&id).is_none() {
        in_time(seen.next()).await.expect("changes");
    }
    world.check_agreement("lists/home");
}
