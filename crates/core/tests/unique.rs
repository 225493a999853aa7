//! Values that no two objects have: the second one to reach the sequencer is refused, wherever the first one is: in the same
//! batch, in memory, or in storage.

mod peers;

use fastrand::Rng;
use peers::story::{ANN, Story};
use peers::*;
use tapeline_core::event::{Refusal, RefusalCode};
use tapeline_core::name::FieldName;
use tapeline_core::op::{Edit, Members};
use tapeline_core::schema::{Rules, Schema};
use tapeline_core::value::Value;

fn fields(names: &[&str]) -> Vec<FieldName> {
    names.iter().map(|name| FieldName::new(name).unwrap()).collect()
}

fn schema() -> Schema {
    let unique = vec![fields(&["code"]), fields(&["row", "number"])];
    Schema::new([(key("x").collection, Rules { unique, ..Rules::default() })])
}

fn is_taken(refusal: Option<Refusal>) -> bool {
    refusal.is_some_and(|refusal| {
        assert_eq!(refusal.code, RefusalCode::Invalid, "{}", refusal.reason);
        assert!(refusal.reason.contains("this is taken") && refusal.field.is_some(), "{}", refusal.reason);
        true
    })
}

#[test]
fn the_second_one_is_refused_with_its_field() {
    let mut story = Story::new(schema());
    assert_eq!(story.edit(vec![insert("a", &[("code", 1)])]), None);
    let refusal = story.edit(vec![insert("b", &[("code", 1)])]).unwrap();
    assert_eq!((refusal.field.unwrap().as_str(), refusal.about, refusal.current), ("code", Some(key("b")), None));
    assert_eq!(refusal.reason, "things/b, field code: this is taken; it must be unique");
    assert_eq!(story.edit(vec![insert("b", &[("code", 2)])]), None, "the refused one left nothing");
    assert!(is_taken(story.edit(vec![set("b", "code", 1)])) && is_taken(story.edit(vec![inc("b", "code", -1)])));
    assert_eq!(story.edit(vec![set("a", "title", 7)]), None, "it holds it itself");
    assert_eq!(story.edit(vec![delete("a")]), None);
    assert_eq!(story.edit(vec![set("b", "code", 1)]), None, "free again");
}

#[test]
fn what_an_event_makes_of_all_its_objects_counts() {
    let mut story = Story::new(schema());
    assert!(is_taken(story.edit(vec![insert("a", &[("code", 1)]), insert("b", &[("code", 1)])])));
    assert_eq!(story.edit(vec![insert("a", &[("code", 1)]), insert("b", &[("code", 2)])]), None);
    assert_eq!(story.edit(vec![set("a", "code", 2), set("b", "code", 1)]), None, "they change places");
}

#[test]
fn null_does_not_count_and_several_fields_count_together() {
    let mut story = Story::new(schema());
    let null = |id| update(id, "code", Edit::Set(Value::Null));
    assert_eq!(story.edit(vec![insert("a", &[("row", 1), ("number", 1)]), null("a")]), None);
    assert_eq!(story.edit(vec![insert("b", &[("row", 1), ("number", 2)]), null("b")]), None);
    assert!(is_taken(story.edit(vec![set("b", "number", 1)])));
    assert_eq!(story.edit(vec![insert("c", &[("row", 1)]), insert("d", &[("row", 1)])]), None);
    assert!(is_taken(story.edit(vec![set("c", "number", 3), set("d", "number", 3)])));
}

#[test]
fn of_a_list_each_item_counts() {
    let mut story = Story::new(schema());
    let add = |id, item| update(id, "code", Edit::Members(Members { add: vec![Value::Int(item)], remove: vec![] }));
    let ops = vec![insert("a", &[]), insert("b", &[]), add("a", 1), add("b", 2)];
    assert_eq!(story.edit(ops), None);
    assert!(is_taken(story.edit(vec![add("a", 2)])) && is_taken(story.edit(vec![insert("c", &[("code", 2)])])));
    story.server.forget();
    assert!(is_taken(story.edit(vec![add("a", 2)])), "in storage, too");
}

#[test]
fn what_is_on_its_way_counts_and_what_is_in_storage() {
    let mut story = Story::new(schema());
    (0..3).for_each(|number| story.push(vec![insert(&format!("a{number}"), &[("code", 1)])]));
    assert_eq!(story.settle().iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true]);
    story.server.forget();
    assert!(is_taken(story.edit(vec![insert("b", &[("code", 1)])])));
    story.server.forget();
    assert_eq!(story.edit(vec![set("a0", "code", 2)]), None);
    assert_eq!(story.edit(vec![insert("b", &[("code", 1)])]), None, "storage does not know yet that it is free");
}

#[test]
fn what_was_there_before_blocks_no_edit_of_another_field() {
    let mut server = Server::new();
    let both = vec![insert("a", &[("code", 1)]), insert("b", &[("code", 1)])];
    assert!(server.push(ANN, authored(1, 1, 0, both)));
    server.settle();
    let mut story = Story::of(server.restored_with(1, schema()), 1);
    assert_eq!(story.edit(vec![set("a", "title", 1)]), None);
    assert!(is_taken(story.edit(vec![insert("c", &[("code", 1)])])));
    assert_eq!(story.edit(vec![set("a", "code", 2)]), None);
    assert!(is_taken(story.edit(vec![set("a", "code", 1)])));
}

/// Several replicas edit while they are apart. Whatever they do, no two objects ever have the same value, and whoever was
/// refused has it parked with the field.
#[test]
fn nothing_is_twice_however_many_edit_at_once() {
    for seed in 0..40 {
        let mut random = Rng::with_seed(seed);
        let mut server = Server::with_schema(schema());
        let mut devices: Vec<Device> = (1..=3).map(Device::new).collect();
        devices.iter_mut().for_each(Device::connect);
        let mut parked = 0;
        for _ in 0..30 {
            for device in &mut devices {
                for _ in 0..random.u8(0..3) {
                    edit(&mut random, device);
                }
            }
            let mut awake: Vec<&mut Device> = devices.iter_mut().filter(|_| random.bool()).collect();
            talk(&mut server, &mut awake);
            if random.bool() {
                server.forget();
            }
            let objects = server.objects();
            for place in 0..objects.len() {
                for other in 0..place {
                    let value = |place: usize, field: &str| objects[place].1.get(field).cloned();
                    let same =
                        |field: &str| value(place, field).is_some() && value(place, field) == value(other, field);
                    assert!(!(same("code") || same("row") && same("number")), "seed {seed}: {objects:?}");
                }
            }
        }
        talk(&mut server, &mut devices.iter_mut().collect::<Vec<_>>());
        for device in &devices {
            let refused = device.replica.parked().map(|(_, work)| work.refusal.clone());
            let invalid = refused.filter(|refusal| refusal.code == RefusalCode::Invalid);
            parked += invalid.filter(|refusal| is_taken(Some(refusal.clone()))).count();
        }
        assert!(parked > 0, "seed {seed}: nothing was ever taken");
    }
}

fn edit(random: &mut Rng, device: &mut Device) {
    let id = format!("o{}", random.u8(0..8));
    let value = random.i64(0..6);
    let there = device.replica.get(&key(&id)).is_some();
    let op = match random.u8(0..6) {
        _ if !there => insert(&id, &[("code", value), ("row", random.i64(0..2)), ("number", random.i64(0..4))]),
        0 => delete(&id),
        1 => set(&id, "number", value),
        2 => inc(&id, "code", 1),
        3 => upsert(&id, &[("row", value % 2)]),
        _ => set(&id, "code", value),
    };
    device.edit(vec![op]);
}
