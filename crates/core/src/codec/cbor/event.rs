//! Events in CBOR.
//!
//! The body of an event is a run of map entries that stands in the authored and in the recorded event alike, so a
//! body encoded once is hashed, sent and recorded without being written again.

use super::op::{read_client, read_key, read_op, read_op_key};
use super::value::read_value;
use super::verdict::read_lost;
use super::{CodecError, Reader, Writer, check_end, missing, read_array, read_map, read_tuple, wrong};
use crate::event::{Authored, Body, Command, Lost, Read, Recorded};
use crate::hash::ContentHash;
use crate::limits;
use crate::name::{CommandName, FieldName, Key, Subject};
use crate::numbers::{ClientId, EventNumber, Millis, Seq};

mod key {
    pub(super) const SEQ: u64 = 0;
    pub(super) const CLIENT: u64 = 1;
    pub(super) const N: u64 = 2;
    pub(super) const ACTOR: u64 = 3;
    pub(super) const LOST: u64 = 4;
    pub(super) const SETTLED: u64 = 5;
    pub(super) const BASE: u64 = 6;
    pub(super) const ON: u64 = 7;
    pub(super) const AT: u64 = 8;
    pub(super) const COMMAND: u64 = 9;
    pub(super) const UNCHANGED: u64 = 10;
    pub(super) const OPS: u64 = 11;
}

/// The canonical bytes of a body: map entries without the map around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedBody {
    entries: u64,
    bytes: Vec<u8>,
}

impl EncodedBody {
    /// The hash of the content.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&self.bytes)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a body has at least its base, time and ops.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Encodes a body.
pub fn encode_body(body: &Body) -> EncodedBody {
    let mut writer = Writer::with_capacity(160);
    writer.body(body);
    EncodedBody { entries: entries_of(body), bytes: writer.finish() }
}

/// What a recorded event says beside its body.
#[derive(Clone, Copy, Debug)]
pub struct RecordedHead<'a> {
    /// Its place on the stream.
    pub seq: Seq,
    /// The replica's store that made it.
    pub client: ClientId,
    /// Its number there.
    pub n: EventNumber,
    /// Who made it.
    pub actor: Option<&'a Subject>,
    /// What did not take effect.
    pub lost: &'a [Lost],
}

/// Encodes a recorded event.
pub fn encode_recorded(event: &Recorded) -> Vec<u8> {
    let Recorded { seq, client, n, actor, body, lost } = event;
    let head = RecordedHead { seq: *seq, client: *client, n: *n, actor: actor.as_ref(), lost };
    let mut writer = Writer::with_capacity(200);
    writer.recorded_head(&head, entries_of(body)).body(body);
    writer.finish()
}

/// Encodes a recorded event around its encoded body.
pub fn encode_recorded_head(head: &RecordedHead<'_>, body: &EncodedBody) -> Vec<u8> {
    let mut writer = Writer::with_capacity(body.bytes.len() + 64);
    writer.recorded_head(head, body.entries).raw(&body.bytes);
    writer.finish()
}

/// Encodes an authored event.
pub(crate) fn encode_authored(event: &Authored) -> Vec<u8> {
    let mut writer = Writer::with_capacity(200);
    writer.authored(event);
    writer.finish()
}

fn entries_of(body: &Body) -> u64 {
    let optional = [body.on.is_some(), body.command.is_some(), !body.unchanged.is_empty()];
    3 + optional.into_iter().map(u64::from).sum::<u64>()
}

impl Writer {
    pub(crate) fn authored(&mut self, event: &Authored) -> &mut Self {
        let settled = u64::from(event.settled.0 > 0);
        self.map(2 + settled + entries_of(&event.body));
        self.uint(key::CLIENT).client(event.client).uint(key::N).uint(event.n.0);
        if settled > 0 {
            self.uint(key::SETTLED).uint(event.settled.0);
        }
        self.body(&event.body)
    }

    fn recorded_head(&mut self, head: &RecordedHead<'_>, body_entries: u64) -> &mut Self {
        self.map(3 + u64::from(head.actor.is_some()) + u64::from(!head.lost.is_empty()) + body_entries);
        self.uint(key::SEQ).uint(head.seq.0).uint(key::CLIENT).client(head.client).uint(key::N).uint(head.n.0);
        if let Some(actor) = head.actor {
            self.uint(key::ACTOR).text(actor.as_str());
        }
        if !head.lost.is_empty() {
            self.uint(key::LOST).lost(head.lost);
        }
        self
    }

    fn body(&mut self, body: &Body) -> &mut Self {
        self.uint(key::BASE).uint(body.base.0);
        if let Some(on) = body.on {
            self.uint(key::ON).uint(on.0);
        }
        self.uint(key::AT).uint(body.at.0);
        if let Some(command) = &body.command {
            self.uint(key::COMMAND).array(2).text(command.name.as_str()).value(&command.args);
        }
        if !body.unchanged.is_empty() {
            let reads = self.uint(key::UNCHANGED).array(body.unchanged.len() as u64);
            body.unchanged.iter().fold(reads, Self::read);
        }
        let ops = self.uint(key::OPS).array(body.ops.len() as u64);
        body.ops.iter().fold(ops, Self::op)
    }

