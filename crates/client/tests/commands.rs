//! Commands: typed, on the log with what they did, run again on what changed, and reported where they refuse or break.

mod support;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use support::{TestServer, client, converged, soon};
use tapeline_client::{
    CommandError, Millis, ObjectId, Outcome, Read, RefusalCode, Refused, Stream, Tapeline, Transaction, Value,
};
use tapeline_core::event::Recorded;
use tempfile::TempDir;

#[derive(Serialize, Deserialize)]
struct Order {
    item: String,
    count: i64,
}

/// Takes from a stock, and notes an order under an id, a number and a time of its own.
fn order(tx: &mut Transaction<'_>, Order { item, count }: Order) -> Result<(), Refused> {
    let stock = ObjectId::new(item.as_str())?;
    let left = tx.get("stock", &stock)?.and_then(|stock| stock.get("left")?.as_int()).ok_or("nobody sells it")?;
    assert!(left >= 0, "a negative stock");
    if left < count {
        return Err(format!("only {left} are left").into());
    }
    tx.update("stock", &stock, [("left", Value::Int(left - count))])?;
    let (number, at) = (tx.random() as i64, Value::Int(tx.now().0 as i64));
    pass(tx.now());
    tx.insert("orders", [("item", item.into()), ("number", number.into()), ("at", at), ("left", left.into())])?;
    Ok(())
}

/// The clock goes on while a command runs: its time is that of its beginning also when it is run again.
fn pass(now: Millis) {
    while SystemTime::now() < UNIX_EPOCH + Duration::from_millis(now.0 + 1) {
        std::hint::spin_loop();
    }
}

async fn open(tapeline: &Tapeline) -> Stream {
    tapeline.serializable_command("order", order);
    tapeline.stream("shop").await.unwrap()
}

fn milk() -> ObjectId {
    ObjectId::new("milk").unwrap()
}

fn of(count: i64) -> Order {
    Order { item: "milk".into(), count }
}

fn stock(stream: &Stream) -> i64 {
    stream.collection("stock").unwrap().get(&milk()).unwrap().get("left").unwrap().as_int().unwrap()
}

fn set_stock(stream: &Stream, left: i64) {
    drop(stream.collection("stock").unwrap().upsert(&milk(), [("left", left.into())]).unwrap());
}

/// Two clients that both see ten in stock.
async fn two(server: &TestServer) -> (Tapeline, Stream, Tapeline, Stream) {
    let (a, b) = (client(server).await, client(server).await);
    let (here, there) = (open(&a).await, open(&b).await);
    set_stock(&here, 10);
    converged(&here, &there).await;
    (a, here, b, there)
}

