//! Random stories against a plain model.

use std::sync::Arc;

use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::hash::Chain;
use tapeline_core::numbers::{Position, Seq};

use super::state_cases::check_state;
use super::writer::{count, delete};
use super::{Cases, Fresh, Writer, append, seeded, start_append, wait};
use crate::contract::{AppendError, EventLog, StateStore};

const STEPS: usize = 600;

pub(super) fn all<B: EventLog + StateStore>() -> Cases<B> {
    vec![("a random story", random_story), ("another random story", random_story)]
}

/// What a stream should be.
struct RefStream {
    writer: Writer,
    events: EventBlock,
    batches: Vec<Arc<Batch>>,
    /// How many of the batches were played and applied.
    applied: usize,
}

fn random_story<B: EventLog + StateStore>(mut fresh: Fresh<B>) {
    let mut random = seeded();
    let mut streams: Vec<_> = (0..5).map(ref_stream).collect();
    for _ in 0..STEPS {
        let stream = &mut streams[random.usize(..5).min(random.usize(..5))];
        match random.u8(..100) {
            0..40 => transition_append(&*fresh.log, stream, &mut random),
            40..50 => transition_conflict(&*fresh.log, stream),
            50..75 => transition_apply(&*fresh.log, stream, &mut random),
            75..90 => assert_read(&*fresh.log, stream, &mut random),
            90..95 => assert_state(&*fresh.log, stream),
            95..98 => assert_replay(&*fresh.log, stream, &mut random),
            _ => fresh = transition_reopen(fresh, &mut streams),
        }
    }
    streams.iter_mut().for_each(|stream| assert_state(&*fresh.log, stream));
}

fn ref_stream(number: u64) -> RefStream {
    let writer = Writer::new(&format!("story/{}", "x".repeat(number as usize + 1)));
    RefStream { writer, events: EventBlock::empty(Seq::FIRST, Chain::EMPTY), batches: Vec::new(), applied: 0 }
}

fn transition_append<B: EventLog>(log: &B, stream: &mut RefStream, random: &mut fastrand::Rng) {
    let mut waiting = Vec::new();
    for _ in 0..random.usize(1..4) {
        let ids: Vec<u64> = (0..random.u64(..60)).map(|_| random.u64(..80)).collect();
        let next = match random.u8(..4) {
            0 => stream.writer.refusal(),
            1 => stream.writer.events(ids.into_iter().map(delete).collect()),
            2 => stream.writer.events(ids.into_iter().map(count).collect()),
            _ => stream.writer.upserts(&ids, &"t".repeat(random.usize(..300))),
        };
        stream.events.append(&next.batch.block);
        stream.batches.push(next.batch.clone());
        waiting.push(start_append(log, next));
    }
    assert!(waiting.into_iter().all(|hear| hear.recv().unwrap().is_ok()));
}

fn transition_conflict<B: EventLog>(log: &B, stream: &RefStream) {
    let mut stranger = stream.writer.clone();
    stranger.refusal();
    let position = Position(stream.batches.len() as u64);
    assert_eq!(append(log, stranger.refusal()), Err(AppendError::Conflict { position }));
}

fn transition_apply<B: StateStore>(log: &B, stream: &mut RefStream, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(..5) {
        let Some(batch) = stream.batches.get(stream.applied) else { return };
        let changes = stream.writer.play(batch);
        log.apply(&stream.writer.stream, changes).unwrap();
        stream.applied += 1;
    }
}

fn transition_reopen<B: EventLog + StateStore>(mut fresh: Fresh<B>, streams: &mut [RefStream]) -> Fresh<B> {
    let Some(reopen) = &mut fresh.reopen else { return fresh };
    fresh.log = reopen(fresh.log);
    for stream in streams {
        // What was applied may be lost; replay gives it again.
        let stored = fresh.log.stream(&stream.writer.stream).unwrap().map_or(Position::FIRST, |state| state.position);
        assert!(stored.0 as usize <= stream.applied);
        let again = wait(fresh.log.replay(&stream.writer.stream, stored, usize::MAX)).unwrap();
        assert_eq!(again, stream.batches[stored.0 as usize..]);
        let mut writer = Writer::new(stream.writer.stream.as_str());
        for (place, batch) in stream.batches[..stream.applied].iter().enumerate() {
            let changes = writer.play(batch);
            if place as u64 >= stored.0 {
                fresh.log.apply(&stream.writer.stream, changes).unwrap();
            }
        }
    }
    fresh
}

fn assert_read<B: EventLog>(log: &B, stream: &RefStream, random: &mut fastrand::Rng) {
    let (from, most) = (Seq(random.u64(..=stream.events.end().0)), random.usize(..20_000));
    let read = wait(log.read(&stream.writer.stream, from, most)).unwrap();
    if from < stream.events.end() {
        assert_eq!(read.from(), from);
        assert!(!read.is_empty() && (read.count() == 1 || read.bytes().len() <= most));
        assert_eq!(read, stream.events.slice(from, read.bytes().len()));
    } else {
        assert!(read.is_empty());
    }
}

fn assert_state<B: EventLog + StateStore>(log: &B, stream: &mut RefStream) {
    check_state(log, &stream.writer);
    let head = wait(log.head(&stream.writer.stream)).unwrap();
    let expected = (!stream.batches.is_empty()).then_some((
        stream.batches.len() as u64,
        stream.events.end(),
        stream.events.after(),
    ));
    assert_eq!(head.map(|head| (head.position.0, head.seq, head.chain)), expected);
}

fn assert_replay<B: EventLog>(log: &B, stream: &RefStream, random: &mut fastrand::Rng) {
    let (mut place, all) = (stream.applied, stream.batches.len());
    while place < all {
        let most = random.usize(..20_000);
        let next = wait(log.replay(&stream.writer.stream, Position(place as u64), most)).unwrap();
        assert!(!next.is_empty() && next == stream.batches[place..place + next.len()]);
        let bytes: usize = next.iter().map(|batch| batch.block.bytes().len()).sum();
        assert!(next.len() == 1 || bytes <= most, "{bytes} of at most {most} bytes");
        place += next.len();
    }
    assert!(wait(log.replay(&stream.writer.stream, Position(all as u64), usize::MAX)).unwrap().is_empty());
}
