//! Things at random, the same for the same seed, with a liking for what is awkward.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use tapeline_core::block::EventBlock;
use tapeline_core::codec::LARGEST_COUNT;
use tapeline_core::codec::cbor::{encode_entry, encode_recorded};
use tapeline_core::event::{
    Authored, Body, Command, Lost, LostReason, OwnVerdict, Read, Recorded, Refusal, RefusalCode, Verdict,
};
use tapeline_core::frame::{
    AckRun, ClientFrame, End, ErrorCode, ErrorFrame, Events, Filling, Hello, Item, Live, LostOf, Open, Opened, Page,
    Presence, Progress, Readable, Resync, ResyncReason, ServerFrame, Subscription, Welcome,
};
use tapeline_core::hash::{Chain, ContentHash, Digest, KeyHash};
use tapeline_core::limits;
use tapeline_core::name::{Collection, CommandName, FieldName, Key, ObjectId, StreamName, Subject};
use tapeline_core::numbers::{
    Channel, ClientId, EventNumber, Incarnation, Millis, PeerId, QueryNumber, SchemaVersion, Seq, View,
};
use tapeline_core::object::{Entry, Object, Stamp, Write, apply};
use tapeline_core::op::{Action, Edit, FieldMap, Members, Op, Put};
use tapeline_core::short_text::SmolStr;
use tapeline_core::splice::{Content, Splice, Splices};
use tapeline_core::value::{Entries, Value};

/// Runs `check` with a generator for each of `seeds` seeds. Where it fails, the seed is printed.
pub fn for_seeds(seeds: u64, check: impl Fn(u64, &mut Rng)) {
    struct Seed(u64);
    #[allow(clippy::disallowed_macros, reason = "whoever runs the test is to read it")]
    impl Drop for Seed {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("seed {}", self.0);
            }
        }
    }
    for seed in 0..seeds {
        let _seed = Seed(seed);
        check(seed, &mut Rng::with_seed(seed));
    }
}

/// An object with these fields.
pub fn object_of<'f>(fields: impl IntoIterator<Item = (&'f str, Value)>) -> Arc<Object> {
    let fields = fields.into_iter().map(|(name, value)| (FieldName::new(name).unwrap(), value));
    let fields = FieldMap::new(fields.collect()).unwrap();
    let mut entry = None;
    let op = Op { key: key(&mut Rng::with_seed(1)), seen: None, action: Action::Insert(fields) };
    apply(&mut entry, &op, &Write::pending(ClientId(1), Seq(0), Millis(0)));
    entry.as_ref().and_then(Entry::live).unwrap().clone()
}

/// The bytes that hexadecimal digits spell.
pub fn from_hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    (0..digits.len()).step_by(2).map(|place| u8::from_str_radix(&digits[place..place + 2], 16).unwrap()).collect()
}

pub fn client_frame(random: &mut Rng) -> ClientFrame {
    let channel = channel(random);
    match random.u8(0..9) {
        5 => ClientFrame::Presence(presence(random)),
        7 => ClientFrame::Subscribe { channel, subscription: subscription(random) },
        8 => ClientFrame::Unsubscribe { channel, number: QueryNumber(random.u32(..)) },
        0 => ClientFrame::Hello(Hello {
            protocol: random.u32(..),
            agent: text(random),
            token: maybe(random, text),
            deflate: random.bool(),
            schema: maybe(random, |random| SchemaVersion(random.u32(..))),
        }),
        1 => ClientFrame::Open(Open {
            channel,
            stream: StreamName::new(format!("lists/{}", random.u16(..))).unwrap(),
            client: client(random),
            former: some(random, 4, client),
            settled: EventNumber(count(random)),
            incarnation: maybe(random, |random| Incarnation(random.u64(..))),
            played: Seq(count(random)),
            chain: Chain(random.u64(..)),
            live: match random.u8(0..3) {
                0 => Live::No,
                1 => Live::Head,
                _ => Live::From(Seq(count(random))),
            },
            pages: random.bool(),
            first: some(random, 3, |random| key(random).collection),
            filling: maybe(random, |random| Filling {
                to: Seq(count(random)),
                latest: Seq(count(random)),
                chain: Chain(random.u64(..)),
                after: key(random),
            }),
            queries: maybe(random, |random| some(random, 3, subscription)),
            view: maybe(random, |random| View(random.u64(..))).unwrap_or_default(),
        }),
        2 => ClientFrame::Push { channel, events: some(random, 5, authored) },
        3 => ClientFrame::Fetch { channel, from: Seq(count(random)), to: Seq(count(random)) },
        4 => ClientFrame::Close { channel },
        _ => ClientFrame::Ping,
    }
}

