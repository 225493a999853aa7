//! Plain HTTP.

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::http::request;
use support::{World, title, titles, update};
use tapeline_core::frame::Live;
use tapeline_core::numbers::Seq;
use tapeline_log::memory::MemoryLog;
use tapeline_server::{ServerConfig, read_schema};

const CLIENT: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// One document is held in memory as a whole, however large the events are.
#[tokio::test]
async fn a_document_ends_after_some_bytes() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.open(0, "large", 1, Live::No).await;
    let text = "x".repeat(900_000);
    for n in 1..=12 {
        client.push(0, vec![title(1, n, "a", &text)]).await;
        client.hear_acks(1).await;
    }
    let mut seqs = Vec::new();
    while seqs.len() < 12 {
        let path = format!("/v1/streams/large/events?from={}", seqs.len());
        let ask = format!("GET {path} HTTP/1.0\r\naccept: application/json\r\n\r\n");
        let document = request(world.address, &ask).await.json();
        assert_eq!(document["head"], 12);
        let events = document["events"].as_array().unwrap();
        assert!((1..12).contains(&events.len()), "{} events", events.len());
        seqs.extend(events.iter().map(|event| event["seq"].as_u64().unwrap()));
    }
    assert_eq!(seqs, (0..12).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_recorded_can_be_read() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.open(0, "lists/groceries", 1, Live::From(Seq(0))).await;
    client.push(0, titles(1, 1..21)).await;
    client.hear_acks(20).await;
    let streams = world.get("/v1/streams").await.json();
    assert_eq!(streams["streams"].as_array().unwrap().len(), 1);
    let row = &streams["streams"][0];
    assert_eq!((&row["stream"], &row["head"], &row["subscribers"]), (&json!("lists/groceries"), &json!(20), &json!(1)));
    let status = world.get("/v1/streams/lists%2Fgroceries").await.json();
    assert_eq!((&status["head"], &status["objects"], &status["subscribers"]), (&json!(20), &json!(10), &json!(1)));
    assert!(status["bytes"].as_u64().unwrap() > 20 * 50 && status["bytes"] == row["bytes"], "{status}");
    let opened = world.client().await.open(0, "lists/groceries", 2, Live::No).await;
    assert_eq!(status["digest"], opened.digest.to_string());
    for name in ["lists/groceries", "lists%2Fgroceries"] {
        let events = world.get(&format!("/v1/streams/{name}/events?from=3&limit=5")).await;
        assert_eq!((events.status, events.headers["tapeline-head"].as_str()), (200, "20"));
        let seqs: Vec<_> = events.lines().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, [3, 4, 5, 6, 7]);
    }
    let accept = "GET /v1/streams/lists/groceries/events?from=18 HTTP/1.0\r\naccept: application/json\r\n\r\n";
    let document = request(world.address, accept).await.json();
    assert_eq!((&document["head"], document["events"].as_array().unwrap().len()), (&json!(20), 2));
}

#[tokio::test]
async fn objects_are_listed_as_of_one_moment() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.open(0, "s", 1, Live::No).await;
    client.push(0, titles(1, 1..21)).await;
    client.push(0, vec![update(1, 21, "o3")]).await;
    client.hear_acks(21).await;
    let objects = world.get("/v1/streams/s/objects").await;
    assert_eq!(objects.headers["tapeline-head"], "21");
    let lines = objects.lines();
    let ids: Vec<_> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["o0", "o1", "o2", "o3", "o4", "o5", "o6", "o7", "o8", "o9"]);
    assert_eq!(lines[3], json!({"collection":"tasks","id":"o3","fields":{"done":true,"title":"title 13"},"seq":20}));
    assert!(world.get("/v1/streams/s/objects?collection=other").await.lines().is_empty());
    let one = world.get("/v1/streams/s/objects?collection=tasks&id=o3").await.lines();
    assert_eq!(one, [lines[3].clone()]);
    assert!(world.get("/v1/streams/s/objects?collection=tasks&id=none").await.lines().is_empty());
    world.get("/v1/streams/s/objects?id=o3").await.problem(400, "bad_request", false);
}

