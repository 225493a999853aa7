//! A map by numbers that are mostly given out in order and mostly taken away from the front, such as edits.
//!
//! One queue, sorted: cheap at both ends, and a fraction of the code that a tree is, which a browser has to download.

use crate::queue::Queue;

/// Values by number, ascending.
#[derive(Clone, Debug)]
pub(crate) struct Numbered<K, V>(Queue<(K, V)>);

impl<K, V> Default for Numbered<K, V> {
    fn default() -> Self {
        Self(Queue::default())
    }
}

impl<K: Copy + Ord, V> Numbered<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.0.get(self.place(key)?).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let place = self.place(key)?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.place(key).is_some()
    }

    /// Puts a value in, in place of what stood there.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.get_mut(key) {
            Some(there) => *there = value,
            None => self.0.insert(self.start(key), (key, value)),
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let place = self.place(key)?;
        self.0.remove(place).map(|(_, value)| value)
    }

    pub(crate) fn first(&self) -> Option<&(K, V)> {
        self.0.front()
    }

    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        self.0.pop_front()
    }

    pub(crate) fn pop_last(&mut self) -> Option<(K, V)> {
        self.0.pop_back()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (K, &V)> + DoubleEndedIterator {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (*key, value))
    }

    /// All from `first` on.
    pub(crate) fn since(&self, first: K) -> impl Iterator<Item = (K, &V)> {
        self.0.since(self.start(first)).map(|(key, value)| (*key, value))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = K> {
        self.0.iter().map(|(key, _)| *key)
    }

    fn place(&self, key: K) -> Option<usize> {
        let place = self.start(key);
        self.0.get(place).filter(|(other, _)| *other == key).map(|_| place)
    }

    /// Where a number stands, or would.
    fn start(&self, key: K) -> usize {
        // Mostly it is the last one that is asked for, soon after it was put in.
        match self.0.back() {
            Some((last, _)) if *last == key => self.0.len() - 1,
            Some((last, _)) if *last < key => self.0.len(),
            _ => self.0.partition_point(|(other, _)| *other < key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Numbered;

    #[test]
    fn it_is_a_sorted_map() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut numbered, mut plain) = (Numbered::default(), std::collections::BTreeMap::new());
            for _ in 0..60 {
                let (key, value) = (random.u8(..30), random.u8(..));
                match random.u8(..4) {
                    0 => assert_eq!(numbered.remove(key), plain.remove(&key), "seed {seed}"),
                    1 => assert_eq!(numbered.pop_first(), plain.pop_first(), "seed {seed}"),
                    _ => {
                        numbered.insert(key, value);
                        plain.insert(key, value);
                    }
                }
                assert!(numbered.iter().eq(plain.iter().map(|(key, value)| (*key, value))), "seed {seed}");
                assert!(numbered.since(key).eq(plain.range(key..).map(|(key, value)| (*key, value))), "seed {seed}");
                assert_eq!(numbered.get(key), plain.get(&key), "seed {seed}");
            }
        }
    }
}
