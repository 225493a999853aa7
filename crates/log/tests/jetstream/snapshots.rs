//! Streams that begin with a snapshot: made where events are let go, read by nodes with an empty disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Position, Seq};
use tapeline_log::embedded::verify;
use tapeline_log::jetstream::{ConnectError, JetStream};
use tapeline_log::limits::SNAPSHOT_EVENTS;
use tapeline_log::node::Node;
use tapeline_log::suite::{Writer, append, delete, key, wait};
use tapeline_log::{EventLog, LogError, StateStore, Touched};

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

/// Of a snapshot that takes long to read, parts go as soon as there is a newer one: whoever reads it is told, and begins again.
#[test]
fn a_snapshot_that_is_replaced_while_it_is_read_breaks_off() {
    let world = World::new(1);
    let (node, mut writer) = (world.node("replaced", "a"), Writer::new("s"));
    let mut random = fastrand::Rng::with_seed(5);
    for id in 0..900 {
        let title: String = (0..10_000).map(|_| random.alphanumeric()).collect();
        let next = writer.upserts(&[id], &title);
        play(&node, &mut writer, next);
    }
    let log = world.connect("replaced");
    let put = || {
        let carried = node.cache().carry(&writer.stream).unwrap().unwrap();
        let base = *carried.base();
        world.runtime.block_on(log.put_snapshot(&writer.stream, base, move |visit| carried.records(visit))).unwrap();
    };
    put();
    let mut parts = log.snapshot(&writer.stream);
    world.runtime.block_on(parts.recv()).unwrap().unwrap();
    put();
    let rest = world.runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(20), async {
            while parts.recv().await?.is_ok() {}
            Some(())
        })
        .await
    });
    assert_eq!(rest, Ok(Some(())), "it is neither whole nor waited for without an end");
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

/// Appends batches of so many events until a stream has `events`, and gives what they change to a node.
fn grow(node: &Node, writer: &mut Writer, events: u64, title: &str) {
    while writer.state.head < Seq(events) {
        let next = writer.upserts(&(0..1_000).map(|place| place * 3 % 2_000).collect::<Vec<_>>(), title);
        play(node, writer, next);
    }
}

fn play(node: &Node, writer: &mut Writer, next: tapeline_log::Append) {
    append(node, next.clone()).unwrap();
    let changes = writer.play(&next.batch);
    node.apply(&writer.stream, changes).unwrap();
}

/// Plays on a node what the log has past its state.
fn follow(node: &Node, writer: &Writer, from: &Writer) {
    let mut there = from.clone();
    for batch in wait(node.replay(&writer.stream, there.state.position, usize::MAX)).unwrap() {
        let changes = there.play(&batch);
        node.apply(&writer.stream, changes).unwrap();
    }
    assert_eq!(node.stream(&writer.stream).unwrap(), Some(writer.state));
}

