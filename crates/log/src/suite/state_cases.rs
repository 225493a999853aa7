//! Cases about the state beside the log.

use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_core::name::Key;
use tapeline_core::object::Object;
use tapeline_core::objects::Objects;

use super::writer::{count, delete, key};
use super::{Cases, Fresh, Writer, append, wait};
use crate::contract::{EventLog, StateStore};

pub(super) fn all<B: EventLog + StateStore>() -> Cases<B> {
    vec![
        ("state appears with apply", applies),
        ("only what is durable can be applied", only_durable),
        ("objects come sorted, of one collection or all", sorted),
        ("objects are those of one moment", one_moment),
        ("replay gives what was not applied", replays),
        ("everything is there after reopening", reopens),
    ]
}

/// Appends a batch, plays it and applies what it changes.
pub(super) fn commit<B: EventLog + StateStore>(log: &B, writer: &mut Writer, next: crate::contract::Append) {
    let batch = next.batch.clone();
    append(log, next).unwrap();
    let changes = writer.play(&batch);
    log.apply(&writer.stream, changes).unwrap();
}

/// Everything the store shows of a stream is what the writer has.
pub(super) fn check_state<B: StateStore>(log: &B, writer: &Writer) {
    assert_eq!(log.stream(&writer.stream).unwrap().unwrap_or(writer.state), writer.state);
    let mut shown = Vec::new();
    log.objects(&writer.stream, None, &mut |key, object| {
        shown.push((key.clone(), object.clone()));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(shown, live(&writer.objects));
}

/// The live objects in order.
pub(super) fn live(objects: &Objects) -> Vec<(Key, Arc<Object>)> {
    let of = |collection| {
        objects
            .collection(collection)
            .map(|(id, object)| (Key { collection: collection.clone(), id: id.clone() }, object.clone()))
    };
    let mut all: Vec<_> = objects.collections().flat_map(of).collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

fn applies<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    let next = writer.upserts(&[1, 2, 3], "a");
    let batch = next.batch.clone();
    append(&*log, next).unwrap();
    assert_eq!(log.stream(&writer.stream).unwrap(), None);
    assert_eq!(log.entries(&writer.stream, &[key(1)]).unwrap(), [None]);
    assert_eq!(log.unapplied_streams(), [writer.stream.clone()]);
    let changes = writer.play(&batch);
    log.apply(&writer.stream, changes.clone()).unwrap();
    assert!(log.unapplied_streams().is_empty());
    let next = writer.events(vec![delete(2)]);
    commit(&*log, &mut writer, next);
    check_state(&*log, &writer);
    let found = log.entries(&writer.stream, &[key(1), key(9), key(2)]).unwrap();
    assert_eq!(found, [key(1), key(9), key(2)].map(|key| writer.objects.entry(&key).cloned()));
    assert!(found[2].as_ref().is_some_and(|entry| entry.live().is_none()), "a tombstone stays");
    let clients = log.clients(&writer.stream, &[writer.client(), Default::default()]).unwrap();
    assert!(clients[0].is_some() && clients[1].is_none());
}

fn only_durable<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    let next = writer.upserts(&[1], "a");
    let changes = writer.play(&next.batch);
    assert!(log.apply(&writer.stream, changes.clone()).is_err());
    append(&*log, next).unwrap();
    log.apply(&writer.stream, changes).unwrap();
    check_state(&*log, &writer);
}

fn sorted<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    for part in (0..200).collect::<Vec<u64>>().chunks(40) {
        let next = writer.upserts(part, "a");
        commit(&*log, &mut writer, next);
    }
    check_state(&*log, &writer);
    let lists = key(5).collection;
    let mut shown = Vec::new();
    let mut visit = |key: &Key, _: &Arc<Object>| {
        shown.push(key.clone());
        if shown.len() == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    assert_eq!(log.objects(&writer.stream, Some(&lists), &mut visit).unwrap(), Some(writer.state));
    let expected: Vec<_> =
        live(&writer.objects).into_iter().map(|(key, _)| key).filter(|key| key.collection == lists).collect();
    assert_eq!(shown, expected[..7]);
}

fn one_moment<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    let all: Vec<u64> = (0..300).collect();
    let next = writer.upserts(&all, "round 0");
    commit(&*log, &mut writer, next);
    std::thread::scope(|scope| {
        let (log, stream) = (&log, writer.stream.clone());
        let reader = scope.spawn(move || {
            for _ in 0..60 {
                let mut objects = Objects::default();
                let mut titles = std::collections::BTreeSet::new();
                let state = log.objects(&stream, None, &mut |key, object| {
                    objects.replace(key, Some(tapeline_core::object::Entry::Live(object.clone())));
                    titles.insert(format!("{:?}", object.get("title")));
                    ControlFlow::Continue(())
                });
                let state = state.unwrap().expect("the stream has a state");
                assert_eq!((state.live, state.digest), (objects.live(), objects.digest()), "{titles:?}");
            }
        });
        for round in 1.. {
            let next = writer.upserts(&all, &format!("round {round}"));
            commit(&**log, &mut writer, next);
            if reader.is_finished() {
                break;
            }
        }
    });
    check_state(&*log, &writer);
}

