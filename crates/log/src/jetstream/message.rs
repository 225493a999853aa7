//! What a message says: batches, and where the stream is with them.
//!
//! ```text
//! Tapeline-End       incarnation position seq chain bytes     where the stream is with this message; the chain hexadecimal
//! Tapeline-Begins    sequence                                 this is not the first part: that one is here
//! Tapeline-Goes-On   yes                                      this is not the last part: the subject's next message goes on
//! Tapeline-Horizon   seq                                      of snapshots alone: the first event that the stream has
//! Tapeline-Unpacked  bytes                                    the payload is packed; it has so many
//! payload            (length:4 batch)*, or zstd of that       of all parts together
//! ```
//!
//! Batches that are too large for one message are cut into parts, each appended on the condition that the one before is the
//! last. The batches are there once the last part is, and only that one moves the end. Parts without a last one were left
//! by a writer that did not get there; whoever appends next passes over them.

use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::jetstream::message::StreamMessage;
use bytes::Bytes;
use tapeline_core::batch::Batch;
use tapeline_core::hash::Chain;
use tapeline_core::numbers::{Incarnation, Position, Seq};

use super::Sequence;
use crate::contract::{Head, LogError};
use crate::limits;

const END: &str = "Tapeline-End";
const BEGINS: &str = "Tapeline-Begins";
const GOES_ON: &str = "Tapeline-Goes-On";
const HORIZON: &str = "Tapeline-Horizon";
const UNPACKED: &str = "Tapeline-Unpacked";
const LENGTH: usize = 4;

/// Where a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Batches, events and the chain after them.
    pub head: Head,
    /// Bytes of all events there ever were.
    pub bytes: u64,
}

/// A message that was read.
pub(super) struct Message {
    pub(super) sequence: Sequence,
    /// Where the stream is with it.
    pub(super) end: End,
    /// Where its first part is.
    pub(super) begins: Sequence,
    pub(super) goes_on: bool,
    /// Where it is of a snapshot, the first event that the stream has.
    pub(super) horizon: Seq,
    pub(super) payload: Payload,
}

/// Batches as they are published, or a part of that.
#[derive(Clone, Debug, Default)]
pub(super) struct Payload {
    pub(super) bytes: Bytes,
    /// How many bytes it has unpacked, where it is packed.
    unpacked: Option<usize>,
}

impl End {
    /// The end of a stream with nothing on it.
    pub(super) const fn nothing(incarnation: Incarnation) -> Self {
        let head = Head { incarnation, position: Position::FIRST, seq: Seq::FIRST, chain: Chain::EMPTY };
        Self { head, bytes: 0 }
    }

    /// Whether a batch follows from it.
    pub(super) fn is_before(&self, batch: &Batch) -> bool {
        (batch.block.from(), batch.block.before()) == (self.head.seq, self.head.chain)
    }

    /// The end with one more batch.
    pub(super) fn with(&self, batch: &Batch) -> Self {
        let (block, position) = (&batch.block, self.head.position.next());
        let head = Head { position, seq: block.end(), chain: block.after(), ..self.head };
        Self { head, bytes: self.bytes + block.bytes().len() as u64 }
    }

    fn spell(&self) -> String {
        let Head { incarnation, position, seq, chain } = self.head;
        format!("{} {position} {seq} {chain} {}", incarnation.0, self.bytes)
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut number = || words.next()?.parse().ok();
        let (incarnation, position, seq) = (Incarnation(number()?), Position(number()?), Seq(number()?));
        let chain = Chain(u64::from_str_radix(words.next()?, 16).ok()?);
        let bytes = words.next()?.parse().ok()?;
        Some(Self { head: Head { incarnation, position, seq, chain }, bytes })
    }
}

/// The headers of a part.
fn headers(end: &End, begins: Option<Sequence>, goes_on: bool, unpacked: Option<usize>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(END, end.spell());
    unpacked.into_iter().for_each(|bytes| headers.insert(UNPACKED, bytes.to_string()));
    begins.into_iter().for_each(|first| headers.insert(BEGINS, first.0.to_string()));
    if goes_on {
        headers.insert(GOES_ON, "yes");
    }
    headers
}

/// The headers of a part of a snapshot.
pub(super) fn snapshot_headers(end: &End, horizon: Seq, begins: Option<Sequence>, goes_on: bool) -> HeaderMap {
    let mut headers = headers(end, begins, goes_on, None);
    headers.insert(HORIZON, horizon.to_string());
    headers
}

impl Message {
    /// Reads what JetStream has of a message.
    pub(super) fn read(found: StreamMessage) -> Result<Self, LogError> {
        let header = |name| found.headers.get(name).map(|value| value.as_str());
        let end = header(END).and_then(End::read);
        let begins = header(BEGINS).map(str::parse).transpose();
        let horizon = header(HORIZON).and_then(|text| text.parse().ok()).map_or(Seq::FIRST, Seq);
        let unpacked = header(UNPACKED).map(str::parse).transpose();
        let (Some(end), Ok(begins), Ok(unpacked)) = (end, begins, unpacked) else {
            return Err(damaged(&found.subject, Sequence(found.sequence), "its headers are not those of a log"));
        };
        let (sequence, goes_on) = (Sequence(found.sequence), header(GOES_ON).is_some());
        let payload = Payload { bytes: found.payload, unpacked };
        Ok(Self { sequence, end, begins: begins.map_or(sequence, Sequence), goes_on, horizon, payload })
    }
}

