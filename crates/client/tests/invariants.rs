//! Three rules that no single event can keep, and that break where everybody's events are simply merged: each as a
//! command that reads what the rule is about. Two or three people obey it offline, at once; the server refuses what no
//! longer holds, the command runs again on what is there, and what it then refuses is parked with its reason.

mod support;

use support::{TestServer, client, converged, soon};
use tapeline_client::{ObjectId, Outcome, Read, RefusalCode, Refused, Stream, Tapeline, Transaction, Value};

/// A comment needs its task.
fn comment(tx: &mut Transaction<'_>, (task, text): (String, String)) -> Result<(), Refused> {
    tx.get("tasks", &ObjectId::new(task.as_str())?)?.ok_or("the task is gone")?;
    tx.insert("comments", [("task", task.into()), ("text", text.into())])?;
    Ok(())
}

/// A room holds two.
fn enter(tx: &mut Transaction<'_>, (room, guest): (String, String)) -> Result<(), Refused> {
    let room = ObjectId::new(room)?;
    let guests = tx.get("rooms", &room)?.and_then(|room| room.get("guests").cloned());
    match guests {
        Some(Value::List(guests)) if guests.len() >= 2 => Err("the room is full".into()),
        _ => tx.add("rooms", &room, "guests", [guest.into()]),
    }
}

/// A seat has one passenger.
fn book(tx: &mut Transaction<'_>, (seat, passenger): (String, String)) -> Result<(), Refused> {
    let id = ObjectId::new(seat.as_str())?;
    let taken = tx.get("seats", &id)?.and_then(|seat| seat.get("passenger").cloned());
    match taken {
        None | Some(Value::Null) => tx.upsert("seats", &id, [("passenger", passenger.into())]),
        Some(_) => Err(format!("seat {seat} is taken").into()),
    }
}

async fn person(server: &TestServer) -> (Tapeline, Stream) {
    let tapeline = client(server).await;
    tapeline.serializable_command("comment", comment);
    tapeline.serializable_command("enter", enter);
    tapeline.serializable_command("book", book);
    let stream = tapeline.stream("world").await.unwrap();
    (tapeline, stream)
}

fn id(id: &str) -> ObjectId {
    ObjectId::new(id).unwrap()
}

fn make(stream: &Stream, collection: &str, name: &str, fields: &[(&str, Value)]) {
    drop(stream.collection(collection).unwrap().insert_as(&id(name), fields.iter().cloned()).unwrap());
}

fn field(stream: &Stream, collection: &str, name: &str, field: &str) -> Value {
    stream.collection(collection).unwrap().get(&id(name)).unwrap().get(field).cloned().unwrap_or(Value::Null)
}

/// The one command that is parked: its name, and why.
fn parked(stream: &Stream) -> (String, String) {
    let [parked] = stream.parked().try_into().expect("one is parked");
    assert_eq!(parked.refusal.code, RefusalCode::Failed);
    (parked.command.unwrap().name.to_string(), parked.refusal.reason)
}

#[tokio::test]
async fn nobody_comments_on_a_task_that_was_deleted() {
    let server = TestServer::start().await;
    let ((a, ann), (_b, ben)) = (person(&server).await, person(&server).await);
    make(&ann, "tasks", "milk", &[("title", "Milk".into())]);
    converged(&ann, &ben).await;
    a.go_offline();
    let receipt = ann.run("comment", ("milk", "two, please")).unwrap();
    assert_eq!(ann.collection("comments").unwrap().all().len(), 1, "it shows while nobody knows better");
    ben.collection("tasks").unwrap().delete(&id("milk")).unwrap();
    soon(ben.synced()).await.unwrap();
    a.go_online();
    assert!(matches!(soon(receipt.recorded()).await.unwrap(), Outcome::Refused(_)));
    converged(&ann, &ben).await;
    assert_eq!(ann.collection("comments").unwrap().all().len(), 0);
    assert_eq!(parked(&ann), ("comment".into(), "the task is gone".into()));
}

