//! What somebody outside has a say in: asked by HTTP or in the same program, in order, without anybody else waiting, and
//! recorded as it was said yes to.

mod support;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use serde_json::{Value as Json, json};
use support::backend::{Hook, Posted, SECRET, Says, backend, says};
use support::{Client, PATIENCE, World, event, key, stream, title, titles};
use tapeline_core::event::{Authored, Refusal, RefusalCode};
use tapeline_core::frame::{ErrorCode, ErrorFrame, Live, ServerFrame};
use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::numbers::{EventNumber, Seq};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::sequencer::Objection;
use tapeline_core::value::Value;
use tapeline_log::EventLog;
use tapeline_log::memory::MemoryLog;
use tapeline_server::backend::{Backend, NotAsked, Question, Unreachable, Validation, Validator};
use tapeline_server::{ServerConfig, limits};

const STOCK: &str = "[[validators]]\nname = 'stock'\nurl = URL\nsecret_file = SECRET\ncollections = ['tasks']\n";

/// A server that asks a hook, as a file says.
async fn asking(hook: &Hook, text: &str) -> World {
    let directory = tempfile::tempdir().unwrap();
    with(backend(directory.path(), text, hook.address)).await
}

async fn with(backend: Backend) -> World {
    World::with(Arc::new(MemoryLog::new()), ServerConfig { backend, ..ServerConfig::default() }).await
}

/// The questions of a post.
fn questions(posted: &Posted) -> Vec<Json> {
    posted.json()["questions"].as_array().unwrap().clone()
}

/// Answers each question by itself.
fn each(answer: impl Fn(&Json) -> Json + Send + Sync + 'static) -> impl Fn(&Posted) -> Says + Send + Sync + 'static {
    move |posted| says(200, json!({ "answers": questions(posted).iter().map(&answer).collect::<Vec<_>>() }))
}

fn yes(_: &Json) -> Json {
    Json::Null
}

fn in_notes(client: u128, n: u64, id: &str) -> Authored {
    let key = Key { collection: Collection::new("notes").unwrap(), id: ObjectId::new(id).unwrap() };
    event(client, n, vec![Op { key, seen: None, action: Action::Upsert(FieldMap::default()) }])
}

async fn refused(client: &mut Client) -> (EventNumber, Refusal) {
    match client.hear().await {
        ServerFrame::Refused { n, refusal, .. } => (n, refusal),
        other => panic!("not refused: {other:?}"),
    }
}

async fn later(client: &mut Client) -> ErrorFrame {
    let error = client.hear_error().await;
    assert_eq!(error.code, ErrorCode::Later, "{error:?}");
    assert!(error.retry.is_some());
    error
}

#[tokio::test]
async fn what_is_asked_is_what_the_event_makes_of_objects_and_signed() {
    let hook = Hook::start(each(yes)).await;
    let world = asking(&hook, STOCK).await;
    let mut ann = world.client().await;
    ann.open(0, "s", 1, Live::No).await;
    ann.push(0, vec![title(1, 1, "a", "one")]).await;
    ann.hear_acks(1).await;
    ann.push(0, vec![title(1, 2, "a", "two"), in_notes(1, 3, "n")]).await;
    ann.hear_acks(2).await;
    let posted = hook.posted();
    assert_eq!(posted.len(), 2, "what is not of concern is not asked");
    let question = &questions(&posted[1])[0];
    assert_eq!((&question["stream"], &question["n"], &question["subject"]), (&json!("s"), &json!(2), &Json::Null));
    let change = json!({ "collection": "tasks", "id": "a", "old": { "title": "one" }, "new": { "title": "two" } });
    assert_eq!(question["changes"], json!([change]));
    assert_eq!(questions(&posted[0])[0]["changes"][0]["old"], Json::Null);
    assert_eq!(posted[0].json()["validator"], "stock");
    posted.iter().for_each(is_signed);
    assert_eq!(world.metric("tapeline_questions_asked_total").await, 2);
}

/// Checks a signature as <https://www.standardwebhooks.com> says, and that it is fresh.
fn is_signed(posted: &Posted) {
    let header = |name: &str| posted.headers[name].clone();
    let secret = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), posted.body);
    let signature = STANDARD.decode(header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    ring::hmac::verify(&key, signed.as_bytes(), &signature).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now - header("webhook-timestamp").parse::<u64>().unwrap() < 60);
}

