//! Catching up over plain HTTP: what changed since, and snapshots page by page.

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::http::{Reply, request};
use support::{World, title, titles, update};
use tapeline_core::frame::Live;

/// Objects by collection and id, as a client keeps them.
type Copy = BTreeMap<(String, String), Value>;

fn key(line: &Value) -> (String, String) {
    (line["collection"].as_str().unwrap().into(), line["id"].as_str().unwrap().into())
}

async fn objects(world: &World) -> Copy {
    world.get("/v1/streams/s/objects").await.lines().into_iter().map(|line| (key(&line), line)).collect()
}

async fn record(world: &World, ops: Value) {
    let body = json!({ "ops": ops }).to_string();
    assert_eq!(world.post("/v1/streams/s/events", &body).await.status, 200);
}

/// Brings a copy up to date. Answers the head.
fn apply(copy: &mut Copy, delta: &Reply) -> u64 {
    let mut lines = delta.lines();
    let last = lines.pop().unwrap();
    for line in lines {
        match line.get("gone") {
            Some(gone) => drop(copy.remove(&key(gone))),
            None => drop(copy.insert(key(&line), line)),
        }
    }
    assert_eq!(last["head"].to_string(), delta.headers["tapeline-head"]);
    last["head"].as_u64().unwrap()
}

#[tokio::test]
async fn each_object_that_changed_comes_once() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.open(0, "s", 1, Live::No).await;
    client.push(0, titles(1, 1..21)).await;
    client.hear_acks(20).await;
    client.push(0, (21..41).map(|n| title(1, n, "o3", &format!("again {n}"))).collect()).await;
    client.push(0, vec![update(1, 41, "o5")]).await;
    client.hear_acks(21).await;
    record(&world, json!([{"delete": "tasks", "id": "o7"}])).await;
    let delta = world.get("/v1/streams/s/delta?since=20").await;
    let lines = delta.lines();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[0], json!({"collection":"tasks","id":"o3","fields":{"title":"again 40"},"seq":39}));
    assert_eq!((&lines[1]["id"], &lines[1]["fields"]), (&json!("o5"), &json!({"title":"title 15","done":true})));
    assert_eq!(lines[2], json!({"gone":{"collection":"tasks","id":"o7"},"seq":41}));
    let status = world.get("/v1/streams/s").await.json();
    assert_eq!(lines[3], json!({"head": 42, "chain": status["chain"]}));
    assert_eq!(world.get("/v1/streams/s/delta?since=42").await.lines(), [lines[3].clone()]);
    let other = world.get("/v1/streams/s/delta?since=20&collection=other").await.lines();
    assert_eq!(other, [lines[3].clone()]);
    // Who has seen nothing is told of nothing that is gone.
    assert_eq!(world.get("/v1/streams/s/delta?since=0").await.lines().len(), 9 + 1);
}

/// Wherever a copy was left, the delta makes it what the stream is.
#[tokio::test]
async fn a_delta_brings_a_copy_from_any_place_to_the_head() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new().await;
    let mut copies = vec![(0, Copy::new())];
    for step in 1..80u64 {
        let (collection, id) = (["tasks", "people"][random.usize(..2)], format!("o{}", random.u32(..6)));
        let op = match random.u32(..3) {
            0 => json!([{"delete": collection, "id": id}]),
            _ => json!([{"upsert": collection, "id": id, "set": {"n": step}}]),
        };
        record(&world, op).await;
        if random.u32(..8) == 0 {
            copies.push((step, objects(&world).await));
        }
    }
    let now = objects(&world).await;
    for (since, mut copy) in copies {
        let head = apply(&mut copy, &world.get(&format!("/v1/streams/s/delta?since={since}")).await);
        assert_eq!((head, &copy), (79, &now), "seed {seed}, since {since}");
    }
}

/// A world with enough objects for three pages.
async fn large() -> World {
    let world = World::new().await;
    let mut client = world.client().await;
    client.open(0, "s", 1, Live::No).await;
    let text = "x".repeat(100_000);
    client.push(0, (1..26).map(|n| title(1, n, &format!("o{n:02}"), &format!("{n} {text}"))).collect()).await;
    client.hear_acks(25).await;
    world
}

/// Where a redirect leads to.
fn location(reply: &Reply) -> String {
    assert_eq!((reply.status, reply.headers["cache-control"].as_str()), (307, "no-store"), "{reply:?}");
    format!("/v1/streams/s/{}", reply.headers["location"])
}

/// The pages from an address on, each with its address.
async fn pages(world: &World, first: String) -> Vec<(String, Reply)> {
    let (mut pages, mut next) = (Vec::new(), Some(first));
    while let Some(address) = next {
        let page = world.get(&address).await;
        assert_eq!((page.status, page.headers["cache-control"].as_str()), (200, "max-age=31536000, immutable"));
        let last = page.lines().pop().unwrap();
        next = last["next"].as_str().map(|next| format!("/v1/streams/s/{next}"));
        pages.push((address, page));
    }
    pages
}

