//! A server of one stream and its replicas, speaking in one thread without a network: for tests that read as a story.

// Each test file uses a part of it.
#![allow(dead_code)]

pub mod story;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::caller::Caller;
use tapeline_core::event::{Authored, Body, Sealed};
use tapeline_core::frame::{ClientFrame, Events, Live, ServerFrame};
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName};
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Incarnation, Millis, Seq};
use tapeline_core::object::{Entry, Object};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::replica::{Keeping, Moment, Notice, Replica, Row, Start, Table};
use tapeline_core::schema::Schema;
use tapeline_core::sequencer::{Need, Peer, Pushed, Sequencer};
use tapeline_core::state::{ClientState, StreamState};
use tapeline_core::value::Value;

/// A server whose log is durable at once.
pub struct Server {
    pub sequencer: Sequencer,
    pub log: EventBlock,
    batches: Vec<Arc<Batch>>,
    /// What it has forgotten, in storage.
    entries: BTreeMap<Key, Entry>,
    clients: BTreeMap<ClientId, ClientState>,
    readers: BTreeMap<Peer, Option<Seq>>,
    opening: BTreeMap<Peer, VecDeque<Live>>,
}

impl Server {
    pub fn new() -> Self {
        Self::with_schema(Schema::default())
    }

    /// A server for an app with this schema.
    pub fn with_schema(schema: Schema) -> Self {
        Self {
            sequencer: Sequencer::new(StreamState::empty(Incarnation(7)), Arc::new(schema), None),
            log: EventBlock::empty(Seq(0), Chain::EMPTY),
            batches: Vec::new(),
            entries: BTreeMap::new(),
            clients: BTreeMap::new(),
            readers: BTreeMap::new(),
            opening: BTreeMap::new(),
        }
    }

    /// A server restored from an image of this one's first batches.
    pub fn restored(&self, batches: usize) -> Self {
        self.restored_with(batches, Schema::default())
    }

    /// The same, for an app that has this schema now.
    pub fn restored_with(&self, batches: usize, schema: Schema) -> Self {
        let mut restored = Self::with_schema(schema);
        for batch in &self.batches[..batches] {
            let events = batch.events().unwrap();
            let clients = events.iter().map(|event| event.client);
            let clients = clients.chain(batch.verdicts.iter().map(|verdict| verdict.client));
            clients.for_each(|client| restored.sequencer.load_client(client, None));
            let keys = events.iter().flat_map(|event| &event.body.ops).map(|op| &op.key);
            keys.for_each(|key| restored.sequencer.load_entry(key.clone(), None));
            restored.sequencer.replay(batch).unwrap();
            restored.log.append(&batch.block);
            restored.batches.push(batch.clone());
        }
        restored
    }

    /// How many batches there are.
    pub fn batches(&self) -> usize {
        self.batches.len()
    }

    /// Takes a frame and answers it, all decisions durable.
    pub fn hear(&mut self, peer: Peer, frame: ClientFrame) -> Vec<(Peer, ServerFrame)> {
        let mut frames = Vec::new();
        match frame {
            ClientFrame::Open(open) => {
                self.readers.insert(peer, None);
                self.opening.entry(peer).or_default().push_back(open.live);
                open.former.iter().chain([&open.client]).for_each(|&client| self.load_client(client));
                let is = |(at, chain)| at <= self.log.end() && self.log.slice(at, 0).before() == chain;
                let is_of_the_log = open.claims().all(is);
                self.sequencer.open(peer, None, &open, is_of_the_log);
            }
            ClientFrame::Push { events, .. } => {
                for event in events {
                    if !self.push(peer, event) {
                        break;
                    }
                }
            }
            ClientFrame::Fetch { channel, from, to } => {
                let mut block = EventBlock::empty(from, self.log.slice(from, 0).before());
                let wanted = self.log.slice(from, usize::MAX);
                wanted.encoded().take(to.since(from) as usize).for_each(|event| block.push(event));
                let head = self.log.end();
                frames.push((peer, ServerFrame::Events(Events { channel, head, digest: None, block })));
            }
            _ => {}
        }
        frames.extend(self.settle());
        frames
    }

