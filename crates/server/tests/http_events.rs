//! Events over plain HTTP: ranges that caches keep, parts of their bytes, and tails.

mod support;

use std::sync::Arc;

use support::http::{Reply, request};
use support::tail::Tail;
use support::{Client, PATIENCE, World, titles};
use tapeline_core::frame::Live;
use tapeline_log::memory::MemoryLog;
use tapeline_server::ServerConfig;
use tapeline_server::auth::{Authenticator, new_api_key};

/// A world with twenty events on the stream `s`.
async fn world() -> (World, Client) {
    let world = World::new().await;
    let mut client = world.client().await;
    client.open(0, "s", 1, Live::No).await;
    client.push(0, titles(1, 1..21)).await;
    client.hear_acks(20).await;
    (world, client)
}

async fn get(world: &World, query: &str, headers: &[(&str, &str)]) -> Reply {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    request(world.address, format!("GET /v1/streams/s/events?{query} HTTP/1.0\r\n{headers}\r\n")).await
}

fn seqs(reply: &Reply) -> Vec<u64> {
    reply.lines().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_range_that_is_recorded_never_changes() {
    let (world, mut client) = world().await;
    let range = get(&world, "from=3&to=8", &[]).await;
    assert_eq!((range.status, seqs(&range)), (200, vec![3, 4, 5, 6, 7]));
    assert_eq!(range.headers["cache-control"], "max-age=31536000, immutable");
    assert_eq!(
        (range.headers["vary"].as_str(), range.headers["accept-ranges"].as_str()),
        ("accept, authorization", "bytes")
    );
    let own = get(&world, "from=3&to=8", &[("authorization", "Bearer x")]).await;
    assert_eq!(own.headers["cache-control"], "private, max-age=31536000, immutable", "not for all who ask a cache");
    let tag = range.headers["etag"].clone();
    assert!(tag.starts_with('"') && tag.ends_with('"') && !tag.contains(' '), "a strong tag: {tag}");
    client.push(0, titles(1, 21..31)).await;
    client.hear_acks(10).await;
    for held in [tag.clone(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".into()] {
        let same = get(&world, "from=3&to=8", &[("if-none-match", &held)]).await;
        assert_eq!((same.status, same.body.as_str(), &same.headers["etag"]), (304, "", &tag), "{held}");
        assert!(!same.headers.contains_key("content-length"), "a cache would take it for that of what it has");
    }
    let again = get(&world, "from=3&limit=5", &[("if-none-match", "\"other\"")]).await;
    assert_eq!((again.status, &again.body, &again.headers["etag"]), (200, &range.body, &tag));
    let mut tags = vec![tag];
    for other in ["from=3&to=9", "from=2&to=8", "from=0&to=30", "from=0&to=20"] {
        tags.push(get(&world, other, &[]).await.headers["etag"].clone());
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 5, "each range has a tag of its own");
}

/// The same events on another stream are not the same bytes: their authors are others.
#[tokio::test]
async fn another_life_of_a_stream_has_other_tags() {
    let (world, _client) = world().await;
    let other = World::new().await;
    let mut client = other.client().await;
    client.open(0, "s", 2, Live::No).await;
    client.push(0, titles(2, 1..21)).await;
    client.hear_acks(20).await;
    for query in ["from=0&to=20", "from=3&to=4"] {
        let tag = get(&world, query, &[]).await.headers["etag"].clone();
        let answer = get(&other, query, &[("if-none-match", &tag)]).await;
        assert_eq!(answer.status, 200);
        assert_ne!(answer.headers["etag"], tag);
    }
}

#[tokio::test]
async fn what_may_still_change_is_not_kept() {
    let (world, _client) = world().await;
    for query in ["", "from=3", "from=3&to=21", "from=19&limit=2", "from=20&to=20", "from=20"] {
        let answer = get(&world, query, &[("if-none-match", "*"), ("range", "bytes=5-")]).await;
        assert_eq!((answer.status, answer.headers["cache-control"].as_str()), (200, "no-store"), "{query}");
        assert!(!answer.headers.contains_key("etag") && !answer.headers.contains_key("accept-ranges"), "{query}");
    }
}

#[tokio::test]
async fn whoever_was_cut_off_asks_for_the_rest_of_the_bytes() {
    let (world, _client) = world().await;
    let whole = get(&world, "from=3&to=18", &[]).await;
    let (bytes, tag) = (whole.body.as_str(), whole.headers["etag"].as_str());
    let all = bytes.len();
    for (range, part) in [
        ("bytes=0-", bytes),
        ("bytes=100-", &bytes[100..]),
        ("bytes=100-299", &bytes[100..300]),
        ("bytes=700-99999999", &bytes[700..]),
        ("bytes=-10", &bytes[all - 10..]),
        ("bytes=0-0", &bytes[..1]),
    ] {
        let answer = get(&world, "from=3&to=18", &[("range", range), ("if-range", tag)]).await;
        assert_eq!((answer.status, answer.body.as_str()), (206, part), "{range}");
        let start = part.as_ptr() as usize - bytes.as_ptr() as usize;
        assert_eq!(answer.headers["content-range"], format!("bytes {start}-{}/{all}", start + part.len() - 1));
        assert_eq!((answer.headers["content-length"].parse(), answer.headers["etag"].as_str()), (Ok(part.len()), tag));
    }
    let beyond = get(&world, "from=3&to=18", &[("range", &format!("bytes={all}-"))]).await;
    beyond.problem(416, "no_such_bytes", false);
    assert_eq!(beyond.headers["content-range"], format!("bytes */{all}"));
    let others: [&[(&str, &str)]; 4] = [
        &[("range", "bytes=100-"), ("if-range", "\"other\"")],
        &[("range", "bytes=9-3")],
        &[("range", "bytes=0-1,5-6")],
        &[("range", "events=0-1")],
    ];
    for headers in others {
        let answer = get(&world, "from=3&to=18", headers).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, bytes), "{headers:?}");
    }
}

