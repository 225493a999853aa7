//! References that hold: what they refer to is there, and when it goes, what refers to it goes, changes, or keeps it.

mod peers;

use std::collections::BTreeSet;

use fastrand::Rng;
use peers::story::Story;
use peers::*;
use tapeline_core::event::{Refusal, RefusalCode};
use tapeline_core::limits;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::op::{Action, Edit, FieldMap, Members, Op};
use tapeline_core::schema::{OnDelete, Reference, Rules, Schema};
use tapeline_core::shape::Shape;
use tapeline_core::value::Value;

fn field(name: &str) -> FieldName {
    FieldName::new(name).unwrap()
}

/// Tasks go with their owner and their parent, keep their list, and notes outlive them.
fn schema() -> Schema {
    let reference = |name: &str, to: &str, on_delete| Reference {
        field: field(name),
        to: Collection::new(to).unwrap(),
        on_delete: Some(on_delete),
    };
    let tasks = vec![
        reference("owner", "people", OnDelete::Cascade),
        reference("parent", "tasks", OnDelete::Cascade),
        reference("list", "lists", OnDelete::Restrict),
    ];
    let notes = vec![reference("task", "tasks", OnDelete::SetNull), reference("tasks", "tasks", OnDelete::SetNull)];
    let loose = Reference { field: field("by"), to: Collection::new("people").unwrap(), on_delete: None };
    let needed = Shape { required: true, ..Shape::default() };
    let labels = Rules {
        refs: vec![reference("task", "tasks", OnDelete::SetNull)],
        shapes: vec![(field("task"), needed)],
        ..Rules::default()
    };
    let rules = |refs| Rules { refs, ..Rules::default() };
    let collections = [("tasks", rules(tasks)), ("notes", rules([notes, vec![loose]].concat())), ("labels", labels)];
    Schema::new(collections.map(|(name, rules)| (Collection::new(name).unwrap(), rules)))
}

/// `tasks/a` as a key.
fn at(path: &str) -> Key {
    let (collection, id) = path.split_once('/').unwrap();
    Key { collection: Collection::new(collection).unwrap(), id: ObjectId::new(id).unwrap() }
}

fn add(path: &str, fields: &[(&str, &str)]) -> Op {
    let fields = fields.iter().map(|(name, value)| (field(name), Value::text(value)));
    Op { key: at(path), seen: None, action: Action::Insert(FieldMap::new(fields.collect()).unwrap()) }
}

fn edit(path: &str, name: &str, edit: Edit) -> Op {
    Op { key: at(path), seen: None, action: Action::Update(FieldMap::new(vec![(field(name), edit)]).unwrap()) }
}

fn refer(path: &str, name: &str, to: &str) -> Op {
    edit(path, name, Edit::Set(Value::text(to)))
}

fn remove(path: &str) -> Op {
    Op { key: at(path), seen: None, action: Action::Delete }
}

fn list(ids: &[&str]) -> Value {
    Value::List(ids.iter().map(Value::text).collect())
}

/// What there is, as paths.
fn there(story: &mut Story) -> Vec<String> {
    story.server.objects().iter().map(|(key, _)| key.to_string()).collect()
}

fn get(story: &mut Story, path: &str, name: &str) -> Option<Value> {
    let objects = story.server.objects();
    let (_, object) = objects.iter().find(|(key, _)| *key == at(path))?;
    object.get(name).cloned()
}

fn reason(refusal: Option<Refusal>) -> String {
    let refusal = refusal.expect("it is refused");
    assert_eq!(refusal.code, RefusalCode::Invalid);
    refusal.reason
}