    /// Pushes an event to the sequencer.
    pub fn push(&mut self, peer: Peer, event: Authored) -> bool {
        self.load_client(event.client);
        event.body.ops.iter().for_each(|op| self.load(&op.key));
        event.body.unchanged.iter().for_each(|read| self.load(&read.key));
        if let Some(needed) = self.sequencer.text_history_needed(&event.body) {
            let events = self.log.slice(needed.start, usize::MAX);
            let events: Vec<_> =
                events.events().map(Result::unwrap).take_while(|event| event.seq < needed.end).collect();
            self.sequencer.load_text_history(&events);
        }
        let sealed = Sealed::new(event);
        loop {
            match self.sequencer.push(peer, &Caller::default(), &sealed) {
                Pushed::Needs(needs) => needs.into_iter().for_each(|need| self.load_needed(need)),
                pushed => return pushed == Pushed::Decided,
            }
        }
    }

    fn load(&mut self, key: &Key) {
        self.sequencer.load_entry(key.clone(), self.entries.get(key).cloned());
    }

    fn load_client(&mut self, client: ClientId) {
        self.sequencer.load_client(client, self.clients.get(&client).cloned());
    }

    fn load_needed(&mut self, need: Need) {
        match need {
            Need::Entry(key) => self.load(&key),
            Need::Holders(look) => {
                let holds = |object: &Object| look.index.held(object).contains(&look.value);
                let stored = self.entries.iter().filter(|(key, _)| key.collection == look.index.collection);
                let unknown = stored.filter(|(key, _)| !self.sequencer.knows_key(key));
                let found = unknown.filter(|(_, entry)| entry.live().is_some_and(|object| holds(object)));
                let found: Vec<(Key, Entry)> = found.take(look.enough).map(|(k, e)| (k.clone(), e.clone())).collect();
                let is_all = found.len() < look.enough;
                found.into_iter().for_each(|(key, entry)| self.sequencer.load_entry(key, Some(entry)));
                if is_all {
                    self.sequencer.holds_all(look);
                }
            }
        }
    }

    /// Stores what has changed, and forgets what is in memory. All must be settled.
    pub fn forget(&mut self) {
        self.keep();
        self.sequencer.forget();
    }

    fn keep(&mut self) {
        if let Some(changes) = self.sequencer.take_changes() {
            self.entries.extend(changes.entries);
            self.clients.extend(changes.clients);
        }
    }

    /// All live objects, sorted. All must be settled.
    pub fn objects(&mut self) -> Vec<(Key, Arc<Object>)> {
        self.keep();
        let live = self.entries.iter().filter_map(|(key, entry)| Some((key.clone(), entry.live()?.clone())));
        live.collect()
    }

    /// Makes all decisions durable: gives the answers, then what is to be played.
    pub fn settle(&mut self) -> Vec<(Peer, ServerFrame)> {
        if let Some(staged) = self.sequencer.stage() {
            self.log.append(&staged.batch.block);
            self.batches.push(staged.batch);
            self.sequencer.appended(staged.expected.next());
        }
        let mut frames = self.sequencer.take_answers();
        for (peer, frame) in &frames {
            let opened = match frame {
                ServerFrame::Opened(opened) => Some(opened.head),
                ServerFrame::Resync(_) => None,
                _ => continue,
            };
            let live = self.opening.get_mut(peer).and_then(VecDeque::pop_front);
            self.readers.insert(
                *peer,
                opened.and_then(|head| match live? {
                    Live::From(seq) => Some(seq),
                    Live::Head => Some(head),
                    Live::No => None,
                }),
            );
        }
        let head = self.log.end();
        for (&peer, reader) in &mut self.readers {
            let Some(from) = reader.as_mut().filter(|from| **from < head) else { continue };
            let block = self.log.slice(*from, usize::MAX);
            *from = head;
            frames.push((peer, ServerFrame::Events(Events { channel: peer.channel, head, digest: None, block })));
        }
        frames
    }

    /// Forgets a peer: its connection is gone.
    pub fn drop_peer(&mut self, peer: Peer) {
        self.readers.remove(&peer);
        self.opening.remove(&peer);
    }
}

/// A replica with a store, as peer `number` of a server.
pub struct Device {
    pub number: u64,
    pub replica: Replica,
    pub rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    pub now: Millis,
    random: u128,
}

impl Device {
    pub fn new(number: u64) -> Self {
        Self::from_rows(number, Start::Played, BTreeMap::new())
    }

    pub fn from_rows(number: u64, start: Start, rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>) -> Self {
        let stored = rows.iter().map(|((table, key), value)| Row {
            table: *table,
            key: key.clone(),
            value: Some(value.clone()),
        });
        let replica = Replica::restore(stream(), ClientId(u128::from(number)), start, stored).unwrap();
        Self { number, replica, rows, now: Millis(1_000), random: u128::from(number) << 64 }
    }