#[tokio::test]
async fn a_room_for_two_never_holds_three() {
    let server = TestServer::start().await;
    let people = [person(&server).await, person(&server).await, person(&server).await];
    make(&people[0].1, "rooms", "attic", &[("guests", Value::List([].into()))]);
    for (_, stream) in &people[1..] {
        converged(&people[0].1, stream).await;
    }
    people.iter().for_each(|(tapeline, _)| tapeline.go_offline());
    for ((_, stream), guest) in people.iter().zip(["Ann", "Ben", "Cleo"]) {
        stream.run("enter", ("attic", guest)).unwrap();
    }
    people.iter().for_each(|(tapeline, _)| tapeline.go_online());
    for (_, stream) in &people[1..] {
        converged(&people[0].1, stream).await;
    }
    let Value::List(guests) = field(&people[0].1, "rooms", "attic", "guests") else { panic!("a set") };
    assert_eq!(guests.len(), 2);
    let full: Vec<&Stream> =
        people.iter().map(|(_, stream)| stream).filter(|stream| !stream.parked().is_empty()).collect();
    let [full] = full.try_into().expect("one of the three is not in");
    assert_eq!(parked(full), ("enter".into(), "the room is full".into()));
}

#[tokio::test]
async fn a_seat_has_one_passenger_and_the_other_may_choose_again() {
    let server = TestServer::start().await;
    let ((a, ann), (b, ben)) = (person(&server).await, person(&server).await);
    make(&ann, "seats", "12A", &[("passenger", Value::Null)]);
    converged(&ann, &ben).await;
    a.go_offline();
    b.go_offline();
    ann.run("book", ("12A", "Ann")).unwrap();
    ben.run("book", ("12A", "Ben")).unwrap();
    assert_eq!(field(&ben, "seats", "12A", "passenger"), "Ben".into(), "he believes it for now");
    a.go_online();
    soon(ann.synced()).await.unwrap();
    b.go_online();
    converged(&ann, &ben).await;
    assert_eq!(field(&ben, "seats", "12A", "passenger"), "Ann".into());
    assert_eq!(parked(&ben), ("book".into(), "seat 12A is taken".into()));

    ben.run("book", ("12B", "Ben")).unwrap();
    assert!(ben.discard(ben.parked()[0].edit));
    converged(&ann, &ben).await;
    assert_eq!(field(&ann, "seats", "12B", "passenger"), "Ben".into());
}

/// What an edit rests on can also be named by hand: then the server keeps the rule, whatever the program does.
#[tokio::test]
async fn the_server_refuses_what_rests_on_something_that_changed() {
    let server = TestServer::start().await;
    let ((a, ann), (_b, ben)) = (person(&server).await, person(&server).await);
    make(&ann, "seats", "12A", &[("passenger", Value::Null)]);
    converged(&ann, &ben).await;
    a.go_offline();
    let seat = Read { key: ann.collection("seats").unwrap().key(&id("12A")), field: None };
    let receipt = ann.edit_unless_changed(vec![set_passenger(&ann, "Ann")], vec![seat]).unwrap();
    ben.collection("seats").unwrap().update(&id("12A"), [("passenger", "Ben".into())]).unwrap();
    soon(ben.synced()).await.unwrap();
    a.go_online();
    let Outcome::Refused(refusal) = soon(receipt.recorded()).await.unwrap() else { panic!("it is refused") };
    assert_eq!(refusal.code, RefusalCode::Stale);
    let Some(Value::Map(current)) = refusal.current else { panic!("it tells what is there") };
    assert_eq!(current.get("passenger"), Some(&"Ben".into()));
    assert_eq!(ann.parked().len(), 1);
}

fn set_passenger(stream: &Stream, name: &str) -> tapeline_client::Op {
    use tapeline_client::{Action, Edit, FieldMap, Op};
    let edits = vec![("passenger".parse().unwrap(), Edit::Set(name.into()))];
    let key = stream.collection("seats").unwrap().key(&id("12A"));
    Op { key, seen: None, action: Action::Update(FieldMap::new(edits).unwrap()) }
}
