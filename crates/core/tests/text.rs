//! Long texts are kept in pieces, which nobody sees: whatever is done to one, it is what a list of characters would be.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;
use tapeline_core::codec::cbor;
use tapeline_core::splice::{Content, Splice, SpliceError, Splices};
use tapeline_core::value::Value;

const LETTERS: [char; 6] = ['a', 'n', '\n', 'é', '日', '😀'];

fn letters(random: &mut Rng, most: usize) -> String {
    // Now and then plain ASCII, which is measured in another way.
    let kinds = if random.bool() { 3 } else { LETTERS.len() };
    (0..random.usize(0..=most)).map(|_| LETTERS[random.usize(..kinds)]).collect()
}

/// A place to edit: mostly near the last one, as people do.
fn range(random: &mut Rng, from: usize, len: usize) -> (usize, usize) {
    let offset = random.usize(from..=len);
    let most = if random.u8(..8) == 0 { 3_000 } else { 5 };
    (offset, random.usize(0..=most.min(len - offset)))
}

fn splices(random: &mut Rng, len: usize) -> Vec<Splice> {
    let (mut from, mut all) = (0, Vec::new());
    let count = *random.choice(&[1, 1, 1, 2, 5, 40]).unwrap();
    for _ in 0..count {
        let (offset, delete) = range(random, from, len);
        let most = *random.choice(&[0, 1, 3, 3_000]).unwrap();
        let insert = Content::Text(letters(random, most).as_str().into());
        all.push(Splice { offset: offset as u64, delete: delete as u64, insert });
        from = offset + delete;
    }
    all
}

/// What becomes of characters, from the last splice to the first.
fn apply(chars: &mut Vec<char>, splices: &[Splice]) {
    for Splice { offset, delete, insert } in splices.iter().rev() {
        let Content::Text(insert) = insert else { panic!("text") };
        let (from, to) = (*offset as usize, (offset + delete) as usize);
        chars.splice(from..to, insert.chars());
    }
}

fn check(random: &mut Rng) {
    let start = letters(random, 6_000);
    let (mut chars, mut text): (Vec<char>, _) = (start.chars().collect(), Value::text(&start));
    for _ in 0..60 {
        let all = splices(random, chars.len());
        let (before, was) = (text.clone(), chars.iter().collect::<String>());
        let op = Splices::new(all.clone()).unwrap();
        text = op.apply(Some(&text)).unwrap();
        apply(&mut chars, &all);
        let expected: String = chars.iter().collect();
        assert_eq!(cbor::encode_value(&text), cbor::encode_value(&Value::text(&expected)), "{op:?} on {was:?}");
        assert_eq!(text, Value::text(&expected), "{op:?} on {was:?}");
        assert_eq!(before, Value::text(&was), "a copy stays what it was");
        let undone = op.inverse(Some(&before)).unwrap().apply(Some(&text)).unwrap();
        assert_eq!(undone, before, "{op:?} undone on {was:?}");
    }
    let past = Splices::text(chars.len() as u64, 1, "x");
    let (end, len) = (chars.len() as u64 + 1, chars.len() as u64);
    assert_eq!(past.apply(Some(&text)), Err(SpliceError::PastTheEnd { end, len }));
}

#[test]
fn a_long_text_is_what_its_characters_are() {
    for seed in 0..60 {
        let checked = catch_unwind(AssertUnwindSafe(|| check(&mut Rng::with_seed(seed))));
        assert!(checked.is_ok(), "the seed is {seed}");
    }
}
