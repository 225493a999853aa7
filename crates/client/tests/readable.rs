//! Nobody holds, or is ever sent, what they may not read, and all that they may read arrives: by random rules, with random
//! owners, members, edits and deletes, times offline, tokens that say something else afterwards, lines that are cut, and
//! servers that start again.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use serde_json::json;
use support::asking::Asking;
use support::proxy::Proxy;
use support::{builder, soon};
use tapeline_client::{Connection, Held, ObjectId, Stream, Tapeline, Transport};
use tapeline_core::codec::Codec;
use tapeline_core::value::Value;
use tokio::time::timeout;

const PEOPLE: [&str; 3] = ["ana", "ben", "cem"];
const STEPS: u32 = 120;
/// How long a stream may take to show what it should.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_holds_or_is_ever_sent_what_they_may_not_read() {
    let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    for round in 0..16 {
        let seed = seed.wrapping_add(round);
        println!("SEED={seed}");
        random_history(seed).await;
    }
}

async fn random_history(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let rule = Rule::random(&mut random, 2);
    println!("read = {}", rule.text());
    let mut asking = Asking::start(&format!("[collections.tasks.rules]\nread = \"{}\"", rule.text())).await;
    let line = asking.proxy().await;
    let lines = [line, cut_line(&asking, &mut random).await, cut_line(&asking, &mut random).await];
    let (_backend, all) = asking.backend_by(&lines[0].address).await;
    let people = [Person::open(&asking, &lines[1], "ana").await, Person::open(&asking, &lines[2], "ben").await];
    let whole = people[0].client.stream("list").await.unwrap();
    let part = people[1].client.part("list").await.unwrap();
    let held = [
        json!({ "collection": "tasks", "where": { "open": true } }),
        json!({ "collection": "tasks", "orderBy": "-rank", "limit": 4 }),
    ];
    let held = held.map(|query| part.hold(&query).unwrap());

    let mut written = Written::default();
    for step in 0..STEPS {
        match random.u8(0..15) {
            0 | 1 => people[random.usize(..2)].client.go_offline(),
            2 | 3 => people[random.usize(..2)].go_online().await,
            4 => {
                // What stands is what the server has: a newer token is shown for that, and for what comes after it.
                soon(all.synced()).await.unwrap();
                let one = random.usize(..2);
                people[one].change(random.i64(0..5), &lines[one + 1]).await;
            }
            5 if random.u8(0..4) == 0 => asking = asking.restart(&lines.each_ref()).await,
            _ => edit(&all, &mut random, step),
        }
        written.stands(&all, &rule, &people);
        if random.u8(0..4) == 0 {
            soon(all.synced()).await.unwrap();
        }
    }
    soon(all.synced()).await.unwrap();
    for person in &people {
        person.go_online().await;
    }

    let of = |person: &Person| -> BTreeMap<ObjectId, Task> {
        tasks(&all).into_iter().filter(|(_, task)| rule.holds(&person.reader(), task)).collect()
    };
    shows(&whole, || tasks(&whole), of(&people[0])).await;
    let of_ben = of(&people[1]);
    let open: BTreeMap<_, _> = of_ben.clone().into_iter().filter(|(_, task)| task.open).collect();
    let mut highest: Vec<_> = of_ben.into_iter().collect();
    highest.sort_by_key(|(id, task)| (-task.rank, id.clone()));
    let highest: BTreeMap<_, _> = highest.into_iter().take(4).collect();
    let either = open.clone().into_iter().chain(highest.clone()).collect();
    shows(&part, || (rows(&held[0]), rows(&held[1]), tasks(&part)), (open, highest, either)).await;
    for (mark, readers) in &written.readers {
        for (person, line) in ["ana", "ben"].iter().zip(&lines[1..]) {
            assert!(readers.contains(person) || !line.carried(mark), "{person} was sent {mark}");
        }
    }
    assert!(whole.status().replica.diverged == 0 && part.status().replica.diverged == 0);
}