    pub fn in_memory(number: u64, start: Start) -> Self {
        let mut device = Self::new(number);
        device.replica = Replica::new(stream(), ClientId(u128::from(number)), start, Keeping::Memory);
        device
    }

    pub fn peer(&self) -> Peer {
        Peer { session: self.number, channel: Channel(1) }
    }

    pub fn connect(&mut self) {
        self.replica.connected(Channel(1));
    }

    pub fn disconnect(&mut self, server: &mut Server) {
        self.replica.disconnected();
        server.drop_peer(self.peer());
    }

    pub fn edit(&mut self, ops: Vec<Op>) -> tapeline_core::numbers::EditId {
        self.replica.edit(self.now, ops).unwrap()
    }

    pub fn moment(&mut self) -> Moment {
        self.random += 1;
        Moment { now: self.now, random: self.random }
    }

    pub fn receive(&mut self, frame: ServerFrame) {
        let moment = self.moment();
        self.replica.receive(moment, frame);
    }

    /// Writes what the replica wants stored.
    pub fn store(&mut self) -> bool {
        let Some(batch) = self.replica.poll_store() else { return false };
        if batch.whole {
            self.rows.clear();
        }
        for row in batch.rows {
            match row.value {
                Some(value) => self.rows.insert((row.table, row.key), value),
                None => self.rows.remove(&(row.table, row.key)),
            };
        }
        self.replica.stored(batch.number);
        true
    }

    pub fn frame(&mut self) -> Option<ClientFrame> {
        self.replica.poll_frame(self.now)
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.replica.poll_notice()).collect()
    }

    pub fn int(&self, id: &str, field: &str) -> Option<i64> {
        self.replica.get(&key(id))?.get(field)?.as_int()
    }
}

/// Lets a server and devices speak until nobody has anything to say.
pub fn talk(server: &mut Server, devices: &mut [&mut Device]) {
    for _ in 0..1_000 {
        let mut quiet = true;
        for place in 0..devices.len() {
            while devices[place].store() {
                quiet = false;
            }
            while let Some(frame) = devices[place].frame() {
                quiet = false;
                let peer = devices[place].peer();
                deliver(server.hear(peer, frame), devices);
            }
        }
        if quiet {
            return;
        }
    }
    panic!("they never stop talking");
}

/// Brings frames to those they are for.
pub fn deliver(frames: Vec<(Peer, ServerFrame)>, devices: &mut [&mut Device]) {
    for (peer, frame) in frames {
        if let Some(device) = devices.iter_mut().find(|device| device.peer() == peer) {
            device.receive(frame);
        }
    }
}

pub fn stream() -> StreamName {
    StreamName::new("test").unwrap()
}

pub fn key(id: &str) -> Key {
    Key { collection: Collection::new("things").unwrap(), id: ObjectId::new(id).unwrap() }
}

pub fn values(fields: &[(&str, i64)]) -> FieldMap<Value> {
    let fields = fields.iter().map(|&(name, value)| (FieldName::new(name).unwrap(), Value::Int(value)));
    FieldMap::new(fields.collect()).unwrap()
}

pub fn insert(id: &str, fields: &[(&str, i64)]) -> Op {
    Op { key: key(id), seen: None, action: Action::Insert(values(fields)) }
}

pub fn upsert(id: &str, fields: &[(&str, i64)]) -> Op {
    Op { key: key(id), seen: None, action: Action::Upsert(values(fields)) }
}

pub fn delete(id: &str) -> Op {
    Op { key: key(id), seen: None, action: Action::Delete }
}

pub fn set(id: &str, field: &str, value: i64) -> Op {
    update(id, field, Edit::Set(Value::Int(value)))
}

pub fn inc(id: &str, field: &str, by: i64) -> Op {
    update(id, field, Edit::Inc(Value::Int(by)))
}

pub fn update(id: &str, field: &str, edit: Edit) -> Op {
    let edits = FieldMap::new(vec![(FieldName::new(field).unwrap(), edit)]).unwrap();
    Op { key: key(id), seen: None, action: Action::Update(edits) }
}

pub fn authored(client: u128, n: u64, base: u64, ops: Vec<Op>) -> Authored {
    Authored {
        client: ClientId(client),
        n: EventNumber(n),
        settled: EventNumber(0),
        body: Body { base: Seq(base), ops, ..Body::default() },
    }
}
