//! Makes events smaller before they are compressed, without losing a bit of them.
//!
//! A recorded event is a CBOR map whose numbers under a few keys are nearly known from the events before it: its seq,
//! its number at its client, its base and its time. Each is replaced by its distance to what was expected, mostly one
//! byte of zero; no general compressor finds that. Whatever is not such a map stays as it is, and a block that does not
//! come back bit for bit is not made thin at all: nothing is assumed of what streams carry.

use rustc_hash::FxHashMap;
use tapeline_core::numbers::Seq;

/// The keys of a recorded event that are known here.
mod key {
    pub(super) const SEQ: u64 = 0;
    pub(super) const CLIENT: u64 = 1;
    pub(super) const N: u64 = 2;
    pub(super) const BASE: u64 = 6;
    pub(super) const AT: u64 = 8;
}

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// The thin form of a block's bytes, where it has one.
pub(super) fn thin(block: &[u8], from: Seq) -> Option<Vec<u8>> {
    let thin = rewrite(block, from, Direction::Thin)?;
    (restore(&thin, from)? == block).then_some(thin)
}

/// The block's bytes from their thin form.
pub(super) fn restore(thin: &[u8], from: Seq) -> Option<Vec<u8>> {
    rewrite(thin, from, Direction::Restore)
}

#[derive(Clone, Copy)]
enum Direction {
    Thin,
    Restore,
}

/// What the events so far let one expect of the next. The same in both directions.
#[derive(Default)]
struct Expected {
    seq: u64,
    at: u64,
    client: Vec<u8>,
    /// The last `n` of each client.
    last: FxHashMap<Vec<u8>, u64>,
}

impl Expected {
    fn number(&self, key: u64) -> Option<u64> {
        match key {
            key::SEQ => Some(self.seq),
            // The seq was read before it.
            key::BASE => Some(self.seq.wrapping_sub(1)),
            key::AT => Some(self.at),
            key::N => Some(self.last.get(&self.client).map_or(0, |n| n.wrapping_add(1))),
            _ => None,
        }
    }

    fn learn(&mut self, key: u64, number: u64) {
        match key {
            key::SEQ => self.seq = number.wrapping_add(1),
            key::AT => self.at = number,
            key::N => drop(self.last.insert(self.client.clone(), number)),
            _ => {}
        }
    }
}

fn rewrite(bytes: &[u8], from: Seq, direction: Direction) -> Option<Vec<u8>> {
    let (mut rest, mut expected) = (Items(bytes), Expected { seq: from.0, ..Expected::default() });
    let (mut written, mut event) = (Vec::with_capacity(bytes.len()), Vec::new());
    while !rest.0.is_empty() {
        let content = rest.string(BYTES)?;
        event.clear();
        rewrite_event(content, &mut event, &mut expected, direction)?;
        write_head(&mut written, BYTES, event.len() as u64);
        written.extend_from_slice(&event);
    }
    Some(written)
}

fn rewrite_event(event: &[u8], to: &mut Vec<u8>, expected: &mut Expected, direction: Direction) -> Option<()> {
    let mut items = Items(event);
    let entries = items.head_of(MAP)?;
    write_head(to, MAP, entries);
    for _ in 0..entries {
        let key = items.head_of(UINT)?;
        write_head(to, UINT, key);
        match expected.number(key) {
            Some(likely) => {
                let found = items.head_of(UINT)?;
                let (number, other) = match direction {
                    Direction::Thin => (found, zigzag(found.wrapping_sub(likely))),
                    Direction::Restore => (likely.wrapping_add(unzigzag(found)), likely.wrapping_add(unzigzag(found))),
                };
                write_head(to, UINT, other);
                expected.learn(key, number);
            }
            None => {
                let item = items.item()?;
                if key == key::CLIENT {
                    expected.client = item.to_vec();
                }
                to.extend_from_slice(item);
            }
        }
    }
    items.0.is_empty().then_some(())
}

/// Small where the signed distance is small.
const fn zigzag(distance: u64) -> u64 {
    (distance << 1) ^ (((distance as i64) >> 63) as u64)
}

const fn unzigzag(coded: u64) -> u64 {
    (coded >> 1) ^ (coded & 1).wrapping_neg()
}

/// CBOR items, one after another.
struct Items<'b>(&'b [u8]);

impl<'b> Items<'b> {
    /// Reads the head of an item: its major type and argument.
    fn head(&mut self) -> Option<(u8, u64)> {
        let (&first, rest) = self.0.split_first()?;
        let short = first & 31;
        let length = match short {
            0..=23 => 0,
            24..=27 => 1 << (short - 24),
            _ => return None,
        };
        let (argument, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        let number = argument.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        Some((first >> 5, if length == 0 { u64::from(short) } else { number }))
    }

    fn head_of(&mut self, wanted: u8) -> Option<u64> {
        let (major, argument) = self.head()?;
        (major == wanted).then_some(argument)
    }

    /// Reads a byte or text string.
    fn string(&mut self, wanted: u8) -> Option<&'b [u8]> {
        let length = usize::try_from(self.head_of(wanted)?).ok()?;
        let (content, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }

    /// Reads a whole item, however deep it nests.
    fn item(&mut self) -> Option<&'b [u8]> {
        let (start, mut open) = (self.0, 1u64);
        while open > 0 {
            let (major, argument) = self.head()?;
            open -= 1;
            match major {
                BYTES | TEXT => self.0 = self.0.get(usize::try_from(argument).ok()?..)?,
                ARRAY => open = open.checked_add(argument)?,
                MAP => open = open.checked_add(argument.checked_mul(2)?)?,
                TAG => open = open.checked_add(1)?,
                _ => {}
            }
        }
        Some(&start[..start.len() - self.0.len()])
    }
}

/// Writes the head of an item, as short as it can be.
fn write_head(to: &mut Vec<u8>, major: u8, argument: u64) {
    let bytes = argument.to_be_bytes();
    let (short, length) = match argument {
        0..=23 => (argument as u8, 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    to.push(major << 5 | short);
    to.extend_from_slice(&bytes[8 - length..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Writer;

    #[test]
    fn events_come_back_and_are_smaller() {
        let mut writer = Writer::new("s");
        writer.upserts(&[1, 2, 3], "before");
        let block = writer.upserts(&(0..500).collect::<Vec<_>>(), "a title").batch.block.clone();
        let small = thin(block.bytes(), block.from()).unwrap();
        assert!(small.len() + 6 * 500 < block.bytes().len(), "{} {}", small.len(), block.bytes().len());
        assert_eq!(restore(&small, block.from()).unwrap(), block.bytes());
    }

    #[test]
    fn anything_else_stays_as_it_is() {
        let mut random = fastrand::Rng::with_seed(4);
        for length in 0..300 {
            let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            if let Some(small) = thin(&bytes, Seq(9)) {
                assert_eq!(restore(&small, Seq(9)).unwrap(), bytes);
            }
        }
        // A map with a number that is not spelled as short as it can be.
        assert_eq!(thin(&[0x44, 0xa1, 0, 0x18, 1], Seq(1)), None);
        assert_eq!(thin(b"\x45hello", Seq(1)), None);
    }

    #[test]
    fn distances_wrap() {
        for distance in [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 77] {
            assert_eq!(unzigzag(zigzag(distance)), distance);
        }
        assert_eq!(zigzag(u64::MAX), 1);
    }
}
