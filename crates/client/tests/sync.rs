//! Two devices and a server: edits made anywhere, online or not, come to be everywhere, once.

mod support;

use support::{TestServer, builder, client_by, converged, soon};
use tapeline_client::{Changed, Codec, Connection, Outcome, Status, Transport, Value};
use tapeline_core::frame::ErrorCode;
use tapeline_core::numbers::Seq;
use tokio::net::TcpListener;

by_each_transport! {
    two_clients_converge,
    it_works_from_a_cold_start_without_a_network,
    what_is_edited_offline_shows_at_once_and_is_sent_in_order_later,
    watchers_hear_exactly_what_changed,
    the_status_tells_why_there_is_no_connection,
    who_is_displaced_again_and_again_waits_longer_each_time,
}

async fn two_clients_converge(transport: Transport) {
    let server = TestServer::start().await;
    for codec in [Codec::Cbor, Codec::Json] {
        let a = builder(server.address(), transport).codec(codec).open().await.unwrap();
        let b = client_by(&server, transport).await;
        let (here, there) = (a.stream("list").await.unwrap(), b.stream("list").await.unwrap());
        let (tasks, theirs) = (here.collection("tasks").unwrap(), there.collection("tasks").unwrap());

        let (id, receipt) = tasks.insert([("title", "Buy milk".into()), ("done", false.into())]).unwrap();
        assert_eq!(tasks.get(&id).unwrap().get("title"), Some(&"Buy milk".into()));
        assert!(matches!(soon(receipt.recorded()).await.unwrap(), Outcome::Recorded { .. }));

        let mut changes = theirs.object_changes(&id);
        soon(async {
            while theirs.get(&id).is_none() {
                changes.next().await.unwrap();
            }
        })
        .await;
        theirs.update(&id, [("done", true.into())]).unwrap();
        tasks.increment(&id, "views", 2).unwrap();
        theirs.increment(&id, "views", 3).unwrap();
        converged(&here, &there).await;
        let task = tasks.get(&id).unwrap();
        assert_eq!((task.get("done"), task.get("views")), (Some(&true.into()), Some(&Value::Int(5))));
        a.close().await.unwrap();
    }
}

async fn it_works_from_a_cold_start_without_a_network(transport: Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let a = builder(format!("ws://{address}"), transport).open().await.unwrap();
    let list = a.stream("list").await.unwrap();
    let (_, receipt) = list.collection("tasks").unwrap().insert([("title", "Buy milk".into())]).unwrap();
    let mut connection = a.connection_changes();
    soon(connection.wait_for(|now| matches!(now, Connection::Waiting { .. }))).await.unwrap();

    let server = TestServer::start_on(TcpListener::bind(address).await.unwrap());
    a.go_online();
    assert_eq!(soon(receipt.recorded()).await, Ok(Outcome::Recorded { seq: Seq(0), lost: Vec::new() }));
    assert_eq!(server.head("list"), Seq(1));
}

async fn what_is_edited_offline_shows_at_once_and_is_sent_in_order_later(transport: Transport) {
    let server = TestServer::start().await;
    let (a, b) = (client_by(&server, transport).await, client_by(&server, transport).await);
    let (here, there) = (a.stream("list").await.unwrap(), b.stream("list").await.unwrap());
    soon(here.caught_up()).await.unwrap();
    a.go_offline();
    soon(a.connection_changes().wait_for(|now| *now == Connection::Offline)).await.unwrap();

    let tasks = here.collection("tasks").unwrap();
    let receipts: Vec<_> = (0..100).map(|i| tasks.insert([("i", Value::Int(i))]).unwrap().1).collect();
    assert_eq!(tasks.all().len(), 100);
    assert_eq!(here.status().replica.pending, 100);
    assert_eq!(server.head("list"), Seq(0));

    a.go_online();
    for (place, receipt) in receipts.iter().enumerate() {
        let outcome = soon(receipt.recorded()).await;
        assert_eq!(outcome, Ok(Outcome::Recorded { seq: Seq(place as u64), lost: Vec::new() }));
    }
    converged(&here, &there).await;
}

