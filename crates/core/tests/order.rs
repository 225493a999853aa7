//! Positions between others: always between, always with room left, and short.

mod support;

use fastrand::Rng;
use support::for_seeds;
use tapeline_core::order::{OrderError, between, spread};
use tapeline_core::short_text::SmolStr;

/// Checks that a new position is between two others, and is one.
fn is_between(before: Option<&str>, position: &str, after: Option<&str>) {
    assert!(before.is_none_or(|before| before < position), "{position} after {before:?}");
    assert!(after.is_none_or(|after| position < after), "{position} before {after:?}");
    assert!(!position.ends_with('0') && position.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{position}");
}

/// The longest of many made one after the other, each between what `neighbours` says of those there are.
fn longest(count: usize, neighbours: impl Fn(&[SmolStr], &mut Rng) -> usize) -> usize {
    let mut random = Rng::with_seed(1);
    let mut list: Vec<SmolStr> = Vec::new();
    for _ in 0..count {
        let place = neighbours(&list, &mut random);
        let (before, after) =
            (place.checked_sub(1).map(|before| &*list[before]), list.get(place).map(|after| &**after));
        let position = between(before, after, random.u64(..)).unwrap();
        is_between(before, &position, after);
        list.insert(place, position);
    }
    assert!(list.is_sorted());
    list.iter().map(|position| position.len()).max().unwrap_or(0)
}

#[test]
fn a_list_that_grows_at_an_end_keeps_short_positions() {
    assert!(longest(10_000, |list, _| list.len()) <= 8);
    assert!(longest(10_000, |_, _| 0) <= 8);
}

#[test]
fn at_random_places_positions_grow_with_the_logarithm() {
    assert!(longest(10_000, |list, random| random.u64(..=list.len() as u64) as usize) <= 15);
}

#[test]
fn at_one_place_positions_grow_by_a_digit_in_several() {
    assert!(longest(1_000, |list, _| 1.min(list.len())) <= 200);
    assert!(longest(1_000, |list, _| list.len().saturating_sub(1)) <= 200);
    assert!(longest(1_000, |list, _| list.len() / 2) <= 200);
}

#[test]
fn many_who_insert_at_the_same_place_get_different_positions() {
    let mut random = Rng::with_seed(1);
    for (before, after) in [(None, None), (Some("V"), None), (None, Some("V")), (Some("V"), Some("W"))] {
        let mut made: Vec<_> = (0..1_000).map(|_| between(before, after, random.u64(..)).unwrap()).collect();
        made.iter().for_each(|position| is_between(before, position, after));
        made.sort_unstable();
        assert!(made.windows(2).all(|pair| pair[0] != pair[1]));
        // And between any two of them there is room again.
        for pair in made.windows(2) {
            is_between(Some(&pair[0]), &between(Some(&pair[0]), Some(&pair[1]), 0).unwrap(), Some(&pair[1]));
        }
    }
}

#[test]
fn between_any_two_that_leave_room_there_is_one() {
    for_seeds(100_000, |seed, random| {
        let [a, b] = [(); 2].map(|()| any(random));
        let (before, after) = (a.as_deref(), b.as_deref());
        let count = random.usize(..20);
        match spread(before, after, count, random.u64(..)) {
            Ok(made) => {
                assert_eq!(made.len(), count, "seed {seed}");
                made.iter().for_each(|position| is_between(before, position, after));
                assert!(made.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: {made:?}");
            }
            Err(OrderError::NotInOrder) => assert!(a.is_some() && b.is_some() && a >= b, "seed {seed}: {a:?} {b:?}"),
            Err(OrderError::NoRoom) => {
                let low = a.clone().unwrap_or_default();
                let zeros = b.as_deref().and_then(|b| b.strip_prefix(&*low));
                assert!(zeros.is_some_and(|zeros| zeros.bytes().all(|zero| zero == b'0')), "seed {seed}: {a:?} {b:?}");
            }
            Err(error) => panic!("seed {seed}: {a:?} {b:?} {error}"),
        }
    });
}

#[test]
fn a_whole_list_is_spread_evenly() {
    let made = spread(None, None, 10_000, 7).unwrap();
    assert!(made.is_sorted() && made.iter().all(|position| position.len() == 8));
    for (before, after) in [(Some("zzz"), None), (None, Some("001")), (Some("V"), Some("V00001"))] {
        let made = spread(before, after, 300_000, 7).unwrap();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        made.iter().for_each(|position| is_between(before, position, after));
    }
    assert_eq!(spread(None, None, usize::MAX, 7), Err(OrderError::TooMany));
}

#[test]
fn what_has_no_position_between_says_what_to_do() {
    for (before, after, error, says) in [
        (Some("V"), Some("V"), OrderError::NotInOrder, "sort by position"),
        (Some("W"), Some("V"), OrderError::NotInOrder, "sort by position"),
        (Some("V"), Some("V0"), OrderError::NoRoom, "new position"),
        (None, Some("0"), OrderError::NoRoom, "new position"),
        (None, Some(""), OrderError::NoRoom, "new position"),
        (Some("V-1"), None, OrderError::NotAPosition, "0-9, A-Z and a-z"),
    ] {
        assert_eq!(between(before, after, 0), Err(error), "{before:?} {after:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// Any text of the digits, with a liking for the smallest and the largest; or an end.
fn any(random: &mut Rng) -> Option<SmolStr> {
    let digits = ["0", "00", "z", "zzzz", "V", "W", "1", "y"];
    (random.u8(..5) > 0)
        .then(|| (0..random.usize(..8)).filter_map(|_| random.choice(digits)).collect::<String>().into())
}
