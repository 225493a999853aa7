//! What convergence of texts rests on: that splices compose and meet as they should, for every small case and for
//! random larger ones, and that histories of several authors give what a text of characters with tombstones gives.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fastrand::Rng;
use tapeline_core::splice::{Content, Splice, SpliceError, Splices};
use tapeline_core::value::Value;

/// Runs a check with a generator for each seed, and names the seed with which it fails.
fn each_seed(seeds: u64, check: impl Fn(&mut Rng)) {
    for seed in 0..seeds {
        let checked = catch_unwind(AssertUnwindSafe(|| check(&mut Rng::with_seed(seed))));
        assert!(checked.is_ok(), "the seed is {seed}");
    }
}

type Edit = Vec<(usize, usize, &'static str)>;

fn splices(edit: &Edit) -> Splices {
    let splices = edit.iter().map(|&(offset, delete, insert)| Splice {
        offset: offset as u64,
        delete: delete as u64,
        insert: Content::Text(insert.into()),
    });
    Splices::new(splices.collect()).unwrap()
}

fn on(text: &Value, splices: &Splices) -> Value {
    splices.apply(Some(text)).unwrap_or_else(|error| panic!("{splices:?} on {text:?}: {error}"))
}

/// Every edit of one splice on a text of this length.
fn single(len: usize, inserts: &[&'static str]) -> Vec<Edit> {
    let ranges = (0..=len).flat_map(|from| (from..=len).map(move |to| (from, to - from)));
    let all = ranges.flat_map(|(from, delete)| inserts.iter().map(move |&insert| vec![(from, delete, insert)]));
    all.filter(|edit| edit[0].1 > 0 || !edit[0].2.is_empty()).collect()
}

/// Every edit of two splices.
fn double(len: usize, inserts: &[&'static str]) -> Vec<Edit> {
    let one = single(len, inserts);
    let pairs = one.iter().flat_map(|a| one.iter().map(move |b| vec![a[0], b[0]]));
    pairs.filter(|edit| edit[1].0 >= edit[0].0 + edit[0].1).collect()
}

fn check_meeting(text: &Value, a: &Splices, b: &Splices) {
    let (a_past, b_past) = Splices::meet(a, b).unwrap();
    let (one, other) = (on(&on(text, a), &b_past), on(&on(text, b), &a_past));
    assert_eq!(one, other, "{a:?} and {b:?} on {text:?} became {a_past:?} and {b_past:?}");
    let undone = on(&on(text, a), &a.inverse(Some(text)).unwrap());
    assert_eq!(undone, *text, "{a:?} undone on {text:?}");
}

/// To be moved past two ops in turn, or past both as one, is the same, on either side.
fn check_composition(text: &Value, a: &Splices, b: &Splices, other: &Splices) {
    let both = a.then(b).unwrap();
    let after = on(&on(text, a), b);
    assert_eq!(on(text, &both), after, "{a:?} then {b:?} is {both:?} on {text:?}");
    let same = |one: &Splices, another: &Splices, on_text: &Value, why: &str| {
        assert_eq!(on(on_text, one), on(on_text, another), "{why}: {a:?} then {b:?} and {other:?} on {text:?}");
    };
    let (a_past, past_a) = Splices::meet(a, other).unwrap();
    let (b_past, past_ab) = Splices::meet(b, &past_a).unwrap();
    let (both_past, past_both) = Splices::meet(&both, other).unwrap();
    same(&past_both, &past_ab, &after, "past recorded ones");
    same(&both_past, &a_past.then(&b_past).unwrap(), &on(text, other), "recorded ones past another");
    let (past_a, a_past) = Splices::meet(other, a).unwrap();
    let (past_ab, b_past) = Splices::meet(&past_a, b).unwrap();
    let both = a.then_own(b).unwrap();
    assert_eq!(on(text, &both), after, "{a:?} then {b:?}, one's own, is {both:?} on {text:?}");
    let (past_both, both_past) = Splices::meet(other, &both).unwrap();
    same(&past_both, &past_ab, &after, "a recorded one past two");
    same(&both_past, &a_past.then(&b_past).unwrap(), &on(text, other), "two past a recorded one");
}

fn text(len: usize) -> Value {
    Value::text(&"abcdef"[..len])
}

#[test]
fn every_pair_of_small_edits_meets() {
    for len in 0..=5 {
        let (ours, theirs) = (single(len, &["", "X", "XY"]), single(len, &["", "P", "PQ"]));
        for a in &ours {
            for b in &theirs {
                check_meeting(&text(len), &splices(a), &splices(b));
                check_meeting(&text(len), &splices(b), &splices(a));
            }
        }
    }
}

#[test]
fn every_pair_of_small_double_edits_meets() {
    for len in 0..=4 {
        let (ours, theirs) = (double(len, &["", "X"]), double(len, &["", "P"]));
        for a in &ours {
            for b in &theirs {
                check_meeting(&text(len), &splices(a), &splices(b));
            }
        }
    }
}

#[test]
fn moving_past_two_is_moving_past_both() {
    for len in 0..=3 {
        for a in &single(len, &["", "X", "XY"]) {
            let a = splices(a);
            let after = on(&text(len), &a).as_text().unwrap_or_default().len();
            for b in &single(after, &["", "Z"]) {
                for other in &single(len, &["", "P"]) {
                    check_composition(&text(len), &a, &splices(b), &splices(other));
                }
            }
        }
    }
}

#[test]
fn a_deletion_before_an_insertion_stays_apart_from_it() {
    let of = |edit: Edit| splices(&edit);
    assert_eq!(of(vec![(2, 3, "")]).then(&of(vec![(2, 0, "x")])), Ok(of(vec![(2, 3, "x")])));
    assert_eq!(of(vec![(5, 0, "x")]).then(&of(vec![(2, 3, "")])), Ok(of(vec![(2, 3, ""), (5, 0, "x")])));
}

const INSERTS: [&str; 8] = ["", "a", "bc", "é", "e\u{301}", "😀", "\r\n", "long enough to leave the stack entirely"];

#[test]
fn one_that_ends_past_all_numbers_does_not_fit() {
    let past = Splices::text(u64::MAX, 5, "x");
    assert!(past.apply(Some(&"some text".into())).is_err(), "it is told, and not taken for one that changes nothing");
}

fn random_edit(random: &mut Rng, len: usize) -> Splices {
    let (mut at, mut edit) = (0, Vec::new());
    for _ in 0..random.usize(1..=3) {
        let offset = random.usize(at..=len);
        let delete = random.usize(0..=(len - offset).min(4));
        edit.push((offset, delete, *random.choice(&INSERTS).unwrap()));
        at = offset + delete;
    }
    splices(&edit)
}

fn chars(text: &Value) -> usize {
    text.as_text().map_or(0, |text| text.chars().count())
}

#[test]
fn random_edits_of_any_text_meet_and_compose() {
    each_seed(300, |random| {
        let mut text = Value::text("");
        for _ in 0..random.usize(0..12) {
            text = on(&text, &random_edit(random, chars(&text)));
        }
        let (a, other) = (random_edit(random, chars(&text)), random_edit(random, chars(&text)));
        let b = random_edit(random, chars(&on(&text, &a)));
        check_meeting(&text, &a, &other);
        check_composition(&text, &a, &b, &other);
    });
}

/// A text as characters that each have a name, edited in the plainest way.
type Named = Vec<u64>;

/// Edits a text of names; what is inserted is named in order from `new` on. Answers the names that went.
fn edit_named(text: &mut Named, edit: &Splices, new: u64) -> Named {
    let (mut gone, mut next) = (Vec::new(), new);
    let mut edited = Vec::new();
    let mut at = 0;
    for splice in edit.iter() {
        let (offset, end) = (splice.offset as usize, (splice.offset + splice.delete) as usize);
        let Content::Text(insert) = &splice.insert else { panic!("all are texts") };
        edited.extend_from_slice(&text[at..offset]);
        edited.extend(next..next + insert.chars().count() as u64);
        next += insert.chars().count() as u64;
        gone.extend_from_slice(&text[offset..end]);
        at = end;
    }
    edited.extend_from_slice(&text[at..]);
    *text = edited;
    gone
}

/// One who edits.
#[derive(Default)]
struct Author {
    played: usize,
    /// Its own edits since, as it made them.
    own: Vec<Splices>,
    shown: Named,
}

#[test]
fn histories_of_several_authors_keep_what_each_of_them_meant() {
    each_seed(2_000, |random| {
        let mut text = Named::new();
        let mut log: Vec<(usize, Splices)> = Vec::new();
        let mut authors: [Author; 3] = Default::default();
        let mut names = 0;
        for _ in 0..random.usize(1..30) {
            let number = random.usize(0..authors.len());
            let author = &mut authors[number];
            if random.u8(0..3) == 0 {
                *author = Author { played: log.len(), own: Vec::new(), shown: text.clone() };
            }
            let edit = random_edit(random, author.shown.len());
            let mut earlier = author.own.iter();
            let others = log[author.played..].iter().fold(Splices::default(), |others, (by, recorded)| {
                if *by == number {
                    Splices::meet(&others, earlier.next().unwrap()).unwrap().0
                } else {
                    others.then(recorded).unwrap()
                }
            });
            let recorded = Splices::meet(&others, &edit).unwrap().1;
            let meant_to_go = edit_named(&mut author.shown, &edit, names);
            let was_there = text.clone();
            let gone = edit_named(&mut text, &recorded, names);
            let expected: Named = was_there.iter().copied().filter(|name| meant_to_go.contains(name)).collect();
            assert_eq!(gone, expected, "{edit:?} was recorded as {recorded:?}");
            // Whatever its author sees to the left of what it inserts is there, or gone; so for the right.
            let place = |name: &u64| text.iter().position(|other| other == name);
            let shown: Vec<usize> = author.shown.iter().filter_map(place).collect();
            let new = |place: &usize| text[*place] >= names;
            for (at, inserted) in shown.iter().enumerate().filter(|(_, place)| new(place)) {
                assert!(shown[..at].iter().all(|left| left < inserted), "{edit:?} was recorded as {recorded:?}");
                assert!(shown[at + 1..].iter().all(|right| right > inserted), "{edit:?} was recorded as {recorded:?}");
            }
            names += 1_000;
            author.own.push(edit);
            log.push((number, recorded));
        }
    });
}

#[test]
fn bytes_are_spliced_like_texts() {
    let bytes = |bytes: &[u8]| Value::Bytes(Arc::from(bytes));
    let edit = |offset, delete, insert: &[u8]| {
        Splices::new(vec![Splice { offset, delete, insert: Content::Bytes(insert.into()) }]).unwrap()
    };
    let (a, b) = (edit(1, 1, &[9, 9]), edit(2, 1, &[]));
    let (a_past, b_past) = Splices::meet(&a, &b).unwrap();
    let start = bytes(&[0, 1, 2, 3]);
    assert_eq!(on(&on(&start, &a), &b_past), bytes(&[0, 9, 9, 3]));
    assert_eq!(on(&on(&start, &b), &a_past), bytes(&[0, 9, 9, 3]));
    assert_eq!(on(&start, &a.then(&edit(0, 1, &[])).unwrap()), bytes(&[9, 9, 2, 3]));
    assert_eq!(on(&on(&start, &b), &b.inverse(Some(&start)).unwrap()), start);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let splice = |offset, delete, insert: &str| Splice { offset, delete, insert: Content::Text(insert.into()) };
    assert_eq!(Splices::new(vec![splice(3, 2, ""), splice(4, 0, "x")]), Err(SpliceError::Unsorted));
    assert_eq!(Splices::new(vec![splice(u64::MAX, 2, "")]), Err(SpliceError::Unsorted));
    let far = Splices::new(vec![splice(u64::MAX - 1, 1, "x")]).unwrap();
    assert!(matches!(far.apply(Some(&Value::text("abc"))), Err(SpliceError::PastTheEnd { .. })));
    assert!(matches!(far.apply(Some(&Value::text("é"))), Err(SpliceError::PastTheEnd { .. })));
    assert!(far.inverse(Some(&Value::text("abc"))).is_err());
    far.then(&Splices::text(u64::MAX, 0, "y")).unwrap();
    Splices::meet(&far, &far).unwrap();
    let bytes = Splices::new(vec![Splice { offset: 0, delete: 0, insert: Content::Bytes([1].into()) }]).unwrap();
    assert_eq!(bytes.apply(Some(&Value::text("abc"))), Err(SpliceError::OtherContent));
    assert_eq!(bytes.then(&far), Err(SpliceError::OtherContent));
    assert_eq!(Splices::text(0, 1, "x").apply(Some(&Value::Int(1))), Err(SpliceError::OtherContent));
    assert_eq!(Splices::text(0, 0, "x").apply(None), Ok(Value::text("x")));
}

#[test]
fn the_difference_of_two_texts_makes_one_of_the_other() {
    each_seed(100, |random| {
        let some = |random: &mut Rng| {
            Value::text((0..random.usize(0..6)).map(|_| *random.choice(&["a", "é", "😀"]).unwrap()).collect::<String>())
        };
        let (before, after) = (some(random), some(random));
        let difference = Splices::between(Some(&before), Some(&after)).unwrap();
        assert_eq!(difference.apply(Some(&before)), Ok(after));
    });
}

#[test]
fn what_several_have_typed_at_several_places_is_found_there() {
    each_seed(100, |random| {
        let before: Vec<char> = (0..random.u32(1..600)).filter_map(|letter| char::from_u32(0x4e00 + letter)).collect();
        let mut after = before.clone();
        let letters = random.usize(0..20);
        for _ in 0..letters {
            match random.usize(..=after.len()) {
                at if random.bool() || at == after.len() => after.insert(at, '.'),
                at => drop(after.remove(at)),
            }
        }
        let text = |letters: &[char]| Value::text(letters.iter().collect::<String>());
        let difference = Splices::between(Some(&text(&before)), Some(&text(&after))).unwrap();
        assert_eq!(difference.apply(Some(&text(&before))), Ok(text(&after)));
        let size = |splice: &Splice| match &splice.insert {
            Content::Text(text) => splice.delete as usize + text.chars().count(),
            Content::Bytes(_) => panic!("it is text"),
        };
        assert!(difference.iter().map(size).sum::<usize>() <= letters);
    });
}

#[test]
fn what_was_typed_on_a_text_stays_with_the_letters_next_to_it() {
    let moved = |typed: Splices, before: &str, after: &str| {
        let (before, after) = (Value::text(before), Value::text(after));
        typed.moved_to(Some(&before), Some(&after)).unwrap().apply(Some(&after)).unwrap()
    };
    let insert = |at| Splices::text(at, 0, "*");
    assert_eq!(moved(insert(3), "<a><b>", "<a>"), Value::text("<a>*"));
    assert_eq!(moved(insert(6), "<a><b>", "<b>"), Value::text("<b>*"));
    assert_eq!(moved(insert(3), "<a><b>", "<b><a>"), Value::text("<b>*<a>"));
    assert_eq!(moved(insert(14), "<0.3.1><0.3.0><0.0.0><3.0.1>", "<0.3.1><0.3.0><3.0.1>"), {
        Value::text("<0.3.1><0.3.0>*<3.0.1>")
    });
    // Where somebody else has typed at the same place, theirs stands to the left.
    assert_eq!(moved(insert(1), "ab", "aXYb"), Value::text("aXY*b"));
    // What was selected goes, as far as it is there, and what others have typed in it stays.
    assert_eq!(moved(Splices::text(1, 3, "*"), "abcde", "abXcde"), Value::text("a*Xe"));
    assert_eq!(moved(Splices::text(1, 3, "*"), "abcde", "ae"), Value::text("a*e"));
    let two = Splices::new(
        [(0, "1"), (2, "2")]
            .map(|(offset, letter)| Splice { offset, delete: 0, insert: Content::Text(letter.into()) })
            .into(),
    )
    .unwrap();
    assert_eq!(moved(two, "ab", ""), Value::text("12"));
}
