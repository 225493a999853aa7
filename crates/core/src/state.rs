//! What is kept of a stream beside its log: how far the objects are, and what each client was told.
//!
//! All of it is a view of the log. It can be lost and made again by playing the batches after `position`.

use std::collections::VecDeque;

use crate::batch::{Batch, ClientVerdict};
use crate::codec::{CodecError, cbor};
use crate::event::{OwnVerdict, Recorded, Verdict};
use crate::hash::{Chain, ContentHash, Digest};
use crate::name::{Key, Subject};
use crate::numbers::{ClientId, EventNumber, Incarnation, Position, Seq};
use crate::object::Entry;

/// How far the objects of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// Which life of the stream this is.
    pub incarnation: Incarnation,
    /// The batches that are in the state.
    pub position: Position,
    /// The events that are in the state.
    pub head: Seq,
    /// The chain after them.
    pub chain: Chain,
    /// How many live objects there are.
    pub live: u64,
    /// The digest over them.
    pub digest: Digest,
}

impl StreamState {
    /// The state of a stream with nothing on it.
    pub const fn empty(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            position: Position::FIRST,
            head: Seq::FIRST,
            chain: Chain::EMPTY,
            live: 0,
            digest: Digest::EMPTY,
        }
    }

    /// The bytes in which storage keeps it.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode_stream_state(self)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// Where the bytes are something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        Ok(cbor::decode_stream_state(bytes)?)
    }
}

/// What changes with some batches, as of `state.position`. May be stored once that position is durable on the log.
#[derive(Clone, Debug)]
pub struct StateChanges {
    /// The stream's state after them.
    pub state: StreamState,
    /// Every entry they changed, as it is after them.
    pub entries: Vec<(Key, Entry)>,
    /// Every client they changed, as it is after them.
    pub clients: Vec<(ClientId, ClientState)>,
}

/// What the server remembers of one client on one stream, for the life of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientState {
    /// Who used the client id first; nobody else may.
    pub subject: Option<Subject>,
    /// The number of its last event that was decided on.
    pub last: EventNumber,
    /// It has stored the verdicts up to here.
    pub settled: EventNumber,
    /// The verdicts in `(settled, last]`, in order. After a crash those that follow from the log are here again,
    /// also below `settled`; that is harmless.
    verdicts: VecDeque<OwnVerdict>,
}

impl ClientState {
    /// The state of a client that has sent nothing yet.
    pub fn new(subject: Option<Subject>) -> Self {
        Self { subject, ..Self::default() }
    }

    pub(crate) fn from_parts(
        subject: Option<Subject>,
        last: EventNumber,
        settled: EventNumber,
        verdicts: Vec<OwnVerdict>,
    ) -> Self {
        Self { subject, last, settled, verdicts: verdicts.into() }
    }

    /// The verdicts that are remembered, in order.
    pub fn verdicts(&self) -> impl ExactSizeIterator<Item = &OwnVerdict> {
        self.verdicts.iter()
    }

    /// The verdict on event `n`, where it is remembered.
    pub fn verdict(&self, n: EventNumber) -> Option<&OwnVerdict> {
        let place = self.verdicts.binary_search_by_key(&n, |own| own.n).ok()?;
        self.verdicts.get(place)
    }

    /// Takes one more verdict. One that is remembered already stays as it is.
    pub fn decide(&mut self, own: OwnVerdict) {
        if own.n > self.last {
            self.last = own.n;
            self.verdicts.push_back(own);
        }
    }

    /// The client goes on with event `n`, whatever came of those before it that are not remembered.
    pub(crate) fn begin_with(&mut self, n: EventNumber) {
        self.last = self.last.max(EventNumber(n.0.saturating_sub(1)));
    }

    /// The client has stored its verdicts up to `settled`.
    pub fn settle(&mut self, settled: EventNumber) {
        self.settled = self.settled.max(settled.min(self.last));
        while self.verdicts.front().is_some_and(|own| own.n <= self.settled) {
            self.verdicts.pop_front();
        }
    }

    /// The bytes in which storage keeps it.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode_client_state(self)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// Where the bytes are something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        Ok(cbor::decode_client_state(bytes)?)
    }
}

/// All verdicts of a batch in the order of each client's numbers: those that follow from its events, and the others.
///
/// # Errors
/// Where an event of the batch cannot be read.
pub fn verdicts_of(batch: &Batch, events: &[Recorded]) -> Vec<ClientVerdict> {
    let told = |event: &Recorded| batch.verdicts.iter().any(|v| v.client == event.client && v.own.n == event.n);
    let implied = events.iter().filter(|event| !told(event)).map(|event| ClientVerdict {
        client: event.client,
        subject: event.actor.clone(),
        own: OwnVerdict {
            n: event.n,
            hash: content_hash(event),
            verdict: Verdict::Recorded { seq: event.seq, lost: Vec::new() },
        },
    });
    let mut all: Vec<_> = implied.chain(batch.verdicts.iter().cloned()).collect();
    all.sort_by_key(|verdict| (verdict.client, verdict.own.n));
    all
}

fn content_hash(event: &Recorded) -> ContentHash {
    cbor::encode_body(&event.body).hash()
}
