//! The load: to-do edits of about 150 bytes, and writers that keep some of them on their way.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tapeline_core::codec::{Codec, cbor};
use tapeline_core::event::{Authored, Body, Recorded};
use tapeline_core::frame::{ClientFrame, Live, ServerFrame};
use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName};
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Millis, Seq};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::value::Value;

use super::drive;
use crate::failure::Failure;
use crate::wire::{self, Receiver, Sender};

const WORDS: [&str; 32] = [
    "buy", "milk", "call", "plumber", "write", "report", "water", "plants", "book", "flight", "pay", "rent", "fix",
    "bicycle", "plan", "garden", "visit", "grandma", "clean", "kitchen", "order", "paper", "learn", "chords", "paint",
    "fence", "mend", "jacket", "bake", "bread", "sort", "photos",
];

/// Makes to-do edits, always the same ones for a seed.
#[derive(Debug)]
pub struct Todos {
    random: fastrand::Rng,
}

impl Todos {
    /// The edits of a seed.
    pub fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed) }
    }

    /// A new id, as a device makes it: the time in front, then random bits.
    pub fn id(&mut self) -> ObjectId {
        let time = u128::from(now().0) << 80;
        let version = 0x7_u128 << 76 | 0b10 << 62;
        let random = self.random.u128(..) & !(0xf << 76 | 0b11 << 62) & ((1 << 80) - 1);
        ObjectId::from_uuid(time | version | random)
    }

    /// A new to-do with a title of five words.
    pub fn insert(&mut self, id: ObjectId) -> Op {
        let fields = vec![
            (field("done"), Value::Bool(false)),
            (field("label"), Value::text(WORDS[self.pick(WORDS.len())])),
            (field("position"), Value::Int(self.random.i64(0..1 << 40))),
            (field("title"), self.title()),
        ];
        let set = FieldMap::new(fields).expect("four fields");
        Op { key: key(id), seen: None, action: Action::Upsert(set) }
    }

    /// A change to a to-do: another title, done or not, and moved.
    pub fn update(&mut self, id: ObjectId) -> Op {
        let edits = vec![
            (field("done"), Edit::Set(Value::Bool(self.random.bool()))),
            (field("position"), Edit::Set(Value::Int(self.random.i64(0..1 << 40)))),
            (field("title"), Edit::Set(self.title())),
        ];
        Op { key: key(id), seen: None, action: Action::Update(FieldMap::new(edits).expect("three fields")) }
    }

    /// A change of one field of a to-do: it is moved.
    pub fn register(&mut self, id: ObjectId) -> Op {
        let edits = vec![(field("position"), Edit::Set(Value::Int(self.random.i64(0..1 << 40))))];
        Op { key: key(id), seen: None, action: Action::Update(FieldMap::new(edits).expect("one field")) }
    }

    /// The next edit of somebody who makes one new to-do for every two changes to those in `made`, which it bounds.
    pub fn next(&mut self, made: &mut Vec<ObjectId>) -> Op {
        const MOST: usize = 10_000;
        if made.is_empty() || made.len() < MOST && self.pick(3) == 0 {
            made.push(self.id());
            let id = made[made.len() - 1].clone();
            return self.insert(id);
        }
        let id = made[self.pick(made.len())].clone();
        self.update(id)
    }

    fn title(&mut self) -> Value {
        let words: Vec<&str> = (0..5).map(|_| WORDS[self.random.usize(..WORDS.len())]).collect();
        Value::text(words.join(" "))
    }

    /// One of `count` things.
    pub fn pick(&mut self, count: usize) -> usize {
        self.random.usize(..count)
    }

    /// A client id.
    pub fn client(&mut self) -> ClientId {
        ClientId(self.random.u128(..))
    }
}

fn field(name: &str) -> FieldName {
    FieldName::new(name).expect("a field name")
}

fn key(id: ObjectId) -> Key {
    Key { collection: Collection::new("todos").expect("a collection name"), id }
}

/// The wall clock.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(since.as_millis() as u64)
}

/// A client's events on one stream, numbered.
#[derive(Debug)]
pub struct Author {
    /// The client.
    pub client: ClientId,
    /// The number of its last event.
    pub last: EventNumber,
    /// The number of its last event whose verdict it has.
    pub settled: EventNumber,
}

impl Author {
    /// A client that has sent nothing.
    pub fn new(client: ClientId) -> Self {
        Self { client, last: EventNumber::default(), settled: EventNumber::default() }
    }

    /// Its next event.
    pub fn event(&mut self, op: Op) -> Authored {
        self.last = self.last.next();
        let body = Body { base: Seq::FIRST, at: now(), ops: vec![op], ..Body::default() };
        Authored { client: self.client, n: self.last, settled: self.settled, body }
    }

    /// How many of its events are on their way.
    pub fn outstanding(&self) -> u64 {
        self.last.since(self.settled)
    }
}