#[tokio::test]
async fn a_refusal_has_code_field_and_message_and_stays_the_verdict() {
    let hook = Hook::start(each(|question| match &question["changes"][1]["new"]["title"] {
        Json::String(title) if title == "bad" => {
            json!({ "code": "sold_out", "field": "title", "message": "Two are left.", "change": 1 })
        }
        _ => Json::Null,
    }))
    .await;
    let world = asking(&hook, STOCK).await;
    let mut ann = world.client().await;
    ann.open(0, "s", 1, Live::No).await;
    let two = |n: u64, text: &str| {
        let ops = [title(1, n, "a", "good"), title(1, n, "b", text)];
        event(1, n, ops.into_iter().flat_map(|event| event.body.ops).collect())
    };
    ann.push(0, vec![two(1, "bad"), title(1, 2, "c", "behind")]).await;
    let (n, refusal) = refused(&mut ann).await;
    assert_eq!((n, refusal.code.code(), &*refusal.reason), (EventNumber(1), "sold_out", "Two are left."));
    assert_eq!((refusal.field.unwrap().as_str(), refusal.about, refusal.current), ("title", Some(key("b")), None));
    ann.hear_acks(1).await;
    let asked = hook.posted().len();
    ann.push(0, vec![two(1, "bad")]).await;
    assert_eq!(refused(&mut ann).await.0, EventNumber(1));
    assert_eq!(hook.posted().len(), asked, "what is decided is decided");
    assert_eq!(world.log.head(&stream("s")).await.unwrap().unwrap().seq, Seq(1), "all of it or nothing");
}

#[tokio::test]
async fn while_it_is_slow_nobody_waits_but_the_client_whose_events_they_are() {
    let go = Arc::new(AtomicBool::new(false));
    let hook = Hook::start({
        let go = go.clone();
        move |posted| {
            while !go.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
            each(yes)(posted)
        }
    });
    // What answers blocks its thread: it is not one of the test's.
    let hook = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let hook = runtime.block_on(hook);
        let address = hook.address;
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        (address, hook)
    });
    let (address, _hook) = hook.join().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let text = format!("{STOCK}timeout_seconds = 5\n");
    let world = with(backend(directory.path(), &text, address)).await;
    let mut ann = world.client().await;
    ann.open(0, "s", 1, Live::No).await;
    ann.push(0, vec![title(1, 1, "a", "asked")]).await;
    ann.push(0, vec![in_notes(1, 2, "behind"), title(1, 3, "a", "asked, too")]).await;
    let mut ben = world.client().await;
    assert_eq!(ben.open(0, "s", 2, Live::No).await.head, Seq(0));
    ben.push(0, vec![in_notes(2, 1, "b")]).await;
    assert_eq!(ben.hear_ack().await[0].seq, Seq(0));
    assert_eq!(world.get("/v1/streams/s/objects?collection=notes").await.lines().len(), 1);
    go.store(true, Ordering::Release);
    let mut acked = Vec::new();
    while acked.len() < 3 {
        acked.extend(
            ann.hear_ack()
                .await
                .into_iter()
                .flat_map(|run| (0..run.count).map(move |it| (run.n.0 + it, run.seq.0 + it))),
        );
    }
    assert_eq!(acked, [(1, 1), (2, 2), (3, 3)], "its own order is kept");
}

