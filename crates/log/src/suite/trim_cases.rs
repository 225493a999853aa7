//! Cases about letting events go.

use std::ops::ControlFlow;

use tapeline_core::block::EventBlock;
use tapeline_core::event::Recorded;
use tapeline_core::hash::Chain;
use tapeline_core::name::Key;
use tapeline_core::numbers::Seq;

use super::state_cases::commit;
use super::writer::{count, delete, key};
use super::{Cases, Fresh, Writer, seeded, wait};
use crate::contract::{EventLog, LogError, StateStore};
use crate::pin::Part;

/// A stream may keep so many events more than it is told to: a segment, and what is in none yet.
const SLACK: u64 = crate::limits::SEGMENT_MOST_EVENTS + crate::limits::SEGMENT_EVENTS;

pub(super) fn all<B: EventLog + StateStore>() -> Cases<B> {
    vec![
        ("what is let go is gone, and nothing else", story),
        ("nothing is let go of a stream that is not there, or has nothing to let go", nothing_to_let_go),
        ("a pin from before a trim reads on", pinned_before),
    ]
}

/// A stream, and what it should be.
struct RefStream {
    writer: Writer,
    events: EventBlock,
    horizon: Seq,
}

fn story<B: EventLog + StateStore>(mut fresh: Fresh<B>) {
    let mut random = seeded();
    let mut stream = RefStream {
        writer: Writer::new("s"),
        events: EventBlock::empty(Seq::FIRST, Chain::EMPTY),
        horizon: Seq::FIRST,
    };
    for round in 0..30 {
        let ids: Vec<u64> = (0..random.u64(..900)).map(|_| random.u64(..400)).collect();
        let next = match random.u8(..4) {
            0 => stream.writer.events(ids.into_iter().map(delete).collect()),
            1 => stream.writer.events(ids.into_iter().map(count).collect()),
            _ => stream.writer.upserts(&ids, "a"),
        };
        stream.events.append(&next.batch.block);
        commit(&*fresh.log, &mut stream.writer, next);
        if random.bool() {
            let before = Seq(random.u64(..=stream.events.end().0));
            transition_trim(&*fresh.log, &mut stream, before);
        }
        if let (Some(reopen), 0) = (&mut fresh.reopen, round % 9) {
            fresh.log = reopen(fresh.log);
            transition_reopened(&*fresh.log, &mut stream);
            stream.writer.catch_up(&*fresh.log);
        }
        assert_trimmed(&*fresh.log, &stream, &mut random);
    }
    let end = stream.events.end();
    transition_trim(&*fresh.log, &mut stream, end);
    assert!(stream.horizon > Seq::FIRST, "something was let go");
}

fn transition_trim<B: EventLog>(log: &B, stream: &mut RefStream, before: Seq) {
    let lists = key(5).collection;
    let horizon = wait(log.trim(&stream.writer.stream, before, &[lists])).unwrap();
    assert!(horizon <= before.max(stream.horizon), "no more goes than was said");
    assert!(horizon >= stream.horizon && horizon.plus(SLACK) >= before, "from {} to {horizon}", stream.horizon);
    stream.horizon = horizon;
}

/// A stop may undo a trim.
fn transition_reopened<B: EventLog>(log: &B, stream: &mut RefStream) {
    let info = wait(log.info(&stream.writer.stream)).unwrap().expect("the stream is there");
    assert!(info.horizon <= stream.horizon);
    stream.horizon = info.horizon;
}

fn assert_trimmed<B: EventLog + StateStore>(log: &B, stream: &RefStream, random: &mut fastrand::Rng) {
    let RefStream { writer, events, horizon } = stream;
    let info = wait(log.info(&writer.stream)).unwrap().expect("the stream is there");
    assert_eq!((info.horizon, info.head.seq, info.head.chain), (*horizon, events.end(), events.after()));
    assert_eq!(info.bytes, events.bytes().len() as u64);
    let listed = wait(log.streams(None, 1)).unwrap();
    assert_eq!(listed, [info]);

    let from = Seq(random.u64(horizon.0..=events.end().0));
    let read = wait(log.read(&writer.stream, from, 20_000)).unwrap();
    assert_eq!(read, if from < events.end() { events.slice(from, read.bytes().len()) } else { read.clone() });
    let pin = log.pin(&writer.stream).unwrap().expect("there is a state");
    if let Some(below) = horizon.0.checked_sub(1) {
        let gone = |error| matches!(error, LogError::Trimmed { horizon } if horizon == stream.horizon);
        assert!(wait(log.read(&writer.stream, Seq(random.u64(..=below)), 20_000)).is_err_and(gone));
        assert!(pin.touched(Seq(below), usize::MAX).is_err_and(gone));
    }
    pin.touched(*horizon, usize::MAX).unwrap();
    assert_entries(log, stream);
    assert_kept(log, stream, random);
}

