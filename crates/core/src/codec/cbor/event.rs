//! Events and verdicts in CBOR.
//!
//! The body of an event is a run of map entries that stands in the authored and in the recorded event alike, so a
//! body encoded once is hashed, sent and recorded without being written again.

use super::value::{read_client, read_key, read_op, read_value};
use super::{CodecError, Reader, Writer, check_end, read_array, read_map};
use crate::event::{
    Authored, Body, Command, Lost, LostReason, OwnVerdict, Read, Recorded, Refusal, RefusalCode, Verdict,
};
use crate::hash::ContentHash;
use crate::limits;
use crate::name::{CommandName, FieldName, Subject};
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
    let mut entries = 3;
    writer.uint(key::BASE).uint(body.base.0);
    if let Some(on) = body.on {
        entries += 1;
        writer.uint(key::ON).uint(on.0);
    }
    writer.uint(key::AT).uint(body.at.0);
    if let Some(command) = &body.command {
        entries += 1;
        writer.uint(key::COMMAND).array(2).text(command.name.as_str()).value(&command.args);
    }
    if !body.unchanged.is_empty() {
        entries += 1;
        writer.uint(key::UNCHANGED).array(body.unchanged.len() as u64);
        for read in &body.unchanged {
            writer.array(2 + u64::from(read.field.is_some())).key(&read.key);
            read.field.iter().for_each(|field| drop(writer.text(field.as_str())));
        }
    }
    writer.uint(key::OPS).array(body.ops.len() as u64);
    body.ops.iter().for_each(|op| drop(writer.op(op)));
    EncodedBody { entries, bytes: writer.finish() }
}