    fn read(&mut self, read: &Read) -> &mut Self {
        match &read.field {
            None => self.array(2).key(&read.key),
            Some(field) => self.array(3).key(&read.key).text(field.as_str()),
        }
    }
}

/// Reads one recorded event.
///
/// # Errors
/// Where the bytes are none.
pub fn decode_recorded(bytes: &[u8]) -> Result<Recorded, Box<CodecError>> {
    read_recorded(Reader::new(bytes))
}

/// Reads one recorded event, all there is.
pub(crate) fn read_recorded(mut reader: Reader<'_>) -> Result<Recorded, Box<CodecError>> {
    let (mut seq, mut client, mut n, mut actor) = (None, None, None, None);
    let (mut lost, mut body) = (Vec::new(), PartialBody::default());
    read_map(&mut reader, |key, reader| {
        match key {
            key::SEQ => seq = Some(Seq(reader.count()?)),
            key::CLIENT => client = Some(read_client(reader)?),
            key::N => n = Some(EventNumber(reader.count()?)),
            key::ACTOR => actor = Some(Subject::new(reader.str()?)?),
            key::LOST => lost = read_lost(reader)?,
            other => return body.read_entry(other, reader),
        }
        Ok(true)
    })?;
    check_end(&reader, "a recorded event")?;
    let missing = |part| missing("a recorded event", part);
    Ok(Recorded {
        seq: seq.ok_or_else(|| missing("seq"))?,
        client: client.ok_or_else(|| missing("client"))?,
        n: n.ok_or_else(|| missing("n"))?,
        actor,
        body: body.complete().ok_or_else(|| missing("ops"))?,
        lost,
    })
}

/// The keys of which a recorded event says something, one for each of its ops. Nothing else of it is read.
///
/// # Errors
/// Where the bytes are no recorded event.
pub fn recorded_keys(bytes: &[u8]) -> Result<Vec<Key>, Box<CodecError>> {
    let (mut reader, mut keys) = (Reader::new(bytes), Vec::new());
    read_map(&mut reader, |key, reader| {
        let ops = key == key::OPS;
        if ops {
            keys = read_array(reader, "ops in one event", limits::EVENT_OPS, read_op_key)?;
        }
        Ok(ops)
    })?;
    check_end(&reader, "a recorded event")?;
    Ok(keys)
}

/// Reads one authored event.
pub(crate) fn read_authored(reader: &mut Reader<'_>) -> Result<Authored, Box<CodecError>> {
    let (mut client, mut n) = (None, None);
    let (mut settled, mut body) = (EventNumber::default(), PartialBody::default());
    read_map(reader, |key, reader| {
        match key {
            key::CLIENT => client = Some(read_client(reader)?),
            key::N => n = Some(EventNumber(reader.count()?)),
            key::SETTLED => settled = EventNumber(reader.count()?),
            other => return body.read_entry(other, reader),
        }
        Ok(true)
    })?;
    let missing = |part| missing("an event", part);
    Ok(Authored {
        client: client.ok_or_else(|| missing("client"))?,
        n: n.ok_or_else(|| missing("n"))?,
        settled,
        body: body.complete().ok_or_else(|| missing("ops"))?,
    })
}

/// A body of which some entries were read.
#[derive(Default)]
struct PartialBody {
    body: Body,
    has_ops: bool,
}

impl PartialBody {
    /// Reads one entry; `false` where the key is none of a body's.
    fn read_entry(&mut self, key: u64, reader: &mut Reader<'_>) -> Result<bool, Box<CodecError>> {
        let body = &mut self.body;
        match key {
            key::BASE => body.base = Seq(reader.count()?),
            key::ON => body.on = Some(Seq(reader.count()?)),
            key::AT => body.at = Millis(reader.count()?),
            key::COMMAND => body.command = Some(read_command(reader)?),
            key::UNCHANGED => {
                body.unchanged = read_array(reader, "reads in one event", limits::EVENT_READS, read_read)?
            }
            key::OPS => {
                body.ops = read_array(reader, "ops in one event", limits::EVENT_OPS, read_op)?;
                self.has_ops = true;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn complete(self) -> Option<Body> {
        self.has_ops.then_some(self.body)
    }
}

fn read_command(reader: &mut Reader<'_>) -> Result<Command, Box<CodecError>> {
    read_tuple(reader, 2, "a command")?;
    Ok(Command { name: CommandName::new(reader.str()?)?, args: read_value(reader)? })
}

pub(super) fn read_read(reader: &mut Reader<'_>) -> Result<Read, Box<CodecError>> {
    let items = reader.array().unwrap_or_default();
    if !(2..=3).contains(&items) {
        return Err(wrong("a read is [collection, id] or [collection, id, field]"));
    }
    let key = read_key(reader)?;
    let field = if items == 3 { Some(FieldName::new(reader.str()?)?) } else { None };
    Ok(Read { key, field })
}
