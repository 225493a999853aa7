//! Nobody holds, or is ever sent, what they may not read, and all that they may read arrives: by random rules, with random
//! owners, members, edits and deletes, times offline, lines that are cut, and servers that start again.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use serde_json::json;
use support::asking::Asking;
use support::proxy::Proxy;
use support::soon;
use tapeline_client::{Held, ObjectId, Stream, Tapeline};
use tapeline_core::value::Value;

const PEOPLE: [&str; 3] = ["ana", "ben", "cem"];
const STEPS: u32 = 120;

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
    let people =
        [asking.client(&lines[1], "ana").open().await.unwrap(), asking.client(&lines[2], "ben").open().await.unwrap()];
    let whole = people[0].stream("list").await.unwrap();
    let part = people[1].part("list").await.unwrap();
    let held = [
        json!({ "collection": "tasks", "where": { "open": true } }),
        json!({ "collection": "tasks", "orderBy": "-rank", "limit": 4 }),
    ];
    let held = held.map(|query| part.hold(&query).unwrap());

    let mut written = Written::default();
    for step in 0..STEPS {
        match random.u8(0..14) {
            0 | 1 => people[random.usize(..2)].go_offline(),
            2 | 3 => people[random.usize(..2)].go_online(),
            4 if random.u8(0..4) == 0 => asking = asking.restart(&lines.each_ref()).await,
            _ => edit(&all, &mut random, step),
        }
        written.stands(&all, &rule);
        if random.u8(0..4) == 0 {
            soon(all.synced()).await.unwrap();
        }
    }
    soon(all.synced()).await.unwrap();
    people.iter().for_each(Tapeline::go_online);

    let everything = tasks(&all);
    let of = |person: &str| everything.iter().filter(|(_, task)| rule.holds(person, task)).collect::<BTreeMap<_, _>>();
    let of_ana = of("ana");
    shows(&whole, || tasks(&whole).iter().eq(of_ana.clone())).await;
    let of_ben = of("ben");
    let open: BTreeMap<_, _> = of_ben.clone().into_iter().filter(|(_, task)| task.open).collect();
    let mut highest: Vec<_> = of_ben.into_iter().collect();
    highest.sort_by_key(|(id, task)| (-task.rank, *id));
    let highest: BTreeMap<_, _> = highest.into_iter().take(4).collect();
    shows(&part, || rows(&held[0]).iter().eq(open.clone()) && rows(&held[1]).iter().eq(highest.clone())).await;
    assert!(tasks(&part).keys().all(|id| open.contains_key(id) || highest.contains_key(id)), "nothing else is held");
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

fn tasks(stream: &Stream) -> BTreeMap<ObjectId, Task> {
    let all = stream.collection("tasks").unwrap().all();
    all.into_iter().map(|(id, object)| (id, Task::of(&object.to_value()))).collect()
}

fn rows(held: &Held) -> BTreeMap<ObjectId, Task> {
    held.objects().into_iter().map(|(id, object)| (id, Task::of(&object.to_value()))).collect()
}

/// Waits until a stream shows what it should.
async fn shows(stream: &Stream, what: impl Fn() -> bool) {
    let mut changes = stream.changes();
    soon(async {
        while !what() {
            changes.next().await.unwrap();
        }
    })
    .await;
}

/// A read rule, and what it means said once more.
enum Rule {
    Says(Condition),
    Not(Box<Self>),
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
}

type Condition = (&'static str, fn(&str, &Task) -> bool);

/// The last four are none that a query says.
const SAYS: [Condition; 9] = [
    ("resource.owner == auth.sub", |person, task| task.owner == person),
    ("auth.sub in resource.members", |person, task| task.members.iter().any(|member| member == person)),
    ("resource.open", |_, task| task.open),
    ("resource.rank < 3", |_, task| task.rank < 3),
    ("auth.sub < 'b'", |person, _| person < "b"),
    ("resource.owner in resource.members", |_, task| task.members.contains(&task.owner)),
    ("size(resource.members) > 1", |_, task| task.members.len() > 1),
    ("resource.members.all(member, member != auth.sub)", |person, task| task.members.iter().all(|it| it != person)),
    ("resource.open ? resource.rank > 1 : resource.owner > auth.sub", |person, task| match task.open {
        true => task.rank > 1,
        false => task.owner.as_str() > person,
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

    fn holds(&self, person: &str, task: &Task) -> bool {
        match self {
            Self::Says((_, holds)) => holds(person, task),
            Self::Not(rule) => !rule.holds(person, task),
            Self::Both(a, b) => a.holds(person, task) && b.holds(person, task),
            Self::Either(a, b) => a.holds(person, task) || b.holds(person, task),
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
    fn stands(&mut self, all: &Stream, rule: &Rule) {
        for (id, task) in tasks(all) {
            let now = PEOPLE.into_iter().filter(|person| rule.holds(person, &task));
            let now: BTreeSet<_> = now.collect();
            for mark in [id.to_string(), task.title] {
                self.readers.entry(mark).or_default().extend(now.iter().copied());
            }
        }
    }
}