#[tokio::test]
async fn events_can_be_recorded_without_a_socket() {
    let world = World::new().await;
    let mut reader = world.client().await;
    reader.open(0, "s", 9, Live::From(Seq(0))).await;
    let insert = r#"{"ops":[{"insert":"tasks","id":"a","set":{"title":"x"}}]}"#;
    let recorded = world.post("/v1/streams/s/events", insert).await;
    assert_eq!((recorded.status, &recorded.json()["verdicts"][0]["seq"]), (200, &json!(0)), "{recorded:?}");
    reader.hear_range(0, 1).await;
    let again = world.post("/v1/streams/s/events", insert).await;
    let problem = again.problem(409, "exists", false);
    assert_eq!(problem["about"], json!({"collection":"tasks","id":"a"}));
    assert_eq!(problem["current"], json!({"title":"x"}));
    let update = r#"{"ops":[{"update":"tasks","id":"none","set":{"title":"x"}}]}"#;
    world.post("/v1/streams/s/events", update).await.problem(404, "not_found", false);
    world.post("/v1/streams/s/events", r#"{"ops":[]}"#).await.problem(422, "invalid", false);
    let several = format!(
        r#"{{"client":"{CLIENT}","n":1,"events":[{{"ops":[{{"upsert":"tasks","id":"b","set":{{}}}}]}},{{"ops":[{{"delete":"tasks","id":"b"}}]}}]}}"#
    );
    let first = world.post("/v1/streams/s/events", &several).await.json();
    assert_eq!(first["client"], CLIENT);
    let places: Vec<_> =
        first["verdicts"].as_array().unwrap().iter().map(|own| (own["n"].clone(), own["seq"].clone())).collect();
    assert_eq!(places, [(json!(1), json!(1)), (json!(2), json!(2))]);
    reader.hear_range(1, 3).await;
}

#[tokio::test]
async fn a_request_sent_again_is_recorded_once() {
    let world = World::new().await;
    let body = |n: u64, at: u64| {
        format!(
            r#"{{"client":"{CLIENT}","n":{n},"base":0,"at":{at},"ops":[{{"update":"c","id":"i","inc":{{"x":1}}}}]}}"#
        )
    };
    let path = "/v1/streams/s/events";
    world.post(path, &body(1, 5)).await.problem(404, "not_found", false);
    world.post(path, r#"{"ops":[{"insert":"c","id":"i","set":{"x":0}}]}"#).await.json();
    let first = world.post(path, &body(2, 5)).await.json();
    assert_eq!(world.post(path, &body(2, 5)).await.json(), first);
    world.post(path, &body(2, 6)).await.problem(409, "forked", false);
    assert_eq!(world.post(path, &body(5, 5)).await.problem(409, "resume", false)["n"], 3);
    let object = world.get("/v1/streams/s/objects").await.lines();
    assert_eq!(object[0]["fields"], json!({"x": 1}));
}

#[tokio::test]
async fn what_is_wrong_is_told_in_problem_documents() {
    let world = World::new().await;
    world.get("/nothing").await.problem(404, "no_such_path", false);
    world.get("/v1/streams/none").await.problem(404, "no_such_stream", false);
    world.get("/v1/streams/none/events").await.problem(404, "no_such_stream", false);
    world.get("/v1/streams/none/objects").await.problem(404, "no_such_stream", false);
    world.get("/v1/streams/a%20b").await.problem(400, "bad_request", false);
    world.get("/v1/streams?limit=x").await.problem(400, "bad_request", false);
    world.get("/v1/sync").await.problem(400, "no_upgrade", false);
    let refused = world.post("/v1/streams", "").await;
    refused.problem(405, "method_not_allowed", false);
    assert_eq!(refused.headers["allow"], "GET, HEAD");
    for body in ["", "{", "[]", "{}", r#"{"ops":3}"#, r#"{"client":"x","n":1,"ops":[]}"#, r#"{"events":[]}"#] {
        world.post("/v1/streams/s/events", body).await.problem(400, "bad_request", false);
    }
    let huge = format!("POST /v1/streams/s/events HTTP/1.0\r\ncontent-length: {}\r\n\r\n", 1_u64 << 40);
    request(world.address, &huge).await.problem(413, "too_large", false);
    assert_eq!(world.get("/v1/streams").await.json(), json!({ "streams": [] }));
}

#[tokio::test]
async fn what_can_be_had_can_be_asked_for_without_its_body() {
    let world = World::new().await;
    let insert = r#"{"ops":[{"insert":"tasks","id":"a","set":{}}]}"#;
    assert_eq!(world.post("/v1/streams/s/events", insert).await.status, 200);
    for path in
        ["/healthz", "/readyz", "/metrics", "/v1/streams", "/v1/streams/s", "/v1/streams/s/events", "/v1/streams/none"]
    {
        let asked = |method: &str| format!("{method} {path} HTTP/1.0\r\n\r\n");
        let (got, head) = (request(world.address, &asked("GET")).await, request(world.address, &asked("HEAD")).await);
        assert_eq!((head.status, head.body.as_str()), (got.status, ""), "{path}");
        assert_eq!(head.headers.get("content-type"), got.headers.get("content-type"), "{path}");
    }
    for (path, allow) in [("/v1/sync", "GET"), ("/v1/compact", "POST")] {
        let head = request(world.address, &format!("HEAD {path} HTTP/1.0\r\n\r\n")).await;
        assert_eq!((head.status, head.headers["allow"].as_str()), (405, allow), "{path}");
    }
}

#[tokio::test]
async fn what_is_misspelt_in_a_query_is_told_and_not_passed_over() {
    let world = World::new().await;
    assert_eq!(
        world.post("/v1/streams/s/events", r#"{"ops":[{"insert":"tasks","id":"a","set":{}}]}"#).await.status,
        200
    );
    for (path, known) in [
        ("streams?limt=1", "limt here; there is after, limit"),
        ("streams/s?limit=1", "limit here; there is none"),
        ("streams/s/events?form=1", "form here; there is from, to, limit, wait"),
        ("streams/s/objects?collections=tasks", "collections here; there is collection, id, where"),
        ("streams/s/objects?collection=tasks&collection=people", "collection is given twice"),
        ("streams/s/delta?form=1", "form here; there is since, collection"),
        ("streams/s/snapshot?form=1", "form here; there is at, after, collection"),
    ] {
        let problem = world.get(&format!("/v1/{path}")).await.problem(400, "bad_request", false);
        assert!(problem["detail"].as_str().unwrap().contains(known), "{path}: {problem}");
    }
    let body = r#"{"ops":[{"insert":"tasks","id":"b","set":{}}]}"#;
    world.post("/v1/streams/s/events?base=0", body).await.problem(400, "bad_request", false);
    assert_eq!(world.get("/v1/streams/s").await.json()["head"], 1);
    // Who only asks for a sign of life may say what they like.
    assert_eq!(world.get("/healthz?from=here").await.status, 200);
}

#[tokio::test]
async fn who_posts_once_leaves_nothing_behind_and_their_id_is_nobody_elses() {
    let world = World::new().await;
    let post = |id: &str| format!(r#"{{"ops":[{{"insert":"tasks","id":"{id}","set":{{}}}}]}}"#);
    let first = world.post("/v1/streams/s/events", &post("a")).await.json();
    let client = first["client"].as_str().unwrap();
    assert_ne!(world.post("/v1/streams/s/events", &post("b")).await.json()["client"], client);
    let again = format!(r#"{{"client":"{client}","n":2,"ops":[{{"delete":"tasks","id":"a"}}]}}"#);
    let problem = world.post("/v1/streams/s/events", &again).await.problem(400, "bad_request", false);
    assert!(problem["detail"].as_str().unwrap().contains("make one of your own"), "{problem}");
    // Of several events in one request each has its verdict.
    let several =
        r#"{"events":[{"ops":[{"update":"tasks","id":"none","set":{"x":1}}]},{"ops":[{"delete":"tasks","id":"a"}]}]}"#;
    let several = world.post("/v1/streams/s/events", several).await.json();
    assert_eq!(
        (&several["verdicts"][0]["refused"]["code"], &several["verdicts"][1]["n"]),
        (&json!("not_found"), &json!(2))
    );
}

#[tokio::test]
async fn a_body_that_is_no_event_is_told_what_one_looks_like() {
    let world = World::new().await;
    for (body, told) in [
        ("[]", "{\"events\":["),
        ("[null,null,null,null,[{}]]", "a body is an event, as {\"ops\":["),
        ("3", "a body is an event"),
        (r#"{"events":[[]]}"#, "a body is an event"),
        (
            &format!(r#"{{"client":"{CLIENT}","n":0,"ops":[{{"insert":"tasks","id":"a","set":{{}}}}]}}"#),
            "n begins with 1",
        ),
        // What would not count as its author means it is not taken.
        (r#"{"n":1,"ops":[{"insert":"tasks","id":"a"}]}"#, "say which client"),
        (
            r#"{"events":[{"ops":[{"insert":"tasks","id":"a"}]}],"ops":[{"insert":"tasks","id":"b"}]}"#,
            "each has its own",
        ),
        (r#"{"events":[{"ops":[{"insert":"tasks","id":"a"}]}],"base":0}"#, "each has its own"),
        (r#"{"events":[{"ops":[{"insert":"tasks","id":"a"}],"n":1}]}"#, "beside events"),
        (&format!(r#"{{"events":[{{"ops":[{{"insert":"tasks","id":"a"}}],"client":"{CLIENT}"}}]}}"#), "beside events"),
    ] {
        let problem = world.post("/v1/streams/s/events", body).await.problem(400, "bad_request", false);
        assert!(problem["detail"].as_str().unwrap().contains(told), "{body}: {problem}");
    }
}

#[tokio::test]
async fn objects_are_counted_or_not_said() {
    let world = World::new().await;
    for n in 1..=50 {
        let insert = format!(r#"{{"ops":[{{"insert":"tasks","id":"t{n}","set":{{}}}}]}}"#);
        assert_eq!(world.post("/v1/streams/s/events", &insert).await.status, 200);
        let row = &world.get("/v1/streams").await.json()["streams"][0];
        assert!(row["objects"].is_null() || row["objects"] == row["head"], "{row}");
    }
    assert_eq!(world.get("/v1/streams/s").await.json()["objects"], 50);
    assert_eq!(world.get("/v1/streams").await.json()["streams"][0]["objects"], 50);
}

#[tokio::test]
async fn streams_are_listed_in_pages() {
    let world = World::new().await;
    for name in ["c", "a/1", "b", "a/2"] {
        let insert = r#"{"ops":[{"insert":"tasks","id":"a","set":{}}]}"#;
        assert_eq!(world.post(&format!("/v1/streams/{name}/events"), insert).await.status, 200);
    }
    let names = |page: Value| -> Vec<String> {
        page["streams"].as_array().unwrap().iter().map(|row| row["stream"].as_str().unwrap().into()).collect()
    };
    assert_eq!(names(world.get("/v1/streams?limit=3").await.json()), ["a/1", "a/2", "b"]);
    assert_eq!(names(world.get("/v1/streams?limit=3&after=a%2F2").await.json()), ["b", "c"]);
}

#[tokio::test]
async fn who_may_not_know_of_all_streams_is_given_full_pages_of_the_others() {
    let rules = |streams: &str, read: &str| format!("[streams.'{streams}']\nread = '{read}'\nwrite = 'true'\n");
    let rules = read_schema(&(rules("a/*", "true") + &rules("hidden/*", "false") + &rules("z/*", "true"))).unwrap();
    let config = ServerConfig { authority: Arc::new(rules.authority), ..ServerConfig::default() };
    let world = World::with(Arc::new(MemoryLog::new()), config).await;
    let names = ["a/1", "hidden/1", "hidden/2", "hidden/3", "hidden/4", "hidden/5", "z/1", "z/2", "z/3"];
    for name in names {
        let insert = r#"{"ops":[{"insert":"tasks","id":"a","set":{}}]}"#;
        assert_eq!(world.post(&format!("/v1/streams/{name}/events"), insert).await.status, 200);
    }
    for limit in 1..=4 {
        let (mut listed, mut after) = (Vec::new(), String::new());
        loop {
            let page = world.get(&format!("/v1/streams?limit={limit}{after}")).await.json();
            let rows = page["streams"].as_array().unwrap();
            listed.extend(rows.iter().map(|row| row["stream"].as_str().unwrap().to_owned()));
            // One that is not full is the last.
            if rows.len() < limit {
                break;
            }
            after = format!("&after={}", listed.last().unwrap());
        }
        assert_eq!(listed, ["a/1", "z/1", "z/2", "z/3"], "{limit} at once");
    }
}

#[tokio::test]
async fn who_watches_the_server_finds_what_to_watch() {
    let world = World::new().await;
    assert_eq!(world.get("/healthz").await.status, 200);
    assert_eq!(world.get("/readyz").await.status, 200);
    let mut client = world.client().await;
    client.open(0, "s", 1, Live::From(Seq(0))).await;
    client.push(0, titles(1, 1..4)).await;
    client.hear_acks(3).await;
    client.hear_range(0, 3).await;
    assert_eq!(world.metric("tapeline_events_recorded_total").await, 3);
    assert_eq!(world.metric("tapeline_events_acknowledged_total").await, 3);
    assert_eq!(world.metric("tapeline_sessions").await, 1);
    assert_eq!(world.metric("tapeline_openings").await, 1);
    assert!(world.metric("tapeline_commit_seconds_count").await >= 1);
}
