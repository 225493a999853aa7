//! The short way from what was edited offline to what is sent: few events, with the effect of all the edits.

mod peers;

use fastrand::Rng;
use peers::*;
use tapeline_core::limits;
use tapeline_core::name::{FieldName, Key};
use tapeline_core::object::Object;
use tapeline_core::op::{Action, Edit, FieldMap, Members, Op, Put};
use tapeline_core::splice::Splices;
use tapeline_core::value::Value;

const FIELDS: [&str; 2] = ["a", "b"];

fn value(random: &mut Rng) -> Value {
    Value::Int(random.i64(0..10))
}

/// An edit of an object as it is shown.
fn edit(random: &mut Rng, id: &str, shown: Option<&Object>) -> Op {
    let Some(shown) = shown else { return insert(id, &[("a", random.i64(0..10))]) };
    let len = shown.get("text").and_then(Value::as_text).map_or(0, |text| text.chars().count() as u64);
    let field = FIELDS[random.usize(0..2)];
    match random.u8(0..12) {
        0 => delete(id),
        1 => upsert(id, &[(field, random.i64(0..10))]),
        2..=4 => set(id, field, random.i64(0..10)),
        5..=6 => inc(id, "count", random.i64(1..5)),
        7 => update(id, "map", Edit::Put(vec![Put { path: vec![field.into()], value: Some(value(random)) }])),
        8 => {
            let (add, remove) = (vec![value(random)], vec![value(random)]);
            update(id, "tags", Edit::Members(Members { add, remove }))
        }
        _ => {
            let offset = random.u64(0..=len);
            let delete = random.u64(0..=(len - offset).min(2));
            update(id, "text", Edit::Splice(Splices::text(offset, delete, ["x", "yz", "é😀"][random.usize(0..3)])))
        }
    }
}

/// Makes random edits, each to be sent by itself where it is `alone`.
fn edits(seed: u64, count: usize, objects: u64, device: &mut Device, alone: bool) {
    let mut random = Rng::with_seed(seed);
    for n in 0..count {
        let id = format!("k{}", random.u64(0..objects));
        let op = edit(&mut random, &id, device.replica.get(&key(&id)).map(AsRef::as_ref));
        // Two edits that are large together stay two.
        let text = FieldName::new("text").unwrap();
        let large = FieldMap::new(vec![(text, Value::text("x".repeat(limits::COALESCED_BYTES / 2)))]).unwrap();
        let large = Op { key: key(&format!("large{n}")), seen: None, action: Action::Insert(large) };
        device.edit(if alone { vec![op, large] } else { vec![op] });
    }
}

#[test]
fn ten_thousand_offline_edits_of_a_hundred_objects_go_out_as_at_most_two_hundred_events() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    let mut random = Rng::with_seed(1);
    for n in 0..10_000 {
        let id = format!("k{}", n % 100);
        match ann.replica.get(&key(&id)).map(AsRef::as_ref) {
            None => ann.edit(vec![insert(&id, &[("a", 0)])]),
            shown => {
                let op = edit(&mut random, &id, shown);
                // Objects that come and go are told in the property below.
                let stays = !matches!(op.action, Action::Delete);
                ann.edit(vec![if stays { op } else { inc(&id, "count", 1) }])
            }
        };
    }
    ann.connect();
    talk(&mut server, &mut [&mut ann]);
    assert_eq!(ann.replica.pending(), 0);
    let events = server.log.count();
    assert!((100..=200).contains(&events), "{events} events");
}

#[test]
fn what_was_taken_together_ends_as_what_was_sent_one_by_one() {
    let mut compared = 0;
    for seed in 0..300 {
        let (together, one_by_one) = (ended(seed, false), ended(seed, true));
        assert!(together.events <= one_by_one.events, "seed {seed}: {together:?} {one_by_one:?}");
        // What is refused is refused with all that is in its event.
        if together.parked + one_by_one.parked == 0 {
            assert_eq!(together.objects, one_by_one.objects, "seed {seed}");
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared}");
}

#[derive(Debug)]
struct End {
    objects: Vec<(Key, Value)>,
    events: u64,
    parked: usize,
}

/// Ann edits offline what Ben edits meanwhile. Answers what everybody sees at the end.
fn ended(seed: u64, alone: bool) -> End {
    let (mut server, mut ann, mut ben) = (Server::new(), Device::new(1), Device::new(2));
    ann.connect();
    ben.connect();
    ben.edit((0..3).map(|n| insert(&format!("k{n}"), &[("a", 1)])).collect());
    talk(&mut server, &mut [&mut ann, &mut ben]);
    ann.disconnect(&mut server);
    edits(seed, 40, 5, &mut ann, alone);
    // Two that insert the same id meet as upserts: what came of an insert is then assigned as a whole. So Ben makes none.
    let mut random = Rng::with_seed(seed);
    for _ in 0..random.u64(0..8) {
        let id = format!("k{}", random.u64(0..3));
        if let Some(shown) = ben.replica.get(&key(&id)).cloned() {
            let op = edit(&mut random, &id, Some(&shown));
            ben.edit(vec![op]);
            talk(&mut server, &mut [&mut ben]);
        }
    }
    ann.connect();
    talk(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ann.replica.pending(), 0, "seed {seed}");
    assert_eq!(ann.replica.digest(), ben.replica.digest(), "seed {seed}");
    let ids = (0..5).map(|n| key(&format!("k{n}")));
    let there = ids.filter_map(|key| ben.replica.get(&key).map(|object| (key.clone(), object.to_value())));
    End { objects: there.collect(), events: server.log.count(), parked: ann.replica.parked().len() }
}
