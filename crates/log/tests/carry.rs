//! Streams that are carried from one directory to another are the same there, however often somebody is interrupted.

use std::ops::ControlFlow;
use std::path::Path;

use tapeline_core::block::EventBlock;
use tapeline_core::event::Recorded;
use tapeline_core::name::Key;
use tapeline_core::numbers::Seq;
use tapeline_core::object::Entry;
use tapeline_core::state::{ClientState, StreamState};
use tapeline_log::embedded::{Embedded, verify};
use tapeline_log::snapshot::{Base, Record, until};
use tapeline_log::suite::{Writer, append, count, delete, key, wait};
use tapeline_log::{EventLog, LogError, Part, StateStore, Touched};

/// What a stream is from a horizon on.
#[derive(Debug, PartialEq)]
struct Seen {
    state: Option<StreamState>,
    bytes: u64,
    entries: Vec<(Key, Entry)>,
    events: EventBlock,
    clients: Vec<Option<ClientState>>,
    touched: Touched,
}

fn look(log: &Embedded, writer: &Writer, horizon: Seq) -> Seen {
    let stream = &writer.stream;
    let pin = log.pin(stream).unwrap().unwrap();
    let mut entries = Vec::new();
    let mut visit = |key: &Key, entry: &Entry| {
        // What was deleted before the horizon may be forgotten.
        if entry.live().is_some() || entry.version().last.seq >= horizon {
            entries.push((key.clone(), entry.clone()));
        }
        ControlFlow::Continue(())
    };
    pin.scan(Part::default(), &mut visit).unwrap();
    Seen {
        state: log.stream(stream).unwrap(),
        bytes: wait(log.info(stream)).unwrap().unwrap().bytes,
        entries,
        events: wait(log.read(stream, horizon, usize::MAX)).unwrap(),
        clients: log.clients(stream, &[writer.client()]).unwrap(),
        touched: pin.touched(horizon, usize::MAX).unwrap(),
    }
}

/// What was kept of the events that were let go.
fn kept(log: &Embedded, writer: &Writer) -> (Seq, Vec<Recorded>) {
    let horizon = wait(log.info(&writer.stream)).unwrap().unwrap().horizon;
    (horizon, wait(log.kept(&writer.stream, Seq::FIRST, usize::MAX)).unwrap())
}

/// Carries a stream, or stops in the midst of it.
fn carry(from: &Embedded, to: &Embedded, writer: &Writer, random: &mut fastrand::Rng) -> Result<bool, LogError> {
    let carried = from.carry(&writer.stream)?.unwrap();
    let base: Base = *carried.base();
    let mut next = to.begin(&writer.stream, &base)?;
    while next < base.state.head {
        let block = wait(from.read(&writer.stream, next, random.usize(..60_000)))?;
        let block = until(&block, base.state.head);
        next = block.end();
        to.bring_events(&writer.stream, block)?;
        if random.u8(..20) == 0 {
            return Ok(false);
        }
    }
    let mut records = Vec::new();
    carried.records(&mut |record| {
        records.push(record);
        Ok(())
    })?;
    let part = if random.bool() { records.len() } else { random.usize(..=records.len()) };
    let whole = part == records.len();
    to.bring_records(&writer.stream, records.drain(..part).collect::<Vec<Record>>())?;
    if whole {
        to.settle(&writer.stream, &base)?;
    }
    Ok(whole)
}

/// The next batch, recorded and played.
fn write(log: &Embedded, writer: &mut Writer, random: &mut fastrand::Rng) {
    let ids: Vec<u64> = (0..random.u64(..700)).map(|_| random.u64(..300)).collect();
    let next = match random.u8(..5) {
        0 => writer.refusal(),
        1 => writer.events(ids.into_iter().map(delete).collect()),
        2 => writer.events(ids.into_iter().map(count).collect()),
        _ => writer.upserts(&ids, "a title"),
    };
    let batch = next.batch.clone();
    append(log, next).unwrap();
    let changes = writer.play(&batch);
    log.apply(&writer.stream, changes).unwrap();
}

#[test]
fn random_streams_arrive_as_they_are_though_somebody_is_interrupted() {
    let seed = std::env::var("TAPELINE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("TAPELINE_SEED={seed}");
    let (mut random, directory) = (fastrand::Rng::with_seed(seed), tempfile::tempdir().unwrap());
    let path = |name: &str| directory.path().join(name);
    let (source, mut target) = (Embedded::open(&path("from")).unwrap(), Embedded::open(&path("to")).unwrap());
    let mut writers: Vec<_> = (1..6).map(|number| Writer::new(&"s".repeat(number))).collect();
    for round in 0..4 {
        for writer in &mut writers {
            (0..random.usize(1..12)).for_each(|_| write(&source, writer, &mut random));
            let arrived = wait(target.info(&writer.stream)).unwrap().map_or(writer.state.head, |info| info.head.seq);
            // What the target has not yet stays at the source.
            let before = Seq(random.u64(..=arrived.0));
            let horizon = wait(source.trim(&writer.stream, before, &[key(5).collection])).unwrap();
            while !carry(&source, &target, writer, &mut random).unwrap() {
                if random.bool() {
                    target.close().unwrap();
                    drop(target);
                    target = Embedded::open(&path("to")).unwrap();
                }
            }
            assert_eq!(look(&source, writer, horizon), look(&target, writer, horizon));
            if round == 0 {
                assert_eq!(kept(&source, writer), kept(&target, writer));
            }
        }
    }
    target.close().unwrap();
    check(&path("to"));
}

fn check(directory: &Path) {
    let verified = verify(directory, |_| {}).unwrap();
    assert!(verified.damage.is_empty(), "{:?}", verified.damage);
}