pub fn presence(random: &mut Rng) -> Presence {
    let state = |random: &mut Rng| Some(value(random)).filter(|state| *state != Value::Null);
    let peer = |random: &mut Rng| (PeerId(random.u64(..)), state(random));
    Presence { channel: channel(random), anew: random.bool(), peers: some(random, 4, peer) }
}

pub fn server_frame(random: &mut Rng) -> ServerFrame {
    let channel = channel(random);
    match random.u8(0..10) {
        9 => ServerFrame::Page(page(random)),
        7 => ServerFrame::Presence(presence(random)),
        0 => ServerFrame::Welcome(Welcome {
            protocol: random.u32(..),
            server: text(random),
            silence: Millis(count(random)),
            frame_bytes: count(random),
            expires_in: maybe(random, |random| Millis(count(random))),
        }),
        1 => ServerFrame::Opened(Opened {
            channel,
            incarnation: Incarnation(random.u64(..)),
            head: Seq(count(random)),
            digest: Digest(random.u128(..)),
            last: some(random, 9, |random| EventNumber(count(random))),
            verdicts: some(random, 4, verdict),
            readable: maybe(random, |random| Readable {
                continues: random.bool(),
                view: View(random.u64(..)),
                collections: some(random, 3, |random| key(random).collection),
            }),
        }),
        2 => ServerFrame::Events(Events {
            channel,
            head: Seq(count(random)),
            digest: maybe(random, |random| Digest(random.u128(..))),
            block: block(random),
        }),
        3 => ServerFrame::Ack {
            channel,
            runs: some(random, 4, |random| AckRun {
                n: EventNumber(count(random)),
                seq: Seq(count(random)),
                count: random.u64(0..=limits::UNSETTLED_EVENTS as u64),
            }),
            lost: some(random, 2, |random| LostOf { n: EventNumber(count(random)), lost: some(random, 3, lost) }),
        },
        4 => ServerFrame::Refused { channel, n: EventNumber(count(random)), refusal: refusal(random) },
        5 => ServerFrame::Resync(Resync {
            channel,
            reason: ResyncReason::from_code(random.choice(&["forked", "recreated", NEWER]).unwrap()).unwrap(),
            last: some(random, 9, |random| EventNumber(count(random))),
        }),
        6 => ServerFrame::Error(ErrorFrame {
            channel: maybe(random, |_| channel),
            code: error_code(random),
            message: text(random),
            n: maybe(random, |random| EventNumber(count(random))),
            retry: maybe(random, |random| Millis(count(random))),
        }),
        _ => ServerFrame::Pong,
    }
}

fn subscription(random: &mut Rng) -> Subscription {
    Subscription { number: QueryNumber(random.u32(..)), query: value(random), ready: random.bool() }
}

pub fn page(random: &mut Rng) -> Page {
    Page {
        channel: channel(random),
        head: Seq(count(random)),
        from: Seq(count(random)),
        to: Seq(count(random)),
        chain: Chain(random.u64(..)),
        fresh: random.bool(),
        query: maybe(random, |random| QueryNumber(random.u32(..))),
        items: some(random, 3, random_item).into_iter().flatten().collect(),
        gone: some(random, 3, key),
        gone_unnamed: some(random, 3, |random| KeyHash(random.u64(..))),
        after: maybe(random, key),
        end: maybe(random, |random| End {
            digest: maybe(random, |random| Digest(random.u128(..))),
            purge: random.bool(),
        }),
        progress: maybe(random, |random| Progress { objects: count(random), of: count(random), bytes: count(random) }),
    }
}

fn random_item(random: &mut Rng) -> Option<Item> {
    let entry = random_entry(random).filter(|entry| entry.live().is_some())?;
    Some(Item { key: key(random), whole: random.bool(), entry: encode_entry(&entry) })
}

