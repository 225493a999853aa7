//! Shards with little room, driven by hand.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tapeline_core::event::{Authored, Body, Sealed};
use tapeline_core::frame::{Live, Open, ServerFrame};
use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName};
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Position, Seq};
use tapeline_core::object::Object;
use tapeline_core::objects::Objects;
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::schema::{Rules, Schema};
use tapeline_core::value::Value;
use tapeline_log::memory::MemoryLog;
use tapeline_log::{EventLog, StateStore};
use tokio::runtime::Runtime;

use super::mailbox::Mailbox;
use super::{Bounds, Charter, Command, OpenStream, Push, Shard, Words};
use crate::hub::{Hub, Opening, Tape};
use crate::inbox::Inbox;
use crate::metrics::Metrics;

const ROOMY: Bounds = Bounds {
    tails: 1 << 20,
    resident: 1 << 30,
    stream: 1 << 30,
    packed: 8_000,
    large: 1 << 30,
    store_after: Duration::ZERO,
};

/// A shard, and what is around it.
struct Bench {
    runtime: Runtime,
    log: Arc<MemoryLog>,
    shard: Shard<MemoryLog, MemoryLog>,
    hub: Arc<Hub>,
}

/// A client of one stream.
struct Author {
    tape: Arc<Tape>,
    opening: Arc<Opening>,
    inbox: Arc<Inbox>,
    client: ClientId,
    last: u64,
    /// The seq of each acknowledged event.
    acknowledged: BTreeMap<u64, Seq>,
    /// The events that were refused.
    refused: Vec<u64>,
}

impl Bench {
    fn new(log: MemoryLog, bounds: Bounds) -> Self {
        Self::with_schema(log, bounds, Schema::default())
    }

    fn with_schema(log: MemoryLog, bounds: Bounds, schema: Schema) -> Self {
        let runtime = Runtime::new().unwrap();
        let log = Arc::new(log);
        let guard = runtime.enter();
        let shard = Shard::new(
            log.clone(),
            log.clone(),
            Arc::new(Metrics::new()),
            Charter { schema: Arc::new(schema), ..Charter::default() },
            Arc::new(Mailbox::new()),
            bounds,
        );
        drop(guard);
        Self { runtime, log, shard, hub: Arc::default() }
    }

    fn author(&mut self, stream: &str, client: u128) -> Author {
        let stream = StreamName::new(stream).unwrap();
        let (tape, inbox) = (self.hub.tape(&stream), Arc::new(Inbox::default()));
        let opening = Opening::new(&self.hub, ClientId(client), Channel(0), inbox.clone());
        tape.join(&opening);
        let open = Open::new(Channel(0), stream, ClientId(client), Live::No);
        let _room = self.runtime.block_on(self.shard.mailbox.room(0)).unwrap();
        let (peer, is_of_the_log) = (opening.peer(), true);
        let request = OpenStream { tape: tape.clone(), peer, caller: Arc::default(), open, is_of_the_log, _room };
        self.shard.mailbox.post(Command::Open(Box::new(request)));
        Author {
            tape,
            opening,
            inbox,
            client: ClientId(client),
            last: 0,
            acknowledged: BTreeMap::new(),
            refused: Vec::new(),
        }
    }

    /// Pushes an author's next event.
    fn push(&mut self, author: &mut Author, op: Op) {
        author.last += 1;
        let body = Body { ops: vec![op], ..Body::default() };
        let settled = EventNumber((author.acknowledged.len() + author.refused.len()) as u64);
        let event = Authored { client: author.client, n: EventNumber(author.last), settled, body };
        let _room = self.runtime.block_on(self.shard.mailbox.room(0)).unwrap();
        let (tape, peer) = (author.tape.clone(), author.opening.peer());
        let push = Push {
            tape,
            peer,
            caller: Arc::default(),
            events: vec![Sealed::new(event)],
            words: Words::default(),
            _room,
        };
        self.shard.mailbox.post(Command::Push(push));
    }

    /// Lets the shard do what waits for it.
    fn turn(&mut self) {
        let mut commands = Vec::new();
        self.shard.mailbox.take(&mut commands, Some(Duration::ZERO));
        self.shard.turn(&mut commands);
    }

