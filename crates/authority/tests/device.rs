//! What a device says of its edits is what the server says of them: a no of the device's is the server's, with the same field
//! and reason, and a yes is recorded, unless something speaks against it that no device can tell.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use support::*;
use tapeline_authority::{DeviceChecks, SchemaFile, StreamGate, read_schema};
use tapeline_core::caller::Caller;
use tapeline_core::event::{Authored, Body, Refusal, RefusalCode, Sealed};
use tapeline_core::frame::{ClientFrame, Events, ServerFrame};
use tapeline_core::name::{FieldName, Key};
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Incarnation, Millis};
use tapeline_core::op::{Action, Edit, FieldMap, Members, Op, Put};
use tapeline_core::replica::{EditError, Keeping, Moment, Replica, Start};
use tapeline_core::sequencer::{Peer, Pushed, Sequencer};
use tapeline_core::splice::Splices;
use tapeline_core::state::StreamState;
use tapeline_core::valid::Objection;
use tapeline_core::value::Value;

const DEVICE: Peer = Peer { session: 1, channel: Channel(0) };
const UNCHECKED: Peer = Peer { session: 2, channel: Channel(0) };
/// What the one check says that depends on who asks.
const WHO: &str = "Nobody writes for others.";

/// A device that checks its edits, one that does not, and their server.
struct World {
    device: Replica,
    server: Sequencer,
    caller: Caller,
    /// How many events the device that does not check has sent.
    sent: u64,
}

fn now() -> Moment {
    Moment { now: Millis(1), random: 7 }
}

impl World {
    fn new(schema: &str) -> Self {
        let file = Arc::new(read_schema(schema).unwrap_or_else(|error| panic!("{error}\n{schema}")));
        let mut device = Replica::new(stream(), ClientId(1), Start::Played, Keeping::Memory);
        device.check_by(Some(Arc::new(DeviceChecks::new(file, &stream()))));
        let SchemaFile { schema, authority } = read_schema(schema).unwrap();
        let gate = Arc::new(StreamGate::new(Arc::new(authority), stream()));
        let server = Sequencer::new(StreamState::empty(Incarnation(1)), Arc::new(schema), Some(gate));
        device.connected(DEVICE.channel);
        let mut world = Self { device, server, caller: caller("ana", &[]), sent: 0 };
        world.settle();
        world
    }

    fn push(&mut self, peer: Peer, event: Authored) {
        self.server.load_client(event.client, None);
        event.body.ops.iter().for_each(|op| self.server.load_entry(op.key.clone(), None));
        assert_eq!(self.server.push(peer, &self.caller, &Sealed::new(event)), Pushed::Decided);
    }

    /// Sends what the device has to say, and plays to it what was recorded. Answers why the other's event was refused, where
    /// it was.
    fn settle(&mut self) -> Option<Refusal> {
        let mut refused = None;
        loop {
            let mut is_over = true;
            while let Some(frame) = self.device.poll_frame(now().now) {
                is_over = false;
                match frame {
                    ClientFrame::Open(open) => {
                        self.server.load_client(open.client, None);
                        self.server.open(DEVICE, None, &open, true);
                    }
                    ClientFrame::Push { events, .. } => events.into_iter().for_each(|event| self.push(DEVICE, event)),
                    _ => {}
                }
            }
            let staged = self.server.stage();
            let played = staged.and_then(|staged| self.server.appended(staged.expected.next()));
            for (peer, answer) in self.server.take_answers() {
                is_over = false;
                match answer {
                    ServerFrame::Refused { refusal, .. } if peer == UNCHECKED => refused = Some(refusal),
                    answer if peer == DEVICE => self.device.receive(now(), answer),
                    _ => {}
                }
            }
            if let Some(played) = played {
                let (block, digest) = (played.batch.block.clone(), played.digest);
                let events = Events { channel: DEVICE.channel, head: block.end(), digest, block };
                self.device.receive(now(), ServerFrame::Events(events));
            }
            if is_over {
                return refused;
            }
        }
    }

