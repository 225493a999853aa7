//! Fields that have another name now: apps of both versions edit one stream, and each finds what the other did under the
//! name it was written for.

mod peers;

use fastrand::Rng;
use peers::story::Story;
use peers::*;
use tapeline_core::event::RefusalCode;
use tapeline_core::name::FieldName;
use tapeline_core::numbers::Seq;
use tapeline_core::object::Object;
use tapeline_core::op::{Edit, Members, Op};
use tapeline_core::schema::{Policy, Rename, Rules, Schema};
use tapeline_core::shape::Shape;
use tapeline_core::splice::{Content, Splice, Splices};
use tapeline_core::value::Value;

const RENAMES: [(&str, &str); 4] = [("completed", "done"), ("total", "count"), ("text", "note"), ("labels", "tags")];

fn name(name: &str) -> FieldName {
    FieldName::new(name).unwrap()
}

fn renames() -> Vec<Rename> {
    RENAMES.map(|(now, was)| Rename { now: name(now), was: name(was) }).into()
}

fn schema(rules: Rules) -> Schema {
    Schema::new([(key("x").collection, Rules { renames: renames(), ..rules })])
}

fn int(server: &mut Server, field: &str) -> Option<i64> {
    server.objects()[0].1.get(field)?.as_int()
}

#[test]
fn what_one_app_writes_the_other_finds_under_its_own_name() {
    let mut story = Story::new(schema(Rules::default()));
    assert_eq!(story.edit(vec![insert("a", &[("done", 0), ("size", 7)])]), None);
    assert_eq!(int(&mut story.server, "completed"), Some(0));
    assert_eq!(story.edit(vec![set("a", "completed", 1)]), None);
    assert_eq!(int(&mut story.server, "done"), Some(1));
    assert_eq!(story.edit(vec![set("a", "done", 2), set("a", "completed", 3)]), None);
    assert_eq!(
        [int(&mut story.server, "done"), int(&mut story.server, "completed")],
        [Some(3); 2],
        "the last one counts"
    );
    assert_eq!(story.edit(vec![upsert("a", &[("done", 4), ("completed", 5)])]), None);
    assert_eq!(
        [int(&mut story.server, "done"), int(&mut story.server, "completed")],
        [Some(5); 2],
        "the present name does"
    );
    assert_eq!(int(&mut story.server, "size"), Some(7));
}

#[test]
fn what_was_made_before_is_whole_once_it_is_touched() {
    let mut server = Server::new();
    let peer = Device::new(1).peer();
    assert!(server.push(peer, authored(1, 1, 0, vec![insert("a", &[("done", 1), ("count", 5)])])));
    server.settle();
    let mut story = Story::of(server.restored_with(1, schema(Rules::default())), 1);
    assert_eq!(story.edit(vec![inc("a", "total", 2)]), None);
    assert_eq!([int(&mut story.server, "total"), int(&mut story.server, "count")], [Some(7); 2]);
    assert_eq!(int(&mut story.server, "completed"), None, "nobody has touched that");
}

#[test]
fn each_field_that_an_event_adds_to_is_whole_before() {
    let mut server = Server::new();
    let peer = Device::new(1).peer();
    assert!(server.push(peer, authored(1, 1, 0, vec![insert("a", &[("done", 1), ("count", 5)])])));
    server.settle();
    let mut story = Story::of(server.restored_with(1, schema(Rules::default())), 1);
    assert_eq!(story.edit(vec![set("a", "completed", 0), inc("a", "total", 2)]), None);
    assert_eq!([int(&mut story.server, "total"), int(&mut story.server, "count")], [Some(7); 2]);
}

#[test]
fn what_is_made_anew_has_nothing_of_what_was_there() {
    let mut server = Server::new();
    let peer = Device::new(1).peer();
    assert!(server.push(peer, authored(1, 1, 0, vec![insert("a", &[("done", 1), ("count", 5)])])));
    server.settle();
    let mut story = Story::of(server.restored_with(1, schema(Rules::default())), 1);
    assert_eq!(story.edit(vec![delete("a"), insert("a", &[("done", 2)]), inc("a", "total", 2)]), None);
    assert_eq!([int(&mut story.server, "total"), int(&mut story.server, "count")], [Some(2); 2]);
    assert_eq!([int(&mut story.server, "done"), int(&mut story.server, "completed")], [Some(2); 2]);
}

#[test]
fn what_holds_of_the_field_holds_under_either_name() {
    let shape = Shape { required: true, max: Some(Value::Int(9)), ..Shape::default() };
    let shapes = vec![(name("completed"), shape)];
    let mut story = Story::new(schema(Rules { shapes, ..Rules::default() }));
    assert_eq!(story.edit(vec![insert("a", &[("done", 1)])]), None, "it is there, under its former name");
    let refusal = story.edit(vec![set("a", "done", 10)]).unwrap();
    assert_eq!((refusal.code, refusal.field.unwrap().as_str()), (RefusalCode::Invalid, "completed"));
    assert_eq!([int(&mut story.server, "done"), int(&mut story.server, "completed")], [Some(1); 2]);
}