/// A line of which some connections are cut, early or late.
async fn cut_line(asking: &Asking, random: &mut Rng) -> Proxy {
    let cuts = (0..random.usize(..6)).map(|_| {
        let most = if random.bool() { 1_000 } else { 20_000 };
        random.u64(..most)
    });
    asking.proxy_that_cuts(cuts.collect()).await
}

/// Whoever reads.
struct Person {
    client: Tapeline,
    name: &'static str,
    /// What their tokens say.
    level: Arc<AtomicI64>,
}

/// Whoever reads, as a rule knows them.
#[derive(Clone, Copy)]
struct Reader {
    name: &'static str,
    level: i64,
}

impl Person {
    /// Somebody whose line can be looked into.
    async fn open(asking: &Asking, line: &Proxy, name: &'static str) -> Self {
        let (level, token) = (Arc::new(AtomicI64::new(2)), asking.issuer(name));
        let tokens = {
            let level = level.clone();
            move || std::future::ready(token(json!({ "level": level.load(Ordering::Relaxed) })))
        };
        let builder = builder(&line.address, Transport::WebSocket).codec(Codec::Json).subject(name);
        Self { client: builder.tokens(tokens).open().await.unwrap(), name, level }
    }

    /// Comes back with another token, once nothing is sent by the last one any more.
    async fn change(&self, level: i64, line: &Proxy) {
        self.client.go_offline();
        soon(self.client.connection_changes().wait_for(|now| *now == Connection::Offline)).await.unwrap();
        soon(line.is_quiet()).await;
        self.level.store(level, Ordering::Relaxed);
        self.go_online().await;
    }

    /// What connects shows the token that is the newest then.
    async fn go_online(&self) {
        self.client.go_online();
        soon(self.client.connection_changes().wait_for(|now| *now != Connection::Offline)).await.unwrap();
    }

    fn reader(&self) -> Reader {
        Reader { name: self.name, level: self.level.load(Ordering::Relaxed) }
    }
}

fn edit(all: &Stream, random: &mut Rng, step: u32) {
    let everything = all.collection("tasks").unwrap();
    let known: Vec<ObjectId> = tasks(all).into_keys().collect();
    let title = ("title", Value::text(format!("mark-{step}-mark")));
    let owner = ("owner", Value::text(random.choice(PEOPLE).unwrap()));
    let members = PEOPLE.iter().filter(|_| random.bool()).map(Value::text).collect();
    let members = ("members", Value::List(members));
    let (open, rank) = (("open", random.bool().into()), ("rank", Value::Int(random.i64(0..5))));
    match (random.u8(0..10), random.choice(&known)) {
        (0..=3, _) | (_, None) => {
            let id = ObjectId::new(format!("task-{step}-task")).unwrap();
            everything.insert_as(&id, [title, owner, members, open, rank]).unwrap();
        }
        (4, Some(id)) => drop(everything.update(id, [owner]).unwrap()),
        (5, Some(id)) => drop(everything.update(id, [members, rank]).unwrap()),
        (6, Some(id)) => drop(everything.delete(id).unwrap()),
        (7, Some(id)) => drop(everything.update(id, [title, owner, open]).unwrap()),
        (_, Some(id)) => drop(everything.update(id, [title, open]).unwrap()),
    }
}

/// A task as the test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Task {
    title: String,
    owner: String,
    members: Vec<String>,
    open: bool,
    rank: i64,
}

impl Task {
    fn of(object: &Value) -> Self {
        let Value::Map(fields) = object else { panic!("a task is a map") };
        let text = |value: &Value| value.as_text().expect("a text").to_string();
        let Some(Value::List(members)) = fields.get("members") else { panic!("members are a list") };
        Self {
            title: text(fields.get("title").expect("a title")),
            owner: text(fields.get("owner").expect("an owner")),
            members: members.iter().map(text).collect(),
            open: fields.get("open") == Some(&Value::Bool(true)),
            rank: fields.get("rank").and_then(Value::as_int).expect("a rank"),
        }
    }
}

