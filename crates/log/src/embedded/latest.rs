//! The latest value under each of some keys: a list while there are few, with an index once there are many.
//!
//! A hundred thousand streams that change two keys each are as common as one stream that changes many.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// How many keys are searched one by one.
const FEW: usize = 8;

/// Values by key.
pub(super) struct Latest<K, V> {
    items: Vec<(K, V)>,
    /// The places of all keys, where there are more than a few.
    places: FxHashMap<K, usize>,
}

impl<K: Clone + Eq + Hash, V> Latest<K, V> {
    pub(super) fn new() -> Self {
        Self { items: Vec::new(), places: FxHashMap::default() }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.place(key).map(|place| &self.items[place].1)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if let Some(place) = self.place(&key) {
            self.items[place].1 = value;
            return;
        }
        if self.items.len() == FEW {
            self.places = self.items.iter().enumerate().map(|(place, (key, _))| (key.clone(), place)).collect();
        }
        if self.items.len() >= FEW {
            self.places.insert(key.clone(), self.items.len());
        }
        self.items.push((key, value));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.items.iter().map(|(key, value)| (key, value))
    }

    fn place(&self, key: &K) -> Option<usize> {
        match self.items.len() <= FEW {
            true => self.items.iter().position(|(known, _)| known == key),
            false => self.places.get(key).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_for_few_and_many() {
        let mut latest = Latest::new();
        for round in 0..3 {
            for key in 0..FEW * 3 {
                latest.put(key, (round, key));
                assert_eq!(latest.get(&key), Some(&(round, key)));
            }
        }
        assert_eq!(latest.iter().count(), FEW * 3);
        assert!(latest.iter().all(|(key, value)| *value == (2, *key)));
        assert_eq!(latest.get(&99), None);
    }
}