/// Reads one entry of a body; `false` where the key is none of its.
fn read_body_entry(body: &mut Body, key: u64, reader: &mut Reader<'_>) -> Result<bool, CodecError> {
    match key {
        key::BASE => body.base = Seq(reader.u64()?),
        key::ON => body.on = Some(Seq(reader.u64()?)),
        key::AT => body.at = Millis(reader.u64()?),
        key::COMMAND => {
            read_tuple(reader, 2, "a command")?;
            body.command = Some(Command { name: CommandName::new(reader.str()?)?, args: read_value(reader)? });
        }
        key::UNCHANGED => body.unchanged = read_array(reader, "reads in one event", limits::EVENT_READS, read_read)?,
        key::OPS => body.ops = read_array(reader, "ops in one event", limits::EVENT_OPS, read_op)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn read_read(reader: &mut Reader<'_>) -> Result<Read, CodecError> {
    let len = super::array_len(reader)?;
    if !(2..=3).contains(&len) {
        return Err(CodecError::Cbor("a read has a collection, an id and perhaps a field".into()));
    }
    let key = read_key(reader)?;
    let field = if len == 3 { Some(FieldName::new(reader.str()?)?) } else { None };
    Ok(Read { key, field })
}

/// Reads the head of an array of exactly `len` items.
pub(crate) fn read_tuple(reader: &mut Reader<'_>, len: usize, what: &'static str) -> Result<(), CodecError> {
    match super::array_len(reader)? == len {
        true => Ok(()),
        false => Err(CodecError::Cbor(format!("{what} has {len} items"))),
    }
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
    encode_recorded_head(&head, &encode_body(body))
}

/// Encodes a recorded event around its encoded body.
pub fn encode_recorded_head(head: &RecordedHead<'_>, body: &EncodedBody) -> Vec<u8> {
    let mut writer = Writer::with_capacity(body.bytes.len() + 40);
    let entries = 3 + u64::from(head.actor.is_some()) + u64::from(!head.lost.is_empty()) + body.entries;
    writer.map(entries).uint(key::SEQ).uint(head.seq.0).uint(key::CLIENT).client(head.client);
    writer.uint(key::N).uint(head.n.0);
    if let Some(actor) = head.actor {
        writer.uint(key::ACTOR).text(actor.as_str());
    }
    if !head.lost.is_empty() {
        writer.uint(key::LOST).lost(head.lost);
    }
    writer.raw(&body.bytes);
    writer.finish()
}

/// Reads one recorded event.
///
/// # Errors
/// Where the bytes are none.
pub fn decode_recorded(bytes: &[u8]) -> Result<Recorded, CodecError> {
    let mut reader = Reader::new(bytes);
    let (mut seq, mut client, mut n, mut actor) = (None, None, None, None);
    let (mut lost, mut body) = (Vec::new(), Body::default());
    read_map(&mut reader, |key, reader| {
        match key {
            key::SEQ => seq = Some(Seq(reader.u64()?)),
            key::CLIENT => client = Some(read_client(reader)?),
            key::N => n = Some(EventNumber(reader.u64()?)),
            key::ACTOR => actor = Some(Subject::new(reader.str()?)?),
            key::LOST => lost = read_lost(reader)?,
            other => return read_body_entry(&mut body, other, reader),
        }
        Ok(true)
    })?;
    check_end(&reader, "a recorded event")?;
    let missing = |part| CodecError::Missing { what: "a recorded event", part };
    Ok(Recorded {
        seq: seq.ok_or(missing("seq"))?,
        client: client.ok_or(missing("client"))?,
        n: n.ok_or(missing("n"))?,
        actor,
        body,
        lost,
    })
}

/// Encodes an authored event.
pub(crate) fn encode_authored(event: &Authored) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.authored(event);
    writer.finish()
}

/// Reads one authored event.
pub(crate) fn decode_authored(bytes: &[u8]) -> Result<Authored, CodecError> {
    let mut reader = Reader::new(bytes);
    let event = read_authored(&mut reader)?;
    check_end(&reader, "an event")?;
    Ok(event)
}

pub(crate) fn read_authored(reader: &mut Reader<'_>) -> Result<Authored, CodecError> {
    let (mut client, mut n, mut ops) = (None, None, false);
    let (mut settled, mut body) = (EventNumber::default(), Body::default());
    read_map(reader, |key, reader| {
        match key {
            key::CLIENT => client = Some(read_client(reader)?),
            key::N => n = Some(EventNumber(reader.u64()?)),
            key::SETTLED => settled = EventNumber(reader.u64()?),
            other => {
                ops |= other == key::OPS;
                return read_body_entry(&mut body, other, reader);
            }
        }
        Ok(true)
    })?;
    let missing = |part| CodecError::Missing { what: "an event", part };
    if !ops {
        return Err(missing("ops"));
    }
    Ok(Authored { client: client.ok_or(missing("client"))?, n: n.ok_or(missing("n"))?, settled, body })
}

mod verdict {
    pub(super) const RECORDED: u64 = 0;
    pub(super) const REFUSED: u64 = 1;
}

impl Writer {
    pub(super) fn authored(&mut self, event: &Authored) -> &mut Self {
        let body = encode_body(&event.body);
        let settled = u64::from(event.settled.0 > 0);
        self.map(2 + settled + body.entries).uint(key::CLIENT).client(event.client).uint(key::N).uint(event.n.0);
        if settled > 0 {
            self.uint(key::SETTLED).uint(event.settled.0);
        }
        self.raw(&body.bytes)
    }

    pub(super) fn lost(&mut self, lost: &[Lost]) -> &mut Self {
        self.array(lost.len() as u64);
        for part in lost {
            self.array(2).op(&part.op).text(part.reason.code());
        }
        self
    }

    pub(crate) fn refusal(&mut self, refusal: &Refusal) -> &mut Self {
        let more = u64::from(refusal.about.is_some()) + u64::from(refusal.current.is_some());
        self.map(2 + more).uint(0).text(refusal.code.code()).uint(1).text(&refusal.reason);
        if let Some(key) = &refusal.about {
            self.uint(2).array(2).key(key);
        }
        if let Some(current) = &refusal.current {
            self.uint(3).value(current);
        }
        self
    }
}

pub(super) fn read_lost(reader: &mut Reader<'_>) -> Result<Vec<Lost>, CodecError> {
    read_array(reader, "lost ops in one event", limits::EVENT_OPS, |reader| {
        read_tuple(reader, 2, "a lost op")?;
        let op = read_op(reader)?;
        let code = reader.str()?;
        let unknown = || CodecError::Unknown { what: "reason of a lost op", found: code.into() };
        Ok(Lost { op, reason: LostReason::from_code(code).ok_or_else(unknown)? })
    })
}

pub(crate) fn read_refusal(reader: &mut Reader<'_>) -> Result<Refusal, CodecError> {
    let (mut code, mut reason, mut about, mut current) = (None, String::new(), None, None);
    read_map(reader, |key, reader| {
        match key {
            0 => {
                let word = reader.str()?;
                let unknown = || CodecError::Unknown { what: "refusal code", found: word.into() };
                code = Some(RefusalCode::from_code(word).ok_or_else(unknown)?);
            }
            1 => reason = reader.str()?.into(),
            2 => {
                read_tuple(reader, 2, "the object of a refusal")?;
                about = Some(read_key(reader)?);
            }
            3 => current = Some(read_value(reader)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let code = code.ok_or(CodecError::Missing { what: "a refusal", part: "code" })?;
    Ok(Refusal { code, reason, about, current })
}

/// Writes verdicts as an array.
pub(crate) fn write_verdicts<'a>(writer: &mut Writer, verdicts: impl ExactSizeIterator<Item = &'a OwnVerdict>) {
    writer.array(verdicts.len() as u64);
    for own in verdicts {
        writer.array(4).uint(own.n.0).uint(own.hash.0);
        match &own.verdict {
            Verdict::Recorded { seq, lost } => writer.uint(verdict::RECORDED).array(2).uint(seq.0).lost(lost),
            Verdict::Refused(refusal) => writer.uint(verdict::REFUSED).refusal(refusal),
        };
    }
}

/// Reads what [`write_verdicts`] wrote.
pub(crate) fn read_verdicts(reader: &mut Reader<'_>) -> Result<Vec<OwnVerdict>, CodecError> {
    read_array(reader, "verdicts", limits::UNSETTLED_EVENTS, |reader| {
        read_tuple(reader, 4, "a verdict")?;
        let (n, hash) = (EventNumber(reader.u64()?), ContentHash(reader.u64()?));
        let verdict = match reader.u64()? {
            verdict::RECORDED => {
                read_tuple(reader, 2, "a recorded verdict")?;
                Verdict::Recorded { seq: Seq(reader.u64()?), lost: read_lost(reader)? }
            }
            verdict::REFUSED => Verdict::Refused(Box::new(read_refusal(reader)?)),
            other => return Err(CodecError::Unknown { what: "verdict", found: other.to_string() }),
        };
        Ok(OwnVerdict { n, hash, verdict })
    })
}
