//! Cases about pins.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_core::name::{Key, ObjectId};
use tapeline_core::numbers::Seq;
use tapeline_core::object::Entry;
use tapeline_core::objects::Objects;

use super::state_cases::commit;
use super::writer::{delete, key};
use super::{Cases, Fresh, Writer, seeded};
use crate::contract::{EventLog, StateStore};
use crate::pin::{Part, Pin, Touched};

pub(super) fn all<B: EventLog + StateStore>() -> Cases<B> {
    vec![
        ("a pin shows any part in order", any_part),
        ("a pin stays as it was", stays),
        ("a pin knows what was touched", touched),
    ]
}

fn any_part<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer, mut random) = (fresh.log, Writer::new("s"), seeded());
    assert!(log.pin(&writer.stream).unwrap().is_none());
    for round in 0..8 {
        let next = match round % 4 {
            3 => writer.events((0..9).map(|_| delete(random.u64(..120))).collect()),
            _ => writer.upserts(&(0..40).map(|_| random.u64(..120)).collect::<Vec<_>>(), "a"),
        };
        commit(&*log, &mut writer, next);
        let pin = log.pin(&writer.stream).unwrap().expect("there is a state");
        let expected = entries(&writer.objects);
        assert_eq!(page(&*pin, Part::default(), usize::MAX), expected);
        for _ in 0..30 {
            let (cursor, collection) = (cursor(&mut random), random.bool().then(|| key(random.u64(..10)).collection));
            let part = Part {
                collection: collection.as_ref(),
                after: cursor
                    .as_ref()
                    .filter(|cursor| collection.as_ref().is_none_or(|only| *only == cursor.collection)),
                reverse: random.bool(),
            };
            let most = random.usize(1..30);
            assert_eq!(page(&*pin, part, most), part_of(&expected, part, most), "{part:?}");
        }
        let keys: Vec<_> = (0..130).map(key).collect();
        let found = pin.entries(&keys).unwrap();
        assert_eq!(found, keys.iter().map(|key| writer.objects.entry(key).cloned()).collect::<Vec<_>>());
    }
}

/// A key to go on after: an object's, or one that no object has.
fn cursor(random: &mut fastrand::Rng) -> Option<Key> {
    let collection = key(random.u64(..10)).collection;
    let id = match random.u8(..5) {
        0 => return None,
        1 => ObjectId::new(format!("{:02x}", random.u8(..))).expect("an id"),
        2 => ObjectId::from_uuid(random.u128(..)),
        3 => ObjectId::new(ObjectId::from_uuid(random.u128(..)).to_string().split_off(30) + "~").expect("an id"),
        _ => return Some(key(random.u64(..120))),
    };
    Some(Key { collection, id })
}

fn stays<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    let mut held: Vec<(Arc<dyn Pin>, Objects)> = Vec::new();
    for round in 0..30u64 {
        let next = match round % 5 {
            4 => writer.events((0..20).map(|id| delete(id * 3 + round)).collect()),
            _ => writer.upserts(&(0..50).map(|id| id * 2 + round).collect::<Vec<_>>(), &format!("round {round}")),
        };
        commit(&*log, &mut writer, next);
        held.push((log.pin(&writer.stream).unwrap().expect("there is a state"), writer.objects.clone()));
        assert_eq!(*held.last().expect("one is held").0.state(), writer.state);
        if round % 7 == 6 {
            held.truncate(2);
        }
        for (pin, objects) in &mut held {
            assert_eq!(page(&**pin, Part::default(), usize::MAX), entries(objects));
            assert_eq!((pin.state().live, pin.state().digest), (objects.live(), objects.digest()));
            assert_eq!(pin.entries(&[key(8)]).unwrap(), [objects.entry(&key(8)).cloned()]);
        }
    }
}

/// Many small batches and a few large ones, so that some of it is sealed, some not, and some not yet stored.
fn touched<B: EventLog + StateStore>(mut fresh: Fresh<B>) {
    let (mut writer, mut random) = (Writer::new("s"), seeded());
    let mut history: Vec<Key> = Vec::new();
    for round in 0..40 {
        let many = if random.u8(..8) == 0 { 3_000 } else { 80 };
        let among = *random.choice(&[5, 200, 5_000]).expect("a choice");
        let ids: Vec<u64> = (0..random.u64(1..many)).map(|_| random.u64(..among)).collect();
        let next = writer.upserts(&ids, "a");
        commit(&*fresh.log, &mut writer, next);
        history.extend(ids.into_iter().map(key));
        if let (Some(reopen), 0) = (&mut fresh.reopen, round % 11) {
            fresh.log = reopen(fresh.log);
            writer.catch_up(&*fresh.log);
        }
        let pin = fresh.log.pin(&writer.stream).unwrap().expect("there is a state");
        for _ in 0..4 {
            let since = random.usize(..=history.len());
            let keys: BTreeSet<_> = history[since..].iter().cloned().collect();
            let keys: Vec<_> = keys.into_iter().collect();
            let (since, count) = (Seq(since as u64), keys.len());
            assert_eq!(pin.touched(since, count).unwrap(), Touched::Keys(keys), "since {since}");
            if let Some(fewer) = count.checked_sub(1) {
                assert_eq!(pin.touched(since, fewer).unwrap(), Touched::More, "since {since}");
            }
        }
    }
}

/// What a pin shows of a part, at most so many.
fn page(pin: &dyn Pin, part: Part<'_>, most: usize) -> Vec<(Key, Entry)> {
    let mut shown = Vec::new();
    pin.scan(part, &mut |key, entry| {
        shown.push((key.clone(), entry.clone()));
        if shown.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .unwrap();
    shown
}

/// What a part of some entries is, which are sorted.
fn part_of(all: &[(Key, Entry)], part: Part<'_>, most: usize) -> Vec<(Key, Entry)> {
    let mut wanted: Vec<_> =
        all.iter().filter(|(key, _)| part.collection.is_none_or(|only| key.collection == *only)).cloned().collect();
    if part.reverse {
        wanted.reverse();
    }
    let after = |key: &Key| part.after.is_none_or(|after| if part.reverse { key < after } else { key > after });
    wanted.into_iter().filter(|(key, _)| after(key)).take(most).collect()
}

/// All entries, sorted.
fn entries(objects: &Objects) -> Vec<(Key, Entry)> {
    let mut all: Vec<_> = objects.entries().filter_map(|(key, entry)| Some((key, entry?.clone()))).collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}
