//! Holding a part of a stream, with a real server: what is asked for comes, stays in step, and goes again.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use fastrand::Rng;
use serde_json::json;
use support::{builder, soon};
use tapeline_client::{
    HoldError, Object, ObjectId, Outcome, Stream, StreamError, SubscribeError, Tapeline, Transport, Value,
};
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Server, ServerConfig};
use tempfile::TempDir;

async fn start() -> (Server, String) {
    let config = ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), ..ServerConfig::default() };
    let server = Server::start_in_memory(config, Arc::new(MemoryLog::new())).await.unwrap();
    let address = format!("ws://{}", server.address());
    (server, address)
}

/// Somebody who holds all of a room with messages from `0` on, and their ids.
async fn author(address: &str, messages: i64) -> (Tapeline, Stream, Vec<ObjectId>) {
    let client = builder(address, Transport::Auto).open().await.unwrap();
    let room = client.stream("room").await.unwrap();
    let made = (0..messages).map(|at| say(&room, at)).collect();
    soon(room.synced()).await.unwrap();
    (client, room, made)
}

/// Somebody who holds a part of it.
async fn part(address: &str) -> (Tapeline, Stream) {
    let client = builder(address, Transport::Auto).open().await.unwrap();
    let room = client.part("room").await.unwrap();
    (client, room)
}

fn say(room: &Stream, at: i64) -> ObjectId {
    let fields = [("at", at.into()), ("by", (at % 3).into()), ("read", false.into())];
    room.collection("messages").unwrap().insert(fields).unwrap().0
}

/// The numbers of messages, in order.
fn numbers(held: &tapeline_client::Held) -> Vec<i64> {
    held.objects().iter().map(|(_, message)| message.get("at").unwrap().as_int().unwrap()).collect()
}

async fn until(room: &Stream, is_so: impl Fn() -> bool) {
    let mut changes = room.changes();
    while !is_so() {
        soon(changes.next()).await.unwrap();
    }
}

#[tokio::test]
async fn a_window_is_the_newest_and_grows_and_moves() {
    let (_server, address) = start().await;
    let (_author, theirs, _) = author(&address, 200).await;
    let (_client, room) = part(&address).await;
    let newest = json!({ "collection": "messages", "orderBy": "-at", "limit": 5 });
    let window = room.hold(&newest).unwrap();
    soon(window.ready()).await.unwrap();
    assert_eq!(numbers(&window), [199, 198, 197, 196, 195]);
    assert_eq!(room.collection("messages").unwrap().all().len(), 5, "nothing else is on the device");
    assert!(window.more(8));
    soon(window.ready()).await.unwrap();
    assert_eq!(numbers(&window), (192..200).rev().collect::<Vec<_>>());
    say(&theirs, 200);
    until(&room, || numbers(&window)[0] == 200).await;
    assert_eq!(numbers(&window), (193..=200).rev().collect::<Vec<_>>());
}

/// What it held before and is gone takes nothing of its room.
#[tokio::test]
async fn a_window_of_somebody_who_comes_back_is_what_is_there_now() {
    let (_server, address) = start().await;
    let (_author, theirs, made) = author(&address, 20).await;
    let (client, room) = part(&address).await;
    let window = room.hold(&json!({ "collection": "messages", "orderBy": "-at", "limit": 5 })).unwrap();
    soon(window.ready()).await.unwrap();
    client.go_offline();
    let messages = theirs.collection("messages").unwrap();
    made[14..].iter().for_each(|id| drop(messages.delete(id).unwrap()));
    soon(theirs.synced()).await.unwrap();
    client.go_online();
    until(&room, || numbers(&window) == [13, 12, 11, 10, 9]).await;
    soon(window.ready()).await.unwrap();
    assert_eq!(numbers(&window), [13, 12, 11, 10, 9]);
    assert_eq!(room.collection("messages").unwrap().all().len(), 5, "nothing else is on the device");
}

#[tokio::test]
async fn what_a_query_finds_enters_and_leaves_and_goes_with_the_last_who_wants_it() {
    let (_server, address) = start().await;
    let (_author, theirs, ids) = author(&address, 30).await;
    let (_client, room) = part(&address).await;
    let unread = json!({ "collection": "messages", "where": { "by": 1, "read": false } });
    let (held, also) = (room.hold(&unread).unwrap(), room.hold(&unread).unwrap());
    soon(held.ready()).await.unwrap();
    assert_eq!(numbers(&held).len(), 10);
    theirs.collection("messages").unwrap().update(&ids[1], [("read", true.into())]).unwrap();
    until(&room, || held.objects().len() == 9).await;
    let mine = room.collection("messages").unwrap();
    let receipt = mine.update(&ids[4], [("read", true.into())]).unwrap();
    assert_eq!(held.objects().len(), 8, "it shows at once");
    assert!(matches!(soon(receipt.recorded()).await, Ok(Outcome::Recorded { .. })));
    drop(held);
    assert_eq!(also.objects().len(), 8);
    drop(also);
    assert_eq!(mine.all().len(), 0);
}

