//! The difference of two texts: the fewest letters that go and come (Eugene Myers, "An O(ND) Difference Algorithm and Its
//! Variations", 1986). Where several places of a text have changed, what is between them stays where it is.

use std::ops::Range;

use crate::limits;

/// What of a text goes, and what of the other comes in its place, in order; `None` where that is more than
/// [`DIFFERENCE`](limits::DIFFERENCE) letters.
pub(super) fn changes(before: &[char], after: &[char]) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    let reached = reached(before, after)?;
    let mut changes: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    let mut gone = reached.last()?.len() - 1;
    for (edits, last) in reached.iter().enumerate().rev().skip(1) {
        let goes = usize::from(goes(last, gone));
        gone -= goes;
        let from = (last[gone], other(last[gone], edits, gone));
        let to = (from.0 + goes, from.1 + 1 - goes);
        match changes.last_mut().filter(|(went, came)| (went.start, came.start) == to) {
            Some((went, came)) => (went.start, came.start) = from,
            None => changes.push((from.0..to.0, from.1..to.1)),
        }
    }
    changes.reverse();
    Some(changes)
}

/// How far one gets in `before` by so many edits, of which so many take a letter away, until both are at their ends.
fn reached(before: &[char], after: &[char]) -> Option<Vec<Vec<usize>>> {
    let mut rows: Vec<Vec<usize>> = Vec::new();
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
                return Some(rows);
            }
        }
        rows.push(row);
    }
    None
}

/// Whether the last edit is best one that takes a letter away, where so many do in all.
fn goes(last: &[usize], gone: usize) -> bool {
    gone > 0 && last.get(gone).is_none_or(|comes| *comes <= last[gone - 1])
}

/// The place in the other text.
fn other(at: usize, edits: usize, gone: usize) -> usize {
    at + edits - 2 * gone
}
