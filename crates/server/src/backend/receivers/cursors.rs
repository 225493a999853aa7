//! How far a receiver is on each stream: objects on a stream of its own.
//!
//! ```text
//! stream   .tapeline/receivers/NAME
//! cursor   tapeline.cursors/STREAM {stream, seq}     the next event that it is to be told
//! begun    tapeline.begun/NAME {}                     it was seen where it begins on the streams that there were
//! ```

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use rustc_hash::FxHashMap;
use tapeline_core::caller::Caller;
use tapeline_core::event::{Authored, Body, Sealed, Verdict};
use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName};
use tapeline_core::numbers::{ClientId, EventNumber, Millis, Seq};
use tapeline_core::object::Entry;
use tapeline_core::op::{Action, FieldMap, Op};
use tapeline_core::value::Value;
use tapeline_log::{EventLog, LogError, StateStore};
use tokio::runtime::Handle;

use super::OWN;
use crate::http::push;
use crate::limits;
use crate::shared::Shared;

const CURSORS: &str = "tapeline.cursors";
const BEGUN: &str = "tapeline.begun";
const STREAM: &str = "stream";
const SEQ: &str = "seq";

/// How far a receiver is on each stream.
pub(super) struct Cursors {
    receiver: String,
    /// The stream on which it stands.
    stream: StreamName,
    runtime: Handle,
    /// Who writes there, and its last event.
    client: ClientId,
    n: EventNumber,
    /// What was read or written lately.
    known: FxHashMap<StreamName, Seq>,
}

impl Cursors {
    pub(super) fn new(receiver: &str) -> Self {
        let stream =
            StreamName::new(format!("{OWN}{receiver}")).expect("receivers have short names of letters and digits");
        let (runtime, client) = (Handle::current(), ClientId(fastrand::u128(..)));
        Self { receiver: receiver.into(), stream, runtime, client, n: EventNumber(0), known: FxHashMap::default() }
    }

    /// Reads from now on what others may have written.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// How far it is on streams, where it is anywhere.
    pub(super) fn read<L: EventLog, S: StateStore>(
        &mut self,
        shared: &Shared<L, S>,
        streams: &[StreamName],
    ) -> Result<Vec<Option<Seq>>, LogError> {
        let unknown: Vec<_> = streams.iter().filter(|stream| !self.known.contains_key(stream)).cloned().collect();
        let keys: Vec<Key> = unknown.iter().map(key).collect();
        let entries = self.entries(shared, &keys)?;
        let read: FxHashMap<_, _> = unknown.iter().zip(entries.iter().map(seq)).collect();
        let at = |stream| self.known.get(stream).copied().or_else(|| read.get(stream).copied().flatten());
        Ok(streams.iter().map(at).collect())
    }

    /// Whether it was seen where it begins.
    pub(super) fn has_begun<L: EventLog, S: StateStore>(&self, shared: &Shared<L, S>) -> Result<bool, LogError> {
        let entries = self.entries(shared, &[self.begun()])?;
        Ok(entries.iter().flatten().any(|entry| entry.live().is_some()))
    }

    /// It was seen where it begins.
    pub(super) fn begin<L: EventLog, S: StateStore>(&mut self, shared: &Arc<Shared<L, S>>) -> Result<(), String> {
        let begun = Op { key: self.begun(), seen: None, action: Action::Upsert(FieldMap::default()) };
        self.push(shared, vec![begun])
    }

    /// Moves it on. Where that fails, it may have been moved all the same.
    pub(super) fn write<L: EventLog, S: StateStore>(
        &mut self,
        shared: &Arc<Shared<L, S>>,
        moved: Vec<(StreamName, Seq)>,
    ) -> Result<(), String> {
        if moved.is_empty() {
            return Ok(());
        }
        self.push(shared, moved.iter().map(|(stream, seq)| cursor(stream, *seq)).collect())?;
        if self.known.len() >= limits::RECEIVER_STREAMS {
            self.known.clear();
        }
        self.known.extend(moved);
        Ok(())
    }

    fn begun(&self) -> Key {
        Key { collection: collection(BEGUN), id: id(&self.receiver) }
    }

    fn entries<L: EventLog, S: StateStore>(
        &self,
        shared: &Shared<L, S>,
        keys: &[Key],
    ) -> Result<Vec<Option<Entry>>, LogError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let _pin = self.runtime.block_on(shared.settle(&self.stream))?;
        shared.store.entries(&self.stream, keys)
    }

    fn push<L: EventLog, S: StateStore>(&mut self, shared: &Arc<Shared<L, S>>, ops: Vec<Op>) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let body = Body { at: Millis(now.as_millis() as u64), ops, ..Body::default() };
        let n = self.n.next();
        let sealed = Sealed::new(Authored { client: self.client, n, settled: self.n, body });
        let (tape, caller) = (shared.hub.tape(&self.stream), Caller { is_trusted: true, ..Caller::default() });
        let bytes = sealed.encoded.len();
        let pushed = push(shared, &tape, (self.client, Arc::new(caller)), vec![sealed], bytes);
        let pushed = self.runtime.block_on(async { tokio::time::timeout(limits::REQUEST_WITHIN, pushed).await });
        let verdicts =
            pushed.map_err(|_| "it takes too long".into()).and_then(|pushed| pushed.map_err(|it| it.detail()));
        let written = verdicts.and_then(|verdicts| match verdicts.first().map(|own| &own.verdict) {
            Some(Verdict::Refused(refusal)) => Err(refusal.reason.clone()),
            _ => Ok(()),
        });
        match &written {
            Ok(()) => self.n = n,
            // What became of it is not known: whoever writes next is another one.
            Err(_) => (self.client, self.n) = (ClientId(fastrand::u128(..)), EventNumber(0)),
        }
        written
    }
}

fn key(stream: &StreamName) -> Key {
    Key { collection: collection(CURSORS), id: id(stream.as_str()) }
}

fn cursor(stream: &StreamName, seq: Seq) -> Op {
    let fields = [(STREAM, Value::text(stream.as_str())), (SEQ, Value::Int(seq.0 as i64))];
    let fields = fields.map(|(name, value)| (FieldName::new(name).expect("it is a name"), value));
    let set = FieldMap::new(fields.to_vec()).expect("each field is there once");
    Op { key: key(stream), seen: None, action: Action::Upsert(set) }
}

fn seq(entry: &Option<Entry>) -> Option<Seq> {
    match entry.as_ref()?.live()?.get(SEQ)? {
        Value::Int(seq) => u64::try_from(*seq).ok().map(Seq),
        _ => None,
    }
}

fn collection(name: &str) -> Collection {
    Collection::new(name).expect("it is a name")
}

/// A name that is too long for an id stands for itself by its hash.
fn id(name: &str) -> ObjectId {
    ObjectId::new(name).unwrap_or_else(|_| {
        let hash = digest(&SHA256, name.as_bytes());
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        ObjectId::new(hash).expect("a hash is short")
    })
}