/// So many edits as a server records them: what a peer is given to keep.
pub fn recorded(count: usize) -> Vec<Vec<u8>> {
    let (mut todos, mut made) = (Todos::new(0), Vec::new());
    let mut author = Author::new(todos.client());
    let encoded = (0..count).map(|_| {
        let Authored { client, n, body, .. } = author.event(todos.next(&mut made));
        cbor::encode_recorded(&Recorded { seq: Seq(100_000), client, n, actor: None, body, lost: Vec::new() })
    });
    encoded.collect()
}

/// A writer of one stream that pushes without subscribing.
pub struct Writer {
    sender: Sender,
    receiver: Receiver,
    author: Author,
    todos: Todos,
    made: Vec<ObjectId>,
    channel: Channel,
}

impl Writer {
    /// Connects and opens the stream.
    pub async fn open(url: &str, stream: &StreamName, seed: u64) -> Result<Self, Failure> {
        Self::open_on(wire::connect(url).await?, stream, seed).await
    }

    /// Opens the stream on a socket.
    pub async fn open_on(
        (mut sender, mut receiver): (Sender, Receiver),
        stream: &StreamName,
        seed: u64,
    ) -> Result<Self, Failure> {
        let mut todos = Todos::new(seed);
        let (author, channel) = (Author::new(todos.client()), Channel(0));
        sender.send(&wire::open(channel, stream, author.client, Live::No)).await?;
        opened(&mut receiver).await?;
        Ok(Self { sender, receiver, author, todos, made: Vec::new(), channel })
    }

    /// Pushes `count` events with at most `outstanding` on their way, and waits for all to be acknowledged.
    pub async fn push(
        &mut self,
        count: u64,
        outstanding: u64,
        next: &mut impl FnMut(&mut Todos) -> Op,
    ) -> Result<(), Failure> {
        let last = self.author.last.plus(count);
        while self.author.settled < last {
            self.fill(outstanding, last.since(self.author.last), next).await?;
            self.take_answer().await?;
        }
        Ok(())
    }

    /// Sends events of one op each, without waiting for anything.
    pub async fn send_ops(&mut self, ops: impl IntoIterator<Item = Op>) -> Result<(), Failure> {
        let events = ops.into_iter().map(|op| self.author.event(op)).collect();
        self.send_events(events).await
    }

    /// Pushes one event and waits for its acknowledgement. Answers how long that took.
    pub async fn push_one(&mut self, op: Op) -> Result<Duration, Failure> {
        let event = self.author.event(op);
        let frame = Codec::Cbor.encode_client(&ClientFrame::Push { channel: self.channel, events: vec![event] });
        let sent = Instant::now();
        self.sender.send_bytes(frame).await?;
        self.take_answer().await?;
        Ok(sent.elapsed())
    }

    async fn fill(
        &mut self,
        outstanding: u64,
        most: u64,
        next: &mut impl FnMut(&mut Todos) -> Op,
    ) -> Result<(), Failure> {
        let room = outstanding.saturating_sub(self.author.outstanding()).min(most);
        if room == 0 {
            return Ok(());
        }
        let events = (0..room).map(|_| self.author.event(next(&mut self.todos))).collect();
        self.send_events(events).await
    }

    async fn send_events(&mut self, events: Vec<Authored>) -> Result<(), Failure> {
        self.sender.send(&ClientFrame::Push { channel: self.channel, events }).await
    }

    /// Waits for a frame. Answers how many events it acknowledges.
    async fn take_answer(&mut self) -> Result<u64, Failure> {
        let settled = self.author.settled;
        match self.receiver.next().await? {
            ServerFrame::Ack { runs, .. } => {
                for run in runs {
                    self.author.settled = run.n.plus(run.count - 1);
                }
                Ok(self.author.settled.since(settled))
            }
            ServerFrame::Refused { refusal, .. } => Err(Failure::Refused(refusal.reason)),
            ServerFrame::Error(error) => Err(Failure::Refused(error.message)),
            _ => Ok(0),
        }
    }
}

impl drive::Writer for Writer {
    async fn send(&mut self, count: u64) -> Result<(), Failure> {
        let events = (0..count).map(|_| self.author.event(self.todos.next(&mut self.made))).collect();
        self.send_events(events).await
    }

    async fn acknowledged(&mut self) -> Result<u64, Failure> {
        self.take_answer().await
    }
}

/// Waits for a stream to be opened. Answers its head.
pub async fn opened(receiver: &mut Receiver) -> Result<Seq, Failure> {
    loop {
        match receiver.next().await? {
            ServerFrame::Opened(opened) => return Ok(opened.head),
            ServerFrame::Error(error) => return Err(Failure::Refused(error.message)),
            _ => {}
        }
    }
}

/// Runs a writer as a task of its own, so that writers use all cores.
pub async fn spawned<T: Send + 'static>(
    writer: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    tokio::spawn(writer).await.map_err(Failure::failed)?
}

/// A stream's name.
pub fn stream(name: impl AsRef<str>) -> StreamName {
    StreamName::new(name).expect("a stream name")
}