    /// The same edit on the same ground, by a device that does not check it.
    fn unchecked(&mut self, ops: Vec<Op>) -> Option<Refusal> {
        self.sent += 1;
        let body = Body { base: self.device.played(), at: now().now, ops, ..Body::default() };
        let (n, settled) = (EventNumber(self.sent), EventNumber(self.sent - 1));
        self.push(UNCHECKED, Authored { client: ClientId(2), n, settled, body });
        self.settle()
    }

    /// What the device refuses of its own, where the server did.
    fn parked(&mut self) -> Option<Refusal> {
        let (edit, parked) = self.device.parked().next()?;
        let refusal = parked.refusal.clone();
        self.device.discard(edit);
        Some(refusal)
    }
}

fn seed() -> u64 {
    let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    seed
}

fn choice<T: Copy>(random: &mut Rng, of: &[T]) -> T {
    of[random.usize(..of.len())]
}

const FIELDS: [&str; 6] = ["n", "m", "state", "members", "code", "fresh"];
const SETTINGS: [&str; 12] = [
    "type = 'int'",
    "type = 'text'",
    "type = 'list'",
    "required = true",
    "min = 0",
    "max = 2.5",
    "min_length = 1",
    "max_length = 2",
    "one_of = ['open', 'closed', 1, true]",
    "pattern = '[a-z]*'",
    "pattern = '[A-Z]-[0-9]'",
    "policy = 'reject'",
];
const CHECKS: [&str; 6] = [
    "!has(new.n) || !has(new.m) || new.n <= new.m",
    "!has(old.state) || old.state != 'closed' || new.state == 'closed'",
    "!has(new.members) || size(new.members) <= 2",
    "!has(new.fresh) || new.fresh != 'a'",
    "stream.name == 'lists/home'",
    "!has(new.code) || stream.parts.exists(part, part == new.code)",
];

fn random_schema(random: &mut Rng) -> String {
    let mut text = String::new();
    for collection in ["tasks", "notes"] {
        text += &format!("[collections.{collection}.fields]\n");
        for field in FIELDS {
            text += &random_field(random, field);
        }
        for _ in 0..random.usize(0..3) {
            let (holds, field) = (choice(random, &CHECKS), choice(random, &["field = 'm'\n", ""]));
            text += &format!("[[collections.{collection}.checks]]\nholds = \"{holds}\"\nmessage = 'Not so.'\n{field}");
        }
        if random.bool() {
            let holds = "auth.sub != 'ana' || !has(new.state) || new.state != 'open'";
            text += &format!("[[collections.{collection}.checks]]\nholds = \"{holds}\"\nmessage = '{WHO}'\n");
        }
    }
    text
}

/// What a schema says of a field, as a line of it; such settings as some value can meet.
fn random_field(random: &mut Rng, field: &str) -> String {
    let mut settings: BTreeMap<&str, &str> = BTreeMap::new();
    for _ in 0..random.usize(0..3) {
        let setting = choice(random, &SETTINGS);
        settings.insert(setting.split(' ').next().unwrap(), setting);
    }
    if field == "fresh" {
        settings.insert("was", "was = 'stale'");
    }
    if settings.is_empty() {
        return String::new();
    }
    let line = format!("{field} = {{ {} }}\n", settings.into_values().collect::<Vec<_>>().join(", "));
    match read_schema(&format!("[collections.tasks.fields]\n{line}")) {
        Ok(_) => line,
        Err(_) => random_field(random, field),
    }
}

/// Mostly one of a kind that goes with the field.
fn random_value(random: &mut Rng, field: &str) -> Value {
    match (random.u8(0..10), field) {
        (0, _) => Value::Null,
        (1, _) => Value::Bool(true),
        (_, "n" | "m") => Value::number(choice(random, &[-1.0, 0.0, 1.0, 2.0, 2.5, 3.0])).unwrap(),
        (_, "members") => texts(&["a", "b", "c"][..random.usize(0..4)]),
        (_, "state") => Value::text(choice(random, &["open", "closed", "shut"])),
        _ => Value::text(choice(random, &["", "a", "ab", "abc", "A-1", "home"])),
    }
}

