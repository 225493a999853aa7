//! What a device must survive: being killed, copied, put back, and a server that was put back.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use support::{TestServer, client, converged, copy_store, soon};
use tapeline_client::{Notice, ObjectId, Outcome, Stream, Tapeline, Value};
use tapeline_core::frame::ResyncReason;
use tapeline_core::numbers::Seq;
use tempfile::TempDir;

/// Edits of the large test: more than a server keeps the verdicts of.
const MANY: i64 = 40_000;

async fn open(server: &TestServer, path: &Path) -> (Tapeline, Stream) {
    let tapeline = Tapeline::builder(server.address()).store(path).offline().open().await.unwrap();
    let stream = tapeline.stream("list").await.unwrap();
    (tapeline, stream)
}

/// Opens, writes a note, and waits until it is on the server and on the device.
async fn open_and_note(server: &TestServer, path: &Path, text: &str) -> (Tapeline, Stream) {
    let (tapeline, stream) = open(server, path).await;
    tapeline.go_online();
    note(&stream, text);
    soon(stream.synced()).await.unwrap();
    soon(stream.stored()).await.unwrap();
    (tapeline, stream)
}

fn note(stream: &Stream, text: &str) -> ObjectId {
    stream.collection("notes").unwrap().insert([("text", text.into())]).unwrap().0
}

/// The texts of all notes: as a list, so that one that came twice shows.
fn texts(stream: &Stream) -> Vec<String> {
    let all = stream.collection("notes").unwrap().all().into_iter();
    let mut texts: Vec<_> = all.map(|(_, note)| note.get("text").unwrap().as_text().unwrap().to_owned()).collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn offline_edits_survive_a_kill_and_are_sent_in_order_exactly_once() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let path = directory.path().join("app.tapeline");
    let (tapeline, stream) = open(&server, &path).await;
    let tasks = stream.collection("tasks").unwrap();
    let receipts: Vec<_> = (0..MANY).map(|i| tasks.insert([("i", Value::Int(i))]).unwrap().1).collect();
    assert_eq!(tasks.all().len(), MANY as usize);
    soon(receipts.last().unwrap().stored()).await.unwrap();
    drop((tapeline, stream, tasks, receipts));

    let (tapeline, stream) = open(&server, &path).await;
    assert_eq!(stream.collection("tasks").unwrap().all().len(), MANY as usize);
    assert_eq!(stream.status().replica.pending, MANY as usize);
    tapeline.go_online();
    let other = client(&server).await;
    let there = other.stream("list").await.unwrap();
    soon(stream.synced()).await.unwrap();
    converged(&stream, &there).await;

    let events: Vec<_> = server.events("list").events().map(Result::unwrap).collect();
    assert_eq!(events.len(), MANY as usize);
    let all = there.collection("tasks").unwrap();
    for (place, event) in events.iter().enumerate() {
        let task = all.get(&event.body.ops[0].key.id).unwrap();
        assert_eq!(task.get("i"), Some(&Value::Int(place as i64)));
    }
}

#[tokio::test]
async fn a_kill_at_any_moment_loses_nothing_that_was_stored_and_doubles_nothing() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let path = directory.path().join("app.tapeline");
    let mut expected = BTreeSet::new();
    for round in 0..12 {
        let (tapeline, stream) = open(&server, &path).await;
        tapeline.go_online();
        for place in 0..20 {
            let text = format!("{round:02}/{place:02}");
            let (_, receipt) = stream.collection("notes").unwrap().insert([("text", text.as_str().into())]).unwrap();
            // Each round is killed at another stage of the way.
            match round % 4 {
                0 => drop(soon(receipt.recorded()).await.unwrap()),
                1 => soon(receipt.stored()).await.unwrap(),
                2 if place == 19 => soon(receipt.stored()).await.unwrap(),
                _ => {}
            }
            if round % 4 != 3 {
                expected.insert(text);
            }
        }
    }
    let (tapeline, stream) = open(&server, &path).await;
    tapeline.go_online();
    soon(stream.synced()).await.unwrap();
    let texts = texts(&stream);
    let once: BTreeSet<String> = texts.iter().cloned().collect();
    assert_eq!(once.len(), texts.len());
    assert!(expected.is_subset(&once), "lost: {:?}", expected.difference(&once).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_store_copied_to_a_second_device_is_noticed_and_both_go_on() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    let (a, here) = open_and_note(&server, &first, "before").await;
    a.go_offline();
    note(&here, "pending at the copy");
    soon(here.stored()).await.unwrap();
    copy_store(&first, &second);

    let (b, there) = open(&server, &second).await;
    assert_eq!(here.client(), there.client());
    assert_eq!(texts(&there), ["before", "pending at the copy"]);
    note(&here, "on the first");
    note(&there, "on the second");
    let mut notices = there.notices();
    a.go_online();
    soon(here.synced()).await.unwrap();
    b.go_online();
    converged(&here, &there).await;
    let new = soon(async {
        loop {
            if let Notice::NewIdentity(client) = notices.recv().await.unwrap() {
                break client;
            }
        }
    });
    assert_eq!(new.await, there.client());
    assert_ne!(here.client(), there.client());
    assert_eq!(texts(&here), ["before", "on the first", "on the second", "pending at the copy"]);
}

#[tokio::test]
async fn two_copies_that_are_online_together_come_apart_and_lose_nothing() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    let (_a, here) = open_and_note(&server, &first, "before").await;
    copy_store(&first, &second);

    let (b, there) = open(&server, &second).await;
    b.go_online();
    soon(there.caught_up()).await.unwrap();
    let mut expected = vec!["before".to_owned()];
    for round in 0..20 {
        for (name, stream) in [("a", &here), ("b", &there)] {
            let text = format!("{name}{round:02}");
            note(stream, &text);
            expected.push(text);
        }
    }
    converged(&here, &there).await;
    expected.sort();
    assert_eq!(texts(&here), expected);
    assert_ne!(here.client(), there.client());
}