#[tokio::test]
async fn a_request_may_wait_for_what_comes() {
    let (world, mut client) = world().await;
    let there = get(&world, "from=18&wait=20", &[]).await;
    assert_eq!((seqs(&there), there.headers["tapeline-head"].as_str()), (vec![18, 19], "20"));
    let waiting = get(&world, "from=20&wait=20", &[]);
    tokio::pin!(waiting);
    let pushing = async {
        // It is there: what is recorded from now on is for it.
        world.subscribers("s", 1).await;
        client.push(0, titles(1, 21..22)).await;
        client.hear_acks(1).await;
    };
    let (answer, ()) = tokio::join!(waiting, pushing);
    assert_eq!((answer.status, seqs(&answer), answer.headers["tapeline-head"].as_str()), (200, vec![20], "21"));
    let nothing = get(&world, "from=21&wait=0", &[]).await;
    assert_eq!((nothing.status, nothing.body.as_str(), nothing.headers["tapeline-head"].as_str()), (200, "", "21"));
    let document = get(&world, "from=20&wait=5", &[("accept", "application/json")]).await.json();
    assert_eq!((document["head"].as_u64(), document["events"].as_array().unwrap().len()), (Some(21), 1));
    world.subscribers("s", 0).await;
}

#[tokio::test]
async fn a_tail_plays_what_comes_and_goes_on_where_it_was_cut() {
    let (world, mut client) = world().await;
    let mut tail = Tail::connect(&world, "s", "from=18", None).await;
    assert_eq!(tail.seqs(2).await, [18, 19]);
    world.subscribers("s", 1).await;
    client.push(0, titles(1, 21..24)).await;
    assert_eq!(tail.seqs(3).await, [20, 21, 22]);
    drop(tail);
    client.push(0, titles(1, 24..26)).await;
    client.hear_acks(5).await;
    let mut again = Tail::connect(&world, "s", "from=18", Some("22")).await;
    assert_eq!(again.seqs(2).await, [23, 24]);
    let first = again.head.iter().find(|line| line.starts_with("cache-control")).unwrap();
    assert_eq!(first, "cache-control: no-store");
    let stopping = tokio::spawn(world.server.stop());
    assert_eq!(again.event().await, None, "it ends when the server stops");
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_tail_ends_with_what_was_shown_for_it() {
    let (directory, key) = (tempfile::tempdir().unwrap(), new_api_key("ana").unwrap());
    std::fs::write(directory.path().join("revoked.txt"), "").unwrap();
    let text = format!("tokens.revoked_file = 'revoked.txt'\n[[keys]]\nname = 'ana'\nhash = '{}'\n", key.hash);
    let auth = Arc::new(Authenticator::read(&text, directory.path()).unwrap());
    let config = ServerConfig { auth: Some(auth.clone()), ..ServerConfig::default() };
    let world = World::with(Arc::new(MemoryLog::new()), config).await;
    let bearer = format!("authorization: Bearer {}\r\n", key.key);
    let body = r#"{"ops":[{"insert":"tasks","id":"t","set":{}}]}"#;
    let length = body.len();
    let ask = format!("POST /v1/streams/s/events HTTP/1.0\r\n{bearer}content-length: {length}\r\n\r\n{body}");
    assert_eq!(request(world.address, ask).await.status, 200);
    let mut tail = Tail::connect_with(&world, "s", "from=0", &bearer).await;
    assert_eq!(tail.seqs(1).await, [0]);
    std::fs::write(directory.path().join("revoked.txt"), "key ana\n").unwrap();
    assert!(auth.look_again().unwrap());
    let end = tokio::time::timeout(PATIENCE, tail.event()).await;
    assert_eq!(end, Ok(None), "it ends when the key is revoked");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told() {
    let (world, _client) = world().await;
    const TAIL: (&str, &str) = ("accept", "text/event-stream");
    type Case = (&'static str, &'static [(&'static str, &'static str)], u16, &'static str, &'static str);
    let cases: [Case; 13] = [
        ("from=x", &[], 400, "bad_request", "from=x"),
        ("to=-1", &[], 400, "bad_request", "to=-1"),
        ("limit=1.5", &[], 400, "bad_request", "limit=1.5"),
        ("from=5&to=4", &[], 400, "bad_request", "to comes before from"),
        ("wait=26", &[], 400, "bad_request", "wait: 25 seconds at most"),
        ("from=21", &[], 409, "past_the_head", "comes after 21 events"),
        ("from=30&to=40", &[], 409, "past_the_head", "comes after 30 events"),
        ("from=21", &[("accept", "application/json")], 409, "past_the_head", "comes after 21 events"),
        ("from=21&wait=1", &[], 409, "past_the_head", "comes after 21 events"),
        ("from=21", &[TAIL], 409, "past_the_head", "comes after 21 events"),
        ("from=2&to=5", &[TAIL], 400, "bad_request", "leave out to, limit and wait"),
        ("from=2&wait=5", &[TAIL], 400, "bad_request", "leave out to, limit and wait"),
        ("", &[TAIL, ("last-event-id", "x")], 400, "bad_request", "Last-Event-ID"),
    ];
    for (query, headers, status, code, said) in cases {
        let problem = get(&world, query, headers).await.problem(status, code, false);
        assert!(problem["detail"].as_str().unwrap().contains(said), "{query}: {problem}");
    }
    let none = "GET /v1/streams/none/events HTTP/1.0\r\naccept: text/event-stream\r\n\r\n";
    request(world.address, none).await.problem(404, "no_such_stream", false);
}

/// Whoever waits takes nothing and is let go.
#[tokio::test]
async fn whoever_waits_is_answered_when_the_server_stops() {
    let (world, _client) = world().await;
    let address = world.address;
    let ask = "GET /v1/streams/s/events?from=20&wait=25 HTTP/1.0\r\n\r\n";
    let waiting = tokio::spawn(async move { request(address, ask).await });
    world.subscribers("s", 1).await;
    let began = std::time::Instant::now();
    world.server.stop().await;
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(began.elapsed() < support::PATIENCE, "it does not wait to the end");
}