#[tokio::test]
async fn what_fails_is_tried_again_and_recorded_once() {
    let times = AtomicUsize::new(0);
    let hook = Hook::start(move |posted| match times.fetch_add(1, Ordering::Relaxed) {
        0 => says(500, "down"),
        1 => says(429, "too many"),
        _ => each(yes)(posted),
    })
    .await;
    let world = asking(&hook, STOCK).await;
    let mut ann = world.client().await;
    ann.open(0, "s", 1, Live::No).await;
    ann.push(0, vec![title(1, 1, "a", "one")]).await;
    ann.hear_acks(1).await;
    assert_eq!((hook.posted().len(), world.log.head(&stream("s")).await.unwrap().unwrap().seq), (3, Seq(1)));
}

#[tokio::test]
async fn without_an_answer_events_wait_with_their_authors_until_it_is_back() {
    let mut hook = Hook::start(each(yes)).await;
    let world = asking(&hook, STOCK).await;
    let mut ann = world.client().await;
    ann.open(0, "s", 1, Live::No).await;
    hook.stop();
    ann.push(0, vec![title(1, 1, "a", "one"), title(1, 2, "b", "two")]).await;
    ann.push(0, vec![title(1, 3, "c", "three")]).await;
    assert_eq!(later(&mut ann).await.n, Some(EventNumber(1)));
    assert_eq!(world.log.head(&stream("s")).await.unwrap(), None);
    let reply = world.post("/v1/streams/s/events", r#"{"ops":[{"insert":"tasks","id":"h","set":{}}]}"#).await;
    reply.problem(503, "later", true);
    hook.start_again().await;
    let mut acked = 0;
    while acked < 3 {
        ann.push(0, (acked + 1..4).map(|n| title(1, n, &format!("o{n}"), "again")).collect()).await;
        match ann.hear().await {
            ServerFrame::Ack { runs, .. } => acked += runs.iter().map(|run| run.count).sum::<u64>(),
            ServerFrame::Error(error) => {
                assert_eq!(error.code, ErrorCode::Later);
                tokio::time::sleep(Duration::from_millis(error.retry.unwrap().0)).await;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.log.head(&stream("s")).await.unwrap().unwrap().seq, Seq(3));
}

#[tokio::test]
async fn where_it_says_so_events_pass_without_an_answer() {
    let mut hook = Hook::start(each(yes)).await;
    let world = asking(&hook, &format!("{STOCK}unreachable = 'pass'\n")).await;
    hook.stop();
    let mut ann = world.client().await;
    ann.open(0, "s", 1, Live::No).await;
    ann.push(0, titles(1, 1..4)).await;
    ann.hear_acks(3).await;
    assert!(world.metric("tapeline_question_failures_total").await > 0);
}

/// Somebody finds what the validator breaks at, and sends it again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_that_has_no_answer_holds_up_nobody_else() {
    let breaks = |question: &Json| question["changes"][0]["new"]["title"] == "breaks it";
    let hook = Hook::start(move |posted| match questions(posted).iter().any(breaks) {
        true => says(500, ""),
        false => each(yes)(posted),
    });
    let hook = hook.await;
    let world = asking(&hook, STOCK).await;
    let mut bad = world.client().await;
    bad.open(0, "s", 1, Live::No).await;
    let sending = tokio::spawn(async move {
        loop {
            bad.push(0, vec![title(1, 1, "x", "breaks it")]).await;
            let error = later(&mut bad).await;
            tokio::time::sleep(Duration::from_millis(error.retry.unwrap().0)).await;
        }
    });
    let is_broken = |posted: &[Posted]| posted.iter().flat_map(questions).any(|question| breaks(&question));
    hook.posted_until(is_broken).await;
    let mut good = Vec::new();
    for client in 2..12 {
        let mut one = world.client().await;
        one.open(0, "s", client, Live::No).await;
        good.push(tokio::spawn(async move {
            for n in 1..=100 {
                one.push(0, vec![title(client, n, &format!("{client}-{n}"), "good")]).await;
                // It is acknowledged, and never put off.
                one.hear_acks(1).await;
            }
        }));
    }
    for one in good {
        one.await.expect("all are recorded");
    }
    assert!(!sending.is_finished());
    sending.abort();
    assert_eq!(world.log.head(&stream("s")).await.unwrap().unwrap().seq, Seq(1_000));
}

/// Where it answers nobody, it is left alone.
#[tokio::test]
async fn one_that_answers_nobody_is_left_alone_for_a_moment() {
    let hook = Hook::start(|_| says(500, "")).await;
    let world = asking(&hook, STOCK).await;
    let mut ann = world.client().await;
    ann.open(0, "s", 1, Live::No).await;
    ann.push(0, titles(1, 1..101)).await;
    later(&mut ann).await;
    let left_alone = async { while world.metric("tapeline_question_failures_total").await < 2 {} };
    tokio::time::timeout(PATIENCE, left_alone).await.expect("two in a row");
    let asked = hook.posted().len();
    assert!(asked <= 2 * limits::VALIDATOR_TRIES as usize, "asked {asked} times about a hundred events");
    let reply = world.post("/v1/streams/t/events", r#"{"ops":[{"insert":"tasks","id":"h","set":{}}]}"#).await;
    reply.problem(503, "later", true);
    assert_eq!(hook.posted().len(), asked, "another event, of another stream");
}

#[tokio::test]
async fn a_wrong_answer_is_none() {
    let no = |no: Json| json!({ "answers": [no] }).to_string();
    let wrong = [
        (200, "".into()),
        (200, "yes".into()),
        (200, "{}".into()),
        (200, "{\"answers\":[]}".into()),
        (200, "{\"answers\":[null,null]}".into()),
        (200, format!("{{\"answers\":[null],\"more\":\"{}\"}}", "x".repeat(limits::BACKEND_ANSWER_BYTES))),
        (200, no(json!({}))),
        (200, no(json!({ "message": "" }))),
        (200, no(json!({ "message": "x".repeat(limits::MESSAGE_BYTES + 1) }))),
        (200, no(json!({ "message": "read it again", "code": "stale" }))),
        (200, no(json!({ "message": "no", "code": "x".repeat(65) }))),
        (200, no(json!({ "message": "no", "feild": "title" }))),
        (301, "".into()),
        (404, "".into()),
    ];
    for (status, body) in wrong {
        let shown = body.chars().take(60).collect::<String>();
        let hook = Hook::start(move |_| says(status, body.clone())).await;
        let world = asking(&hook, STOCK).await;
        let mut ann = world.client().await;
        ann.open(0, "s", 1, Live::No).await;
        ann.push(0, vec![title(1, 1, "a", "one")]).await;
        later(&mut ann).await;
        assert_eq!(hook.posted().len(), 1, "{status} {shown}: the same would be answered again");
        ann.push(0, vec![title(1, 1, "a", "one")]).await;
        later(&mut ann).await;
        assert_eq!(hook.posted().len(), 1, "{status} {shown}: it is left alone for a moment");
        assert_eq!(world.log.head(&stream("s")).await.unwrap(), None, "{status} {shown}");
    }
}

#[tokio::test]
async fn a_slow_answer_is_none() {
    let hook = Hook::start(|_| (Duration::from_secs(60), 200, String::new())).await;
    let world = asking(&hook, &format!("{STOCK}timeout_seconds = 1\n")).await;
    let mut ann = world.client().await;
    ann.open(0, "s", 1, Live::No).await;
    ann.push(0, vec![title(1, 1, "a", "one")]).await;
    later(&mut ann).await;
    assert_eq!(hook.posted().len(), limits::VALIDATOR_TRIES as usize);
}

#[tokio::test]
async fn stopping_waits_for_no_answer() {
    let hook = Hook::start(|_| (Duration::from_secs(60), 200, String::new())).await;
    let world = asking(&hook, &format!("{STOCK}timeout_seconds = 5\n")).await;
    let mut ann = world.client().await;
    ann.open(0, "s", 1, Live::No).await;
    ann.push(0, vec![title(1, 1, "a", "one")]).await;
    hook.posted_until(|posted| !posted.is_empty()).await;
    let stopping = tokio::spawn(world.server.stop());
    assert!(later(&mut ann).await.message.contains("stopping"));
    tokio::time::timeout(Duration::from_secs(4), stopping).await.expect("it stops").unwrap();
}

#[tokio::test]
async fn many_events_go_in_few_requests() {
    let hook = Hook::start(each(yes)).await;
    let world = asking(&hook, STOCK).await;
    let mut ann = world.client().await;
    ann.open(0, "s", 1, Live::No).await;
    let events = (1..=500).map(|n| title(1, n, &format!("o{n}"), "one of many")).collect();
    ann.push(0, events).await;
    ann.hear_acks(500).await;
    let requests = hook.posted().len();
    assert!(requests <= 10, "{requests} requests");
    assert_eq!(hook.posted().iter().map(|posted| questions(posted).len()).sum::<usize>(), 500, "each is asked once");
}

/// Each of some clients draws from a few stores, at random. A store must not go below nothing.
#[tokio::test]
async fn what_was_said_yes_to_is_what_is_recorded() {
    const STORES: u64 = 3;
    const CLIENTS: u128 = 4;
    const DRAWS: u64 = 12;
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let said = Arc::new(Mutex::new(HashMap::new()));
    let hook = Hook::start({
        let (said, random) = (said.clone(), Mutex::new(Rng::with_seed(seed)));
        move |posted| {
            let answers = questions(posted).into_iter().map(|question| {
                let change = &question["changes"][0];
                let of = (question["client"].as_str().unwrap().to_owned(), question["n"].as_u64().unwrap());
                let is_enough = change["new"]["left"].as_i64() >= Some(0);
                said.lock().unwrap().insert(of, (change.clone(), is_enough));
                if is_enough { Json::Null } else { json!({ "message": "Nothing is left.", "field": "left" }) }
            });
            let body = json!({ "answers": answers.collect::<Vec<_>>() });
            (Duration::from_millis(random.lock().unwrap().u64(0..8)), 200, body.to_string())
        }
    })
    .await;
    let world = asking(&hook, STOCK).await;
    let mut maker = world.client().await;
    maker.open(0, "s", 99, Live::No).await;
    let left = |value| FieldMap::new(vec![(FieldName::new("left").unwrap(), value)]).unwrap();
    let store = |number: u64| key(&format!("store{number}"));
    let full = |number| Op { key: store(number), seen: None, action: Action::Insert(left(Value::Int(20))) };
    maker.push(0, vec![event(99, 1, (0..STORES).map(full).collect())]).await;
    maker.hear_acks(1).await;
    let draws = (1..=CLIENTS).map(|number| {
        let mut random = Rng::with_seed(seed ^ number as u64);
        let draws = (1..=DRAWS).map(|n| {
            let by = FieldMap::new(vec![(FieldName::new("left").unwrap(), Edit::Inc(Value::Int(-random.i64(1..4))))])
                .unwrap();
            event(
                number,
                n,
                vec![Op { key: store(random.u64(0..STORES)), seen: Some(Seq(1)), action: Action::Update(by) }],
            )
        });
        draw(world.address, number, draws.collect())
    });
    let mut drawing = tokio::task::JoinSet::new();
    draws.for_each(|draws| drop(drawing.spawn(draws)));
    let mut verdicts = BTreeMap::new();
    while let Some(drawn) = drawing.join_next().await {
        verdicts.extend(drawn.unwrap());
    }
    assert_eq!(verdicts.len() as u64, CLIENTS as u64 * DRAWS);
    let log = world.log.read(&stream("s"), Seq(1), usize::MAX).await.unwrap();
    let mut stores: BTreeMap<Key, i64> = (0..STORES).map(|number| (store(number), 20)).collect();
    for recorded in log.events().map(Result::unwrap) {
        assert_eq!(verdicts[&(recorded.client.0, recorded.n.0)], Ok(recorded.seq));
        let op = &recorded.body.ops[0];
        let Action::Update(by) = &op.action else { panic!("{op:?}") };
        let Some(Edit::Inc(Value::Int(by))) = by.get("left") else { panic!("{op:?}") };
        let old = stores[&op.key];
        let new = old + by;
        stores.insert(op.key.clone(), new);
        let said = said.lock().unwrap();
        let (change, is_enough) = &said[&(recorded.client.to_string(), recorded.n.0)];
        let shown = (&change["id"], &change["old"]["left"], &change["new"]["left"], *is_enough);
        assert_eq!(shown, (&json!(op.key.id.to_string()), &json!(old), &json!(new), true), "event {:?}", recorded.seq);
    }
    let refused = verdicts.values().filter(|verdict| verdict.is_err()).count() as u64;
    assert_eq!(log.count() + refused, CLIENTS as u64 * DRAWS);
    assert!(refused > 0 && stores.values().all(|left| *left >= 0), "{stores:?}");
}

type Verdicts = Vec<((u128, u64), Result<Seq, RefusalCode>)>;

/// Sends all events at once, and again what is to be sent again.
async fn draw(address: std::net::SocketAddr, client: u128, events: Vec<Authored>) -> Verdicts {
    let mut socket = Client::connect(address, tapeline_core::codec::Codec::Cbor).await;
    socket.say(tapeline_core::frame::ClientFrame::Hello(support::hello())).await;
    socket.hear().await;
    socket.open(0, "s", client, Live::No).await;
    let mut verdicts = Verdicts::new();
    socket.push(0, events.clone()).await;
    while verdicts.len() < events.len() {
        match socket.hear().await {
            ServerFrame::Ack { runs, .. } => {
                let all =
                    runs.into_iter().flat_map(|run| (0..run.count).map(move |it| (run.n.0 + it, run.seq.plus(it))));
                verdicts.extend(all.map(|(n, seq)| ((client, n), Ok(seq))));
            }
            ServerFrame::Refused { n, refusal, .. } => verdicts.push(((client, n.0), Err(refusal.code))),
            ServerFrame::Error(error) => {
                assert_eq!(error.code, ErrorCode::Later);
                socket.push(0, events[verdicts.len()..].to_vec()).await;
            }
            other => panic!("{other:?}"),
        }
    }
    verdicts
}

/// Says no to all titles that are not short, and fails where it is asked of one that is empty.
#[derive(Debug)]
struct Short;

impl Validator for Short {
    fn validate(&self, questions: &[Question]) -> Result<Vec<Option<(usize, Objection)>>, NotAsked> {
        let answers = questions.iter().map(|question| {
            let after = question.changes[0].after.as_ref()?;
            let Some(Value::Text(title)) = after.get("title") else { return None };
            assert!(!title.as_str().is_empty());
            let (field, reason) = (FieldName::new("title").ok(), "too long".to_owned());
            (title.as_str().len() > 5).then_some((0, Objection { code: RefusalCode::Invalid, field, reason }))
        });
        Ok(answers.collect())
    }
}

#[tokio::test]
async fn one_that_is_built_in_is_asked_as_well() {
    let validation = |name: &str, unreachable| Validation {
        name: name.into(),
        streams: vec!["short/*".parse().unwrap()],
        collections: Vec::new(),
        unreachable,
        validator: Arc::new(Short),
    };
    let validators = vec![validation("a", Unreachable::Pass), validation("b", Unreachable::Wait)];
    let world = with(Backend { validators, ..Backend::default() }).await;
    let mut ann = world.client().await;
    ann.open(0, "short/s", 1, Live::No).await;
    ann.open(1, "long", 1, Live::No).await;
    ann.push(1, vec![title(1, 1, "a", "longer than short")]).await;
    ann.hear_acks(1).await;
    ann.push(0, vec![title(1, 1, "a", "longer than short"), title(1, 2, "a", "short")]).await;
    let (_, refusal) = refused(&mut ann).await;
    assert_eq!((&*refusal.reason, refusal.about), ("too long", Some(key("a"))));
    ann.hear_acks(1).await;
    ann.push(0, vec![title(1, 3, "a", "")]).await;
    assert_eq!(later(&mut ann).await.n, Some(EventNumber(3)), "one that panics says nothing");
}
