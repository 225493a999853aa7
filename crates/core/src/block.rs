//! Blocks: runs of recorded events in the very bytes in which they are stored, sent and chained.
//!
//! A block is `count` CBOR byte strings, each the encoding of one recorded event, with dense seqs from `from`.
//! The log stores blocks, readers cut them, frames carry them: an event is encoded once in its life.

use std::ops::Range;

use crate::codec::CodecError;
use crate::codec::cbor;
use crate::event::Recorded;
use crate::hash::Chain;
use crate::name::Key;
use crate::numbers::Seq;

/// A run of recorded events, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBlock {
    from: Seq,
    count: u64,
    before: Chain,
    after: Chain,
    bytes: Vec<u8>,
}

impl EventBlock {
    /// No events, at a place on the log.
    pub const fn empty(at: Seq, chain: Chain) -> Self {
        Self { from: at, count: 0, before: chain, after: chain, bytes: Vec::new() }
    }

    /// Takes a block that was stored or sent, counting and chaining what is in it.
    ///
    /// # Errors
    /// Where `bytes` are anything but CBOR byte strings.
    pub fn from_bytes(from: Seq, before: Chain, bytes: Vec<u8>) -> Result<Self, CodecError> {
        let mut block = Self { from, count: 0, before, after: before, bytes: Vec::new() };
        for event in cbor::byte_strings(&bytes) {
            block.after = block.after.extend(event?);
            block.count += 1;
        }
        block.bytes = bytes;
        Ok(block)
    }

    /// Appends one recorded event.
    pub fn push(&mut self, recorded: &[u8]) {
        self.after = self.after.extend(recorded);
        self.count += 1;
        cbor::write_bytes(&mut self.bytes, recorded);
    }

    /// Appends the events of a block that goes on where this one ends.
    pub fn append(&mut self, next: &EventBlock) {
        debug_assert_eq!((self.end(), self.after), (next.from, next.before));
        self.bytes.extend_from_slice(&next.bytes);
        self.count += next.count;
        self.after = next.after;
    }

    /// The seqs of its events.
    pub fn range(&self) -> Range<Seq> {
        self.from..self.end()
    }

    /// The seq of its first event.
    pub const fn from(&self) -> Seq {
        self.from
    }

    /// The seq after its last event.
    pub const fn end(&self) -> Seq {
        self.from.plus(self.count)
    }

    /// How many events it has.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The chain of the log before its first event.
    pub const fn before(&self) -> Chain {
        self.before
    }

    /// The chain of the log after its last event.
    pub const fn after(&self) -> Chain {
        self.after
    }

    /// The chain of the log before the event `at`, which is one of the block's or the next one.
    pub fn chain_at(&self, at: Seq) -> Chain {
        if at >= self.end() {
            return self.after;
        }
        let earlier = self.encoded().take(at.since(self.from) as usize);
        earlier.fold(self.before, Chain::extend)
    }

    /// Its encoding: the byte strings, one after another.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The encodings of its events.
    pub fn encoded(&self) -> impl Iterator<Item = &[u8]> {
        cbor::byte_strings(&self.bytes).map_while(Result::ok)
    }

    /// Its events.
    pub fn events(&self) -> impl Iterator<Item = Result<Recorded, CodecError>> {
        self.encoded().map(|event| Ok(cbor::decode_recorded(event)?))
    }

    /// The keys of which its events say something, event by event.
    pub fn keys(&self) -> impl Iterator<Item = Result<Vec<Key>, CodecError>> {
        self.encoded().map(|event| Ok(cbor::recorded_keys(event)?))
    }

    /// The part of it from `from` on, as many events as `most_bytes` take, but at least one where there is one.
    pub fn slice(&self, from: Seq, most_bytes: usize) -> Self {
        let skip = from.since(self.from).min(self.count) as usize;
        let mut part = Self::empty(self.from, self.before);
        let (mut start, mut end) = (0, 0);
        for (place, event) in self.encoded().enumerate() {
            let size = cbor::bytes_size(event.len());
            if place < skip {
                part.before = part.before.extend(event);
                part.from = part.from.next();
                start += size;
                end = start;
                continue;
            }
            if part.count > 0 && end + size - start > most_bytes {
                break;
            }
            if part.count == 0 {
                part.after = part.before;
            }
            part.after = part.after.extend(event);
            part.count += 1;
            end += size;
        }
        if part.count == 0 {
            part.after = part.before;
        }
        part.bytes = self.bytes[start..end].to_vec();
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(from: u64, events: &[&[u8]]) -> EventBlock {
        let mut block = EventBlock::empty(Seq(from), Chain(from));
        events.iter().for_each(|event| block.push(event));
        block
    }

    #[test]
    fn a_slice_is_the_block_of_its_events() {
        let events: Vec<Vec<u8>> = (0..50u8).map(|i| vec![i; 1 + usize::from(i) * 7]).collect();
        let all: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
        let whole = block(10, &all);
        for start in 0..50 {
            let part = whole.slice(Seq(10 + start), 400);
            let mut expected = EventBlock::empty(part.from(), part.before());
            part.encoded().for_each(|event| expected.push(event));
            assert_eq!(part, expected);
            assert_eq!(part.from(), Seq(10 + start));
            assert_eq!(part.before(), whole.chain_at(part.from()));
            assert!(part.count() > 0);
            let mut joined = whole.slice(Seq(10), 0);
            while joined.end() < whole.end() {
                joined.append(&whole.slice(joined.end(), 300));
            }
            assert_eq!(joined, whole);
        }
    }

    #[test]
    fn bytes_read_back() {
        let whole = block(3, &[b"abc", b"", &[7; 300]]);
        assert_eq!(EventBlock::from_bytes(Seq(3), Chain(3), whole.bytes().to_vec()), Ok(whole));
        assert!(EventBlock::from_bytes(Seq(3), Chain(3), vec![0x43, 1]).is_err());
        assert!(EventBlock::from_bytes(Seq(3), Chain(3), vec![0x01]).is_err());
    }
}