#[tokio::test]
async fn an_object_is_loaded_when_it_is_wanted_and_edited_without() {
    let (_server, address) = start().await;
    let (_author, theirs, ids) = author(&address, 10).await;
    let (client, room) = part(&address).await;
    let (first, again) = tokio::join!(room.load("messages", &ids[3]), room.load("messages", &ids[3]));
    let ((found, held), (same, also)) = (first.unwrap(), again.unwrap());
    assert_eq!(found.unwrap().get("at"), Some(&3i64.into()));
    assert!(same.is_some() && held.is_ready() && also.is_ready());
    let nobody = ObjectId::new("nobody").unwrap();
    assert!(soon(room.load("messages", &nobody)).await.unwrap().0.is_none());
    // What is edited without is all there once it has come; what was made here is so at once.
    client.go_offline();
    let messages = room.collection("messages").unwrap();
    drop(messages.upsert(&ids[5], [("read", true.into())]).unwrap());
    let (made, _) = messages.insert([("at", 10i64.into())]).unwrap();
    assert!(soon(room.load("messages", &made)).await.unwrap().0.is_some());
    assert!(soon(room.load("messages", &ids[3])).await.unwrap().0.is_some(), "it is held");
    let upserted = room.load("messages", &ids[5]);
    client.go_online();
    let (upserted, _held) = soon(upserted).await.unwrap();
    let upserted = upserted.unwrap();
    assert_eq!((upserted.get("at"), upserted.get("read")), (Some(&5i64.into()), Some(&true.into())));
    let receipt = messages.update(&ids[7], [("read", true.into())]).unwrap();
    assert!(matches!(soon(receipt.recorded()).await, Ok(Outcome::Recorded { .. })));
    let read = || theirs.collection("messages").unwrap().get(&ids[7]).unwrap().get("read") == Some(&true.into());
    until(&theirs, read).await;
}

#[tokio::test]
async fn what_the_device_holds_shows_at_once_after_a_restart() {
    let (_server, address) = start().await;
    let (_author, theirs, _) = author(&address, 20).await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.tapeline");
    let open = || builder(&address, Transport::Auto).store(&path);
    let query = json!({ "collection": "messages", "where": { "by": 2 } });
    let client = open().open().await.unwrap();
    let room = client.part("room").await.unwrap();
    let held = room.hold(&query).unwrap();
    soon(held.ready()).await.unwrap();
    soon(room.stored()).await.unwrap();
    let before = numbers(&held).len();
    client.close().await.unwrap();
    drop((held, room, client));
    (20..23).for_each(|at| drop(say(&theirs, at)));
    soon(theirs.synced()).await.unwrap();

    let client = open().offline().open().await.unwrap();
    let room = client.part("room").await.unwrap();
    let held = room.hold(&query).unwrap();
    assert_eq!(numbers(&held).len(), before);
    client.go_online();
    until(&room, || numbers(&held).len() == before + 1).await;
    assert!(matches!(client.stream("room").await, Err(StreamError::Part(_))));
}

#[tokio::test]
async fn what_is_no_query_or_no_part_is_refused() {
    let (_server, address) = start().await;
    let client = builder(&address, Transport::Auto).open().await.unwrap();
    let whole = client.stream("whole").await.unwrap();
    let all = json!({ "collection": "messages" });
    assert!(matches!(whole.hold(&all), Err(HoldError::Refused(SubscribeError::Whole))));
    let room = client.part("room").await.unwrap();
    assert!(matches!(room.hold(&json!({ "where": 1 })), Err(HoldError::Refused(SubscribeError::Query(_)))));
    let long = json!({ "collection": "messages", "limit": 1_001 });
    assert!(matches!(room.hold(&long), Err(HoldError::Refused(SubscribeError::TooLong))));
    assert!(!room.hold(&json!({ "collection": "messages", "limit": 1_000 })).unwrap().more(1_001));
    assert!(matches!(room.hold(&"all"), Err(HoldError::Shape(_) | HoldError::Refused(_))));
}

