//! Streams that begin with a snapshot: made where events are let go, read by nodes with an empty disk.

use std::sync::Arc;

use tapeline_core::numbers::{Position, Seq};
use tapeline_log::jetstream::{ConnectError, JetStream};
use tapeline_log::node::Node;
use tapeline_log::suite::{Writer, append, key, wait};
use tapeline_log::{EventLog, LogError, StateStore};

use super::World;

/// Writes a long stream, and has its first events let go.
fn shortened(world: &World, prefix: &str) -> (Arc<Node>, Writer, Seq) {
    let (node, mut writer) = (world.node(prefix, "a"), Writer::new("s"));
    for _ in 0..12 {
        let next = writer.upserts(&(0..700).collect::<Vec<_>>(), "a title");
        let batch = next.batch.clone();
        append(&*node, next).unwrap();
        let changes = writer.play(&batch);
        node.apply(&writer.stream, changes).unwrap();
    }
    let horizon = wait(node.trim(&writer.stream, Seq(6_000), &[key(5).collection])).unwrap();
    assert!(horizon > Seq(1_000));
    (node, writer, horizon)
}

#[test]
fn a_node_with_an_empty_disk_begins_from_a_snapshot() {
    let world = World::new(3);
    let (node, mut writer, horizon) = shortened(&world, "begun");
    let next = writer.upserts(&[1, 2, 3], "after");
    append(&*node, next.clone()).unwrap();
    let changes = writer.play(&next.batch);
    node.apply(&writer.stream, changes).unwrap();
    let other = world.node("begun", "b");
    let info = wait(other.info(&writer.stream)).unwrap().unwrap();
    assert_eq!(Some(info.clone()), wait(node.info(&writer.stream)).unwrap());
    assert_eq!(info.horizon, horizon);
    let state = other.stream(&writer.stream).unwrap().unwrap();
    assert_eq!(state.position, Position(12));
    assert_eq!(wait(other.replay(&writer.stream, state.position, usize::MAX)).unwrap(), [next.batch]);
    for read in [&node, &other] {
        let events = wait(read.read(&writer.stream, horizon, usize::MAX)).unwrap();
        assert_eq!((events.from(), events.end()), (horizon, info.head.seq));
        assert!(
            wait(read.read(&writer.stream, Seq(0), 1)).is_err_and(|error| matches!(error, LogError::Trimmed { .. }))
        );
    }
    let kept = |node: &Node| wait(node.kept(&writer.stream, Seq::FIRST, usize::MAX)).unwrap();
    assert!(!kept(&node).is_empty());
    assert_eq!(kept(&node), kept(&other));
    let keys: Vec<_> = (0..700).map(key).collect();
    assert_eq!(other.entries(&writer.stream, &keys[10..]).unwrap(), node.entries(&writer.stream, &keys[10..]).unwrap(),);
    // What was let go is gone from the log, too.
    let first = world.runtime.block_on(world.connect("begun").first(&writer.stream)).unwrap().unwrap();
    assert!(first.head.seq.plus(700) > horizon && first.head.seq > Seq(700), "{first:?} {horizon}");
}

#[test]
fn a_snapshot_that_is_begun_and_left_counts_for_nothing() {
    let world = World::new(1);
    let (node, writer, _) = shortened(&world, "left");
    let carried = node.cache().carry(&writer.stream).unwrap().unwrap();
    let base = *carried.base();
    let fails = move |visit: &mut tapeline_log::snapshot::Visit<'_>| {
        (0..20).try_for_each(|_| carried.records(visit))?;
        Err(LogError::Storage("the node is gone".into()))
    };
    let log = world.connect("left");
    let failing = log.put_snapshot(&writer.stream, base, fails);
    assert!(world.runtime.block_on(failing).is_err());
    let other = world.node("left", "b");
    assert_eq!(wait(other.info(&writer.stream)).unwrap(), wait(node.info(&writer.stream)).unwrap());
    assert_eq!(other.stream(&writer.stream).unwrap(), node.stream(&writer.stream).unwrap());
    let carried = node.cache().carry(&writer.stream).unwrap().unwrap();
    let again = log.put_snapshot(&writer.stream, base, move |visit| carried.records(visit));
    world.runtime.block_on(again).unwrap();
    assert_eq!(wait(world.node("left", "c").info(&writer.stream)).unwrap(), wait(node.info(&writer.stream)).unwrap());
}

#[test]
fn a_log_that_is_being_copied_is_not_served() {
    let world = World::new(1);
    let log = world.connect("copied");
    world.runtime.block_on(log.begin_copy()).unwrap();
    let settings = world.settings("copied");
    let refused = world.runtime.block_on(JetStream::connect(&settings));
    assert!(matches!(refused, Err(ConnectError::Copying(_))));
    let copying = world.runtime.block_on(JetStream::connect_to_copy(&settings)).unwrap();
    world.runtime.block_on(copying.end_copy()).unwrap();
    assert_ne!(world.connect("copied").id(), log.id());
}