#[test]
fn what_is_referred_to_is_there() {
    let mut story = Story::new(schema());
    let refusal = story.edit(vec![add("tasks/a", &[("owner", "ana")])]).unwrap();
    assert_eq!((refusal.field, refusal.about), (Some(field("owner")), Some(at("tasks/a"))));
    assert!(refusal.reason.contains("must refer to what is there in people"), "{}", refusal.reason);
    assert_eq!(story.edit(vec![add("tasks/a", &[("owner", "ana")]), add("people/ana", &[])]), None, "in any order");
    story.server.forget();
    assert_eq!(story.edit(vec![add("tasks/b", &[("owner", "ana")])]), None, "in storage");
    assert!(reason(story.edit(vec![refer("tasks/b", "owner", "bo")])).contains("field owner"));
    let number = edit("tasks/b", "owner", Edit::Set(Value::Int(1)));
    assert!(reason(story.edit(vec![number])).contains("field owner"), "a number is no id");
    assert_eq!(story.edit(vec![edit("tasks/b", "owner", Edit::Set(Value::Null))]), None);
    assert_eq!(story.edit(vec![add("notes/a", &[("by", "nobody")])]), None, "what says nothing stays as it is");
    let both = edit("notes/a", "tasks", Edit::Set(list(&["a", "c"])));
    assert!(reason(story.edit(vec![both])).contains("field tasks"), "of a list each item");
    let late = [add("notes/b", &[("task", "c")]), add("tasks/c", &[]), remove("tasks/c")];
    assert_eq!(story.edit(late.to_vec()), None, "it was there for a moment, and goes with what has gone");
    assert_eq!(get(&mut story, "notes/b", "task"), Some(Value::Null));
}

#[test]
fn what_must_stay_is_not_deleted() {
    let mut story = Story::new(schema());
    assert_eq!(story.edit(vec![add("lists/home", &[]), add("tasks/a", &[("list", "home")])]), None);
    let told = "lists/home: objects of tasks refer to it by list; delete or change those first";
    assert_eq!(reason(story.edit(vec![remove("lists/home")])), told);
    story.server.forget();
    assert_eq!(reason(story.edit(vec![remove("lists/home")])), told, "in storage, too");
    assert_eq!(story.edit(vec![remove("lists/home"), remove("tasks/a")]), None, "what the event makes of it counts");
    assert_eq!(there(&mut story), [""; 0]);
}

#[test]
fn what_goes_takes_with_it_what_refers_to_it_and_what_refers_to_that() {
    for forgets in [false, true] {
        let mut story = Story::new(schema());
        let tasks = [add("tasks/a", &[("owner", "ana")]), add("tasks/b", &[("parent", "a")]), add("tasks/c", &[])];
        let notes =
            [add("notes/x", &[("task", "b")]), edit("notes/x", "tasks", Edit::Set(list(&["a", "c", "b", "a"])))];
        assert_eq!(story.edit([vec![add("people/ana", &[])], tasks.to_vec(), notes.to_vec()].concat()), None);
        if forgets {
            story.server.forget();
        }
        assert_eq!(story.edit(vec![remove("people/ana")]), None);
        assert_eq!(there(&mut story), ["notes/x", "tasks/c"]);
        assert_eq!(get(&mut story, "notes/x", "task"), Some(Value::Null));
        assert_eq!(get(&mut story, "notes/x", "tasks"), Some(list(&["c"])));
    }
}

/// What is taken off an object before that is deleted stays, however short the outbox is made.
#[test]
fn a_delete_is_sent_after_what_was_edited_before_it() {
    let mut server = Server::with_schema(schema());
    let mut device = Device::new(1);
    device.connect();
    device.edit(vec![add("people/ana", &[]), add("people/bo", &[]), add("tasks/a", &[("owner", "ana")])]);
    talk(&mut server, &mut [&mut device]);
    device.disconnect(&mut server);
    device.edit(vec![refer("people/ana", "name", "Ana")]);
    device.edit(vec![refer("tasks/a", "owner", "bo")]);
    device.edit(vec![remove("people/ana")]);
    device.connect();
    talk(&mut server, &mut [&mut device]);
    let there: Vec<String> = server.objects().iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!((there, device.replica.parked().count()), (vec!["people/bo".to_owned(), "tasks/a".to_owned()], 0));
}