/// Where a stream is with a message that ends one: `None` for a part that goes on, or what is no message of a log.
pub(super) fn end(headers: Option<&HeaderMap>) -> Option<End> {
    let headers = headers.filter(|headers| headers.get(GOES_ON).is_none())?;
    End::read(headers.get(END)?.as_str())
}

/// Puts a batch behind others.
pub(super) fn put(payload: &mut Vec<u8>, batch: &[u8]) {
    payload.extend_from_slice(&(batch.len() as u32).to_le_bytes());
    payload.extend_from_slice(batch);
}

/// Bytes that a batch takes.
pub(super) const fn size(batch: &[u8]) -> usize {
    LENGTH + batch.len()
}

impl Payload {
    /// Packs batches where they are many bytes: each NATS server keeps them, and sends them on.
    pub(super) fn pack(batches: Vec<u8>) -> Self {
        let is_large = (limits::PACKED_FROM..=limits::UNPACKED_MOST).contains(&batches.len());
        let packed = is_large.then(|| zstd::bulk::compress(&batches, limits::MESSAGE_LEVEL).ok()).flatten();
        match packed.filter(|packed| packed.len() < batches.len()) {
            Some(packed) => Self { bytes: packed.into(), unpacked: Some(batches.len()) },
            None => Self { bytes: batches.into(), unpacked: None },
        }
    }

    /// The payload that this is a part of, with other bytes.
    pub(super) fn with(&self, bytes: Bytes) -> Self {
        Self { bytes, ..*self }
    }

    /// The headers of a part of it.
    pub(super) fn headers(&self, end: &End, begins: Option<Sequence>, goes_on: bool) -> HeaderMap {
        headers(end, begins, goes_on, self.unpacked)
    }

    /// The batches that stand in it. `None` where it is no such thing.
    pub(super) fn batches(&self) -> Option<Vec<Arc<Batch>>> {
        match self.unpacked {
            None => batches(&self.bytes),
            Some(bytes) if bytes > limits::UNPACKED_MOST => None,
            Some(bytes) => batches(&zstd::bulk::decompress(&self.bytes, bytes).ok()?),
        }
    }
}

fn batches(mut payload: &[u8]) -> Option<Vec<Arc<Batch>>> {
    let mut batches = Vec::new();
    while let Some((length, rest)) = payload.split_first_chunk::<LENGTH>() {
        let (batch, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        batches.push(Arc::new(Batch::decode(batch).ok()?));
        payload = rest;
    }
    payload.is_empty().then_some(batches)
}

/// A message is not what it should be.
pub(super) fn damaged(subject: &str, sequence: Sequence, what: &str) -> LogError {
    LogError::Damaged { place: format!("JetStream, subject {subject}, message {}", sequence.0), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Writer;

    #[test]
    fn ends_and_batches_read_back() {
        let mut writer = Writer::new("s");
        let written = [writer.upserts(&[1, 2], "a"), writer.refusal(), writer.upserts(&[], "")].map(|next| next.batch);
        let (mut end, mut payload) = (End::nothing(Incarnation(u64::MAX)), Vec::new());
        for batch in &written {
            assert!(end.is_before(batch));
            end = end.with(batch);
            assert_eq!(End::read(&end.spell()), Some(end));
            let encoded = batch.encode();
            let before = payload.len();
            put(&mut payload, &encoded);
            assert_eq!(payload.len() - before, size(&encoded));
        }
        assert_eq!(batches(&payload), Some(written.to_vec()));
        assert_eq!(batches(&payload[..payload.len() - 1]), None);
        assert_eq!(End::read("1 2 3"), None);
    }

    #[test]
    fn what_is_large_is_packed_and_reads_back() {
        let mut writer = Writer::new("s");
        for (title, is_packed) in [("a", false), (&*"a".repeat(limits::PACKED_FROM), true)] {
            let batch = writer.upserts(&[1], title).batch;
            let mut payload = Vec::new();
            put(&mut payload, &batch.encode());
            let (size, packed) = (payload.len(), Payload::pack(payload));
            assert_eq!((packed.unpacked.is_some(), packed.bytes.len() < size), (is_packed, is_packed));
            assert_eq!(packed.batches(), Some(vec![batch]));
            let other = |unpacked| Payload { unpacked, ..packed.clone() }.batches();
            assert_eq!(other(Some(limits::UNPACKED_MOST + 1)), None);
            assert_eq!(other(Some(size - 1)), None);
            assert_eq!(packed.with(packed.bytes.slice(1..)).batches(), None);
        }
    }
}