#[test]
fn a_write_that_loses_is_told_under_the_name_it_was_made_under() {
    let fields = vec![(name("completed"), Policy::First)];
    let mut server = Server::with_schema(schema(Rules { fields, ..Rules::default() }));
    let (mut old, mut new) = (Device::new(1), Device::new(2));
    old.connect();
    new.connect();
    old.edit(vec![insert("a", &[("done", 0)])]);
    talk(&mut server, &mut [&mut old, &mut new]);
    old.disconnect(&mut server);
    old.edit(vec![set("a", "done", 1)]);
    new.edit(vec![set("a", "completed", 2)]);
    talk(&mut server, &mut [&mut new]);
    old.connect();
    talk(&mut server, &mut [&mut old, &mut new]);
    assert_eq!([old.int("a", "done"), new.int("a", "completed")], [Some(2); 2]);
    let lost = old.notices().into_iter().find_map(|notice| match notice {
        tapeline_core::replica::Notice::Recorded { lost, .. } if !lost.is_empty() => Some(lost),
        _ => None,
    });
    assert_eq!(lost.unwrap().iter().map(|lost| lost.op.clone()).collect::<Vec<_>>(), [set("a", "done", 1)]);
}

/// Apps of both versions edit as they like while they are apart, some of it before the rename was declared. They end the
/// same, and whatever was touched since says the same under both names.
#[test]
fn both_versions_end_the_same_whatever_they_do() {
    for seed in 0..150 {
        let mut random = Rng::with_seed(seed);
        let (mut server, mut devices) = (Server::new(), (1..=4).map(Device::new).collect::<Vec<_>>());
        devices.iter_mut().for_each(Device::connect);
        for _ in 0..6 {
            round(&mut random, &mut server, &mut devices, false, 0);
        }
        let declared = server.log.end();
        // Some have edits on their way while the server starts again.
        devices.iter_mut().for_each(|device| device.disconnect(&mut server));
        devices.iter_mut().for_each(|device| {
            edit(&mut random, device, false);
        });
        server = server.restored_with(server.batches(), schema(Rules::default()));
        devices.iter_mut().for_each(Device::connect);
        for _ in 0..30 {
            round(&mut random, &mut server, &mut devices, true, seed);
        }
        // Who slept has missed what came meanwhile.
        devices.iter_mut().for_each(|device| device.disconnect(&mut server));
        devices.iter_mut().for_each(Device::connect);
        talk(&mut server, &mut devices.iter_mut().collect::<Vec<_>>());
        let objects = server.objects();
        for (key, object) in &objects {
            for device in &devices {
                let parked = device.replica.parked().map(|(_, work)| &work.refusal.reason).collect::<Vec<_>>();
                let about = format!("seed {seed}, device {}: {key}, {parked:?}", device.number);
                assert_eq!((device.replica.pending(), device.replica.played()), (0, server.log.end()), "{about}");
                assert_eq!(device.replica.get(key).map(|shown| fields(shown)), Some(fields(object)), "{about}");
            }
            is_even(object, declared, seed);
        }
    }
}

fn round(random: &mut Rng, server: &mut Server, devices: &mut [Device], both: bool, seed: u64) {
    for device in &mut *devices {
        for _ in 0..random.u8(0..3) {
            edit(random, device, both);
        }
    }
    let mut awake: Vec<&mut Device> = devices.iter_mut().filter(|_| random.bool()).collect();
    talk(server, &mut awake);
    if both {
        server.objects().iter().for_each(|(_, object)| is_even(object, Seq(u64::MAX), seed));
    }
}

/// Fields of an object as they are shown.
fn fields(object: &Object) -> Vec<(String, Value)> {
    object.fields().map(|(name, field)| (name.to_string(), field.value.clone())).collect()
}

fn is_even(object: &Object, declared: Seq, seed: u64) {
    for (now, was) in RENAMES {
        let written = object.field(was).is_some_and(|field| field.version.last.seq >= declared);
        let (now, was) = (object.get(now), object.get(was));
        assert!(now == was || now.is_none() && !written, "seed {seed}: {now:?} and {was:?}");
    }
}

/// An edit of one to three ops by an app of the old version or, of the last two devices, of the new one.
fn edit(random: &mut Rng, device: &mut Device, both: bool) -> Option<()> {
    let id = format!("o{}", random.u8(0..3));
    let is_new = both && device.number > 2;
    let of = |pair: usize| if is_new { RENAMES[pair].0 } else { RENAMES[pair].1 };
    let shown = device.replica.get(&key(&id)).cloned();
    let Some(object) = shown else {
        device.edit(vec![insert(&id, &[(of(0), 0), (of(1), 1)]), text(&id, of(2), "begin")]);
        return Some(());
    };
    let ops: Vec<Op> = (0..random.u8(1..4)).filter_map(|_| op(random, &id, &object, of)).collect();
    // What does not fit what the ops before it leave is no edit.
    drop(device.replica.edit(device.now, ops));
    Some(())
}

fn op(random: &mut Rng, id: &str, object: &Object, of: impl Fn(usize) -> &'static str) -> Option<Op> {
    Some(match random.u8(0..9) {
        0 => delete(id),
        1 => set(id, of(0), random.i64(0..9)),
        2 => upsert(id, &[(of(0), random.i64(0..9)), (of(1), random.i64(0..9))]),
        3 => inc(id, of(1), random.i64(1..5)),
        4 => text(id, of(2), ["anew", "otherwise"][random.usize(0..2)]),
        5 => {
            let member = || vec![Value::Int(random.clone().i64(0..4))];
            update(id, of(3), Edit::Members(Members { add: member(), remove: vec![Value::Int(9)] }))
        }
        _ => {
            let length = object.get(of(2))?.as_text()?.chars().count();
            let offset = random.usize(0..=length);
            let insert = Content::Text(["x", "yz", "…"][random.usize(0..3)].into());
            let delete = random.usize(0..=(length - offset).min(2));
            let splice = Splice { offset: offset as u64, delete: delete as u64, insert };
            update(id, of(2), Edit::Splice(Splices::new(vec![splice]).ok()?))
        }
    })
}

fn text(id: &str, field: &str, text: &str) -> Op {
    update(id, field, Edit::Set(Value::text(text)))
}
