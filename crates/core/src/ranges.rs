//! Sets of seqs as ranges: what a replica has heard of, and what it misses.

use std::ops::Range;

use crate::numbers::Seq;

/// A set of seqs, as ranges that neither touch nor overlap, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeqRanges(Vec<Range<Seq>>);

impl SeqRanges {
    /// Adds all seqs of `range`.
    pub fn insert(&mut self, range: Range<Seq>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|held| held.end < range.start);
        let last = self.0.partition_point(|held| held.start <= range.end);
        let mut merged = range;
        if first < last {
            merged.start = merged.start.min(self.0[first].start);
            merged.end = merged.end.max(self.0[last - 1].end);
        }
        self.0.splice(first..last, [merged]);
    }

    /// Takes away all seqs at or past `end`.
    pub fn truncate(&mut self, end: Seq) {
        self.0.retain(|held| held.start < end);
        if let Some(last) = self.0.last_mut() {
            last.end = last.end.min(end);
        }
    }

    /// Whether `seq` is in the set.
    pub fn contains(&self, seq: Seq) -> bool {
        self.0.iter().any(|held| held.contains(&seq))
    }

    /// The first range below `head` that is not in the set.
    pub fn first_gap(&self, head: Seq) -> Option<Range<Seq>> {
        self.gaps(head).next()
    }

    /// All ranges below `head` that are not in the set, in order.
    pub fn gaps(&self, head: Seq) -> impl Iterator<Item = Range<Seq>> {
        let starts = std::iter::once(Seq::FIRST).chain(self.0.iter().map(|held| held.end));
        let ends = self.0.iter().map(|held| held.start).chain(std::iter::once(head));
        starts.zip(ends).map(move |(start, end)| start..end.min(head)).filter(|gap| !gap.is_empty())
    }

    /// The ranges of the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Range<Seq>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_of_a_client_that_missed_five_events() {
        let mut held = SeqRanges::default();
        held.insert(Seq(0)..Seq(10));
        held.insert(Seq(15)..Seq(20));
        assert_eq!(held.gaps(Seq(20)).collect::<Vec<_>>(), [Seq(10)..Seq(15)]);
        held.insert(Seq(10)..Seq(15));
        assert_eq!(held.first_gap(Seq(20)), None);
        assert_eq!(held.first_gap(Seq(22)), Some(Seq(20)..Seq(22)));
    }

    #[test]
    fn ranges_agree_with_a_plain_set() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut ranges, mut plain) = (SeqRanges::default(), [false; 40]);
            for _ in 0..12 {
                let start = random.usize(0..40);
                let end = random.usize(start..=40);
                if random.u8(..) < 40 {
                    ranges.truncate(Seq(start as u64));
                    plain[start..].fill(false);
                } else {
                    ranges.insert(Seq(start as u64)..Seq(end as u64));
                    plain[start..end].fill(true);
                }
                for (seq, &held) in plain.iter().enumerate() {
                    assert_eq!(ranges.contains(Seq(seq as u64)), held, "seed {seed}, seq {seq}");
                }
                let missing: usize = ranges.gaps(Seq(40)).map(|gap| gap.end.since(gap.start) as usize).sum();
                assert_eq!(missing, plain.iter().filter(|held| !**held).count(), "seed {seed}");
            }
        }
    }
}
