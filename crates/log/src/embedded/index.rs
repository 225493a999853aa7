//! The index of a sealed segment: which objects its events touch, each once.
//!
//! ```text
//! index = (length:1 collection uuids:4 step* texts:4 text*)*    collections and ids sorted
//! step  = length:1 bytes                                        how far a UUID is past the one before, big-endian
//! text  = shared:1 length:1 rest                                an id, and how much of the one before it begins with
//! ```
//!
//! It is written with its segment and never changed. A segment that touches nearly as many objects as it has events has
//! none: it would say little that the segment itself does not say.

use std::ops::ControlFlow;

use tapeline_core::block::EventBlock;
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::numbers::Seq;

use crate::pin::Touched;
use crate::touches::{Ids, Touches};

/// The index of a segment, where it is worth a row.
pub(super) fn index_of(segment: &EventBlock) -> Option<Vec<u8>> {
    let mut touches = Touches::new(usize::MAX);
    // What is no event has no keys.
    let _ = touches.add_block(segment, Seq::FIRST).ok()?;
    let Touched::Keys(keys) = touches.done() else { return None };
    let worth_it = keys.len() as u64 * 8 <= segment.count() * 7;
    worth_it.then(|| encode(&keys))
}

/// Gives `touches` what an index has. `None` where it cannot be read.
pub(super) fn read_index(index: &[u8], touches: &mut Touches) -> Option<ControlFlow<()>> {
    let mut rest = Rest(index);
    while !rest.0.is_empty() {
        let name = std::str::from_utf8(rest.short()?).ok()?;
        let ids = touches.ids(&Collection::new(name).ok()?);
        rest.uuids(ids)?;
        rest.texts(ids)?;
    }
    Some(touches.flow())
}

fn encode(keys: &[Key]) -> Vec<u8> {
    let mut index = Vec::with_capacity(keys.len() * 12);
    for keys in keys.chunk_by(|a, b| a.collection == b.collection) {
        put_short(&mut index, keys[0].collection.as_str().as_bytes());
        let uuids: Vec<u128> = keys.iter().filter_map(|key| key.id.as_uuid()).collect();
        put_uuids(&mut index, &uuids);
        let texts: Vec<&ObjectId> = keys.iter().map(|key| &key.id).filter(|id| id.as_uuid().is_none()).collect();
        put_texts(&mut index, &texts);
    }
    index
}

fn put_uuids(index: &mut Vec<u8>, uuids: &[u128]) {
    index.extend_from_slice(&(uuids.len() as u32).to_le_bytes());
    let mut last = 0;
    for &uuid in uuids {
        let step = uuid - last;
        put_short(index, &step.to_be_bytes()[step.leading_zeros() as usize / 8..]);
        last = uuid;
    }
}

fn put_texts(index: &mut Vec<u8>, texts: &[&ObjectId]) {
    index.extend_from_slice(&(texts.len() as u32).to_le_bytes());
    let mut last = Vec::new();
    for text in texts {
        text.with_str(|text| {
            let shared = text.bytes().zip(&last).take_while(|(a, b)| a == *b).count();
            index.push(shared as u8);
            put_short(index, &text.as_bytes()[shared..]);
            last = text.as_bytes().to_vec();
        });
    }
}

/// Names and ids are short.
fn put_short(index: &mut Vec<u8>, bytes: &[u8]) {
    index.push(bytes.len() as u8);
    index.extend_from_slice(bytes);
}

/// What is still to be read.
struct Rest<'i>(&'i [u8]);

impl<'i> Rest<'i> {
    fn take(&mut self, length: usize) -> Option<&'i [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<&'i [u8]> {
        let length = self.take(1)?[0];
        self.take(length.into())
    }

    fn count(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn uuids(&mut self, ids: &mut Ids) -> Option<()> {
        let mut last = 0u128;
        for _ in 0..self.count()? {
            let step = self.short()?;
            let mut whole = [0; 16];
            whole.get_mut(16usize.checked_sub(step.len())?..)?.copy_from_slice(step);
            last = last.checked_add(u128::from_be_bytes(whole))?;
            ids.add_uuid(last);
        }
        Some(())
    }

    fn texts(&mut self, ids: &mut Ids) -> Option<()> {
        let mut last = Vec::new();
        for _ in 0..self.count()? {
            last.truncate(self.take(1)?[0].into());
            last.extend_from_slice(self.short()?);
            ids.add_text(std::str::from_utf8(&last).ok()?);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{Writer, key};

    #[test]
    fn an_index_says_each_key_once() {
        let mut writer = Writer::new("s");
        let ids: Vec<u64> = (0..400).map(|place| place % 150).collect();
        let block = writer.upserts(&ids, "a").batch.block.clone();
        let (index, mut touches) = (index_of(&block).unwrap(), Touches::new(1_000));
        assert_eq!(read_index(&index, &mut touches), Some(ControlFlow::Continue(())));
        let mut expected: Vec<_> = (0..150).map(key).collect();
        expected.sort();
        assert_eq!(touches.done(), Touched::Keys(expected));
        assert_eq!(read_index(&index, &mut Touches::new(149)), Some(ControlFlow::Break(())));
    }

    #[test]
    fn a_segment_that_says_as_much_itself_has_none() {
        let mut writer = Writer::new("s");
        assert_eq!(index_of(&writer.upserts(&(0..400).collect::<Vec<_>>(), "a").batch.block), None);
    }

    #[test]
    fn what_is_no_index_is_none() {
        let mut random = fastrand::Rng::with_seed(6);
        let mut writer = Writer::new("s");
        let good = index_of(&writer.upserts(&vec![3; 40], "a").batch.block).unwrap();
        for _ in 0..2_000 {
            let mut bytes = good.clone();
            bytes[random.usize(..good.len())] = random.u8(..);
            bytes.truncate(random.usize(..=good.len()));
            let _ = read_index(&bytes, &mut Touches::new(100));
        }
        assert_eq!(read_index(&good[..good.len() - 1], &mut Touches::new(100)), None);
    }
}
