//! How a text became another: what was deleted and inserted where, in pieces that a person would name.
//!
//! Compared by words, so that two words that share some letters by chance are not woven together; then each piece is
//! narrowed to the letters that differ. The comparison is bounded: for texts with little in common it takes a shorter
//! look and finds fewer pieces.

use std::ops::Range;

use similar::{DiffTag, TextDiff};
use smol_str::SmolStr;
use tapeline_core::op::Edit;
use tapeline_core::splice::{Content, Splice, Splices};
use tapeline_core::value::Value;

/// The edit that makes a text another.
pub(crate) fn edit(before: &str, after: &str) -> Edit {
    let splice =
        |Piece { offset, delete, insert }| Splice { offset, delete, insert: Content::Text(SmolStr::new(insert)) };
    let splices = Splices::new(pieces(before, after).into_iter().map(splice).collect());
    // More pieces than one op may have are as good as another text.
    splices.map_or_else(|_| Edit::Set(Value::text(after)), Edit::Splice)
}

/// At `offset` of the text before, `delete` scalar values go and `insert` comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'t> {
    offset: u64,
    delete: u64,
    insert: &'t str,
}

/// The pieces in which two texts differ, in order and disjoint.
pub(crate) fn pieces<'t>(before: &str, after: &'t str) -> Vec<Piece<'t>> {
    let hunks = join(words(before, after)).into_iter().map(|hunk| hunk.narrowed(before, after));
    let (mut place, mut offset) = (0, 0);
    let piece = |hunk: Hunk| {
        offset += count(&before[place..hunk.before.start]);
        place = hunk.before.start;
        Piece { offset, delete: count(&before[hunk.before]), insert: &after[hunk.after] }
    };
    hunks.map(piece).collect()
}

/// Bytes of the text before that became bytes of the text after.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hunk {
    before: Range<usize>,
    after: Range<usize>,
}

/// The runs of words that differ, in order.
fn words(before: &str, after: &str) -> Vec<Hunk> {
    let difference = TextDiff::from_words(before, after);
    let (mut old, mut new) = (difference.iter_old_slices(), difference.iter_new_slices());
    let (mut old_place, mut new_place) = (0, 0);
    let mut hunks = Vec::new();
    for op in difference.ops() {
        let bytes = |words: &mut dyn Iterator<Item = &str>, count| words.take(count).map(str::len).sum::<usize>();
        let old_end = old_place + bytes(&mut old, op.old_range().len());
        let new_end = new_place + bytes(&mut new, op.new_range().len());
        if op.tag() != DiffTag::Equal {
            hunks.push(Hunk { before: old_place..old_end, after: new_place..new_end });
        }
        (old_place, new_place) = (old_end, new_end);
    }
    hunks
}

/// Joins neighbours with less in common than either changes: what they share there, they share by chance.
fn join(hunks: Vec<Hunk>) -> Vec<Hunk> {
    let mut joined: Vec<Hunk> = Vec::with_capacity(hunks.len());
    for mut hunk in hunks {
        while let Some(last) = joined.pop_if(|last| hunk.before.start - last.before.end <= last.size().min(hunk.size()))
        {
            hunk = Hunk { before: last.before.start..hunk.before.end, after: last.after.start..hunk.after.end };
        }
        joined.push(hunk);
    }
    joined
}

impl Hunk {
    fn size(&self) -> usize {
        self.before.len().max(self.after.len())
    }

    /// Without what is the same at both ends.
    fn narrowed(self, before: &str, after: &str) -> Self {
        let (old, new) = (&before[self.before.clone()], &after[self.after.clone()]);
        let head = common(old.chars().zip(new.chars()));
        let (old, new) = (&old[head..], &new[head..]);
        let tail = common(old.chars().rev().zip(new.chars().rev()));
        Self {
            before: self.before.start + head..self.before.end - tail,
            after: self.after.start + head..self.after.end - tail,
        }
    }
}

/// Bytes of the characters that are the same, up to the first that is not.
fn common(pairs: impl Iterator<Item = (char, char)>) -> usize {
    pairs.take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

fn count(text: &str) -> u64 {
    text.chars().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'t>(before: &str, after: &'t str) -> Vec<(u64, u64, &'t str)> {
        pieces(before, after).into_iter().map(|piece| (piece.offset, piece.delete, piece.insert)).collect()
    }

    fn applied(before: &str, pieces: &[Piece<'_>]) -> String {
        let mut chars = before.chars();
        let (mut text, mut place) = (String::new(), 0);
        for piece in pieces {
            text.extend(chars.by_ref().take((piece.offset - place) as usize));
            chars.by_ref().take(piece.delete as usize).for_each(drop);
            text += piece.insert;
            place = piece.offset + piece.delete;
        }
        text.extend(chars);
        text
    }

    #[test]
    fn pieces_are_what_a_person_would_name() {
        assert_eq!(told("the color of it", "the colour of it"), [(8, 0, "u")]);
        assert_eq!(told("one two three four five", "one 2 three four 5"), [(4, 3, "2"), (19, 4, "5")]);
        assert_eq!(told("a\r\nb\r\nc", "a\r\nc"), [(3, 3, "")]);
        assert_eq!(
            told("say 👩‍👩‍👧 to é and ö here", "say 👩‍👩‍👧 to e\u{301} and u here"),
            [(13, 1, "e\u{301}"), (19, 1, "u")]
        );
        assert_eq!(told("same", "same"), []);
        assert_eq!(told("", "new"), [(0, 0, "new")]);
    }

    #[test]
    fn what_is_shared_by_chance_is_not_woven_together() {
        assert_eq!(told("a cat sat on the mat", "we went to bed early").len(), 1);
    }

    #[test]
    fn applied_to_the_text_before_they_give_the_text_after() {
        for seed in 0..2_000 {
            let random = &mut fastrand::Rng::with_seed(seed);
            let (before, after) = (random_text(random), random_text(random));
            let pieces = pieces(&before, &after);
            assert_eq!(applied(&before, &pieces), after, "seed {seed}");
            assert!(pieces.is_sorted_by(|a, b| a.offset + a.delete < b.offset), "seed {seed}: {pieces:?}");
        }
    }

    fn random_text(random: &mut fastrand::Rng) -> String {
        let words = ["a", "b", "word", "words", " ", "  ", "\n", "\r\n", "é", "e\u{301}", "👩‍👧", ".", "日本"];
        (0..random.usize(0..40)).map(|_| *random.choice(&words).unwrap()).collect()
    }
}
