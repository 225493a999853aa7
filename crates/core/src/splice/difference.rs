//! The difference of two texts: the fewest letters that go and come (Eugene Myers, "An O(ND) Difference Algorithm and Its
//! Variations", 1986). Where several places of a text have changed, what is between them stays where it is.

use super::Content;
use super::parts::Builder;
use crate::limits;
use crate::short_text::SmolStr;

/// Builds what makes one text of another, from an offset on. `false`: that is more than
/// [`DIFFERENCE`](limits::DIFFERENCE) letters.
pub(super) fn build(builder: &mut Builder, offset: usize, before: &str, after: &str) -> bool {
    let (before, after) = (letters(before), letters(after));
    let rows = reached(&before, &after);
    let Some(mut gone) = rows.last().map(|last| last.len() - 1) else { return false };
    // The edits, from the last one on: where, and what comes there, unless something goes.
    let mut edits = Vec::with_capacity(rows.len());
    for (place, last) in rows.iter().enumerate().rev().skip(1) {
        let goes = goes(last, gone);
        gone -= usize::from(goes);
        let comes = after.get(other(last[gone], place, gone)).filter(|_| !goes);
        edits.push((last[gone], comes));
    }
    builder.keep(offset as u64);
    let mut at = 0;
    for (place, comes) in edits.into_iter().rev() {
        builder.keep((place - at) as u64);
        at = place;
        match comes {
            Some(letter) => builder.insert(Content::Text(SmolStr::new(letter.encode_utf8(&mut [0; 4])))),
            None => {
                builder.delete(1);
                at += 1;
            }
        }
    }
    true
}

fn letters(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// How far one gets in `before` by so many edits, of which so many take a letter away, until both are at their ends;
/// nothing where that takes too many.
fn reached(before: &[char], after: &[char]) -> Vec<Vec<usize>> {
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
