//! Reading and writing no more than the rules allow, with a real server that asks who connects.

mod support;

use std::collections::BTreeMap;

use serde_json::json;
use support::asking::Asking;
use support::{builder, soon};
use tapeline_client::{ObjectId, Outcome, Stream, Transport};
use tapeline_core::value::Value;
use tempfile::TempDir;

/// Everybody reads and edits the tasks that they own or are members of.
const SCHEMA: &str = r#"
    [collections.tasks.rules]
    read = "resource.owner == auth.sub || auth.sub in resource.members"
    insert = "new.owner == auth.sub"
    update = "old.owner == auth.sub || auth.sub in old.members && old.owner == new.owner"
    delete = "old.owner == auth.sub"
    fields = { verdict = "auth.role == 'judge'" }

    [streams."teams/*"]
    read = "stream.parts[1] in auth.teams"
    write = "stream.parts[1] in auth.teams"
"#;

fn members(names: &[&str]) -> Value {
    Value::List(names.iter().map(Value::text).collect())
}

fn tasks(stream: &Stream) -> BTreeMap<ObjectId, Value> {
    let all = stream.collection("tasks").unwrap().all();
    all.into_iter().map(|(id, object)| (id, object.to_value())).collect()
}

/// Waits until a stream shows what it should.
async fn shows(stream: &Stream, what: impl Fn() -> bool) {
    let mut changes = stream.changes();
    soon(async {
        while !what() {
            changes.next().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_no_rule_allows_is_refused_and_parked_without_a_word_of_what_may_not_be_read() {
    let asking = Asking::start(SCHEMA).await;
    let (_backend, all) = asking.backend().await;
    let of_ben = ObjectId::new("of-ben").unwrap();
    let fields = [("owner", Value::text("ben")), ("members", members(&["cem"])), ("title", Value::text("secret"))];
    all.collection("tasks").unwrap().insert_as(&of_ben, fields).unwrap();
    soon(all.synced()).await.unwrap();
    let proxy = asking.proxy().await;
    let ana = asking.client(&proxy, "ana").open().await.unwrap();
    let list = ana.stream("list").await.unwrap();
    let mine = list.collection("tasks").unwrap();
    soon(list.caught_up()).await.unwrap();
    let refused = async |receipt: tapeline_client::Receipt| match soon(receipt.recorded()).await.unwrap() {
        Outcome::Refused(refusal) => (refusal.code.code().to_owned(), refusal.reason.clone(), refusal.current.clone()),
        other => panic!("{other:?}"),
    };
    let update = mine.update(&of_ben, [("title", Value::text("mine"))]).unwrap();
    let (code, reason, current) = refused(update).await;
    assert_eq!((code.as_str(), current), ("not_found", None), "{reason}");
    let for_ben = [("owner", Value::text("ben")), ("title", Value::text("a gift"))];
    let (code, reason, _) = refused(mine.insert(for_ben).unwrap().1).await;
    assert_eq!(code, "forbidden");
    assert!(reason.contains("you may not insert it (rule of tasks: insert)"), "{reason}");
    let own = [("owner", Value::text("ana")), ("title", Value::text("own")), ("verdict", Value::text("good"))];
    assert!(refused(mine.insert(own).unwrap().1).await.1.contains("tasks.verdict"));
    assert_eq!(list.parked().len(), 3);
    let (id, receipt) = mine.insert([("owner", Value::text("ana")), ("title", Value::text("own"))]).unwrap();
    assert!(matches!(soon(receipt.recorded()).await, Ok(Outcome::Recorded { .. })), "nothing is blocked by it");
    assert_eq!(tasks(&list).keys().collect::<Vec<_>>(), [&id]);
    assert!(!proxy.carried("secret") && !proxy.carried("cem"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_becomes_a_member_gets_exactly_that_and_who_is_none_any_more_has_it_no_longer() {
    let asking = Asking::start(SCHEMA).await;
    let (_backend, all) = asking.backend().await;
    let everything = all.collection("tasks").unwrap();
    let ids: Vec<ObjectId> = (0..40).map(|at| ObjectId::new(format!("t{at:02}")).unwrap()).collect();
    for id in &ids {
        everything.insert_as(id, [("owner", Value::text("cem")), ("members", members(&[]))]).unwrap();
    }
    let proxy = asking.proxy().await;
    let ana = asking.client(&proxy, "ana").open().await.unwrap();
    let list = ana.stream("list").await.unwrap();
    soon(list.caught_up()).await.unwrap();
    let share = |range: std::ops::Range<usize>, with: &[&str]| {
        ids[range].iter().for_each(|id| drop(everything.update(id, [("members", members(with))]).unwrap()));
    };
    let holds = async |range: std::ops::Range<usize>| {
        shows(&list, || tasks(&list).keys().eq(&ids[range.clone()])).await;
    };
    share(0..10, &["ana"]);
    holds(0..10).await;
    share(0..5, &["ben"]);
    holds(5..10).await;
    ana.go_offline();
    share(20..30, &["ana", "ben"]);
    share(5..10, &[]);
    soon(all.synced()).await.unwrap();
    ana.go_online();
    holds(20..30).await;
    assert!(ids[30..].iter().all(|id| !proxy.carried(&id.to_string())), "what was never shared");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_token_that_says_something_else_brings_and_takes_exactly_that_without_a_break() {
    const BY_TEAM: &str = r#"
        [collections.tasks.rules]
        read = "resource.team in auth.teams"
    "#;
    let asking = std::sync::Arc::new(Asking::start(BY_TEAM).await);
    let (_backend, all) = asking.backend().await;
    let everything = all.collection("tasks").unwrap();
    for team in ["red", "blue", "green"] {
        everything.insert_as(&ObjectId::new(team).unwrap(), [("team", Value::text(team))]).unwrap();
    }
    // What stays readable, of many bytes.
    for number in 0..300 {
        let note = format!("{:0100}", fastrand::u128(..));
        everything.insert([("team", "green".into()), ("number", number.into()), ("note", note.into())]).unwrap();
    }
    soon(all.synced()).await.unwrap();
    let (asked, proxy) = (std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)), asking.proxy().await);
    let tokens = {
        let asking = asking.clone();
        move || {
            let teams = match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0 => json!(["red", "green"]),
                _ => json!(["blue", "green"]),
            };
            std::future::ready(asking.token_for("ana", json!({ "teams": teams }), 4))
        }
    };
    let ana = builder(&proxy.address, Transport::WebSocket).tokens(tokens).open().await.unwrap();
    let list = ana.stream("list").await.unwrap();
    let holds = |ids: [&str; 2]| {
        let (tasks, is_named) = (tasks(&list), |id: &ObjectId| ids.contains(&&*id.to_string()));
        tasks.len() == 302 && tasks.keys().filter(|id| is_named(id)).count() == 2
    };
    shows(&list, || holds(["green", "red"])).await;
    soon(list.caught_up()).await.unwrap();
    let all_of_it = proxy.bytes();
    let mut connection = ana.connection_changes();
    connection.mark_unchanged();
    shows(&list, || holds(["blue", "green"])).await;
    assert!(!connection.has_changed().unwrap(), "{:?}", *connection.borrow());
    soon(list.caught_up()).await.unwrap();
    let what_differs = proxy.bytes();
    assert!(what_differs < all_of_it / 10, "{what_differs} bytes of {all_of_it}");
}

/// What is deleted meanwhile is held by nothing, though a window held it before and would again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_anew_by_another_token_leaves_nothing_behind() {
    let mut asking = Asking::start("[collections.tasks.rules]\nread = 'resource.rank > auth.level'").await;
    let lines = [asking.proxy().await, asking.proxy().await];
    let (_backend, all) = asking.backend_by(&lines[0].address).await;
    let everything = all.collection("tasks").unwrap();
    let ids = ["t1", "t2", "t3"].map(|id| ObjectId::new(id).unwrap());
    for (id, rank) in ids.iter().zip(1..) {
        everything.insert_as(id, [("open", true.into()), ("rank", Value::Int(rank))]).unwrap();
    }
    soon(all.synced()).await.unwrap();
    let (asked, token) = (std::sync::atomic::AtomicI64::new(0), asking.issuer("ana"));
    let tokens = move || {
        let level = asked.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        std::future::ready(token(json!({ "level": level })))
    };
    let ana = builder(&lines[1].address, Transport::WebSocket).subject("ana").tokens(tokens).open().await.unwrap();
    let part = ana.part("list").await.unwrap();
    let open = part.hold(&json!({ "collection": "tasks", "where": { "open": true } })).unwrap();
    let window = part.hold(&json!({ "collection": "tasks", "orderBy": "-rank", "limit": 2 })).unwrap();
    let held =
        || [&open, &window].map(|held| held.objects().into_iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>());
    let are = |open: &[&str], window: &[&str]| held() == [open, window].map(|ids: &[&str]| ids.to_vec());
    shows(&part, || are(&["t1", "t2", "t3"], &["t3", "t2"])).await;
    ana.go_offline();
    everything.delete(&ids[2]).unwrap();
    soon(all.synced()).await.unwrap();
    // It does not know any more what the last token let her read.
    asking = asking.restart(&lines.each_ref()).await;
    ana.go_online();
    shows(&part, || are(&["t1", "t2"], &["t2", "t1"])).await;
    drop(asking);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_which_nothing_may_be_read_is_denied_and_what_was_held_of_it_goes() {
    let asking = Asking::start(SCHEMA).await;
    let directory = TempDir::new().unwrap();
    let open = |teams: serde_json::Value| {
        let token = asking.token("ana", json!({ "teams": teams }));
        builder(asking.address(), Transport::WebSocket).store(directory.path().join("ana")).subject("ana").token(token)
    };
    let ana = open(json!(["red"])).open().await.unwrap();
    let red = ana.stream("teams/red").await.unwrap();
    red.collection("notes").unwrap().insert([("text", Value::text("ours"))]).unwrap();
    soon(red.synced()).await.unwrap();
    soon(red.stored()).await.unwrap();
    let blue = ana.stream("teams/blue").await.unwrap();
    let mut changes = blue.status_changes();
    soon(async {
        while blue.status().replica.denied.is_none() {
            changes.next().await.unwrap();
        }
    })
    .await;
    assert!(blue.status().replica.denied.unwrap().contains("teams/blue"));
    ana.close().await.unwrap();
    drop((red, blue, changes, ana));

    let ana = open(json!([])).open().await.unwrap();
    let red = ana.stream("teams/red").await.unwrap();
    let notes = red.collection("notes").unwrap();
    shows(&red, || notes.all().is_empty()).await;
}