/// Waits until a stream has a snapshot of so many events.
fn wait_for_snapshot(world: &World, prefix: &str, stream: &StreamName, events: u64) {
    let (log, begun) = (world.connect(prefix), Instant::now());
    while world.runtime.block_on(log.snapshot_end(stream)).unwrap().is_none_or(|end| end.head.seq < Seq(events)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn verified(world: &World, cache: &str) {
    let found = verify(&world.cache(cache), |_| {}).unwrap();
    assert!(found.damage.is_empty(), "{:?}", found.damage);
}

#[test]
fn a_stream_that_keeps_all_its_events_gets_snapshots_and_nodes_begin_with_them() {
    let world = World::new(3);
    let (node, mut writer) = (world.node("grown", "a"), Writer::new("s"));
    grow(&node, &mut writer, SNAPSHOT_EVENTS, "first");
    let at_snapshot = writer.clone();
    wait_for_snapshot(&world, "grown", &writer.stream, 1);
    let next = writer.events(vec![delete(3), delete(6)]);
    play(&node, &mut writer, next);
    let other = world.node("grown", "b");
    assert_eq!(wait(other.info(&writer.stream)).unwrap(), wait(node.info(&writer.stream)).unwrap());
    assert_eq!(other.stream(&writer.stream).unwrap(), Some(at_snapshot.state), "nothing was played");
    follow(&other, &writer, &at_snapshot);
    let keys: Vec<_> = (0..2_000).map(key).collect();
    assert_eq!(other.entries(&writer.stream, &keys).unwrap(), node.entries(&writer.stream, &keys).unwrap());
    // The events before are read on the log, and what they touched is not known.
    for from in [0, 1_234, SNAPSHOT_EVENTS - 1, SNAPSHOT_EVENTS] {
        let read = |node: &Node| wait(node.read(&writer.stream, Seq(from), 100_000)).unwrap();
        assert_eq!(read(&other).slice(Seq(from), 10_000), read(&node).slice(Seq(from), 10_000));
    }
    let pin = other.pin(&writer.stream).unwrap().unwrap();
    assert_eq!(pin.touched(Seq(7), usize::MAX).unwrap(), Touched::More);
    assert_eq!(pin.touched(at_snapshot.state.head, 9).unwrap(), Touched::Keys(vec![key(3), key(6)]));
    // Killed, it goes on from what it has.
    drop((pin, other));
    verified(&world, "b");
    let other = world.node("grown", "b");
    assert_eq!(wait(other.info(&writer.stream)).unwrap(), wait(node.info(&writer.stream)).unwrap());
    // With as many events again there is the next snapshot, and no other one beside it.
    grow(&node, &mut writer, 2 * SNAPSHOT_EVENTS + 1, "second");
    wait_for_snapshot(&world, "grown", &writer.stream, SNAPSHOT_EVENTS + 1);
}

#[test]
fn events_are_let_go_by_a_node_that_has_never_had_them() {
    let world = World::new(1);
    let (node, mut writer) = (world.node("passed", "a"), Writer::new("s"));
    for next in [writer.upserts(&[5_005], "gone"), writer.events(vec![delete(5_005)])] {
        play(&node, &mut writer, next);
    }
    grow(&node, &mut writer, SNAPSHOT_EVENTS, "first");
    let next = writer.events(vec![delete(9)]);
    play(&node, &mut writer, next);
    wait_for_snapshot(&world, "passed", &writer.stream, 1);
    let other = world.node("passed", "b");
    wait(other.info(&writer.stream)).unwrap();
    let keep = [key(5).collection];
    let horizon = wait(other.trim(&writer.stream, Seq(6_000), &keep)).unwrap();
    assert_eq!(horizon, Seq(6_000));
    let all = wait(node.read(&writer.stream, Seq::FIRST, usize::MAX)).unwrap();
    let gone = all.events().map(Result::unwrap).take_while(|event| event.seq < horizon);
    let to_keep: Vec<_> = gone.filter(|event| event.body.ops[0].key.collection == keep[0]).collect();
    assert!(to_keep.len() > 1_000);
    assert!(wait(other.kept(&writer.stream, Seq::FIRST, usize::MAX)).unwrap() == to_keep);
    assert!(
        wait(other.read(&writer.stream, Seq(5_999), 1)).is_err_and(|error| matches!(error, LogError::Trimmed { .. }))
    );
    assert_eq!(wait(other.read(&writer.stream, horizon, 1)).unwrap().from(), horizon);
    // What is left of what was deleted before goes, too; the other node has not let anything go.
    assert_eq!(other.entries(&writer.stream, &[key(5_005)]).unwrap(), [None]);
    assert!(node.entries(&writer.stream, &[key(5_005)]).unwrap()[0].is_some());
    drop(other);
    verified(&world, "b");
}

#[test]
fn a_cache_that_ends_before_its_log_begins_begins_again() {
    let world = World::new(1);
    let (node, mut writer) = (world.node("away", "a"), Writer::new("s"));
    let next = writer.upserts(&(0..50).collect::<Vec<_>>(), "old");
    play(&node, &mut writer, next);
    let away = world.node("away", "b");
    wait(away.info(&writer.stream)).unwrap();
    follow(&away, &writer, &Writer::new("s"));
    away.cache().close().unwrap();
    drop(away);
    let next = writer.events((0..20).map(delete).collect());
    play(&node, &mut writer, next);
    for _ in 0..12 {
        let next = writer.upserts(&(20..720).collect::<Vec<_>>(), "new");
        play(&node, &mut writer, next);
    }
    let horizon = wait(node.trim(&writer.stream, Seq(6_000), &[])).unwrap();
    assert!(horizon > Seq(1_000));
    // One that stays is told that what it would follow is gone.
    let back = world.node("away", "b");
    let error = wait(back.replay(&writer.stream, Position(1), usize::MAX)).unwrap_err();
    assert!(matches!(error, LogError::Trimmed { .. }), "{error}");
    assert_eq!(wait(back.info(&writer.stream)).unwrap(), wait(node.info(&writer.stream)).unwrap());
    assert_eq!(back.stream(&writer.stream).unwrap(), Some(writer.state));
    let keys: Vec<_> = (0..720).map(key).collect();
    assert_eq!(back.entries(&writer.stream, &keys).unwrap(), node.entries(&writer.stream, &keys).unwrap());
    assert_eq!(back.entries(&writer.stream, &[key(5)]).unwrap(), [None], "nothing old is left");
    back.cache().close().unwrap();
    drop(back);
    verified(&world, "b");
}
