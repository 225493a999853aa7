//! Things by collection and id: what replicas, views and mirrors hold.
//!
//! Collections are few, so they stand in a sorted list; objects are many, so each collection has a hash table.

use std::collections::hash_map;

use rustc_hash::FxHashMap;

use crate::limits::FEW_NAMES;
use crate::name::{Collection, Key, ObjectId};

/// The things of one collection.
pub(crate) type Table<T> = FxHashMap<ObjectId, T>;

/// Things by collection and id.
#[derive(Clone, Debug)]
pub(crate) struct Tables<T>(Vec<(Collection, Table<T>)>);

impl<T> Default for Tables<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Tables<T> {
    pub(crate) fn get(&self, key: &Key) -> Option<&T> {
        self.table(&key.collection)?.get(&key.id)
    }

    pub(crate) fn get_mut(&mut self, key: &Key) -> Option<&mut T> {
        let place = self.place(&key.collection).ok()?;
        self.0[place].1.get_mut(&key.id)
    }

    /// Puts something in. Answers what stood there.
    pub(crate) fn insert(&mut self, key: Key, thing: T) -> Option<T> {
        self.table_mut(&key.collection).insert(key.id, thing)
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<T> {
        let place = self.place(&key.collection).ok()?;
        self.0[place].1.remove(&key.id)
    }

    /// A collection, where it has or had something.
    pub(crate) fn table(&self, collection: &Collection) -> Option<&Table<T>> {
        let place = self.place(collection).ok()?;
        Some(&self.0[place].1)
    }

    /// A collection, made where it is not there.
    pub(crate) fn table_mut(&mut self, collection: &Collection) -> &mut Table<T> {
        let place = self.place(collection).unwrap_or_else(|place| {
            self.0.insert(place, (collection.clone(), Table::default()));
            place
        });
        &mut self.0[place].1
    }

    /// The names of all collections that have or had something, sorted.
    pub(crate) fn collections(&self) -> impl Iterator<Item = &Collection> {
        self.0.iter().map(|(collection, _)| collection)
    }

    /// The things of a collection, in no particular order.
    #[expect(clippy::disallowed_methods, reason = "no order is promised; whoever shows one sorts")]
    pub(crate) fn rows(&self, collection: &Collection) -> hash_map::Iter<'_, ObjectId, T> {
        self.table(collection).map(Table::iter).unwrap_or_default()
    }

    /// All keys, in no particular order within a collection.
    #[expect(clippy::disallowed_methods, reason = "no order is promised; whoever shows one sorts")]
    pub(crate) fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        for (collection, table) in &self.0 {
            for id in table.keys() {
                keys.push(Key { collection: collection.clone(), id: id.clone() });
            }
        }
        keys
    }

    /// Everything, in no particular order within a collection.
    #[expect(clippy::disallowed_methods, reason = "no order is promised; whoever shows one sorts")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.0.iter().flat_map(|(collection, table)| {
            table.iter().map(|(id, thing)| (Key { collection: collection.clone(), id: id.clone() }, thing))
        })
    }

    /// How many things there are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|(_, table)| table.len()).sum()
    }

    fn place(&self, collection: &Collection) -> Result<usize, usize> {
        // As with the fields of an object.
        if let Some(place) = self.0.iter().take(FEW_NAMES).position(|(other, _)| other == collection) {
            return Ok(place);
        }
        self.0.binary_search_by(|(other, _)| other.cmp(collection))
    }
}