fn objects_of(pages: &[(String, Reply)]) -> Copy {
    let lines = pages.iter().flat_map(|(_, page)| page.lines());
    lines.filter(|line| line.get("fields").is_some()).map(|line| (key(&line), line)).collect()
}

#[tokio::test]
async fn a_snapshot_is_of_one_moment_whatever_is_recorded() {
    let world = large().await;
    let before = objects(&world).await;
    let first = location(&world.get("/v1/streams/s/snapshot").await);
    record(&world, json!([{"delete": "tasks", "id": "o20"}, {"insert": "tasks", "id": "o99", "set": {}}])).await;
    // Who comes soon after reads the same snapshot.
    assert_eq!(location(&world.get("/v1/streams/s/snapshot").await), first);
    let pages = pages(&world, first).await;
    assert_eq!((pages.len(), objects_of(&pages)), (3, before));
    let end = pages[2].1.lines().pop().unwrap();
    assert_eq!(end["head"], 25);
    for (address, page) in &pages {
        let again = world.get(address).await;
        assert_eq!((&again.body, &again.headers["etag"]), (&page.body, &page.headers["etag"]));
        let held = format!("GET {address} HTTP/1.0\r\nif-none-match: {}\r\n\r\n", page.headers["etag"]);
        assert_eq!(request(world.address, held).await.status, 304);
    }
    let mut copy = objects_of(&pages);
    apply(&mut copy, &world.get("/v1/streams/s/delta?since=25").await);
    assert_eq!(copy, objects(&world).await);
}

/// The server was started anew and holds no snapshot: where nothing was recorded the same pages are made, and otherwise
/// the client goes on with a newer one.
#[tokio::test]
async fn a_snapshot_that_was_begun_is_finished_on_another_server() {
    let world = large().await;
    let first = location(&world.get("/v1/streams/s/snapshot").await);
    let whole = pages(&world, first.clone()).await;
    let log = world.log.clone();
    world.server.stop().await;
    let world = World::on(log.clone()).await;
    assert_eq!(world.get(&whole[1].0).await.body, whole[1].1.body);
    world.server.stop().await;
    let world = World::on(log).await;
    record(&world, json!([{"delete": "tasks", "id": "o02"}, {"upsert": "tasks", "id": "o20", "set": {"done": true}}]))
        .await;
    let gone = world.get(&whole[1].0).await.problem(410, "snapshot_gone", false);
    let at = gone["at"].as_str().unwrap();
    let rest = whole[1].0.replace(first.split_once("at=").unwrap().1, at);
    let mut read = whole[..1].to_vec();
    read.extend(pages(&world, rest).await);
    let mut copy = objects_of(&read);
    apply(&mut copy, &world.get("/v1/streams/s/delta?since=25").await);
    assert_eq!(copy, objects(&world).await);
}

#[tokio::test]
async fn a_snapshot_of_one_collection() {
    let world = large().await;
    record(&world, json!([{"insert": "people", "id": "ana / \"ben\" & é", "set": {}}])).await;
    let first = location(&world.get("/v1/streams/s/snapshot?collection=people").await);
    let people = pages(&world, first).await;
    assert_eq!(objects_of(&people).into_keys().collect::<Vec<_>>(), [("people".into(), "ana / \"ben\" & é".into())]);
    let first = location(&world.get("/v1/streams/s/snapshot?collection=tasks").await);
    assert_eq!(objects_of(&pages(&world, first).await).len(), 25);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told() {
    let world = World::new().await;
    record(&world, json!([{"insert": "tasks", "id": "a", "set": {}}])).await;
    for (path, said) in [
        ("delta", "since=SEQ"),
        ("delta?since=x", "since=x"),
        ("delta?since=0&collection=", "collection: "),
        ("snapshot?at=1", "at=1"),
        ("snapshot?at=1-0", "at=1-0"),
        ("snapshot?after=a", "after=a"),
        ("snapshot?after=%5B%22tasks%22,%22%22%5D", "after="),
    ] {
        let problem = world.get(&format!("/v1/streams/s/{path}")).await.problem(400, "bad_request", false);
        assert!(problem["detail"].as_str().unwrap().contains(said), "{path}: {problem}");
    }
    world.get("/v1/streams/s/delta?since=2").await.problem(409, "past_the_head", false);
    world.get("/v1/streams/s/snapshot?at=1-0123456789abcdef").await.problem(410, "snapshot_gone", false);
    world.get("/v1/streams/none/delta?since=0").await.problem(404, "no_such_stream", false);
    world.get("/v1/streams/none/snapshot").await.problem(404, "no_such_stream", false);
    world.post("/v1/streams/s/delta", "").await.problem(405, "method_not_allowed", false);
}