/// What random events of three clients leave under one key.
pub fn random_entry(random: &mut Rng) -> Option<Entry> {
    let (key, clients) = (key(random), [0; 3].map(|_| client(random)));
    let mut entry = None;
    for seq in 0..random.u64(0..30) {
        let op = Op { key: key.clone(), ..op(random) };
        let stamp = Stamp { seq: Seq(seq), client: *random.choice(&clients).unwrap() };
        if !matches!(op.action, Action::Delete) || random.u8(..) < 20 {
            let actor = Subject::new("ann").unwrap();
            let write = Write {
                stamp,
                base: Seq(random.u64(0..=seq)),
                at: Millis(seq),
                actor: random.bool().then_some(&actor),
            };
            apply(&mut entry, &op, &write);
        }
    }
    entry
}

pub fn block(random: &mut Rng) -> EventBlock {
    let mut block = EventBlock::empty(Seq(random.u64(0..LARGEST_COUNT / 2)), Chain(random.u64(..)));
    for _ in 0..random.u8(0..5) {
        block.push(&encode_recorded(&recorded(random, block.end())));
    }
    block
}

pub fn recorded(random: &mut Rng, seq: Seq) -> Recorded {
    Recorded {
        seq,
        client: client(random),
        n: EventNumber(count(random)),
        actor: maybe(random, subject),
        body: body(random),
        lost: some(random, 2, lost),
    }
}

pub fn authored(random: &mut Rng) -> Authored {
    Authored {
        client: client(random),
        n: EventNumber(count(random)),
        settled: EventNumber(count(random)),
        body: body(random),
    }
}

pub fn body(random: &mut Rng) -> Body {
    Body {
        base: Seq(count(random)),
        on: maybe(random, |random| Seq(count(random))),
        at: Millis(count(random)),
        command: maybe(random, |random| Command { name: CommandName::new(name(random)).unwrap(), args: value(random) }),
        unchanged: some(random, 3, |random| Read { key: key(random), field: maybe(random, field) }),
        ops: some(random, 4, op),
    }
}

pub fn op(random: &mut Rng) -> Op {
    let action = match random.u8(0..4) {
        0 => Action::Insert(fields(random, value)),
        1 => Action::Upsert(fields(random, value)),
        2 => Action::Update(fields(random, edit)),
        _ => Action::Delete,
    };
    Op { key: key(random), seen: maybe(random, |random| Seq(count(random))), action }
}

pub fn edit(random: &mut Rng) -> Edit {
    match random.u8(0..8) {
        0 => Edit::Inc(number(random)),
        1 => Edit::Members(Members { add: some(random, 3, value), remove: vec![value(random)] }),
        2 => Edit::Members(Members { add: vec![value(random)], remove: Vec::new() }),
        3 => Edit::Splice(splices(random)),
        4 => Edit::Put(vec![put(random), put(random)]),
        5 => Edit::Ask(value(random)),
        _ => Edit::Set(value(random)),
    }
}

fn splices(random: &mut Rng) -> Splices {
    let bytes = random.bool();
    let insert = |random: &mut Rng| match bytes {
        true => Content::Bytes(vec![random.u8(..); random.usize(1..4)].into()),
        false => Content::Text("é😀".into()),
    };
    let places = [random.u64(0..3), random.u64(3..6), random.u64(6..9)];
    let splices = places.map(|offset| Splice { offset, delete: random.u64(0..1), insert: insert(random) });
    Splices::new(splices.into()).unwrap()
}

fn put(random: &mut Rng) -> Put {
    Put { path: vec!["a".into(), "b".into()], value: maybe(random, value) }
}

/// A word that a newer peer may say.
const NEWER: &str = "over_the_quota";

fn error_code(random: &mut Rng) -> ErrorCode {
    let newer = ErrorCode::from_code(NEWER);
    ErrorCode::ALL.into_iter().chain(newer).nth(random.usize(..=ErrorCode::ALL.len())).unwrap()
}

pub fn verdict(random: &mut Rng) -> OwnVerdict {
    let verdict = match random.bool() {
        true => Verdict::Recorded { seq: Seq(count(random)), lost: some(random, 2, lost) },
        false => Verdict::Refused(Box::new(refusal(random))),
    };
    OwnVerdict { n: EventNumber(count(random)), hash: ContentHash(random.u64(..)), verdict }
}

pub fn refusal(random: &mut Rng) -> Refusal {
    let codes = ["exists", "not_found", "stale", "invalid", "forbidden", NEWER];
    Refusal {
        code: RefusalCode::from_code(random.choice(&codes).unwrap()).unwrap(),
        reason: text(random),
        about: maybe(random, key),
        field: maybe(random, |random| FieldName::new(format!("f{}", random.u8(..))).unwrap()),
        current: maybe(random, value),
        head: Seq(random.u64(0..1_000)),
    }
}