/// What an app shows of what went with its own edit is put right, also where edits of that are pending.
#[test]
fn who_deletes_is_told_what_went_with_it() {
    let mut server = Server::with_schema(schema());
    let mut device = Device::new(1);
    device.connect();
    device.edit(vec![add("people/ana", &[]), add("tasks/a", &[("owner", "ana")]), add("tasks/b", &[("owner", "ana")])]);
    device.edit(vec![add("notes/x", &[("task", "a")])]);
    talk(&mut server, &mut [&mut device]);
    device.edit(vec![remove("people/ana")]);
    device.edit(vec![refer("tasks/b", "title", "kept")]);
    device.replica.take_changed().for_each(drop);
    talk(&mut server, &mut [&mut device]);
    let changed: BTreeSet<Key> = device.replica.take_changed().collect();
    assert!(["tasks/a", "tasks/b", "notes/x"].iter().all(|name| changed.contains(&at(name))), "{changed:?}");
    assert!(device.replica.get(&at("tasks/a")).is_none() && device.replica.get(&at("tasks/b")).is_none());
    assert_eq!(device.replica.get(&at("notes/x")).unwrap().get("task"), Some(&Value::Null));
    assert_eq!(device.replica.parked().count(), 1, "nothing is there that the title could be of");
}

#[test]
fn nothing_goes_where_something_of_it_must_stay() {
    let mut story = Story::new(schema());
    let people = vec![add("people/ana", &[]), add("tasks/a", &[("owner", "ana")]), add("labels/l", &[("task", "a")])];
    assert_eq!(story.edit(people), None);
    let told = "people/ana: an object of labels that would go or change with it must stay as it is";
    let refusal = story.edit(vec![remove("people/ana")]).unwrap();
    assert_eq!((refusal.about, &*refusal.reason), (Some(at("people/ana")), told));
    assert_eq!(there(&mut story), ["labels/l", "people/ana", "tasks/a"]);
    assert_eq!(story.edit(vec![remove("labels/l"), remove("people/ana")]), None);
}

#[test]
fn no_more_goes_with_one_event_than_so_many() {
    let most = limits::FOLLOWING_OBJECTS;
    for forgets in [false, true] {
        let mut story = Story::new(schema());
        let task = |number: usize| add(&format!("tasks/{number}"), &[("owner", "ana")]);
        assert_eq!(story.edit([vec![add("people/ana", &[])], (0..=most).map(task).collect()].concat()), None);
        if forgets {
            story.server.forget();
        }
        let told = reason(story.edit(vec![remove("people/ana")]));
        assert!(told.starts_with("people/ana: more than 1000 objects would go"), "{told}");
        assert_eq!(there(&mut story).len(), most + 2);
        assert_eq!(story.edit(vec![remove("tasks/0")]), None);
        assert_eq!(story.edit(vec![remove("people/ana")]), None);
        assert_eq!(there(&mut story), [""; 0]);
    }
}

/// There are more of them than are looked for in one go, and some refer to what goes in two ways.
#[test]
fn all_of_many_goes_from_storage() {
    let mut story = Story::new(schema());
    let task = |number: usize| {
        let (task, parent) = (format!("tasks/{number}"), (number / 2).to_string());
        let fields = [("owner", "ana"), ("parent", parent.as_str())];
        [add(&task, &fields), add(&format!("notes/{number}"), &[("task", &number.to_string())])]
    };
    assert_eq!(story.edit([vec![add("people/ana", &[])], (0..200).flat_map(task).collect()].concat()), None);
    story.server.forget();
    assert_eq!(story.edit(vec![remove("people/ana")]), None);
    assert_eq!(there(&mut story).len(), 200);
    assert_eq!(get(&mut story, "notes/199", "task"), Some(Value::Null));
    let events: Vec<_> = story.server.log.events().map(Result::unwrap).collect();
    let ops = &events.last().unwrap().body.ops;
    assert_eq!(ops.len(), 1 + 200 + 200, "each goes once");
}