/// A comment on one of ten tasks, or on none, with some of four readers.
fn comment(random: &mut Rng) -> [(&'static str, Value); 3] {
    let task = if random.u8(0..6) == 0 { Value::Null } else { Value::text(format!("t{}", random.u8(0..10))) };
    let readers = (0..4).filter(|_| random.bool()).map(|reader| Value::text(format!("p{reader}"))).collect();
    [("task", task), ("readers", Value::List(readers)), ("open", random.bool().into())]
}

fn upsert(stream: &Stream, collection: &str, id: &str, fields: impl IntoIterator<Item = (&'static str, Value)>) {
    stream.collection(collection).unwrap().upsert(&ObjectId::new(id).unwrap(), fields).unwrap();
}

fn ids(stream: &Stream, collection: &str) -> BTreeSet<String> {
    stream.collection(collection).unwrap().all().iter().map(|(id, _)| id.to_string()).collect()
}

/// What rows refer to in a field, of what is there.
fn referred(rows: &[(ObjectId, Arc<Object>)], field: &str, there: &BTreeSet<String>) -> BTreeSet<String> {
    let values = rows.iter().filter_map(|(_, row)| row.get(field));
    values.flat_map(Value::ids).map(|id| id.to_string()).filter(|id| there.contains(id)).collect()
}

/// On lines that are cut, with edits of both sides.
#[tokio::test]
async fn what_the_rows_of_a_query_refer_to_is_held_with_them_and_nothing_else() {
    let (_server, address) = start().await;
    for seed in 0..6 {
        println!("seed {seed}");
        let mut random = Rng::with_seed(seed);
        let name = format!("talk/{seed}");
        let (all, mine) = (builder(&address, Transport::Auto), builder(&address, Transport::Auto));
        let (all, mine) = (all.open().await.unwrap(), mine.open().await.unwrap());
        let (whole, part) = (all.stream(&name).await.unwrap(), mine.part(&name).await.unwrap());
        (0..10).for_each(|task| upsert(&whole, "tasks", &format!("t{task}"), [("n", 0.into())]));
        (0..3).for_each(|person| upsert(&whole, "people", &format!("p{person}"), [("n", 0.into())]));
        let mut query = json!({
            "collection": "comments", "where": { "open": true }, "with": { "task": "tasks", "readers": "people" },
        });
        if seed % 2 == 1 {
            query["limit"] = 3.into();
        }
        let held = part.hold(&query).unwrap();
        for _ in 0..60 {
            let (author, id) = (if random.u8(0..4) == 0 { &part } else { &whole }, format!("c{}", random.u8(0..8)));
            match random.u8(0..10) {
                0..7 => upsert(author, "comments", &id, comment(&mut random)),
                7 => upsert(&whole, "tasks", &format!("t{}", random.u8(0..10)), [("n", random.i64(0..9).into())]),
                8 => mine.go_offline(),
                _ => mine.go_online(),
            }
            if random.u8(0..4) == 0 {
                tokio::task::yield_now().await;
            }
        }
        mine.go_online();
        soon(part.synced()).await.unwrap();
        soon(whole.synced()).await.unwrap();
        soon(part.synced()).await.unwrap();
        soon(held.ready()).await.unwrap();
        let rows = held.objects();
        for (field, collection) in [("task", "tasks"), ("readers", "people")] {
            let found = referred(&rows, field, &ids(&whole, collection));
            assert_eq!(ids(&part, collection), found, "seed {seed}: {collection} of {rows:?}");
        }
        for (id, task) in part.collection("tasks").unwrap().all() {
            assert_eq!(task.get("n"), whole.collection("tasks").unwrap().get(&id).unwrap().get("n"), "seed {seed}");
        }
        drop(held);
        assert_eq!((ids(&part, "tasks").len(), ids(&part, "people").len()), (0, 0), "seed {seed}");
    }
}

/// Past the limit: more than a part may have, with what their rows refer to and without.
#[tokio::test]
async fn every_query_that_there_is_room_for_has_all_of_what_it_finds() {
    const MOST: usize = 1_000;
    let (_server, address) = start().await;
    let (_author, theirs, _) = author(&address, 0).await;
    let person = |at: u32| format!("p{}", at % 40);
    for at in 0..200 {
        let fields = [("at", at.into()), ("by", person(at).as_str().into())];
        upsert(&theirs, "messages", &format!("m{at}"), fields);
    }
    (0..40).for_each(|at| upsert(&theirs, "people", &person(at), [("n", at.into())]));
    soon(theirs.synced()).await.unwrap();
    // Of one message, which is there or not; or of one that is, with whose it is.
    let hold = |room: &Stream, random: &mut Rng| {
        let by = random.u8(0..8) == 0;
        let at = random.u32(0..if by { 200 } else { 2_000 });
        let mut query = json!({ "collection": "messages", "where": { "at": at } });
        if by {
            query["with"] = json!({ "by": "people" });
        }
        Some(((at, by), room.hold(&query).ok()?))
    };
    let room_for = |held: &[((u32, bool), tapeline_client::Held)]| {
        let queries: BTreeSet<_> = held.iter().map(|(query, _)| *query).collect();
        let related: BTreeSet<_> = queries.iter().filter(|(_, by)| *by).map(|(at, _)| person(*at)).collect();
        queries.len() + related.len()
    };
    for seed in 0..4 {
        println!("seed {seed}");
        let mut random = Rng::with_seed(seed);
        let (_client, room) = part(&address).await;
        let people = room.collection("people").unwrap();
        let mut held = Vec::new();
        for _ in 0..4 {
            while let Some(another) = hold(&room, &mut random) {
                held.push(another);
                if random.u8(0..30) == 0 {
                    drop(held.swap_remove(random.usize(0..held.len())));
                }
            }
            if random.bool() {
                soon(room.synced()).await.unwrap();
            }
            let most = MOST - random.usize(0..100);
            while room_for(&held) > most {
                drop(held.swap_remove(random.usize(0..held.len())));
            }
            for ((at, by), held) in &held {
                soon(held.ready()).await.unwrap();
                assert_eq!(held.objects().len(), usize::from(*at < 200), "seed {seed}: {at}");
                let author = people.get(&ObjectId::new(person(*at)).unwrap());
                assert!(!by || author.is_some(), "seed {seed}: the author of {at}");
            }
        }
    }
}