fn lost(random: &mut Rng) -> Lost {
    let reasons = ["gone", NEWER];
    Lost { op: op(random), reason: LostReason::from_code(random.choice(&reasons).unwrap()).unwrap() }
}

pub fn value(random: &mut Rng) -> Value {
    nested(random, 3)
}

fn nested(random: &mut Rng, depth: u8) -> Value {
    match random.u8(0..if depth > 0 { 8 } else { 5 }) {
        0 => Value::Null,
        1 => Value::Bool(random.bool()),
        2 => number(random),
        3 => Value::text(text(random)),
        4 => Value::Bytes(some(random, 40, |random| random.u8(..)).into()),
        5 => Value::List(some(random, 4, |random| nested(random, depth - 1)).into()),
        _ => {
            let entries = some(random, 3, |random| (map_key(random).as_str().into(), nested(random, depth - 1)));
            let entries: BTreeMap<SmolStr, Value> = entries.into_iter().collect();
            Value::Map(Entries::new(entries.into_iter().collect()).expect("each key once"))
        }
    }
}

/// Keys that JSON gives a meaning to stand among the others.
fn map_key(random: &mut Rng) -> String {
    match random.u8(0..6) {
        0 => "$int".into(),
        1 => "$bytes".into(),
        2 => "$map".into(),
        _ => text(random),
    }
}

pub fn number(random: &mut Rng) -> Value {
    const EDGES: [i64; 9] = [0, -1, 23, -25, 1 << 53, (1 << 53) + 1, -(1 << 53) - 1, i64::MAX, i64::MIN];
    match random.u8(0..4) {
        0 => Value::Int(random.i64(-300..300)),
        1 => Value::Int(*random.choice(&EDGES).unwrap()),
        2 => Value::number(random.i32(..).into()).unwrap(),
        _ => Value::number(f64::from_bits(random.u64(..))).unwrap_or(Value::Int(random.i64(..))),
    }
}

fn fields<T>(random: &mut Rng, of: impl Fn(&mut Rng) -> T) -> FieldMap<T> {
    let mut fields: Vec<_> = some(random, 4, |random| (field(random), of(random)));
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    fields.dedup_by(|(a, _), (b, _)| a == b);
    FieldMap::new(fields).unwrap()
}

pub fn key(random: &mut Rng) -> Key {
    let id = match random.bool() {
        true => ObjectId::from_uuid(random.u128(..)),
        false => ObjectId::new(name(random)).unwrap(),
    };
    Key { collection: Collection::new(name(random)).unwrap(), id }
}

fn field(random: &mut Rng) -> FieldName {
    FieldName::new(name(random)).unwrap()
}

fn subject(random: &mut Rng) -> Subject {
    Subject::new(name(random)).unwrap()
}

pub fn client(random: &mut Rng) -> ClientId {
    ClientId(random.u128(..))
}

fn channel(random: &mut Rng) -> Channel {
    Channel(random.u32(..))
}

fn count(random: &mut Rng) -> u64 {
    let most = *random.choice(&[1, 24, 300, 70_000, u64::from(u32::MAX) + 2, LARGEST_COUNT]).unwrap();
    random.u64(0..=most)
}

fn name(random: &mut Rng) -> String {
    let names = ["tasks", "title", "done", "a", "$int", "naïve", "日本", "𝄞", "\"quoted\"", "back\\slash", "ﬀ"];
    random.choice(&names).unwrap().to_string()
}

fn text(random: &mut Rng) -> String {
    let awkward = ['\0', '\n', '\u{1f}', '"', '\\', '/', '\u{7f}', 'é', '\u{2028}', '\u{ffff}', '𝄞', '\u{10ffff}'];
    let letter = |random: &mut Rng| match random.u8(0..4) {
        0 => *random.choice(&awkward).unwrap(),
        _ => random.alphanumeric(),
    };
    some(random, 40, letter).into_iter().collect()
}

fn maybe<T>(random: &mut Rng, of: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    random.bool().then(|| of(random))
}

fn some<T>(random: &mut Rng, most: usize, of: impl Fn(&mut Rng) -> T) -> Vec<T> {
    (0..random.usize(0..=most)).map(|_| of(random)).collect()
}
