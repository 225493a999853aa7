//! What is valid stays so with a real server, however many people edit while they are apart: values are unique, teams have
//! room for two, and references hold. What is refused is parked with what is needed to mend it.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use fastrand::Rng;
use serde_json::json;
use support::{builder, converged, soon};
use tapeline_client::{Action, ObjectId, Outcome, RefusalCode, Stream, Tapeline, Transport, Value};
use tapeline_core::object::Object;
use tapeline_log::StateStore;
use tapeline_log::embedded::Embedded;
use tapeline_server::{Server, ServerConfig, read_schema};
use tempfile::TempDir;

const SCHEMA: &str = r#"
    [collections.people.fields]
    name = { type = "text", pattern = "[a-z]+", unique = true }
    team = { ref = "teams", on_delete = "set_null" }

    [[collections.teams.checks]]
    holds = "!has(new.members) || size(new.members) <= 2"
    message = "A team is two."
    field = "members"

    [collections.teams.fields]
    members = { ref = "people", on_delete = "set_null" }

    [collections.tasks.fields]
    owner = { ref = "people", on_delete = "cascade" }
    list = { ref = "lists", on_delete = "restrict" }
"#;

/// A server over one directory, that may start again with another schema.
struct World {
    directory: TempDir,
    log: Arc<Embedded>,
    server: Server,
}

impl World {
    async fn start(schema: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (log, server) = serve(&directory, schema).await;
        Self { directory, log, server }
    }

    /// The same after a restart: all is in storage, nothing in memory.
    async fn again(self, schema: &str) -> Self {
        self.server.stop().await;
        self.log.close().unwrap();
        drop(self.log);
        let (log, server) = serve(&self.directory, schema).await;
        Self { directory: self.directory, log, server }
    }

    async fn person(&self) -> (Tapeline, Stream) {
        let tapeline = self.client().await;
        let stream = tapeline.stream("world").await.unwrap();
        (tapeline, stream)
    }

    async fn client(&self) -> Tapeline {
        builder(format!("ws://{}", self.server.address()), Transport::Auto).open().await.unwrap()
    }
}

async fn serve(directory: &TempDir, schema: &str) -> (Arc<Embedded>, Server) {
    let log = Arc::new(Embedded::open(directory.path()).unwrap());
    let file = read_schema(schema).unwrap();
    let config = ServerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        schema: Arc::new(file.schema),
        authority: Arc::new(file.authority),
        ..ServerConfig::default()
    };
    let server = Server::start_embedded(config, log.clone()).await.unwrap();
    (log, server)
}

fn id(id: impl ToString) -> ObjectId {
    ObjectId::new(id.to_string()).unwrap()
}

fn all(stream: &Stream, collection: &str) -> Vec<(ObjectId, Arc<Object>)> {
    stream.collection(collection).unwrap().all()
}

/// Why an insert was refused, where it was: code, field and reason.
async fn insert(stream: &Stream, collection: &str, name: &str, fields: &[(&str, Value)]) -> Option<(String, String)> {
    let collection = stream.collection(collection).unwrap();
    let receipt = collection.insert_as(&id(name), fields.iter().cloned()).unwrap();
    refused(soon(receipt.recorded()).await.unwrap())
}

async fn delete(stream: &Stream, collection: &str, name: &str) -> Option<(String, String)> {
    let receipt = stream.collection(collection).unwrap().delete(&id(name)).unwrap();
    refused(soon(receipt.recorded()).await.unwrap())
}

fn refused(outcome: Outcome) -> Option<(String, String)> {
    let Outcome::Refused(refusal) = outcome else { return None };
    assert_eq!(refusal.code, RefusalCode::Invalid, "{}", refusal.reason);
    Some((refusal.field.map_or_else(String::new, |field| field.to_string()), refusal.reason))
}

fn assert_valid(stream: &Stream, seed: u64) {
    let names: Vec<Value> = all(stream, "people").iter().filter_map(|(_, it)| it.get("name").cloned()).collect();
    assert_eq!(names.iter().map(|name| format!("{name:?}")).collect::<BTreeSet<_>>().len(), names.len(), "seed {seed}");
    for (from, field, to) in [
        ("people", "team", "teams"),
        ("teams", "members", "people"),
        ("tasks", "owner", "people"),
        ("tasks", "list", "lists"),
    ] {
        let there: BTreeSet<String> = all(stream, to).iter().map(|(id, _)| id.to_string()).collect();
        for (key, object) in all(stream, from) {
            let ids = match object.get(field) {
                None | Some(Value::Null) => continue,
                Some(Value::List(ids)) => ids.to_vec(),
                Some(id) => vec![id.clone()],
            };
            let ids: Vec<&str> = ids.iter().filter_map(Value::as_text).collect();
            assert!(ids.iter().all(|id| there.contains(*id)), "seed {seed}: {from}/{key} {field} {ids:?}");
            assert!(from != "teams" || ids.len() <= 2, "seed {seed}: {key} {ids:?}");
        }
    }
}