/// What is live is there, and of tombstones those that an event above the horizon has made; one that an event above it
/// has met may be there.
fn assert_entries<B: StateStore>(log: &B, stream: &RefStream) {
    let pin = log.pin(&stream.writer.stream).unwrap().expect("there is a state");
    assert_eq!(*pin.state(), stream.writer.state);
    let met = recorded(stream).into_iter().filter(|event| event.seq >= stream.horizon);
    let met: Vec<Key> = met.flat_map(|event| event.body.ops).map(|op| op.key).collect();
    let mut found = 0;
    pin.scan(Part::default(), &mut |key, entry| {
        assert_eq!(stream.writer.objects.entry(key), Some(entry));
        let below = entry.live().is_none() && entry.version().last.seq < stream.horizon;
        assert!(!below || met.contains(key), "the tombstone of {key} is to be gone");
        found += usize::from(!below);
        ControlFlow::Continue(())
    })
    .unwrap();
    let wanted = stream.writer.objects.entries().filter_map(|(_, entry)| entry);
    let wanted = wanted.filter(|entry| entry.live().is_some() || entry.version().last.seq >= stream.horizon);
    assert_eq!(found, wanted.count());
}

fn assert_kept<B: EventLog>(log: &B, stream: &RefStream, random: &mut fastrand::Rng) {
    let lists = key(5).collection;
    let from = Seq(random.u64(..=stream.horizon.0));
    let mut expected = recorded(stream);
    expected.retain(|event| (from..stream.horizon).contains(&event.seq));
    expected.retain(|event| event.body.ops.iter().any(|op| op.key.collection == lists));
    assert_eq!(wait(log.kept(&stream.writer.stream, from, usize::MAX)).unwrap(), expected);
    let some = wait(log.kept(&stream.writer.stream, from, 1)).unwrap();
    assert_eq!(some, expected[..expected.len().min(1)]);
}

fn recorded(stream: &RefStream) -> Vec<Recorded> {
    stream.events.events().collect::<Result<_, _>>().expect("a test's events can be read")
}

fn nothing_to_let_go<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    assert_eq!(wait(log.trim(&writer.stream, Seq(9), &[])).unwrap(), Seq::FIRST);
    assert!(wait(log.kept(&writer.stream, Seq::FIRST, 1_000)).unwrap().is_empty());
    let next = writer.upserts(&[1, 2, 3], "a");
    commit(&*log, &mut writer, next);
    assert_eq!(wait(log.trim(&writer.stream, Seq::FIRST, &[])).unwrap(), Seq::FIRST);
    assert_eq!(wait(log.read(&writer.stream, Seq::FIRST, 0)).unwrap().count(), 1);
}

fn pinned_before<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    let ids: Vec<u64> = (0..6_000).map(|place| place % 50).collect();
    let next = writer.upserts(&ids, "a");
    commit(&*log, &mut writer, next);
    let next = writer.events((0..50).map(delete).collect());
    commit(&*log, &mut writer, next);
    let pin = log.pin(&writer.stream).unwrap().expect("there is a state");
    let before = pin.touched(Seq(10), 100).unwrap();
    for _ in 0..2 {
        let next = writer.upserts(&vec![60; 6_000], "a");
        commit(&*log, &mut writer, next);
    }
    // However they came to be written, the deletions are among what goes.
    assert!(wait(log.trim(&writer.stream, Seq(15_000), &[])).unwrap() > Seq(6_050));
    assert_eq!(pin.touched(Seq(10), 100).unwrap(), before);
    assert!(pin.entries(&[key(7)]).unwrap()[0].is_some(), "the tombstone is there for whoever pinned it");
    let now = log.pin(&writer.stream).unwrap().expect("there is a state");
    assert_eq!(now.entries(&[key(7)]).unwrap(), [None]);
}