/// Several replicas edit while they are apart, and storage is all that the server has now and then: no reference ever refers
/// to what is not there, replicas hold what the server holds, and whoever was refused has it parked with the field.
#[test]
fn no_reference_ever_dangles_however_many_edit_at_once() {
    for seed in 0..40 {
        let mut random = Rng::with_seed(seed);
        let mut server = Server::with_schema(schema());
        let mut devices: Vec<Device> = (1..=3).map(Device::new).collect();
        devices.iter_mut().for_each(Device::connect);
        for _ in 0..40 {
            for device in &mut devices {
                (0..random.u8(0..3)).for_each(|_| edit_at_random(&mut random, device));
            }
            let mut awake: Vec<&mut Device> = devices.iter_mut().filter(|_| random.bool()).collect();
            talk(&mut server, &mut awake);
            if random.bool() {
                server.forget();
            }
            assert_holds(&mut server, seed);
        }
        for device in &mut devices {
            device.disconnect(&mut server);
            device.connect();
        }
        talk(&mut server, &mut devices.iter_mut().collect::<Vec<_>>());
        let mut parked = 0;
        for device in &devices {
            assert_eq!(device.replica.pending(), 0, "seed {seed}");
            for (key, object) in server.objects() {
                let held = device.replica.get(&key);
                assert!(held.is_some_and(|held| held.has_fields_of(&object)), "seed {seed}: {key}");
            }
            let invalid = device.replica.parked().filter(|(_, work)| work.refusal.code == RefusalCode::Invalid);
            for (_, work) in invalid {
                let is_delete = matches!(work.body.ops[0].action, Action::Delete);
                assert!(is_delete || work.refusal.field.is_some(), "seed {seed}: {work:?}");
                parked += 1;
            }
        }
        assert!(parked > 0, "seed {seed}: nothing was refused");
    }
}

const COLLECTIONS: [&str; 5] = ["people", "tasks", "lists", "notes", "labels"];

fn edit_at_random(random: &mut Rng, device: &mut Device) {
    let collection = COLLECTIONS[random.usize(0..5)];
    let path = format!("{collection}/{}", random.u8(0..3));
    let id = random.u8(0..3).to_string();
    let there = device.replica.get(&at(&path)).is_some();
    let refs: &[&str] = match collection {
        "tasks" => &["owner", "parent", "list"],
        "notes" => &["task", "tasks"],
        "labels" => &["task"],
        _ => &["title"],
    };
    let name = refs[random.usize(0..refs.len())];
    let op = match random.u8(0..6) {
        _ if !there => {
            add(&path, &[(name, &id)].map(|(name, id)| (if name == "tasks" { "task" } else { name }, id.as_str())))
        }
        0 | 1 => remove(&path),
        _ if name == "tasks" && random.bool() => edit(&path, name, Edit::Set(list(&[&id]))),
        _ if name == "tasks" => {
            let members = Members { add: vec![Value::text(id)], remove: Vec::new() };
            edit(&path, name, Edit::Members(members))
        }
        _ => refer(&path, name, &id),
    };
    device.edit(vec![op]);
}

fn assert_holds(server: &mut Server, seed: u64) {
    let objects = server.objects();
    let is_there = |collection: &Collection, id: &Value| {
        let id = id.as_text().map(|id| ObjectId::new(id).unwrap());
        objects.iter().any(|(key, _)| key.collection == *collection && Some(&key.id) == id.as_ref())
    };
    let schema = schema();
    for (key, object) in &objects {
        for reference in schema.references(&key.collection).iter().filter(|it| it.on_delete.is_some()) {
            let ids = match object.get(reference.field.as_str()) {
                None | Some(Value::Null) => continue,
                Some(Value::List(ids)) => ids.to_vec(),
                Some(id) => vec![id.clone()],
            };
            assert!(ids.iter().all(|id| is_there(&reference.to, id)), "seed {seed}: {key} {ids:?}");
        }
    }
}