fn recorded(server: &TestServer) -> Vec<Recorded> {
    server.events("shop").events().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_command_is_on_the_log_with_its_arguments_and_what_it_did() {
    let server = TestServer::start().await;
    let (_a, here, ..) = two(&server).await;
    let receipt = here.run("order", of(3)).unwrap();
    assert_eq!(stock(&here), 7, "it shows at once");
    assert!(matches!(soon(receipt.recorded()).await.unwrap(), Outcome::Recorded { .. }));
    let last = recorded(&server).pop().unwrap();
    let command = last.body.command.unwrap();
    assert_eq!(command.name.as_str(), "order");
    let Value::Map(args) = command.args else { panic!("the arguments are a map") };
    assert_eq!((args.get("item"), args.get("count")), (Some(&"milk".into()), Some(&Value::Int(3))));
    assert_eq!(last.body.ops.len(), 2);
}

#[tokio::test]
async fn it_is_run_again_on_what_changed_with_the_same_id_number_and_time() {
    let server = TestServer::start().await;
    let (a, here, _b, there) = two(&server).await;
    a.go_offline();
    here.run("order", of(3)).unwrap();
    let orders = here.collection("orders").unwrap();
    let (id, before) = orders.all().pop().unwrap();
    set_stock(&there, 5);
    soon(there.synced()).await.unwrap();
    a.go_online();
    converged(&here, &there).await;
    let after = orders.get(&id).expect("it has the id of the first run");
    for same in ["number", "at"] {
        assert_eq!(before.get(same), after.get(same), "{same}");
    }
    assert_eq!((before.get("left"), after.get("left")), (Some(&Value::Int(10)), Some(&Value::Int(5))));
    assert_eq!(stock(&there), 2);
}

#[tokio::test]
async fn one_that_refuses_at_once_changes_nothing() {
    let server = TestServer::start().await;
    let (_a, here, ..) = two(&server).await;
    assert_eq!(here.run("order", of(11)).unwrap_err(), CommandError::Refused("only 10 are left".into()));
    assert!(matches!(here.run("order", "three"), Err(CommandError::Arguments(_))));
    assert!(matches!(here.run("ordr", of(1)), Err(CommandError::Unknown(_))));
    assert_eq!((stock(&here), here.status().replica.pending, here.parked().len()), (10, 0, 0));
}

#[tokio::test]
async fn one_that_refuses_later_is_parked_and_can_be_retried_changed_or_discarded() {
    let server = TestServer::start().await;
    let (a, here, _b, there) = two(&server).await;
    a.go_offline();
    let receipts: Vec<_> = (0..3).map(|_| here.run("order", of(3)).unwrap()).collect();
    set_stock(&there, 1);
    soon(there.synced()).await.unwrap();
    a.go_online();
    for receipt in &receipts {
        let Outcome::Refused(refusal) = soon(receipt.recorded()).await.unwrap() else { panic!("it is refused") };
        assert_eq!((refusal.code, refusal.reason.as_str()), (RefusalCode::Failed, "only 1 are left"));
    }
    converged(&here, &there).await;
    assert_eq!((stock(&here), here.collection("orders").unwrap().all().len()), (1, 0));
    let [first, second, third] = here.parked().try_into().expect("three are parked");
    assert_eq!(first.command.unwrap().name.as_str(), "order");

    assert_eq!(here.retry(first.edit).unwrap_err(), CommandError::Refused("only 1 are left".into()));
    set_stock(&here, 4);
    soon(here.retry(first.edit).unwrap().unwrap().recorded()).await.unwrap();
    soon(here.retry_as(second.edit, set_left(&here, 0)).unwrap().unwrap().recorded()).await.unwrap();
    let twice = (here.retry(first.edit), here.retry_as(second.edit, set_left(&here, 7)));
    assert!(matches!(twice, (Ok(None), Ok(None))), "what is parked no more is not made again");
    assert!(here.discard(third.edit));
    converged(&here, &there).await;
    assert_eq!((stock(&there), here.parked().len()), (0, 0));
}

fn set_left(stream: &Stream, left: i64) -> Vec<tapeline_client::Op> {
    let edit = tapeline_client::Edit::Set(left.into());
    let edits = tapeline_client::FieldMap::new(vec![("left".parse().unwrap(), edit)]).unwrap();
    let key = stream.collection("stock").unwrap().key(&milk());
    vec![tapeline_client::Op { key, seen: None, action: tapeline_client::Action::Update(edits) }]
}

#[tokio::test]
async fn one_that_panics_is_a_bug_and_blocks_nothing() {
    let server = TestServer::start().await;
    let (a, here, _b, there) = two(&server).await;
    a.go_offline();
    let broken = here.run("order", of(1)).unwrap();
    let (_, behind) = here.collection("notes").unwrap().insert([("text", "behind".into())]).unwrap();
    set_stock(&there, -1);
    soon(there.synced()).await.unwrap();
    a.go_online();
    let Outcome::Refused(refusal) = soon(broken.recorded()).await.unwrap() else { panic!("it is parked") };
    assert_eq!((refusal.code, refusal.reason.as_str()), (RefusalCode::Bug, "a negative stock"));
    assert!(matches!(soon(behind.recorded()).await.unwrap(), Outcome::Recorded { .. }));
    converged(&here, &there).await;
    assert_eq!(here.run("order", of(1)).unwrap_err(), CommandError::Bug("a negative stock".into()));
}

async fn open_offline(server: &TestServer, path: &Path) -> (Tapeline, Stream) {
    let tapeline = Tapeline::builder(server.address()).store(path).offline().open().await.unwrap();
    let stream = open(&tapeline).await;
    (tapeline, stream)
}

#[tokio::test]
async fn one_that_waits_is_run_again_by_the_next_program_and_what_is_parked_is_there() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let path = directory.path().join("shop.tapeline");
    let (a, here) = open_offline(&server, &path).await;
    a.go_online();
    set_stock(&here, 10);
    soon(here.synced()).await.unwrap();
    a.go_offline();
    here.run("order", of(3)).unwrap();
    here.run("order", of(4)).unwrap();
    let before = here.collection("orders").unwrap().all();
    soon(here.stored()).await.unwrap();
    a.close().await.unwrap();
    drop((a, here));

    let b = client(&server).await;
    let there = open(&b).await;
    soon(there.caught_up()).await.unwrap();
    set_stock(&there, 5);
    soon(there.synced()).await.unwrap();
    let (a, here) = open_offline(&server, &path).await;
    a.go_online();
    converged(&here, &there).await;
    let [(id, order)] = here.collection("orders").unwrap().all().try_into().expect("one of the two fits");
    assert!(before.iter().any(|(other, was)| *other == id && was.get("number") == order.get("number")));
    soon(here.stored()).await.unwrap();
    a.close().await.unwrap();
    drop((a, here));
    let (_a, here) = open_offline(&server, &path).await;
    let [parked] = here.parked().try_into().expect("the other is parked");
    assert_eq!((parked.refusal.code, parked.refusal.reason.as_str()), (RefusalCode::Failed, "only 2 are left"));
}

#[tokio::test]
async fn reads_named_by_hand_are_refused_as_stale_with_what_is_there() {
    let server = TestServer::start().await;
    let (a, here, _b, there) = two(&server).await;
    a.go_offline();
    let left = || Read { key: here.collection("stock").unwrap().key(&milk()), field: Some("left".parse().unwrap()) };
    let receipt = here.edit_unless_changed(set_left(&here, 9), vec![left()]).unwrap();
    set_stock(&there, 2);
    soon(there.synced()).await.unwrap();
    a.go_online();
    let Outcome::Refused(refusal) = soon(receipt.recorded()).await.unwrap() else { panic!("it is refused") };
    assert_eq!(refusal.code, RefusalCode::Stale);
    let Some(Value::Map(current)) = refusal.current else { panic!("it tells what is there") };
    assert_eq!(current.get("left"), Some(&Value::Int(2)));
    converged(&here, &there).await;
    assert_eq!((stock(&here), here.parked().len()), (2, 1));
}

#[tokio::test]
async fn a_serializable_command_that_reads_a_whole_collection_is_refused() {
    let server = TestServer::start().await;
    let (a, here, ..) = two(&server).await;
    a.serializable_command("count", |tx, (): ()| tx.all("stock").map(drop));
    let CommandError::Refused(why) = here.run("count", ()).unwrap_err() else { panic!("it is refused") };
    assert!(why.contains("by their ids"), "{why}");
}