impl Task {
    fn has(&self, member: &str) -> bool {
        self.members.iter().any(|one| one == member)
    }
}

fn tasks(stream: &Stream) -> BTreeMap<ObjectId, Task> {
    let all = stream.collection("tasks").unwrap().all();
    all.into_iter().map(|(id, object)| (id, Task::of(&object.to_value()))).collect()
}

fn rows(held: &Held) -> BTreeMap<ObjectId, Task> {
    held.objects().into_iter().map(|(id, object)| (id, Task::of(&object.to_value()))).collect()
}

/// Waits until a stream shows what it should.
async fn shows<T: PartialEq + Debug>(stream: &Stream, shown: impl Fn() -> T, expected: T) {
    let mut changes = stream.changes();
    let waiting = async {
        while shown() != expected {
            changes.next().await.unwrap();
        }
    };
    if timeout(PATIENCE, waiting).await.is_err() {
        assert_eq!(shown(), expected, "{:?}", stream.status());
    }
}

/// A read rule, and what it means said once more.
enum Rule {
    Says(Condition),
    Not(Box<Self>),
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
}

type Condition = (&'static str, fn(&Reader, &Task) -> bool);

/// The last four are none that a query says.
const SAYS: [Condition; 10] = [
    ("resource.owner == auth.sub", |reader, task| task.owner == reader.name),
    ("auth.sub in resource.members", |reader, task| task.has(reader.name)),
    ("resource.open", |_, task| task.open),
    ("resource.rank < auth.level", |reader, task| task.rank < reader.level),
    ("auth.sub < 'b'", |reader, _| reader.name < "b"),
    ("auth.level > 2", |reader, _| reader.level > 2),
    ("resource.owner in resource.members", |_, task| task.has(&task.owner)),
    ("size(resource.members) > 1", |_, task| task.members.len() > 1),
    ("resource.members.all(member, member != auth.sub)", |reader, task| !task.has(reader.name)),
    ("resource.open ? resource.rank + 1 > auth.level : resource.owner > auth.sub", |reader, task| match task.open {
        true => task.rank + 1 > reader.level,
        false => task.owner.as_str() > reader.name,
    }),
];

impl Rule {
    fn random(random: &mut Rng, depth: usize) -> Self {
        let part = |random: &mut Rng| Box::new(Self::random(random, depth - 1));
        match random.u8(..if depth == 0 { 1 } else { 4 }) {
            1 => Self::Not(part(random)),
            2 => Self::Both(part(random), part(random)),
            3 => Self::Either(part(random), part(random)),
            _ => Self::Says(*random.choice(&SAYS).unwrap()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Says((text, _)) => (*text).into(),
            Self::Not(rule) => format!("!({})", rule.text()),
            Self::Both(a, b) => format!("({}) && ({})", a.text(), b.text()),
            Self::Either(a, b) => format!("({}) || ({})", a.text(), b.text()),
        }
    }

    fn holds(&self, reader: &Reader, task: &Task) -> bool {
        match self {
            Self::Says((_, holds)) => holds(reader, task),
            Self::Not(rule) => !rule.holds(reader, task),
            Self::Both(a, b) => a.holds(reader, task) && b.holds(reader, task),
            Self::Either(a, b) => a.holds(reader, task) || b.holds(reader, task),
        }
    }
}

/// What the test keeps in mind of all that was ever written: who could read it while it stood. Every text in a task is marked, its
/// id as well.
#[derive(Default)]
struct Written {
    readers: BTreeMap<String, BTreeSet<&'static str>>,
}

impl Written {
    fn stands(&mut self, all: &Stream, rule: &Rule, people: &[Person]) {
        for (id, task) in tasks(all) {
            let may = |person: &&Person| rule.holds(&person.reader(), &task);
            let now: BTreeSet<_> = people.iter().filter(may).map(|person| person.name).collect();
            for mark in [id.to_string(), task.title] {
                self.readers.entry(mark).or_default().extend(now.iter().copied());
            }
        }
    }
}