    /// Whether not all of an author's stream is in memory.
    fn forgets(&mut self, author: &Author) -> bool {
        let place = self.shard.slots.find(author.tape.stream());
        place.is_some_and(|place| self.shard.slots.get(place).is_some_and(|slot| !slot.whole))
    }

    /// Lets the shard work until there is nothing left to do.
    fn finish(&mut self) {
        self.turn();
        while !self.shard.has_finished() {
            self.turn();
        }
    }
}

impl Author {
    /// Takes the answers that have come.
    fn take_answers(&mut self) {
        for answer in self.inbox.take().answers {
            match answer.frame {
                ServerFrame::Ack { runs, .. } => {
                    for (run, place) in runs.iter().flat_map(|run| (0..run.count).map(move |place| (run, place))) {
                        assert_eq!(self.acknowledged.insert(run.n.plus(place).0, run.seq.plus(place)), None);
                    }
                }
                ServerFrame::Refused { n, .. } => self.refused.push(n.0),
                ServerFrame::Opened(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn op(id: u64, text: &str) -> Op {
    let edits = vec![(FieldName::new("text").unwrap(), Value::text(text))];
    op_with(id, Action::Upsert(FieldMap::new(edits).unwrap()))
}

fn op_with(id: u64, action: Action) -> Op {
    let key = Key { collection: Collection::new("c").unwrap(), id: ObjectId::new(id.to_string()).unwrap() };
    Op { key, seen: None, action }
}

/// What is on the log of a stream, played.
fn replayed(bench: &Bench, stream: &StreamName) -> Objects {
    let mut objects = Objects::default();
    for batch in bench.runtime.block_on(bench.log.replay(stream, Position::FIRST, usize::MAX)).unwrap() {
        batch.events().unwrap().iter().for_each(|event| objects.play(event));
    }
    objects
}

#[test]
fn streams_come_and_go_and_rest_and_nothing_is_lost() {
    let bounds = Bounds { resident: 60_000, stream: 20_000, large: 6_000, ..ROOMY };
    let mut bench = Bench::new(MemoryLog::new(), bounds);
    let mut random = fastrand::Rng::with_seed(7);
    let mut authors: Vec<Author> = (0..30).map(|number| bench.author(&format!("s/{number}"), number)).collect();
    let (mut fewest, mut rested) = (usize::MAX, 0);
    for _ in 0..6_000 {
        // A few streams are busy, the others are seldom.
        let number = if random.u8(..4) == 0 { random.usize(..authors.len()) } else { random.usize(..3) };
        let text = "x".repeat(random.usize(..200));
        bench.push(&mut authors[number], op(random.u64(..60), &text));
        if random.u8(..3) == 0 {
            bench.turn();
            fewest = fewest.min(bench.shard.ring.len());
            rested += usize::from(authors.iter().any(|author| bench.forgets(author)));
        }
        authors[number].take_answers();
    }
    bench.finish();
    assert!(fewest < 30 && rested > 0, "{fewest} streams at least, {rested} times one that was loaded");
    assert!(bench.shard.resident < bounds.resident + 2 * bounds.stream, "{}", bench.shard.resident);
    for author in &mut authors {
        author.take_answers();
        let numbers: Vec<u64> = author.acknowledged.keys().copied().collect();
        assert_eq!(numbers, (1..=author.last).collect::<Vec<_>>());
        let stream = author.tape.stream();
        let Some(state) = bench.log.stream(stream).unwrap() else { continue };
        let mut objects = replayed(&bench, stream);
        assert_eq!((state.head, state.live, state.digest), (Seq(author.last), objects.live(), objects.digest()));
    }
}

/// Whoever has a value may be in the batch, in memory, packed, or in storage alone.
#[test]
fn a_value_is_taken_wherever_whoever_has_it_is() {
    for seed in 0..4 {
        let unique = vec![vec![FieldName::new("text").unwrap()]];
        let schema = Schema::new([(op(0, "").key.collection, Rules { unique, ..Rules::default() })]);
        let bounds = Bounds { resident: 60_000, stream: 20_000, large: 6_000, ..ROOMY };
        let mut bench = Bench::with_schema(MemoryLog::new(), bounds, schema);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut authors: Vec<Author> = (0..30).map(|number| bench.author(&format!("s/{number}"), number)).collect();
        let mut rested = 0;
        for _ in 0..4_000 {
            let number = if random.u8(..4) == 0 { random.usize(..authors.len()) } else { random.usize(..3) };
            let op = match random.u8(..8) {
                0 => op_with(random.u64(..60), Action::Delete),
                _ => op(random.u64(..60), &format!("{}{}", "x".repeat(150), random.u8(..80))),
            };
            bench.push(&mut authors[number], op);
            if random.u8(..3) == 0 {
                bench.turn();
                rested += authors.iter().filter(|author| bench.forgets(author)).count();
            }
            authors[number].take_answers();
        }
        bench.finish();
        for author in &mut authors {
            author.take_answers();
            assert_eq!((author.acknowledged.len() + author.refused.len()) as u64, author.last, "seed {seed}");
            let objects = replayed(&bench, author.tape.stream());
            let collection = op(0, "").key.collection;
            let text = |object: &Object| object.get("text").and_then(Value::as_text).map(ToString::to_string);
            let texts: Vec<_> = objects.collection(&collection).map(|(_, object)| text(object)).collect();
            let distinct: HashSet<_> = texts.iter().collect();
            assert_eq!(distinct.len(), texts.len(), "seed {seed}: {texts:?}");
        }
        let refused: usize = authors.iter().map(|author| author.refused.len()).sum();
        assert!(refused > 100 && rested > 0, "seed {seed}: {refused} refused, {rested} times one that was loaded");
    }
}

#[test]
fn what_waits_for_a_resting_stream_keeps_its_order() {
    let bounds = Bounds { stream: 6_000, large: 6_000, ..ROOMY };
    let mut bench = Bench::new(MemoryLog::lazy(), bounds);
    let mut author = bench.author("s", 0);
    bench.finish();
    for number in 0..40 {
        bench.push(&mut author, op(number, &"x".repeat(100)));
    }
    bench.turn();
    let place = bench.shard.slots.find(author.tape.stream()).unwrap();
    assert!(bench.shard.slots.get(place).unwrap().resting.is_some());
    let counts = FieldMap::new(vec![(FieldName::new("n").unwrap(), Edit::Inc(Value::Int(1)))]).unwrap();
    for _ in 0..50 {
        bench.push(&mut author, op_with(3, Action::Update(counts.clone())));
        bench.turn();
    }
    assert_eq!(bench.log.unsynced(), 1);
    author.take_answers();
    assert!(author.acknowledged.is_empty());
    while author.acknowledged.len() < 90 {
        bench.log.sync();
        bench.turn();
        author.take_answers();
    }
    let seqs: Vec<_> = author.acknowledged.values().copied().collect();
    assert_eq!(seqs, (0..90).map(Seq).collect::<Vec<_>>());
    let key = op(3, "").key;
    assert_eq!(replayed(&bench, author.tape.stream()).get(&key).unwrap().get("n"), Some(&Value::Int(50)));
}

#[test]
fn a_tail_is_kept_for_those_who_read_it_and_not_for_ever() {
    let mut bench = Bench::new(MemoryLog::new(), Bounds { tails: 20_000, ..ROOMY });
    let mut author = bench.author("s", 0);
    bench.push(&mut author, op(0, "before"));
    bench.finish();
    assert!(author.tape.read(Seq(0)).is_none(), "nobody listens");
    author.tape.play_to(&author.opening);
    for _ in 0..100 {
        bench.push(&mut author, op(0, &"x".repeat(500)));
        bench.finish();
    }
    assert!(bench.shard.tail_bytes <= 20_000);
    assert!(author.tape.read(Seq(10)).is_none());
    let run = author.tape.read(Seq(95)).unwrap();
    assert_eq!((run.block().from(), author.tape.head()), (Seq(95), Seq(101)));
}
