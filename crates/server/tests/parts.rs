//! Replicas that hold the results of queries: what enters, changes in and leaves them, live.

mod support;

use fastrand::Rng;
use support::author::{Author, delete, edit, make};
use support::pages::{Held, expected, key_of};
use support::{Client, World, event};
use tapeline_core::codec::json;
use tapeline_core::frame::{ClientFrame, ErrorCode, Live, Open, Progress, ServerFrame, Subscription};
use tapeline_core::limits;
use tapeline_core::name::Key;
use tapeline_core::numbers::{Channel, ClientId, QueryNumber, Seq};
use tapeline_core::object::Object;
use tapeline_core::op::Op;

const CHANNEL: Channel = Channel(0);

fn query(number: u32, text: &str) -> Subscription {
    Subscription { number: QueryNumber(number), query: json::value_from_json(text).unwrap(), ready: false }
}

fn of_text(number: u32, text: &str) -> Subscription {
    query(number, &format!(r#"{{"collection":"notes","where":{{"text":"{text}"}}}}"#))
}

fn has_text(text: &'static str) -> impl Fn(&Key, &Object) -> bool {
    move |key, object| {
        key.collection.as_str() == "notes" && object.get("text").and_then(|value| value.as_text()) == Some(text)
    }
}

/// Opens stream `s` with queries, and takes what they find.
async fn open(world: &World, client: u128, queries: Vec<Subscription>) -> (Client, Held) {
    let (mut reader, mut held) = (world.client().await, Held::default());
    let numbers: Vec<u32> = queries.iter().map(|query| query.number.0).collect();
    reader.say(ClientFrame::Open(held.open(client, Some(queries)))).await;
    reader.hear_opened().await;
    for number in numbers {
        held.hear_ready(&mut reader, number).await;
    }
    (reader, held)
}

#[tokio::test]
async fn objects_enter_change_in_and_leave_what_a_query_finds() {
    let world = World::new().await;
    let mut author = Author::new(&world).await;
    author.push((0..30).map(|number| make("notes", number, ["a", "b", "c"][number as usize % 3]))).await;
    let (mut reader, mut held) = open(&world, 2, vec![of_text(0, "a")]).await;
    assert_eq!(held.objects, expected(&world, has_text("a")).await);
    let steps: [Vec<Op>; 5] = [
        vec![make("notes", 100, "a"), make("notes", 101, "b")],
        vec![edit("notes", 1, "a"), edit("notes", 3, "b")],
        vec![delete("notes", 6), delete("notes", 7)],
        vec![edit("notes", 9, "c"), edit("notes", 9, "a")],
        vec![delete("notes", 12), make("notes", 12, "a"), make("tasks", 1, "a")],
    ];
    for step in steps {
        author.push(step.into_iter()).await;
        reader.say(ClientFrame::Ping).await;
        held.hear_to(&mut reader, author.last).await;
        assert_eq!(held.objects, expected(&world, has_text("a")).await);
    }
}

#[tokio::test]
async fn who_is_not_concerned_hears_nothing() {
    let world = World::new().await;
    let mut author = Author::new(&world).await;
    let (mut reader, mut held) = open(&world, 2, vec![of_text(0, "a")]).await;
    author.push((0..100).map(|number| make("notes", number, "b"))).await;
    reader.hears_nothing_more().await;
    reader.say(ClientFrame::Ping).await;
    held.hear_to(&mut reader, 100).await;
    assert!(held.pages.iter().all(|page| page.items.is_empty() && page.gone.is_empty()));
    assert_eq!(held.played, Seq(100), "asked, it hears how far the stream is");
}

#[tokio::test]
async fn who_writes_hears_that_it_is_done_though_it_concerns_no_query() {
    let world = World::new().await;
    let (mut writer, mut held) = open(&world, 2, vec![of_text(0, "a")]).await;
    writer.push(0, vec![event(2, 1, vec![make("notes", 1, "b")]), event(2, 2, vec![make("notes", 2, "a")])]).await;
    held.hear_to(&mut writer, 2).await;
    assert_eq!(held.objects, expected(&world, has_text("a")).await);
    writer.push(0, vec![event(2, 3, vec![make("tasks", 1, "a")])]).await;
    held.hear_to(&mut writer, 3).await;
}

#[tokio::test]
async fn who_writes_hears_that_it_is_done_though_it_has_no_query() {
    let world = World::new().await;
    let (mut writer, mut held) = open(&world, 2, Vec::new()).await;
    for n in 1..20u64 {
        writer.push(0, vec![event(2, n, vec![make("notes", n, "b")])]).await;
        held.hear_to(&mut writer, n).await;
    }
    assert!(held.objects.is_empty());
}

/// How far each page of a query's result says that it is.
async fn told(world: &World, query: Subscription) -> Vec<Option<Progress>> {
    let (mut reader, mut held) = open(world, 2, Vec::new()).await;
    reader.say(ClientFrame::Subscribe { channel: CHANNEL, subscription: query }).await;
    let mut told = Vec::new();
    loop {
        let ServerFrame::Page(page) = reader.hear().await else { continue };
        let (is_of_query, is_last) = (page.query.is_some(), page.after.is_none());
        told.extend(is_of_query.then_some(page.progress));
        held.take_page(page);
        if is_of_query && is_last {
            return told;
        }
    }
}

#[tokio::test]
async fn pages_say_how_far_they_are_where_it_is_known_how_much_there_is() {
    let world = World::new().await;
    let mut author = Author::new(&world).await;
    let text = "long ".repeat(200);
    author.push((0..900).map(|number| make("notes", number, &text))).await;
    let ids: Vec<String> = (100..1_000).map(|number| format!(r#""{number:08}""#)).collect();
    let by_ids = format!(r#"{{"collection":"notes","where":{{"id":{{"in":[{}]}}}}}}"#, ids.join(","));
    let window = r#"{"collection":"notes","orderBy":"-number","limit":700}"#;
    for (text, of) in [(by_ids.as_str(), 900), (window, 700)] {
        let told: Vec<Progress> = told(&world, query(0, text)).await.into_iter().map(Option::unwrap).collect();
        assert!(told.len() > 2 && told.is_sorted_by(|a, b| a.objects < b.objects && a.bytes < b.bytes), "{told:?}");
        assert!(told.iter().all(|told| told.of == of) && told.last().unwrap().objects == of, "{told:?}");
    }
    let all = told(&world, query(0, r#"{"collection":"notes"}"#)).await;
    assert!(all.len() > 2 && all.iter().all(Option::is_none), "{all:?}");
}

#[tokio::test]
async fn queries_come_and_go() {
    let world = World::new().await;
    let mut author = Author::new(&world).await;
    author.push((0..3_000).map(|number| make("notes", number, ["a", "b", "c"][number as usize % 3]))).await;
    let (mut reader, mut held) = open(&world, 2, vec![of_text(7, "a")]).await;
    author.push([edit("notes", 0, "b"), edit("notes", 1, "a")].into_iter()).await;
    reader.say(ClientFrame::Subscribe { channel: CHANNEL, subscription: of_text(8, "b") }).await;
    held.hear_ready(&mut reader, 8).await;
    let either = |key: &Key, object: &Object| has_text("a")(key, object) || has_text("b")(key, object);
    assert_eq!(held.objects, expected(&world, either).await);
    author.push([edit("notes", 0, "a"), edit("notes", 1, "b"), edit("notes", 2, "b")].into_iter()).await;
    reader.say(ClientFrame::Unsubscribe { channel: CHANNEL, number: QueryNumber(7) }).await;
    reader.say(ClientFrame::Ping).await;
    held.hear_to(&mut reader, author.last).await;
    // The replica itself lets go of what it is no longer told of.
    held.objects.retain(|_, fields| fields.contains(&("text".into(), "Text(\"b\")".into())));
    assert_eq!(held.objects, expected(&world, has_text("b")).await);
    author.push([edit("notes", 3, "a"), edit("notes", 1, "c")].into_iter()).await;
    reader.say(ClientFrame::Ping).await;
    held.hear_to(&mut reader, author.last).await;
    assert_eq!(held.objects, expected(&world, has_text("b")).await);
}

#[tokio::test]
async fn past_the_limit_one_that_goes_makes_room_and_one_that_is_there_may_grow() {
    let world = World::new().await;
    let mut author = Author::new(&world).await;
    author.push((0..9).map(|number| make("notes", number, "a"))).await;
    let most = limits::QUERIES as u32;
    let others = (1..most).map(|number| of_text(number, &format!("text {number}")));
    let (mut reader, mut held) = open(&world, 2, std::iter::once(newest(0, 3)).chain(others).collect()).await;
    let subscribe = |subscription| ClientFrame::Subscribe { channel: CHANNEL, subscription };
    reader.say(subscribe(of_text(most, "a"))).await;
    assert_eq!(reader.hear_error().await.code, ErrorCode::BadFrame);
    held.ready.clear();
    reader.say(subscribe(newest(0, 4))).await;
    held.hear_ready(&mut reader, 0).await;
    assert_eq!(held.objects.len(), 4);
    reader.say(ClientFrame::Unsubscribe { channel: CHANNEL, number: QueryNumber(5) }).await;
    reader.say(subscribe(of_text(most, "a"))).await;
    held.hear_ready(&mut reader, most).await;
    assert_eq!(held.objects, expected(&world, has_text("a")).await);
    reader.say(subscribe(of_text(most + 1, "a"))).await;
    assert_eq!(reader.hear_error().await.code, ErrorCode::BadFrame);
}

/// The keys of a window on the notes with a text, the newest first.
fn newest(number: u32, limit: usize) -> Subscription {
    let text = r#""collection":"notes","where":{"text":"a"},"orderBy":"-id""#;
    query(number, &format!(r#"{{{text},"limit":{limit}}}"#))
}

async fn newest_of(world: &World, limit: usize) -> Vec<Key> {
    let found = expected(world, has_text("a")).await;
    let mut keys: Vec<Key> = found.into_keys().rev().take(limit).collect();
    keys.reverse();
    keys
}

#[tokio::test]
async fn a_window_is_right_while_rows_move_in_and_out_and_it_grows() {
    let (world, mut random) = (World::new().await, Rng::with_seed(5));
    let mut author = Author::new(&world).await;
    author.push((0..200).map(|number| make("notes", number, "a"))).await;
    let mut limit = 10;
    let (mut reader, mut held) = open(&world, 2, vec![newest(0, limit)]).await;
    held.pages.clear();
    for round in 0..40u64 {
        let mut ops = vec![make("notes", 200 + round, if round % 2 == 0 { "a" } else { "b" })];
        for _ in 0..random.u64(..8) {
            let number = 150 + random.u64(..50 + round);
            ops.push(match random.u8(..4) {
                0 => delete("notes", number),
                1 => make("notes", number, "a"),
                2 => make("notes", number, "b"),
                _ => make("notes", number, "a"),
            });
        }
        author.push(ops.into_iter()).await;
        if round == 20 {
            limit = 25;
            held.ready.clear();
            reader.say(ClientFrame::Subscribe { channel: CHANNEL, subscription: newest(0, limit) }).await;
            held.hear_ready(&mut reader, 0).await;
        }
        reader.say(ClientFrame::Ping).await;
        held.hear_to(&mut reader, author.last).await;
        // What was read to fill it up may come after that.
        while held.objects.len() < limit {
            let ServerFrame::Page(page) = reader.hear().await else { continue };
            held.take_page(page);
        }
        assert_eq!(held.objects.keys().cloned().collect::<Vec<_>>(), newest_of(&world, limit).await, "round {round}");
    }
    // What came without a number, as from another window, would go.
    let told_to_drop = held.pages.iter().any(|page| page.end.is_some_and(|end| end.purge));
    assert!(!told_to_drop, "a window that is read again did not come anew");
}

#[tokio::test]
async fn who_returns_is_told_what_entered_changed_and_left() {
    let world = World::new().await;
    let mut author = Author::new(&world).await;
    author.push((0..300).map(|number| make("notes", number, ["a", "b", "c"][number as usize % 3]))).await;
    let (reader, mut held) = open(&world, 2, vec![of_text(0, "a")]).await;
    drop(reader);
    author.push((0..60).map(|number| edit("notes", number, ["b", "a", "a"][number as usize % 3]))).await;
    author.push((60..80).map(|number| delete("notes", number))).await;
    author.push((0..2_000).map(|number| make("tasks", number, "a"))).await;
    let mut reader = world.client().await;
    let ready = Subscription { ready: true, ..of_text(0, "a") };
    reader.say(ClientFrame::Open(held.open(2, Some(vec![ready])))).await;
    reader.hear_opened().await;
    held.pages.clear();
    held.fill(&mut reader).await;
    assert_eq!(held.objects, expected(&world, has_text("a")).await);
    let told: usize = held.pages.iter().map(|page| page.items.len() + page.gone.len()).sum();
    assert!(told <= 80, "{told} objects were told of");
}

#[tokio::test]
async fn ten_thousand_queries_are_followed_by_those_they_concern_alone() {
    const READERS: u32 = 10;
    let world = World::new().await;
    let mut author = Author::new(&world).await;
    let mut readers = Vec::new();
    for reader in 0..READERS {
        let queries = (0..1_000).map(|number| of_text(number, &format!("u{}", reader * 1_000 + number))).collect();
        readers.push(open(&world, u128::from(reader) + 2, queries).await);
    }
    let mut concerned = Vec::new();
    for user in [3, 4_711, 9_999] {
        author.push([make("notes", 1, &format!("u{user}"))].into_iter()).await;
        // Who loses it and who gets it are told without asking.
        concerned.push(user / 1_000);
        for &place in concerned.iter().rev().take(2) {
            let (reader, held) = &mut readers[place];
            held.hear_to(reader, author.last).await;
            assert_eq!(held.objects.len(), usize::from(place == user / 1_000));
        }
    }
    for (place, (reader, held)) in readers.iter_mut().enumerate().filter(|(place, _)| !concerned.contains(place)) {
        reader.say(ClientFrame::Ping).await;
        assert_eq!(reader.hear().await, ServerFrame::Pong, "reader {place} was told of nothing");
        held.hear_to(reader, author.last).await;
        assert!(held.pages.iter().all(|page| page.items.is_empty() && page.gone.is_empty()));
    }
    assert_eq!(readers.len() as u32, READERS);
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_with_the_reason() {
    let world = World::new().await;
    let (mut reader, held) = open(&world, 2, vec![of_text(0, "a")]).await;
    let wrong = [
        query(1, r#"{"collection":"notes","where":{"a":{"like":1}}}"#),
        query(1, r#"{"where":{}}"#),
        query(1, &format!(r#"{{"collection":"notes","limit":{}}}"#, limits::WINDOW_ROWS + 1)),
    ];
    for subscription in wrong {
        reader.say(ClientFrame::Subscribe { channel: CHANNEL, subscription }).await;
        assert_eq!(reader.hear_error().await.code, ErrorCode::BadFrame);
    }
    reader.say(ClientFrame::Subscribe { channel: Channel(9), subscription: of_text(1, "a") }).await;
    assert_eq!(reader.hear_error().await.code, ErrorCode::NotOpen);
    let mut whole = world.client().await;
    let open = Open { client: ClientId(3), queries: None, live: Live::Head, ..held.open(3, None) };
    whole.say(ClientFrame::Open(open)).await;
    whole.hear_opened().await;
    whole.say(ClientFrame::Subscribe { channel: CHANNEL, subscription: of_text(1, "a") }).await;
    assert_eq!(whole.hear_error().await.code, ErrorCode::BadFrame);
    let mut other = world.client().await;
    let queries = Some(vec![query(1, "3")]);
    other.say(ClientFrame::Open(Open { queries, ..held.open(4, None) })).await;
    assert_eq!(other.hear_error().await.code, ErrorCode::BadFrame);
    assert!(support::pages::expected(&world, |key, _| *key == key_of("notes", "x")).await.is_empty());
}
