//! Which groups of the journal still have a batch that is not in the store.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

/// A count of batches for each group from the oldest on that has any.
#[derive(Default)]
pub(super) struct Outstanding {
    first: u64,
    counts: VecDeque<u32>,
}

impl Outstanding {
    /// Nothing is outstanding, and the next group is `next`.
    pub(super) fn new(next: u64) -> Self {
        Self { first: next, counts: VecDeque::new() }
    }

    /// A group has this many more batches.
    pub(super) fn add(&mut self, group: u64, batches: u32) {
        let Some(place) = group.checked_sub(self.first) else { return };
        let place = place as usize;
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += batches;
    }

    /// These groups have this many batches fewer.
    pub(super) fn settle(&mut self, covered: &FxHashMap<u64, u32>) {
        for (group, batches) in covered {
            let place = group.checked_sub(self.first).and_then(|place| self.counts.get_mut(place as usize));
            if let Some(count) = place {
                *count = count.saturating_sub(*batches);
            }
        }
        while self.counts.front() == Some(&0) {
            self.counts.pop_front();
            self.first += 1;
        }
    }

    /// Below this group nothing is outstanding.
    pub(super) fn lowest(&self) -> u64 {
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_group_waits_for_its_last_batch() {
        let mut outstanding = Outstanding::new(5);
        (5..8).for_each(|group| outstanding.add(group, 2));
        outstanding.settle(&[(6, 2), (5, 1)].into_iter().collect());
        assert_eq!(outstanding.lowest(), 5);
        outstanding.settle(&[(5, 1)].into_iter().collect());
        assert_eq!(outstanding.lowest(), 7);
        outstanding.settle(&[(7, 2)].into_iter().collect());
        assert_eq!(outstanding.lowest(), 8);
    }
}
