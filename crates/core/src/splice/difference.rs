//! The difference of two texts: the fewest letters that go and come (Eugene Myers, "An O(ND) Difference Algorithm and Its
//! Variations", 1986). Where several places of a text have changed, what is between them stays where it is.
//!
//! Often there are several differences that are equally small, and some of them tear words apart that somebody typed:
//! `<a><b>` becomes `<a>` where `><b` goes, too. So a place in a text is not looked for in a difference that was chosen
//! before. It is where the least goes and comes before it and behind it, with the same letters next to it if possible.

use std::ops::{Range, RangeInclusive};

use super::parts::Builder;
use super::{Content, Splices};
use crate::limits;

/// What it counts for, in letters that go or come, that another letter is next to a place than was.
const NEIGHBOUR: usize = 4;

/// Two texts side by side.
pub(super) struct Difference {
    before: Vec<char>,
    after: Vec<char>,
    /// How far one gets from the front; nothing where more than [`DIFFERENCE`](limits::DIFFERENCE) letters go and come.
    forth: Rows,
}

/// By so many edits, of which so many take a letter away: how far one gets in the text before.
type Rows = Vec<Vec<usize>>;

impl Difference {
    pub(super) fn of(before: &str, after: &str) -> Self {
        Self::new(before.chars().collect(), after.chars().collect())
    }

    fn new(before: Vec<char>, after: Vec<char>) -> Self {
        let forth = reached(&before, &after);
        Self { before, after, forth }
    }

    /// The difference of a part of the text before and one of that after.
    pub(super) fn within(&self, before: Range<u64>, after: Range<u64>) -> Self {
        let part = |letters: &[char], Range { start, end }: Range<u64>| {
            letters.iter().copied().take(end as usize).skip(start as usize).collect()
        };
        Self::new(part(&self.before, before), part(&self.after, after))
    }

    /// Whether more goes and comes than is looked for place by place.
    pub(super) fn is_large(&self) -> bool {
        self.forth.is_empty()
    }

    /// What makes one text of the other: all that is between their common front and their common end where that is much.
    pub(super) fn splices(&self) -> Option<Splices> {
        let mut builder = Builder::like(None);
        if self.is_large() {
            self.build_one(&mut builder)
        } else {
            self.build_each(&mut builder)
        }
        builder.finish().ok()
    }

    fn build_one(&self, builder: &mut Builder) {
        let (before, after) = (&self.before, &self.after);
        let front = before.iter().zip(after).take_while(|(before, after)| before == after).count();
        let (before, after) = (&before[front..], &after[front..]);
        let end = before.iter().rev().zip(after.iter().rev()).take_while(|(before, after)| before == after).count();
        builder.keep(front as u64);
        builder.insert(Content::Text(after[..after.len() - end].iter().copied().collect()));
        builder.delete((before.len() - end) as u64);
    }

    fn build_each(&self, builder: &mut Builder) {
        let Some(mut gone) = self.forth.last().map(|last| last.len() - 1) else { return };
        // The edits, from the last one on: where, and what comes there, unless something goes.
        let mut edits = Vec::with_capacity(self.forth.len());
        for (place, last) in self.forth.iter().enumerate().rev().skip(1) {
            let goes = goes(last, gone);
            gone -= usize::from(goes);
            let comes = self.after.get(other(last[gone], place, gone)).filter(|_| !goes);
            edits.push((last[gone], comes));
        }
        let mut at = 0;
        for (place, comes) in edits.into_iter().rev() {
            builder.keep((place - at) as u64);
            at = place;
            match comes {
                Some(letter) => builder.insert(Content::Text(std::iter::once(*letter).collect())),
                None => {
                    builder.delete(1);
                    at += 1;
                }
            }
        }
    }

    /// Where places in the text before are in the one after.
    pub(super) fn places(&self) -> Places<'_> {
        let reversed = |letters: &[char]| letters.iter().rev().copied().collect::<Vec<_>>();
        Places { difference: self, back: reached(&reversed(&self.before), &reversed(&self.after)) }
    }
}