fn edit(stream: &Stream, random: &mut Rng) {
    let name = random.choice(["people", "people", "teams", "teams", "tasks", "lists"]).unwrap();
    let (collection, this) = (stream.collection(name).unwrap(), id(random.u8(0..4)));
    let other = Value::text(random.u8(0..4).to_string());
    let called = Value::text(random.choice(["ana", "bo", "cy", "di", "ed"]).unwrap());
    let fields: Vec<(&str, Value)> = match name {
        "people" => vec![("name", called), ("team", other.clone())],
        "tasks" => vec![("owner", other.clone()), ("list", other.clone())],
        _ => vec![],
    };
    match (collection.get(&this), random.u8(0..5)) {
        (None, _) => drop(collection.insert_as(&this, fields).unwrap()),
        (Some(_), 0) => drop(collection.delete(&this).unwrap()),
        (Some(_), _) if name == "teams" => drop(collection.edit_set(&this, "members", [other], []).unwrap()),
        (Some(_), _) => drop(collection.update(&this, fields.into_iter().take(1)).unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_valid_however_many_edit_at_once() {
    let mut reasons = Vec::new();
    for seed in 0..3 {
        println!("seed {seed}");
        let mut random = Rng::with_seed(seed);
        let world = World::start(SCHEMA).await;
        let people = [world.person().await, world.person().await, world.person().await];
        let (_observer, observed) = world.person().await;
        for name in 0..4 {
            people[0].1.collection("teams").unwrap().insert_as(&id(name), [("title", Value::Null)]).unwrap();
            people[0].1.collection("lists").unwrap().insert_as(&id(name), [("title", Value::Null)]).unwrap();
        }
        for _ in 0..12 {
            for (tapeline, stream) in &people {
                if random.bool() {
                    tapeline.go_offline();
                }
                (0..random.u8(..6)).for_each(|_| edit(stream, &mut random));
            }
            for (tapeline, _) in &people {
                tapeline.go_online();
            }
            for (_, stream) in &people {
                converged(stream, &observed).await;
            }
            assert_valid(&observed, seed);
        }
        for parked in people.iter().flat_map(|(_, stream)| stream.parked()) {
            let (refusal, op) = (parked.refusal, &parked.ops[0]);
            let is_invalid = refusal.code == RefusalCode::Invalid;
            assert!(!is_invalid || refusal.field.is_some() || op.action == Action::Delete, "seed {seed}: {refusal:?}");
            reasons.push(refusal.reason);
        }
        world.server.stop().await;
    }
    for words in ["this is taken", "A team is two.", "must refer to", "refer to it by"] {
        assert!(reasons.iter().any(|reason| reason.contains(words)), "nobody was told {words}: {reasons:?}");
    }
}

/// People who were there before names were unique, more than fit into one look at an index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_there_before_counts_while_its_index_is_built_and_after() {
    let world = World::start("").await;
    let (_tapeline, ann) = world.person().await;
    for number in 0..300 {
        let name = Value::text(format!("{}{}", "long".repeat(20), (b'a' + number as u8 % 26) as char));
        drop(ann.collection("people").unwrap().insert_as(&id(number), [("name", name)]).unwrap());
    }
    soon(ann.synced()).await.unwrap();
    let mut world = world.again(SCHEMA).await;
    let (taken, free) = (Value::text(format!("{}z", "long".repeat(20))), format!("{}free", "long".repeat(20)));
    for round in 0..3 {
        let (_tapeline, ben) = world.person().await;
        soon(ben.synced()).await.unwrap();
        let told = insert(&ben, "people", &format!("new{round}"), &[("name", taken.clone())]).await;
        assert_eq!(told.unwrap().0, "name", "round {round}");
        let own = Value::text(format!("{free}{}", (b'a' + round) as char));
        assert_eq!(insert(&ben, "people", &format!("ok{round}"), &[("name", own.clone())]).await, None);
        assert!(insert(&ben, "people", &format!("again{round}"), &[("name", own)]).await.is_some());
        let title = ben.collection("people").unwrap().update(&id(25), [("title", Value::Int(1))]).unwrap();
        assert_eq!(refused(soon(title.recorded()).await.unwrap()), None, "what is there twice blocks no other field");
        let stream = "world".parse().unwrap();
        let built = || world.log.pin(&stream).unwrap().map_or(0, |pin| pin.indexes().unwrap().len());
        while built() < 5 {
            world.log.flush_soon();
            tokio::task::yield_now().await;
        }
        world = world.again(SCHEMA).await;
    }
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_with_something_goes_from_parts_too_and_after_a_restart() {
    let world = World::start(SCHEMA).await;
    let (_tapeline, ann) = world.person().await;
    assert_eq!(insert(&ann, "people", "ana", &[("name", "ana".into())]).await, None);
    assert_eq!(insert(&ann, "lists", "home", &[]).await, None);
    for task in ["milk", "eggs"] {
        let fields = [("owner", "ana".into()), ("list", "home".into())];
        assert_eq!(insert(&ann, "tasks", task, &fields).await, None);
    }
    assert_eq!(insert(&ann, "teams", "red", &[("members", Value::List(["ana".into()].into()))]).await, None);
    let world = world.again(SCHEMA).await;
    let (_tapeline, ben) = world.person().await;
    soon(ben.synced()).await.unwrap();
    let told = delete(&ben, "lists", "home").await.unwrap();
    assert_eq!(told.1, "lists/home: objects of tasks refer to it by list; delete or change those first");
    let told = insert(&ben, "tasks", "tea", &[("owner", "bo".into())]).await.unwrap();
    assert_eq!(told.0, "owner");

    let reader = world.client().await;
    let part = reader.part("world").await.unwrap();
    let held = part.hold(&json!({ "collection": "tasks", "where": { "list": "home" } })).unwrap();
    soon(held.ready()).await.unwrap();
    assert_eq!(held.objects().len(), 2);
    let mut changes = part.changes();
    assert_eq!(delete(&ben, "people", "ana").await, None);
    while !held.objects().is_empty() {
        soon(changes.next()).await.unwrap();
    }
    soon(ben.synced()).await.unwrap();
    let (_tapeline, cy) = world.person().await;
    converged(&ben, &cy).await;
    assert_eq!((all(&cy, "tasks").len(), all(&cy, "people").len()), (0, 0));
    assert_eq!(all(&cy, "teams")[0].1.get("members"), Some(&Value::List([].into())));
    assert_eq!(delete(&ben, "lists", "home").await, None);
    world.server.stop().await;
}