#[tokio::test]
async fn a_store_put_back_to_an_older_copy_loses_nothing_the_server_has() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let (path, backup) = (directory.path().join("app.tapeline"), directory.path().join("backup"));
    let (tapeline, stream) = open_and_note(&server, &path, "before").await;
    copy_store(&path, &backup);
    note(&stream, "after the backup");
    soon(stream.synced()).await.unwrap();
    tapeline.close().await.unwrap();
    drop((tapeline, stream));

    copy_store(&backup, &path);
    let (tapeline, stream) = open(&server, &path).await;
    assert_eq!(texts(&stream), ["before"]);
    let old = stream.client();
    note(&stream, "after it was put back");
    tapeline.go_online();
    soon(stream.synced()).await.unwrap();
    assert_eq!(texts(&stream), ["after it was put back", "after the backup", "before"]);
    assert_ne!(stream.client(), old);
    assert_eq!(server.head("list"), Seq(3));
}

#[tokio::test]
async fn a_server_put_back_to_an_older_backup_gets_back_what_living_clients_know() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let (a, here) = open(&server, &directory.path().join("a")).await;
    let (b, there) = open(&server, &directory.path().join("b")).await;
    a.go_online();
    b.go_online();
    note(&here, "in the backup");
    converged(&here, &there).await;
    let backup = server.backup();
    note(&here, "forgotten, of a");
    note(&there, "forgotten, of b");
    converged(&here, &there).await;
    soon(here.stored()).await.unwrap();
    soon(there.stored()).await.unwrap();
    a.go_offline();
    b.go_offline();
    note(&here, "pending");
    let mut notices = here.notices();

    server.restore(&backup);
    let c = client(&server).await;
    let elsewhere = c.stream("list").await.unwrap();
    note(&elsewhere, "written on the backup");
    soon(elsewhere.synced()).await.unwrap();
    a.go_online();
    b.go_online();
    let reason = soon(async {
        loop {
            if let Notice::StartedOver(reason) = notices.recv().await.unwrap() {
                break reason;
            }
        }
    });
    assert_eq!(reason.await, ResyncReason::Forked);
    converged(&here, &there).await;
    converged(&here, &elsewhere).await;
    let all = ["forgotten, of a", "forgotten, of b", "in the backup", "pending", "written on the backup"];
    assert_eq!(texts(&here), all);
}

/// While both share a client id, the server forgets an event of the one and takes another of the other in its place.
#[tokio::test]
async fn a_copied_store_and_a_server_put_back_together_lose_nothing_either() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    let (a, here) = open_and_note(&server, &first, "before").await;
    copy_store(&first, &second);
    let backup = server.backup();
    note(&here, "of the original");
    soon(here.synced()).await.unwrap();
    a.go_offline();

    server.restore(&backup);
    let (b, there) = open(&server, &second).await;
    b.go_online();
    note(&there, "of the copy");
    soon(there.synced()).await.unwrap();
    a.go_online();
    soon(here.synced()).await.unwrap();
    converged(&here, &there).await;
    assert_eq!(texts(&here), ["before", "of the copy", "of the original"]);
}

#[tokio::test]
async fn a_refused_edit_is_parked_through_a_restart_until_it_is_retried_or_discarded() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let path = directory.path().join("app.tapeline");
    let (a, here) = open(&server, &path).await;
    a.go_online();
    let counters = here.collection("counters").unwrap();
    let ids = [1, 2].map(|count: i64| counters.insert([("count", count.into())]).unwrap().0);
    soon(here.synced()).await.unwrap();
    a.go_offline();
    let receipts: Vec<_> = ids.iter().map(|id| counters.increment(id, "count", 1).unwrap()).collect();

    let other = client(&server).await;
    let there = other.stream("list").await.unwrap();
    soon(there.caught_up()).await.unwrap();
    for id in &ids {
        let text = there.collection("counters").unwrap().update(id, [("count", "many".into())]).unwrap();
        soon(text.recorded()).await.unwrap();
    }
    a.go_online();
    for receipt in &receipts {
        assert!(matches!(soon(receipt.recorded()).await, Ok(Outcome::Refused(_))));
    }
    soon(here.synced()).await.unwrap();
    assert_eq!(counters.get(&ids[0]).unwrap().get("count"), Some(&"many".into()));
    assert_eq!(
        here.parked().iter().map(|parked| parked.edit).collect::<Vec<_>>(),
        [receipts[0].edit(), receipts[1].edit()]
    );
    soon(here.stored()).await.unwrap();
    drop((a, here, counters, receipts));

    let (a, here) = open(&server, &path).await;
    a.go_online();
    soon(here.synced()).await.unwrap();
    let parked = here.parked();
    assert_eq!((parked.len(), here.status().replica.parked), (2, 2));
    assert!(here.retry(parked[0].edit).is_err());
    here.collection("counters").unwrap().update(&ids[0], [("count", 5i64.into())]).unwrap();
    let again = here.retry(parked[0].edit).unwrap().unwrap();
    assert!(matches!(soon(again.recorded()).await, Ok(Outcome::Recorded { .. })));
    assert!(here.discard(parked[1].edit));
    assert_eq!(here.collection("counters").unwrap().get(&ids[0]).unwrap().get("count"), Some(&Value::Int(6)));
    a.close().await.unwrap();
    drop((a, here));
    let (_a, here) = open(&server, &path).await;
    assert!(here.parked().is_empty());
}