async fn watchers_hear_exactly_what_changed(transport: Transport) {
    let server = TestServer::start().await;
    let (a, b) = (client_by(&server, transport).await, client_by(&server, transport).await);
    let (here, there) = (a.stream("list").await.unwrap(), b.stream("list").await.unwrap());
    let (tasks, notes) = (here.collection("tasks").unwrap(), here.collection("notes").unwrap());
    let theirs = there.collection("tasks").unwrap();
    let (mut all, mut some) = (there.changes(), theirs.changes());

    let (note, receipt) = notes.insert([("text", "x".into())]).unwrap();
    let (task, _) = tasks.insert([("title", "Buy milk".into())]).unwrap();
    let (other, last) = tasks.insert([("title", "Buy bread".into())]).unwrap();
    soon(receipt.recorded()).await.unwrap();
    soon(last.recorded()).await.unwrap();
    converged(&here, &there).await;
    let mut tasks_changed = vec![tasks.key(&task), tasks.key(&other)];
    tasks_changed.sort();
    assert_eq!(gather(&mut some, 2).await, tasks_changed);
    let mut everything = tasks_changed.clone();
    everything.push(notes.key(&note));
    everything.sort();
    assert_eq!(gather(&mut all, 3).await, everything);

    let mut one = theirs.object_changes(&task);
    soon(theirs.update(&other, [("done", true.into())]).unwrap().recorded()).await.unwrap();
    soon(theirs.delete(&task).unwrap().recorded()).await.unwrap();
    assert_eq!(soon(one.next()).await, Some(Changed::Keys(vec![tasks.key(&task)])));
    assert_eq!(one.try_next(), None);
    b.close().await.unwrap();
    assert_eq!(soon(one.next()).await, None);
}

async fn gather(changes: &mut tapeline_client::Changes, count: usize) -> Vec<tapeline_client::Key> {
    let mut keys = Vec::new();
    while keys.len() < count {
        match soon(changes.next()).await {
            Some(Changed::Keys(more)) => keys.extend(more),
            other => panic!("keys were to come, not {other:?}"),
        }
    }
    keys.sort();
    assert_eq!(changes.try_next(), None);
    keys
}

async fn the_status_tells_why_there_is_no_connection(transport: Transport) {
    let server = TestServer::start().await;
    let a = client_by(&server, transport).await;
    let list = a.stream("list").await.unwrap();
    let mut statuses = list.status_changes();
    soon(async { while !statuses.next().await.unwrap().replica.open {} }).await;

    server.hang_up(Some(ErrorCode::UpgradeRequired));
    let upgrade = Connection::UpgradeRequired { why: "go away".into() };
    let told = |status: Status| status.connection == upgrade && !status.replica.open;
    soon(async { while !told(statuses.next().await.unwrap()) {} }).await;
    a.go_online();
    soon(list.caught_up()).await.unwrap();
    assert_eq!(a.connection(), Connection::Connected);
    a.close().await.unwrap();
    soon(async { while statuses.next().await.is_some() {} }).await;
    assert!(list.collection("tasks").unwrap().insert([("title", "late".into())]).is_err());
}

async fn who_is_displaced_again_and_again_waits_longer_each_time(transport: Transport) {
    let server = TestServer::start().await;
    let a = client_by(&server, transport).await;
    let list = a.stream("list").await.unwrap();
    let mut connection = a.connection_changes();
    let mut pauses = Vec::new();
    for _ in 0..4 {
        soon(list.caught_up()).await.unwrap();
        server.hang_up(Some(ErrorCode::Displaced));
        soon(connection.wait_for(|now| matches!(now, Connection::Waiting { .. }))).await.unwrap();
        let began = std::time::Instant::now();
        soon(connection.wait_for(|now| *now == Connection::Connected)).await.unwrap();
        pauses.push(began.elapsed());
    }
    assert!(pauses[3] > 2 * pauses[0], "{pauses:?}");
    assert_eq!(server.started(), 5);
}
