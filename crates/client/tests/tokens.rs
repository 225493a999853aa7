//! Tokens that expire, are renewed and are revoked, with a real server that asks who connects.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use support::asking::Asking;
use support::{builder, soon};
use tapeline_client::{Connection, Outcome, Tapeline, Transport};

const OPEN: &str = "[streams.'*']\nread = 'auth.sub != \"\"'\nwrite = 'auth.sub != \"\"'";

/// Waits until a client stands so.
async fn stands(client: &Tapeline, so: impl Fn(&Connection) -> bool) -> Connection {
    let mut changes = client.connection_changes();
    soon(changes.wait_for(|connection| so(connection))).await.unwrap().clone()
}

fn waits_because(connection: &Connection, words: &str) -> bool {
    matches!(connection, Connection::Waiting { why, .. } if why.contains(words))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_that_is_good_nobody_comes_in_and_everything_stays_on_the_device() {
    let asking = Asking::start(OPEN).await;
    let of_others = Asking::start(OPEN).await.token("ana", json!({}));
    let (header, rest) = of_others.split_once('.').unwrap();
    let (claims, _) = rest.split_once('.').unwrap();
    let unsigned = format!("{header}.{claims}.");
    for (token, words) in [(None, "this server asks who connects"), (Some(unsigned), "signature")] {
        let builder = builder(asking.address(), Transport::WebSocket);
        let builder = token.into_iter().fold(builder, tapeline_client::Builder::token);
        let client = builder.open().await.unwrap();
        let list = client.stream("list").await.unwrap();
        list.collection("tasks").unwrap().insert([("title", "kept".into())]).unwrap();
        stands(&client, |connection| waits_because(connection, words)).await;
        assert_eq!((list.status().replica.pending, list.parked().len()), (1, 0));
    }
    let get = async |path: &str, token: Option<String>| {
        let socket = asking.address().replace("ws://", "");
        let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        support::get(&socket, path, &authorization).await
    };
    assert!(get("/v1/streams/list/objects", None).await.starts_with("HTTP/1.1 401"));
    assert!(get("/metrics", Some(asking.token("ana", json!({})))).await.starts_with("HTTP/1.1 403"));
    assert!(get("/healthz", None).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_expires_ends_the_connection_and_what_is_pending_goes_out_with_the_next() {
    let asking = Asking::start(OPEN).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let (short, long) = (asking.token_for("ana", json!({}), 2), asking.token("ana", json!({})));
    let tokens = {
        let asked = asked.clone();
        // The app has no newer one, until it was asked a few times.
        move || std::future::ready(if asked.fetch_add(1, Ordering::Relaxed) < 3 { short.clone() } else { long.clone() })
    };
    let client = builder(asking.address(), Transport::WebSocket).tokens(tokens).open().await.unwrap();
    let list = client.stream("list").await.unwrap();
    soon(list.caught_up()).await.unwrap();
    stands(&client, |connection| waits_because(connection, "expired")).await;
    let (_, receipt) = list.collection("tasks").unwrap().insert([("title", "later".into())]).unwrap();
    assert!(matches!(soon(receipt.recorded()).await, Ok(Outcome::Recorded { .. })));
    assert!(asked.load(Ordering::Relaxed) > 3 && list.parked().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_without_a_break() {
    let asking = Arc::new(Asking::start(OPEN).await);
    let (renewed, mut hears) = tokio::sync::watch::channel(0);
    let tokens = {
        let asking = asking.clone();
        move || {
            renewed.send_modify(|times| *times += 1);
            std::future::ready(asking.token_for("ana", json!({ "at": *renewed.borrow() }), 3))
        }
    };
    let client = builder(asking.address(), Transport::WebSocket).tokens(tokens).open().await.unwrap();
    let list = client.stream("list").await.unwrap();
    soon(list.caught_up()).await.unwrap();
    let mut connection = client.connection_changes();
    connection.mark_unchanged();
    // The first token is over by then.
    soon(hears.wait_for(|times| *times >= 4)).await.unwrap();
    let (_, receipt) = list.collection("tasks").unwrap().insert([("title", "still here".into())]).unwrap();
    assert!(matches!(soon(receipt.recorded()).await, Ok(Outcome::Recorded { .. })));
    assert!(!connection.has_changed().unwrap(), "{:?}", *connection.borrow());
}

#[tokio::test]
async fn who_goes_offline_and_back_at_once_shows_a_newer_token() {
    let asking = Arc::new(Asking::start(OPEN).await);
    let (shown, mut hears) = tokio::sync::watch::channel(0);
    let tokens = {
        let asking = asking.clone();
        move || {
            shown.send_modify(|times| *times += 1);
            std::future::ready(asking.token("ana", json!({})))
        }
    };
    let client = builder(asking.address(), Transport::WebSocket).tokens(tokens).open().await.unwrap();
    for times in 1..20 {
        soon(hears.wait_for(|shown| *shown >= times)).await.unwrap();
        stands(&client, |connection| *connection == Connection::Connected).await;
        client.go_offline();
        client.go_online();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_tokens_are_revoked_is_cut_off_at_once() {
    let asking = Asking::start(OPEN).await;
    let open = async |subject: &str| {
        let token = asking.token(subject, json!({}));
        let client = builder(asking.address(), Transport::WebSocket).token(token).open().await.unwrap();
        let list = client.stream("list").await.unwrap();
        soon(list.caught_up()).await.unwrap();
        (client, list)
    };
    let ((ana, _), (ben, bens)) = (open("ana").await, open("ben").await);
    std::fs::write(asking.revoked(), "sub ana\n").unwrap();
    stands(&ana, |connection| waits_because(connection, "revoked")).await;
    let (_, receipt) = bens.collection("tasks").unwrap().insert([("title", "mine".into())]).unwrap();
    assert!(matches!(soon(receipt.recorded()).await, Ok(Outcome::Recorded { .. })));
    assert_eq!(ben.connection(), Connection::Connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_id_belongs_to_who_used_it_first_whatever_token_comes_later() {
    let asking = Asking::start(OPEN).await;
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("device");
    let open = |subject: &str| {
        builder(asking.address(), Transport::WebSocket)
            .store(&path)
            .subject("device")
            .token(asking.token(subject, json!({})))
    };
    let ana = open("ana").open().await.unwrap();
    let list = ana.stream("list").await.unwrap();
    list.collection("tasks").unwrap().insert([("title", "of ana".into())]).unwrap();
    soon(list.synced()).await.unwrap();
    soon(list.stored()).await.unwrap();
    let client_id = list.client();
    ana.close().await.unwrap();
    drop((list, ana));
    let eve = open("eve").open().await.unwrap();
    let list = eve.stream("list").await.unwrap();
    let (_, receipt) = list.collection("tasks").unwrap().insert([("title", "of eve".into())]).unwrap();
    assert!(matches!(soon(receipt.recorded()).await, Ok(Outcome::Recorded { .. })));
    assert_ne!(list.client(), client_id, "it takes a new one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_too_much_is_put_off_and_nobody_else_is() {
    let asking = Asking::start(OPEN).await;
    let open = async |name: &str| {
        let builder = builder(asking.address(), Transport::WebSocket).token(asking.token(name, json!({})));
        builder.open().await.unwrap()
    };
    let mut anas = Vec::new();
    let last = loop {
        let client = open("ana").await;
        let is_decided = |connection: &Connection| {
            *connection == Connection::Connected || waits_because(connection, "too many connections")
        };
        match stands(&client, is_decided).await {
            Connection::Connected => anas.push(client),
            _ => break client,
        }
        assert!(anas.len() < 1_000, "there is a limit");
    };
    stands(&open("ben").await, |connection| *connection == Connection::Connected).await;
    anas.pop().unwrap().close().await.unwrap();
    stands(&last, |connection| *connection == Connection::Connected).await;

    let get = async |name: &str| {
        let socket = asking.address().replace("ws://", "");
        let authorization = format!("Authorization: Bearer {}\r\n", asking.token(name, json!({})));
        support::get(&socket, "/v1/streams", &authorization).await
    };
    drop((anas, last));
    let mut asked = 0;
    let refused = loop {
        match get("ana").await {
            answer if answer.starts_with("HTTP/1.1 200") => asked += 1,
            answer => break answer,
        }
        assert!(asked < 10_000, "there is a limit");
    };
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("sends more than it may"), "{refused}");
    assert!(get("ben").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_breaks_while_it_gets_a_token_is_asked_again() {
    let asking = Asking::start(OPEN).await;
    let (asked, token) = (Arc::new(AtomicUsize::new(0)), asking.token("ana", json!({})));
    let tokens = move || {
        let (times, token) = (asked.fetch_add(1, Ordering::Relaxed), token.clone());
        assert!(times != 1, "a bug before there is a future");
        async move { if times == 0 { panic!("a bug of the app") } else { token } }
    };
    let client = builder(asking.address(), Transport::WebSocket).tokens(tokens).open().await.unwrap();
    stands(&client, |connection| waits_because(connection, "a bug of the app")).await;
    let list = client.stream("list").await.unwrap();
    soon(list.caught_up()).await.unwrap();
    client.close().await.unwrap();
}
