//! Who is present is told across nodes.

use tapeline_client::Value;

use super::world::{World, in_time};

#[tokio::test(flavor = "multi_thread")]
async fn those_on_other_nodes_are_seen_to_come_and_go() {
    let world = World::together(1, 2).await;
    let (ana, ben) = (world.client(0).await, world.client(1).await);
    let (here, there) = (ana.stream("lists/home").await.presence(), ben.stream("lists/home").await);
    here.set(Value::text("ana")).expect("said");
    // Who comes later is told of those who are there.
    let mut there = there.presence();
    let mut seen = there.peers();
    while seen.iter().all(|(_, state)| *state != Value::text("ana")) {
        assert!(in_time(there.changed()).await);
        seen = there.peers();
    }
    here.set(Value::text("ana writes")).expect("said");
    while seen.iter().all(|(_, state)| *state != Value::text("ana writes")) {
        assert!(in_time(there.changed()).await);
        seen = there.peers();
    }
    ana.tapeline.close().await.expect("closed");
    while !seen.is_empty() {
        assert!(in_time(there.changed()).await);
        seen = there.peers();
    }
}
