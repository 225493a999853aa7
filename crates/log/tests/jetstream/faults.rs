//! Servers that are killed under load: what is unknown is read back, and everything is there once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tapeline_core::batch::Batch;
use tapeline_core::numbers::{Position, Seq};
use tapeline_log::node::Node;
use tapeline_log::suite::{Writer, append, wait};
use tapeline_log::{Append, AppendError, EventLog};

use super::World;

#[test]
fn a_server_killed_in_mid_append_loses_and_doubles_nothing() {
    killed_again_and_again(1);
}

#[test]
fn servers_of_a_cluster_killed_in_mid_append_lose_and_double_nothing() {
    killed_again_and_again(3);
}

/// What the writer has got done, and until when it goes on.
#[derive(Default)]
pub(super) struct Progress {
    done: AtomicU64,
    unknown: AtomicU64,
    stop: AtomicU64,
}

fn killed_again_and_again(servers: usize) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let (mut world, mut random) = (World::new(servers), fastrand::Rng::with_seed(seed));
    let (node, progress) = (world.node("killed", "a"), Arc::new(Progress::default()));
    let writing = {
        let (node, progress) = (node.clone(), progress.clone());
        std::thread::spawn(move || write(&node, &progress))
    };
    for _ in 0..5 {
        let target = progress.done.load(Ordering::SeqCst) + random.u64(20..400);
        while progress.done.load(Ordering::SeqCst) < target {
            std::thread::yield_now();
        }
        let number = random.usize(..servers);
        world.nats.kill(number);
        world.nats.resume(number);
    }
    progress.stop.store(1, Ordering::SeqCst);
    let batches = writing.join().unwrap();
    println!("{} batches, {} of them unknown at first", batches.len(), progress.unknown.load(Ordering::SeqCst));
    let fresh = world.node("killed", "b");
    let stream = Writer::new("s").stream;
    assert_eq!(wait(fresh.replay(&stream, Position::FIRST, usize::MAX)).unwrap(), batches);
}

/// Appends batch after batch until told to stop. Answers what was appended.
fn write(node: &Node, progress: &Progress) -> Vec<Arc<Batch>> {
    let (mut writer, mut batches) = (Writer::new("s"), Vec::new());
    while progress.stop.load(Ordering::SeqCst) == 0 {
        let next = writer.upserts(&[batches.len() as u64], "x");
        batches.push(next.batch.clone());
        insist(node, &next, progress);
        progress.done.fetch_add(1, Ordering::SeqCst);
    }
    batches
}

/// Appends a batch, reading the log back where the outcome is unknown.
pub(super) fn insist(node: &Node, next: &Append, progress: &Progress) {
    loop {
        match append(node, next.clone()) {
            Ok(position) => return assert_eq!(position, next.expected.next()),
            Err(AppendError::Unknown(_)) => progress.unknown.fetch_add(1, Ordering::SeqCst),
            Err(AppendError::Conflict { .. }) => 0,
        };
        if is_there(node, next) {
            return;
        }
    }
}

/// Whether a batch is on the log, asked until there is an answer.
fn is_there(node: &Node, next: &Append) -> bool {
    loop {
        match wait(node.replay(&next.stream, next.expected, usize::MAX)) {
            Ok(batches) if batches.is_empty() => return false,
            Ok(batches) => {
                assert_eq!(batches, std::slice::from_ref(&next.batch), "nobody else writes");
                return true;
            }
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
}

#[test]
fn without_a_quorum_nothing_is_acknowledged_and_what_was_can_be_read() {
    let mut world = World::new(3);
    let (node, mut writer) = (world.node("quorum", "a"), Writer::new("s"));
    for id in 0..10 {
        append(&*node, writer.upserts(&[id], "x")).unwrap();
    }
    world.nats.kill(1);
    world.nats.kill(2);
    let next = writer.upserts(&[10], "x");
    let outcome = append(&*node, next.clone());
    assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
    let read = wait(node.read(&writer.stream, Seq(3), usize::MAX)).unwrap();
    assert_eq!(read.range(), Seq(3)..Seq(10));
    let end = wait(node.info(&writer.stream));
    assert!(
        end.is_err() || end.is_ok_and(|end| end.is_some_and(|end| end.head.seq == Seq(10))),
        "and no more is told of"
    );
    world.nats.resume(1);
    insist(&node, &next, &Progress::default());
    let other = world.node("quorum", "b");
    let read = wait(other.read(&writer.stream, Seq::FIRST, usize::MAX)).unwrap();
    assert_eq!((read.count(), read.after()), (11, next.batch.block.after()));
}
