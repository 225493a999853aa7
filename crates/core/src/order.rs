//! Positions in a list that people sort by hand: texts that sort, byte by byte, between two others.
//!
//! A position is a fraction written in 62 digits, `0` to `9`, `A` to `Z`, `a` to `z`, without the point. A new one is made
//! of as few digits as put it halfway between its neighbours, then of a tail at random, so that those who insert at the
//! same place at the same time get different ones. At either end of a list it is one step away instead, counted in a
//! window of digits that is wider the more digits before it are used up: a list that grows at an end keeps short ones.
//!
//! ```text
//!   after V3kQw9Pd    a window of 3 digits:              V3l + tail
//!   after zz7AbCcDdE  2 digits used up, a window of 5:   zz7AbCd + tail
//! ```

use crate::short_text::SmolStr;

/// The digits, as they sort.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE: u64 = DIGITS.len() as u64;
const LARGEST: u8 = DIGITS.len() as u8 - 1;

/// Digits of a tail: some 900 million different ones.
const TAIL_DIGITS: u32 = 5;
/// Digits of the window where none before it is used up; each one that is adds one, to a most that 64 bits can count.
const WINDOW_DIGITS: usize = 3;
const WINDOW_DIGITS_MOST: usize = 9;
/// Positions made at once.
const COUNT_MOST: usize = 1_000_000;

/// Why there is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// One of the two is no position.
    #[error("a position is made of 0-9, A-Z and a-z; give only what was made as one")]
    NotAPosition,
    /// They are equal or the wrong way round.
    #[error(
        "the two positions are equal or the wrong way round; sort by position, then give one of two equals a new one"
    )]
    NotInOrder,
    /// Nothing sorts between them: one ends in the smallest digit, which no position made here does.
    #[error("nothing sorts between these two; give the one that ends in 0 a new position first")]
    NoRoom,
    /// More than are made at once.
    #[error("at most 1,000,000 positions are made at once; make them in several goes")]
    TooMany,
}

/// A position between two others; `None` is the beginning or the end of the list. `random` should differ each time.
///
/// # Errors
/// Where one is no position, they are not in order, or nothing sorts between them.
pub fn between(before: Option<&str>, after: Option<&str>, random: u64) -> Result<SmolStr, OrderError> {
    Ok(Room::find(before, after, 1)?.position(1, random))
}

/// So many positions between two others, in order; `None` is the beginning or the end of the list. `random` should differ
/// each time.
///
/// # Errors
/// Where one is no position, they are not in order, nothing sorts between them, or there are too many.
pub fn spread(
    before: Option<&str>,
    after: Option<&str>,
    count: usize,
    random: u64,
) -> Result<Vec<SmolStr>, OrderError> {
    if count > COUNT_MOST {
        return Err(OrderError::TooMany);
    }
    let room = Room::find(before, after, count as u64)?;
    Ok((1..=room.count).map(|step| room.position(step, random)).collect())
}

/// Room for `count` numbers of equally many digits: those above `low` and below `low + size`.
struct Room {
    low: Vec<u8>,
    size: u64,
    count: u64,
}

impl Room {
    fn find(before: Option<&str>, after: Option<&str>, count: u64) -> Result<Self, OrderError> {
        match (before.map(digits).transpose()?, after.map(digits).transpose()?) {
            (None, None) => Self::between(&[], &[LARGEST], count),
            (Some(before), None) => Ok(Self::after(&before, count)),
            (None, Some(after)) => Self::before(&after, count),
            (Some(before), Some(after)) if before < after => Self::between(&before, &after, count),
            _ => Err(OrderError::NotInOrder),
        }
    }

    /// As few digits as leave room.
    fn between(before: &[u8], after: &[u8], count: u64) -> Result<Self, OrderError> {
        // Past the end of both the room grows with each digit, unless there is none at all.
        let widest = before.len().max(after.len()) + WINDOW_DIGITS_MOST;
        let mut size = 0;
        for width in 1..=widest {
            size = size * BASE + digit(after, width - 1) - digit(before, width - 1);
            if size > count {
                return Ok(Self { low: padded(before, width), size, count });
            }
        }
        Err(OrderError::NoRoom)
    }

    /// The next numbers in the window.
    fn after(before: &[u8], count: u64) -> Self {
        let used = before.iter().take_while(|digit| **digit == LARGEST).count();
        let (mut end, mut above) = (used, 0);
        while end < used + window(used) || above < count {
            above = above * BASE + u64::from(LARGEST) - digit(before, end);
            end += 1;
        }
        Self { low: padded(before, end), size: count + 1, count }
    }

    /// The last numbers in the window.
    fn before(after: &[u8], count: u64) -> Result<Self, OrderError> {
        let used = after.iter().take_while(|digit| **digit == 0).count();
        if used == after.len() {
            return Err(OrderError::NoRoom);
        }
        let (mut end, mut below) = (used, 0);
        while end < used + window(used) || below <= count {
            below = below * BASE + digit(after, end);
            end += 1;
        }
        Ok(Self { low: sum(vec![0; end], below - count - 1), size: count + 1, count })
    }

    /// One of the numbers, evenly spread, from 1 to `count`; with a tail.
    fn position(&self, step: u64, random: u64) -> SmolStr {
        let mut position = sum(self.low.clone(), self.size * step / (self.count + 1));
        let mut tail = mixed(random.wrapping_add(step)) % BASE.pow(TAIL_DIGITS);
        for _ in 1..TAIL_DIGITS {
            position.push((tail % BASE) as u8);
            tail /= BASE;
        }
        // The smallest digit at the end would leave no room before it.
        position.push(tail.max(1) as u8);
        position.into_iter().map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
    }
}

fn digits(position: &str) -> Result<Vec<u8>, OrderError> {
    let mut digits = Vec::with_capacity(position.len());
    for byte in position.bytes() {
        digits.push(DIGITS.binary_search(&byte).map_err(|_| OrderError::NotAPosition)? as u8);
    }
    Ok(digits)
}

/// The digit at a place; past the end of a fraction all are 0.
fn digit(digits: &[u8], place: usize) -> u64 {
    digits.get(place).copied().unwrap_or(0).into()
}

fn padded(digits: &[u8], width: usize) -> Vec<u8> {
    let mut padded = digits.to_vec();
    padded.resize(width, 0);
    padded
}

fn window(used: usize) -> usize {
    (WINDOW_DIGITS + used).min(WINDOW_DIGITS_MOST)
}

/// A number and another, which together need no more digits.
fn sum(mut digits: Vec<u8>, mut more: u64) -> Vec<u8> {
    for digit in digits.iter_mut().rev() {
        more += u64::from(*digit);
        *digit = (more % BASE) as u8;
        more /= BASE;
    }
    digits
}

/// Spreads out numbers that are close together (the finalizer of SplitMix64).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
