//! What nodes hear of each other: where streams are, who is there, and what is said.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use tapeline_core::numbers::Position;
use tapeline_log::EventLog;
use tapeline_log::cluster::{Cluster, NodeId, Said};
use tapeline_log::suite::Writer;

use super::World;
use super::faults::{Progress, insist};

const PATIENCE: Duration = Duration::from_secs(30);
const HEARD: usize = 1_024;

#[test]
fn a_node_hears_where_streams_are_though_servers_are_killed() {
    let mut world = World::new(3);
    let (writing, watching) = (world.node("heard", "a"), world.node("heard", "b"));
    let (tell, heard) = sync_channel(HEARD);
    watching.watch(Arc::new(move |stream, position| drop(tell.try_send((stream.clone(), position)))));
    let mut writers = [Writer::new("s"), Writer::new("t")];
    for round in 0..6 {
        for writer in &mut writers {
            insist(&writing, &writer.upserts(&[round], "x"), &Progress::default());
        }
        // Those of two streams come in any order.
        let mut missing = vec![&writers[0].stream, &writers[1].stream];
        while !missing.is_empty() {
            let (stream, position) = heard.recv_timeout(PATIENCE).expect("in time");
            missing.retain(|wanted| **wanted != stream || position < Position(round + 1));
        }
        // The next may be recorded by those that are left, or once it is back.
        world.nats.kill(round as usize % 3);
        world.nats.resume(round as usize % 3);
    }
}

#[test]
fn nodes_come_and_go_and_speak_to_each_other() {
    let world = World::new(1);
    let logs = [world.connect("spoken"), world.connect("spoken")];
    let nodes = logs.each_ref().map(tapeline_log::jetstream::JetStream::nodes);
    let ears = nodes.each_ref().map(|node| {
        let (tell, heard) = sync_channel(HEARD);
        let ear = move |said| drop(tell.try_send(said));
        node.join(true, Arc::new(|| Bytes::from_static(b"{}")), Arc::new(ear));
        heard
    });
    let [ana, ben] = &nodes;
    let both = |node: &Arc<_>| Cluster::members(&**node).len() == 2;
    wait_until(|| both(ana) && both(ben));
    assert!(ana.say(Some(ben.me()), Bytes::from_static(b"to ben")));
    wait_for(&ears[1], |said| *said == Said::Message(Bytes::from_static(b"to ben")));
    assert!(ben.say(None, Bytes::from_static(b"to all")));
    wait_for(&ears[0], |said| *said == Said::Message(Bytes::from_static(b"to all")));
    let nobody = NodeId(7);
    assert!(ana.say(Some(nobody), Bytes::from_static(b"to nobody")));
    wait_for(&ears[0], |said| *said == Said::Gone(nobody));
    world.runtime.block_on(ana.leave());
    wait_until(|| ben.members().iter().map(|member| member.id).eq([ben.me()]));
}

fn wait_for<T>(heard: &Receiver<T>, is_it: impl Fn(&T) -> bool) {
    while !is_it(&heard.recv_timeout(PATIENCE).expect("in time")) {}
}

fn wait_until(is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "in time");
        std::thread::yield_now();
    }
}