/// Where places in the text before are in the one after.
pub(super) struct Places<'d> {
    difference: &'d Difference,
    /// How far one gets from the end.
    back: Rows,
}

impl Places<'_> {
    /// From where to where so many letters at a place are.
    pub(super) fn range(&self, place: u64, letters: u64) -> Range<u64> {
        match self.whole(place as usize, letters as usize) {
            Some(found) => found..found + letters,
            None => self.place(place)..self.place(place + letters),
        }
    }

    /// Where letters are that nobody has torn apart, if anywhere.
    fn whole(&self, place: usize, letters: usize) -> Option<u64> {
        let Difference { before, after, forth } = self.difference;
        let searched = before.get(place..place.checked_add(letters)?).filter(|letters| !letters.is_empty())?;
        let found = self.near(place).filter(|start| after[*start..].starts_with(searched));
        let changed =
            |start: usize| self.front(place, start).saturating_add(self.rest(place + letters, start + letters));
        let found = found.min_by_key(|start| changed(*start))?;
        (changed(found) < forth.len() + NEIGHBOUR).then_some(found as u64)
    }

    fn place(&self, place: u64) -> u64 {
        let Difference { before, after, .. } = self.difference;
        let place = (place as usize).min(before.len());
        let changed = |found: usize| {
            let others = usize::from(letter_before(before, place) != letter_before(after, found))
                + usize::from(before.get(place) != after.get(found));
            self.front(place, found).saturating_add(self.rest(place, found)).saturating_add(NEIGHBOUR * others)
        };
        // What others have typed at the same place stands to the left.
        self.near(place).rev().min_by_key(|found| changed(*found)).unwrap_or(after.len()) as u64
    }

    /// Where a place may be.
    fn near(&self, place: usize) -> RangeInclusive<usize> {
        let far = self.difference.forth.len();
        place.saturating_sub(far)..=self.difference.after.len().min(place + far)
    }

    /// How much has changed in front of a place, if it is there.
    fn front(&self, place: usize, found: usize) -> usize {
        edits(&self.difference.forth, place, found)
    }

    /// How much has changed behind it.
    fn rest(&self, place: usize, found: usize) -> usize {
        let Difference { before, after, .. } = self.difference;
        edits(&self.back, before.len() - place, after.len() - found)
    }
}

fn letter_before(letters: &[char], at: usize) -> Option<&char> {
    letters.get(at.checked_sub(1)?)
}

/// How many edits lead to a place in both texts; past all numbers where one did not get there.
fn edits(rows: &Rows, before: usize, after: usize) -> usize {
    let reaches = |edits: &usize| rows[*edits].get((edits + before - after) / 2).is_some_and(|at| *at >= before);
    (before.abs_diff(after)..rows.len()).step_by(2).find(reaches).unwrap_or(usize::MAX)
}

/// How far one gets until both are at their ends; nothing where that takes too many edits.
fn reached(before: &[char], after: &[char]) -> Rows {
    let mut rows: Rows = Vec::new();
    for edits in 0..=limits::DIFFERENCE {
        let mut row = Vec::with_capacity(edits + 1);
        for gone in 0..=edits {
            let mut at = rows.last().map_or(0, |last| if goes(last, gone) { last[gone - 1] + 1 } else { last[gone] });
            while at < before.len() && before.get(at) == after.get(other(at, edits, gone)) {
                at += 1;
            }
            row.push(at);
            if at >= before.len() && other(at, edits, gone) >= after.len() {
                rows.push(row);
                return rows;
            }
        }
        rows.push(row);
    }
    Vec::new()
}

/// Whether the last edit is best one that takes a letter away, where so many do in all.
fn goes(last: &[usize], gone: usize) -> bool {
    gone > 0 && last.get(gone).is_none_or(|comes| *comes <= last[gone - 1])
}

/// The place in the other text.
fn other(at: usize, edits: usize, gone: usize) -> usize {
    at + edits - 2 * gone
}
