//! Several nodes that write to one stream.

use std::sync::Arc;

use tapeline_core::block::EventBlock;
use tapeline_core::hash::Chain;
use tapeline_core::numbers::{Position, Seq};
use tapeline_log::node::Node;
use tapeline_log::suite::{Writer, append, start_append, wait};
use tapeline_log::{Append, AppendError, EventLog};

use super::World;

#[test]
fn of_two_nodes_one_wins_each_time() {
    race(1);
}

#[test]
fn of_two_nodes_on_a_cluster_one_wins_each_time() {
    race(3);
}

fn race(servers: usize) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let (world, mut random) = (World::new(servers), fastrand::Rng::with_seed(seed));
    let nodes = [world.node("race", "a"), world.node("race", "b")];
    let mut writer = Writer::new("contested");
    let (mut batches, mut wins, mut position) = (Vec::new(), [0, 0], Position::FIRST);
    for round in 0..60 {
        let mut writers = [writer.clone(), writer.clone()];
        let mut attempts = [0, 1].map(|who| {
            let several = 0..random.usize(1..6);
            several.map(|_| next(&mut writers[who], who as u64, &mut random)).collect::<Vec<_>>()
        });
        // Each has read what the other has appended.
        nodes.iter().for_each(|node| drop(wait(node.replay(&writer.stream, position, usize::MAX)).unwrap()));
        let outcomes = std::thread::scope(|scope| {
            let run = |who: usize| {
                let (node, attempt) = (nodes[who].clone(), attempts[who].clone());
                scope.spawn(move || append_all(&node, attempt))
            };
            [run(0), run(1)].map(|thread| thread.join().unwrap())
        });
        let winner = usize::from(outcomes[1][0].is_ok());
        assert!(outcomes[winner].iter().all(Result::is_ok), "round {round}: {outcomes:?}");
        // Whether what nobody knows of was recorded is seen at the end: then it is not what the winner appended.
        let is_ok = |outcome: &Result<_, AppendError>| outcome.is_ok();
        assert!(!outcomes[1 - winner].iter().any(is_ok), "round {round}: {outcomes:?}");
        position = position.plus(attempts[winner].len() as u64);
        batches.extend(attempts[winner].drain(..).map(|append| append.batch));
        wins[winner] += 1;
        writer = writers[winner].clone();
    }
    println!("wins {wins:?}");
    for node in nodes.iter().chain([&world.node("race", "c")]) {
        assert_eq!(wait(node.replay(&writer.stream, Position::FIRST, usize::MAX)).unwrap(), batches);
    }
    // One that has nothing reads from anywhere.
    let mut events = EventBlock::empty(Seq::FIRST, Chain::EMPTY);
    batches.iter().for_each(|batch| events.append(&batch.block));
    let stranger = world.node("race", "d");
    for _ in 0..40 {
        let (from, most) = (Seq(random.u64(..events.end().0)), random.usize(..5_000));
        let read = wait(stranger.read(&writer.stream, from, most)).unwrap();
        assert_eq!(read, events.slice(from, read.bytes().len()));
        assert!(!read.is_empty() && (read.count() == 1 || read.bytes().len() <= most));
    }
}

#[test]
fn nothing_goes_behind_what_another_node_appended_before_it_was_read() {
    let world = World::new(1);
    let nodes = [world.node("behind", "a"), world.node("behind", "b")];
    let mut writer = Writer::new("s");
    let mut other = writer.clone();
    assert_eq!(append(&*nodes[0], writer.refusal()), Ok(Position(1)));
    // Refused, and what was decided on behind it seems to follow from what is there instead.
    let conflict = Err(AppendError::Conflict { position: Position(1) });
    assert_eq!(append(&*nodes[1], other.refusal()), conflict);
    let next = other.upserts(&[1], "x");
    assert_eq!(append(&*nodes[1], next.clone()), conflict);
    assert_eq!(wait(nodes[1].replay(&other.stream, Position(0), usize::MAX)).unwrap().len(), 1);
    assert_eq!(append(&*nodes[1], next), Ok(Position(2)));
}

fn next(writer: &mut Writer, who: u64, random: &mut fastrand::Rng) -> Append {
    match random.u8(..3) {
        0 => writer.refusal(),
        _ => writer.upserts(&[who, random.u64(2..9)], if who == 0 { "mine" } else { "theirs" }),
    }
}

/// Appends batches one after another, none waiting for the one before.
fn append_all(node: &Arc<Node>, batches: Vec<Append>) -> Vec<Result<Position, AppendError>> {
    let waiting: Vec<_> = batches.into_iter().map(|next| start_append(&**node, next)).collect();
    waiting.into_iter().map(|outcome| outcome.recv().unwrap()).collect()
}
