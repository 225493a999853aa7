//! What somebody who may not learn and do everything tries, by frames and requests of their own making.

mod support;

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use support::http::{Reply, request};
use support::pages::Held;
use support::{Client, World, hello, open, stream};
use tapeline_core::codec::{Codec, json as codec_json};
use tapeline_core::event::{Authored, Body, Command, Refusal, RefusalCode};
use tapeline_core::frame::{ClientFrame, ErrorCode, Hello, Live, Open, Presence, ServerFrame, Subscription};
use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::numbers::{Channel, ClientId, EventNumber, PeerId, QueryNumber, Seq, View};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::value::Value;
use tapeline_log::memory::MemoryLog;
use tapeline_server::auth::{Authenticator, NewApiKey, new_api_key};
use tapeline_server::{ServerConfig, read_schema};

/// Everybody owns tasks, the cashier says what is paid, a bank writes transfers, and others may read notes alone.
const RULES: &str = "
[streams.'shops/*'.rules.tasks]
read = 'resource.owner == auth.sub'
write = 'resource.owner == auth.sub || auth.sub == \"ben\"'
fields = { state = \"auth.sub == 'cashier'\" }
[streams.'shops/*'.rules.notes]
read = 'auth.sub == \"ana\"'
write = 'auth.sub == \"ana\"'
[streams.'drops/*'.rules.transfers]
write = 'auth.sub == \"bank\"'
";

/// A server that asks who somebody is, and knows these.
struct Shop {
    world: World,
    keys: Vec<(&'static str, NewApiKey)>,
}

impl Shop {
    async fn open() -> Self {
        let keys = ["ana", "ben", "bank", "eve", "owner"].map(|name| (name, new_api_key(name).unwrap()));
        let table = |(name, key): &(&str, NewApiKey)| {
            let trusted = *name == "owner";
            format!("[[keys]]\nname = '{name}'\nhash = '{}'\nsubject = '{name}'\ntrusted = {trusted}\n", key.hash)
        };
        let auth = keys.iter().map(table).collect::<String>();
        let auth = Some(Arc::new(Authenticator::read(&auth, Path::new("")).unwrap()));
        let file = read_schema(RULES).unwrap();
        let (schema, authority) = (Arc::new(file.schema), Arc::new(file.authority));
        let config = ServerConfig { auth, schema, authority, ..ServerConfig::default() };
        Self { world: World::with(Arc::new(MemoryLog::new()), config).await, keys: keys.into() }
    }

    fn key(&self, name: &str) -> &str {
        &self.keys.iter().find(|(known, _)| *known == name).unwrap().1.key
    }

    async fn client(&self, name: &str, codec: Codec) -> Client {
        let mut client = Client::connect(self.world.address, codec).await;
        client.say(ClientFrame::Hello(Hello { token: Some(self.key(name).into()), ..hello() })).await;
        assert!(matches!(client.hear().await, ServerFrame::Welcome(_)));
        client
    }

    async fn get(&self, name: &str, path: &str) -> Reply {
        let bearer = format!("authorization: Bearer {}", self.key(name));
        request(self.world.address, format!("GET /v1/streams/{path} HTTP/1.0\r\n{bearer}\r\n\r\n")).await
    }

    async fn post(&self, name: &str, stream: &str, body: &serde_json::Value) -> Reply {
        let (bearer, body) = (format!("authorization: Bearer {}", self.key(name)), body.to_string());
        let head = format!("POST /v1/streams/{stream}/events HTTP/1.0\r\n{bearer}\r\ncontent-length: {}", body.len());
        request(self.world.address, format!("{head}\r\n\r\n{body}")).await
    }

    /// How many events are on a stream.
    async fn head(&self, stream: &str) -> usize {
        self.get("owner", &format!("{stream}/events")).await.body.lines().count()
    }
}

fn key(collection: &str, id: &str) -> Key {
    Key { collection: Collection::new(collection).unwrap(), id: ObjectId::new(id).unwrap() }
}

fn set(collection: &str, id: &str, field: &str, value: &str) -> Op {
    let edits = FieldMap::new(vec![(FieldName::new(field).unwrap(), Edit::Set(Value::text(value)))]).unwrap();
    Op { key: key(collection, id), seen: None, action: Action::Update(edits) }
}

fn delete(collection: &str, id: &str) -> Op {
    Op { key: key(collection, id), seen: None, action: Action::Delete }
}

/// What becomes of the first event of a client, which knows nothing of the stream.
async fn refusal(client: &mut Client, stream: &str, number: u128, ops: Vec<Op>) -> Option<Refusal> {
    client.open(number as u32, stream, number, Live::No).await;
    let command = Some(Command { name: "say".parse().unwrap(), args: Value::text("what I will") });
    let body = Body { ops, command, ..Body::default() };
    let event = Authored { client: ClientId(number), n: EventNumber(1), settled: EventNumber(0), body };
    client.push(number as u32, vec![event]).await;
    match client.hear().await {
        ServerFrame::Refused { refusal, .. } => Some(refusal),
        ServerFrame::Ack { .. } => None,
        other => panic!("no verdict: {other:?}"),
    }
}

#[tokio::test]
async fn who_may_do_nothing_on_a_stream_hears_nothing_of_it() {
    let shop = Shop::open().await;
    let task = json!({ "ops": [{ "insert": "tasks", "id": "t1", "set": { "owner": "ana" } }] });
    assert_eq!(shop.post("ana", "shops/a", &task).await.status, 200);
    assert_eq!(shop.post("ana", "private/a", &task).await.status, 403);
    for codec in Codec::ALL {
        let mut eve = shop.client("eve", codec).await;
        for live in [Live::No, Live::Head, Live::From(Seq(0))] {
            for (stream, is_there) in [("private/a", false), ("private/b", false), ("shops/a", true)] {
                eve.say(ClientFrame::Open(open(1, stream, 9, live))).await;
                match eve.hear().await {
                    ServerFrame::Opened(_) => assert!(is_there, "{stream} {live:?}"),
                    ServerFrame::Error(error) => assert_eq!((error.code, is_there), (ErrorCode::Denied, false)),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    for path in ["private/a", "private/a/events", "private/a/objects", "private/a/delta?since=0", "private/a/snapshot"]
    {
        shop.get("eve", path).await.problem(403, "denied", false);
    }
    shop.post("eve", "private/a", &task).await.problem(403, "denied", false);
    assert_eq!(shop.get("owner", "private/a").await.status, 404, "nobody has made it");
}

#[tokio::test]
async fn who_may_write_alone_opens_a_stream_without_playing_it() {
    let shop = Shop::open().await;
    let mut bank = shop.client("bank", Codec::Cbor).await;
    bank.say(ClientFrame::Open(open(0, "bank/a", 1, Live::No))).await;
    assert_eq!(bank.hear_error().await.code, ErrorCode::Denied, "where nothing may be written either");
    let transfer = Op { key: key("transfers", "x"), seen: None, action: Action::Insert(FieldMap::default()) };
    assert_eq!(refusal(&mut bank, "drops/a", 2, vec![transfer]).await, None);
}

/// Commands of what comes to nothing would stand on the log for all who follow it.
#[tokio::test]
async fn who_may_write_nothing_brings_nothing_onto_the_log() {
    let shop = Shop::open().await;
    let note = json!({ "ops": [{ "insert": "notes", "id": "n1", "set": {} }] });
    assert_eq!(shop.post("ana", "shops/a", &note).await.status, 200);
    assert_eq!(shop.post("ana", "shops/a", &json!({ "ops": [{ "delete": "notes", "id": "n1" }] })).await.status, 200);
    for (number, codec) in (10..).zip(Codec::ALL) {
        let mut eve = shop.client("eve", codec).await;
        let nothing = [vec![delete("notes", "n1")], vec![delete("notes", "n2")], vec![set("notes", "n1", "text", "x")]];
        for (place, ops) in (0..).zip(nothing) {
            let refused = refusal(&mut eve, "shops/a", number * 10 + place, ops).await.map(|refusal| refusal.code);
            assert_eq!(refused, Some(RefusalCode::NotFound));
        }
    }
    let nothing = json!({ "base": 0, "ops": [{ "delete": "notes", "id": "n1" }] });
    shop.post("eve", "shops/a", &nothing).await.problem(404, "not_found", false);
    assert_eq!(shop.head("shops/a").await, 2);
    let twice = json!({ "base": 1, "ops": [{ "delete": "notes", "id": "n1" }] });
    assert_eq!(shop.post("ana", "shops/a", &twice).await.status, 200, "who may delete it may do so when it is gone");
}

#[tokio::test]
async fn what_does_not_stay_is_refused_like_what_does() {
    let shop = Shop::open().await;
    let task = json!({ "ops": [{ "insert": "tasks", "id": "t1", "set": { "owner": "ana", "state": "open" } }] });
    assert_eq!(shop.post("owner", "shops/a", &task).await.status, 200);
    let cases = [
        json!([{ "update": "tasks", "id": "t1", "set": { "state": "paid" } }]),
        json!([{ "update": "tasks", "id": "t1", "set": { "state": "paid" } }, { "upsert": "tasks", "id": "t1", "set": { "state": "open" } }]),
        json!([{ "update": "tasks", "id": "t1", "set": { "state": "paid" } }, { "delete": "tasks", "id": "t1" }]),
    ];
    for (place, ops) in cases.into_iter().enumerate() {
        let answer = shop.post("ana", "shops/a", &json!({ "ops": ops })).await;
        assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("forbidden")), "case {place}");
    }
    assert_eq!(shop.head("shops/a").await, 1);
}

/// Of what is hidden each refusal is as it would be if it were not there.
#[tokio::test]
async fn what_is_hidden_is_refused_as_if_it_were_not_there() {
    let shop = Shop::open().await;
    let made = json!({ "ops": [
        { "insert": "tasks", "id": "id-1", "set": { "owner": "ana" } }, { "insert": "notes", "id": "id-1", "set": {} },
    ] });
    assert_eq!(shop.post("ana", "shops/a", &made).await.status, 200);
    let mut number = 10;
    for (name, codec) in [("eve", Codec::Cbor), ("ben", Codec::Json), ("eve", Codec::Json)] {
        let mut client = shop.client(name, codec).await;
        for op in [set("tasks", "id-1", "state", "paid"), set("notes", "id-1", "text", "x"), delete("notes", "id-1")] {
            let absent = Op { key: Key { id: ObjectId::new("id-2").unwrap(), ..op.key.clone() }, ..op.clone() };
            number += 2;
            let told = [
                refusal(&mut client, "shops/a", number, vec![op]).await.unwrap(),
                refusal(&mut client, "shops/a", number + 1, vec![absent]).await.unwrap(),
            ];
            let plain = told.map(|refusal| format!("{refusal:?}").replace("id-2", "id-1"));
            assert_eq!(plain[0], plain[1], "{name}");
        }
    }
}

/// Ids may be names that one can guess.
#[tokio::test]
async fn who_comes_back_hears_nothing_of_a_collection_that_is_hidden_from_them() {
    let shop = Shop::open().await;
    let note = |op: &str, id: &str| json!({ "ops": [{ op: "notes", "id": id }] });
    assert_eq!(shop.post("ana", "shops/a", &note("insert", "n1")).await.status, 200);
    let query = |number: u32, collection: &str, ready| {
        let query = codec_json::value_from_json(&format!(r#"{{"collection":"{collection}"}}"#)).unwrap();
        Subscription { number: QueryNumber(number), query, ready }
    };
    let (mut held, mut view) = (Held::default(), View::ALL);
    for ready in [false, true] {
        let mut eve = shop.client("eve", Codec::Cbor).await;
        // The last one is new each time: when all of it is there, nothing more comes.
        let queries = vec![query(0, "notes", ready), query(1 + u32::from(ready), "tasks", false)];
        let open = Open { stream: stream("shops/a"), view, ..held.open(9, Some(queries)) };
        eve.say(ClientFrame::Open(open)).await;
        view = eve.hear_opened().await.readable.unwrap().view;
        held.hear_ready(&mut eve, 1 + u32::from(ready)).await;
        for op in [("insert", "ana"), ("delete", "n1")].into_iter().filter(|_| !ready) {
            assert_eq!(shop.post("ana", "shops/a", &note(op.0, op.1)).await.status, 200);
        }
    }
    assert_eq!(held.played, Seq(3));
    for page in &held.pages {
        assert!(page.gone.is_empty() && page.gone_unnamed.is_empty() && page.items.is_empty(), "{page:?}");
    }
}

#[tokio::test]
async fn nobody_speaks_for_the_cursor_of_somebody_else() {
    let shop = Shop::open().await;
    const CURSOR: PeerId = PeerId(1);
    let said = |text: &str| vec![(CURSOR, Some(Value::text(text)))];
    let present = |channel, anew, peers| ClientFrame::Presence(Presence { channel: Channel(channel), anew, peers });
    let mut watcher = shop.client("ana", Codec::Cbor).await;
    watcher.open(0, "shops/a", 1, Live::No).await;
    watcher.say(present(0, true, Vec::new())).await;
    assert!(matches!(watcher.hear().await, ServerFrame::Presence(_)));
    let [mut ben, mut eve] = [shop.client("ben", Codec::Json).await, shop.client("eve", Codec::Json).await];
    ben.open(2, "shops/a", 2, Live::No).await;
    eve.open(3, "shops/a", 3, Live::No).await;
    ben.say(present(2, false, said("I am Ben"))).await;
    let ServerFrame::Presence(told) = watcher.hear().await else { panic!("nobody is there") };
    assert_eq!(told.peers, said("I am Ben"));
    eve.say(present(3, false, said("I am a fool"))).await;
    eve.say(present(3, false, vec![(CURSOR, None)])).await;
    eve.hears_nothing_more().await;
    ben.say(present(2, false, said("I am Ben, still"))).await;
    let ServerFrame::Presence(told) = watcher.hear().await else { panic!("nobody is there") };
    assert_eq!(told.peers, said("I am Ben, still"));
}