fn replays<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    let mut batches = Vec::new();
    for id in 0..10 {
        let next = if id == 4 { writer.refusal() } else { writer.upserts(&[id], "a") };
        batches.push(next.batch.clone());
        append(&*log, next).unwrap();
    }
    for batch in &batches[..6] {
        let changes = writer.play(batch);
        log.apply(&writer.stream, changes).unwrap();
    }
    let state = log.stream(&writer.stream).unwrap().unwrap();
    let rest = wait(log.replay(&writer.stream, state.position, usize::MAX)).unwrap();
    assert_eq!(rest, batches[6..]);
}

fn reopens<B: EventLog + StateStore>(mut fresh: Fresh<B>) {
    let Some(reopen) = &mut fresh.reopen else { return };
    let (mut log, mut writer) = (fresh.log, Writer::new("s"));
    let ids: Vec<u64> = (0..120).collect();
    for round in 0..6 {
        let next = writer.upserts(&ids, "a");
        commit(&*log, &mut writer, next);
        let next = writer.events((0..40).map(count).chain([delete(round)]).collect());
        let batch = next.batch.clone();
        append(&*log, next).unwrap();
        log = reopen(log);
        let state = log.stream(&writer.stream).unwrap().map_or(Default::default(), |state| state.position);
        let missing = wait(log.replay(&writer.stream, state, usize::MAX)).unwrap();
        assert_eq!(missing.last(), Some(&batch), "what was durable and not applied comes again");
        assert_eq!(log.unapplied_streams(), [writer.stream.clone()]);
        catch_up(&*log, &mut writer, &batch, &missing);
        check_state(&*log, &writer);
    }
    let read = wait(log.read(&writer.stream, tapeline_core::numbers::Seq::FIRST, usize::MAX)).unwrap();
    assert_eq!((read.end(), read.after()), (writer.state.head, writer.state.chain));
}

/// Applies batches from a replay, whose last is `batch`, which the writer has not played yet.
fn catch_up<B: StateStore>(
    log: &B,
    writer: &mut Writer,
    batch: &tapeline_core::batch::Batch,
    missing: &[Arc<tapeline_core::batch::Batch>],
) {
    let changes = writer.play(batch);
    if missing.len() == 1 {
        return log.apply(&writer.stream, changes).unwrap();
    }
    // More than that was lost: the state comes whole.
    let entries = writer_entries(writer);
    log.apply(&writer.stream, crate::contract::StateChanges { entries, ..changes }).unwrap();
}

fn writer_entries(writer: &Writer) -> Vec<(Key, tapeline_core::object::Entry)> {
    let keys = (0..300).map(key);
    keys.filter_map(|key| Some((key.clone(), writer.objects.entry(&key)?.clone()))).collect()
}
