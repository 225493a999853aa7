//! Positions between positions: texts that sort by their bytes, with always another one between any two.
//!
//! A position is a fraction between 0 and 1 in base 62, its digits in ASCII order. The one in the middle of two others is
//! as short as can be, so appending and prepending thousands of times makes few digits; a random tail of two digits
//! keeps those apart who insert at the same place at the same time.

use smol_str::SmolStr;

/// Why there is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The two do not come in this order.
    #[error(
        "there is nothing between {0:?} and {1:?}: name the one that sorts first first, and not the same one twice"
    )]
    NotBetween(SmolStr, SmolStr),
    /// It is none.
    #[error("{0:?} is no position: positions are made of digits and letters, and do not end in 0")]
    NotAPosition(SmolStr),
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE: u64 = DIGITS.len() as u64;
/// Random digits at the end of a position.
const TAIL: u32 = 2;

/// A position between two others; `None` stands for the beginning, or the end.
///
/// # Errors
/// Where one of them is no position, or they are not in order.
pub fn between(before: Option<&str>, after: Option<&str>, random: u64) -> Result<SmolStr, OrderError> {
    let low = before.map_or(Ok(Vec::new()), digits)?;
    let high = after.map(digits).transpose()?;
    if let (Some(before), Some(after)) = (before, after)
        && before >= after
    {
        return Err(OrderError::NotBetween(before.into(), after.into()));
    }
    let mut middle = middle(&low, high.as_deref());
    let mut random = random;
    for _ in 0..TAIL {
        middle.push(random % BASE);
        random /= BASE;
    }
    if middle.last() == Some(&0) {
        middle.push(1 + random % (BASE - 1));
    }
    Ok(middle.into_iter().map(|digit| char::from(DIGITS[digit as usize])).collect::<String>().into())
}

fn digits(position: &str) -> Result<Vec<u64>, OrderError> {
    let digit = |byte: u8| DIGITS.binary_search(&byte).ok().map(|place| place as u64);
    let digits: Option<Vec<u64>> = position.bytes().map(digit).collect();
    let fits = |digits: &Vec<u64>| digits.last().is_some_and(|&last| last > 0);
    digits.filter(fits).ok_or_else(|| OrderError::NotAPosition(position.into()))
}

/// Digits that, whatever follows them, stand strictly between two positions.
fn middle(low: &[u64], high: Option<&[u64]>) -> Vec<u64> {
    let mut made = Vec::new();
    let mut high = high;
    for place in 0.. {
        let from = low.get(place).copied().unwrap_or(0);
        let to = high.map_or(BASE, |high| high.get(place).copied().unwrap_or(0));
        if to > from + 1 {
            made.push(step(from, to, low.len() <= place, high.is_none()));
            break;
        }
        made.push(from);
        if to > from {
            // From here on everything is below the upper one.
            high = None;
        }
    }
    made
}

/// A digit strictly between two others. At an open end it goes only a little way: there will be more to append.
fn step(from: u64, to: u64, low_ended: bool, open: bool) -> u64 {
    match (low_ended, open) {
        (false, true) => from + 1,
        (true, false) if from == 0 => to - 1,
        _ => (from + to) / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of numbers that look random (SplitMix64).
    fn numbers() -> impl FnMut() -> u64 {
        let mut state = 7u64;
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed ^ mixed >> 31
        }
    }

    fn check(count: usize, most: usize, place: impl Fn(usize, u64) -> usize) {
        let (mut random, mut all) = (numbers(), Vec::<SmolStr>::new());
        for _ in 0..count {
            let at = place(all.len(), random());
            let before = at.checked_sub(1).map(|before| all[before].as_str());
            let made = between(before, all.get(at).map(SmolStr::as_str), random()).unwrap();
            assert!(before.is_none_or(|before| before < made.as_str()), "{before:?} {made}");
            assert!(all.get(at).is_none_or(|after| made < *after), "{made} {:?}", all.get(at));
            all.insert(at, made);
        }
        let longest = all.iter().map(|position| position.len()).max().unwrap_or_default();
        assert!(longest <= most, "the longest has {longest} digits");
    }

    #[test]
    fn appending_and_prepending_stay_short() {
        check(10_000, 400, |len, _| len);
        check(10_000, 400, |_, _| 0);
    }

    #[test]
    fn any_place_has_a_place_between() {
        check(3_000, 60, |len, random| random as usize % (len + 1));
        check(1_000, 700, |len, _| len / 2);
        check(1_000, 700, |len, _| 1.min(len));
    }

    #[test]
    fn many_at_the_same_place_differ() {
        let mut random = numbers();
        let mut made: Vec<_> = (0..100).map(|_| between(Some("V1"), Some("W1"), random()).unwrap()).collect();
        made.sort();
        made.dedup();
        assert!(made.len() > 90, "{}", made.len());
    }

    #[test]
    fn what_is_no_position_is_an_error() {
        assert!(matches!(between(Some("b"), Some("a"), 0), Err(OrderError::NotBetween(..))));
        assert!(matches!(between(Some("a"), Some("a"), 0), Err(OrderError::NotBetween(..))));
        for other in ["", "a0", "é", "a b"] {
            assert!(matches!(between(Some(other), None, 0), Err(OrderError::NotAPosition(_))), "{other:?}");
        }
    }
}
