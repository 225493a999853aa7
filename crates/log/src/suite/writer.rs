//! Stands in for a sequencer in tests: makes batches that follow from one another, and the state after them.

use std::sync::Arc;

use tapeline_core::batch::{Batch, ClientVerdict};
use tapeline_core::codec::cbor;
use tapeline_core::event::{Body, OwnVerdict, Recorded, Refusal, RefusalCode, Verdict};
use tapeline_core::hash::{Chain, ContentHash};
use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName};
use tapeline_core::numbers::{ClientId, EventNumber, Incarnation, Millis, Position, Seq};
use tapeline_core::objects::Objects;
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::state::{ClientState, StreamState};
use tapeline_core::value::Value;

use super::wait;
use crate::contract::{Append, EventLog, StateChanges, StateStore};

/// The one who writes to a stream.
#[derive(Clone)]
pub struct Writer {
    /// Where its batches go.
    pub stream: StreamName,
    /// The state after all batches that were played.
    pub state: StreamState,
    /// The objects after them.
    pub objects: Objects,
    client: ClientId,
    staged: (Position, Seq, Chain),
    n: u64,
}

impl Writer {
    /// A writer to a new stream.
    ///
    /// # Panics
    /// Where `stream` is no name.
    pub fn new(stream: &str) -> Self {
        let incarnation = Incarnation(stream.len() as u64 + 1);
        Self {
            stream: StreamName::new(stream).expect("a test's stream has a name"),
            state: StreamState::empty(incarnation),
            objects: Objects::default(),
            client: ClientId(0x0123_4567_89ab_cdef << 64 | stream.len() as u128),
            staged: (Position::FIRST, Seq::FIRST, Chain::EMPTY),
            n: 0,
        }
    }

    /// The next batch: upserts of these objects, one event each, with this title.
    pub fn upserts(&mut self, ids: &[u64], title: &str) -> Append {
        let ops = ids.iter().map(|&id| Op { key: key(id), seen: None, action: Action::Upsert(task(title, id)) });
        self.events(ops.collect())
    }

    /// The next batch: one event for each op.
    pub fn events(&mut self, ops: Vec<Op>) -> Append {
        let mut batch = Batch::empty(self.staged.1, self.staged.2);
        for op in ops {
            self.n += 1;
            let body =
                Body { base: self.staged.1, at: Millis(1_763_640_000_000 + self.n), ops: vec![op], ..Body::default() };
            let (seq, client, n) = (batch.block.end(), self.client, EventNumber(self.n));
            batch.block.push(&cbor::encode_recorded(&Recorded { seq, client, n, actor: None, body, lost: Vec::new() }));
        }
        self.stage(batch)
    }

    /// The next batch: one refusal and nothing else.
    pub fn refusal(&mut self) -> Append {
        self.n += 1;
        let refusal = Refusal {
            code: RefusalCode::Stale,
            reason: "it changed".into(),
            about: None,
            field: None,
            current: None,
            head: Seq::FIRST,
        };
        let own =
            OwnVerdict { n: EventNumber(self.n), hash: ContentHash(self.n), verdict: Verdict::Refused(refusal.into()) };
        let mut batch = Batch::empty(self.staged.1, self.staged.2);
        batch.verdicts.push(ClientVerdict { client: self.client, subject: None, own });
        self.stage(batch)
    }

    fn stage(&mut self, batch: Batch) -> Append {
        let expected = self.staged.0;
        self.staged = (expected.next(), batch.block.end(), batch.block.after());
        Append { stream: self.stream.clone(), incarnation: self.state.incarnation, expected, batch: Arc::new(batch) }
    }

    /// Plays a batch and answers what it changes.
    ///
    /// # Panics
    /// Where an event cannot be read.
    pub fn play(&mut self, batch: &Batch) -> StateChanges {
        let mut keys = Vec::new();
        for event in batch.block.events() {
            let event = event.expect("a test's event can be read");
            self.objects.play(&event);
            keys.extend(event.body.ops.into_iter().map(|op| op.key));
        }
        keys.sort();
        keys.dedup();
        self.state.position = self.state.position.next();
        (self.state.head, self.state.chain) = (batch.block.end(), batch.block.after());
        (self.state.live, self.state.digest) = (self.objects.live(), self.objects.digest());
        let entries =
            keys.into_iter().filter_map(|key| Some((key.clone(), self.objects.entry(&key)?.clone()))).collect();
        let mut client = ClientState::new(None);
        batch.verdicts.iter().for_each(|verdict| client.decide(verdict.own.clone()));
        client.last = client.last.max(EventNumber(batch.block.end().0));
        StateChanges { state: self.state, entries, clients: vec![(self.client, client)] }
    }

    /// Has a log that was reopened apply what it may have lost.
    ///
    /// # Panics
    /// Where the log does not replay what it has not applied.
    pub fn catch_up<B: EventLog + StateStore>(&self, log: &B) {
        let stored = log.stream(&self.stream).expect("a state").unwrap_or(StreamState::empty(self.state.incarnation));
        let batches = wait(log.replay(&self.stream, stored.position, usize::MAX)).expect("batches");
        assert_eq!(self.state.position.since(stored.position), batches.len() as u64);
        if !batches.is_empty() {
            let entries = self.objects.entries().filter_map(|(key, entry)| Some((key, entry?.clone())));
            let entries = entries.filter(|(_, entry)| entry.version().last.seq >= stored.head).collect();
            log.apply(&self.stream, StateChanges { state: self.state, entries, clients: Vec::new() }).expect("applied");
        }
    }

    /// Who authors its events.
    pub fn client(&self) -> ClientId {
        self.client
    }
}

/// The key of a test's object: every third id is a text, the others are UUIDs.
///
/// # Panics
/// Never.
pub fn key(id: u64) -> Key {
    let collection = Collection::new(if id.is_multiple_of(5) { "lists" } else { "tasks" }).expect("a name");
    let scattered = u128::from(id.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(id);
    let object = match id % 3 {
        0 => ObjectId::new(format!("{id:x}")).expect("an id"),
        _ => ObjectId::from_uuid(scattered),
    };
    Key { collection, id: object }
}

/// An op that deletes a test's object.
pub fn delete(id: u64) -> Op {
    Op { key: key(id), seen: None, action: Action::Delete }
}

/// An op that counts something in a test's object, so that playing it twice shows.
///
/// # Panics
/// Never.
pub fn count(id: u64) -> Op {
    let edits = vec![(FieldName::new("count").expect("a name"), Edit::Inc(Value::Int(1)))];
    Op { key: key(id), seen: None, action: Action::Update(FieldMap::new(edits).expect("one field")) }
}

fn task(title: &str, id: u64) -> FieldMap<Value> {
    let field = |name| FieldName::new(name).expect("a name");
    let fields = vec![(field("done"), Value::Bool(id.is_multiple_of(2))), (field("title"), Value::Text(title.into()))];
    FieldMap::new(fields).expect("two fields")
}