fn random_edit(random: &mut Rng, field: &str) -> Edit {
    match (random.u8(0..4), field) {
        (0, "n" | "m") => Edit::Inc(Value::Int(random.i64(-2..3))),
        (0, "members") => {
            let mut some = || ["a", "b", "c"][..random.usize(0..4)].iter().map(Value::text).collect();
            Edit::Members(Members { add: some(), remove: some() })
        }
        (0, "code") => Edit::Splice(Splices::text(0, random.u64(0..2), "a")),
        (0, "state") => Edit::Put(vec![Put { path: vec!["a".into()], value: Some(Value::Int(1)) }]),
        _ => Edit::Set(random_value(random, field)),
    }
}

/// Of a field with two names, an app knows one.
fn some_fields<T>(random: &mut Rng, name: &str, value: impl Fn(&mut Rng, &str) -> T) -> FieldMap<T> {
    let names = FIELDS.into_iter().map(|field| if field == "fresh" { name } else { field });
    let some: Vec<&str> = names.filter(|_| random.u8(0..3) == 0).collect();
    let fields = some.into_iter().map(|name| (FieldName::new(name).unwrap(), value(random, name)));
    FieldMap::new(fields.collect()).unwrap()
}

fn random_op(random: &mut Rng, name: &str) -> Op {
    let collection = choice(random, &["tasks", "notes"]).parse().unwrap();
    let key = Key { collection, id: choice(random, &["a", "b"]).parse().unwrap() };
    let action = match random.u8(0..12) {
        0 => Action::Delete,
        1 => Action::Insert(some_fields(random, name, random_value)),
        2..7 => Action::Upsert(some_fields(random, name, random_value)),
        _ => Action::Update(some_fields(random, name, random_edit)),
    };
    Op { key, seen: None, action }
}

#[test]
fn a_device_says_what_the_server_says() {
    let mut random = Rng::with_seed(seed());
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..200 {
        let schema = random_schema(&mut random);
        let mut world = World::new(&schema);
        for _ in 0..60 {
            let name = choice(&mut random, &["fresh", "fresh", "stale"]);
            let ops: Vec<Op> = (0..random.usize(1..4)).map(|_| random_op(&mut random, name)).collect();
            let (pending, shown) = (world.device.pending(), shown(&world.device));
            match world.device.edit(now().now, ops.clone()) {
                Ok(_) => {
                    world.settle();
                    match world.parked() {
                        None => *told.entry("yes").or_default() += 1,
                        Some(refusal) => assert_eq!(refusal.reason, WHO, "{ops:?}\n{schema}"),
                    }
                }
                Err(EditError::Invalid(Objection { code, field, reason })) => {
                    assert_eq!(
                        (world.device.pending(), shown),
                        (pending, self::shown(&world.device)),
                        "it did nothing"
                    );
                    let refusal = world.unchecked(ops.clone()).unwrap_or_else(|| panic!("{reason}\n{ops:?}\n{schema}"));
                    assert_eq!(code, RefusalCode::Invalid);
                    if refusal.reason != WHO {
                        let server = (refusal.code, refusal.field, refusal.reason);
                        assert_eq!((code, field, reason.clone()), server, "{ops:?}\n{schema}");
                    }
                    let words = ["be there", "at least", "at most", "one of", "a text like", "Not so.", "must be"];
                    let word = words.into_iter().find(|word| reason.contains(word)).unwrap_or("else");
                    *told.entry(word).or_default() += 1;
                }
                Err(_) => *told.entry("unfit").or_default() += 1,
            }
        }
        assert_eq!((world.device.pending(), world.device.status().diverged), (0, 0));
    }
    println!("{told:?}");
    assert!(told.len() == 9 && told.values().all(|count| *count > 10), "some of it was hardly looked at: {told:?}");
}

fn shown(device: &Replica) -> Vec<(Key, Value)> {
    let all = device.collections().into_iter().flat_map(|collection| {
        let objects = device.collection(&collection).map(|(id, object)| {
            let key = Key { collection: collection.clone(), id: id.clone() };
            (key, object.to_value())
        });
        objects.collect::<Vec<_>>()
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}
