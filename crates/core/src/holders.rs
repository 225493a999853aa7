//! Who holds what: the objects in memory by the values of those fields that must not repeat, or refer to others.
//!
//! A sequencer asks it whether a value is taken, and who refers to an object. What it answers is all there is once storage
//! was looked through for the value ([`LookUp`]): from then on nothing changes that is not in memory.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::name::{Collection, FieldName, Key, ObjectId};
use crate::object::Object;
use crate::objects::Watcher;
use crate::query::index::Index;
use crate::value::Value;

/// What storage is to be looked through for: objects that hold a value, and are not in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUp {
    /// In which fields.
    pub index: Index,
    /// The value, as [`Index::held`] tells it.
    pub value: Value,
    /// So many of them are enough.
    pub enough: usize,
}

/// The objects in memory by the values that they hold.
#[derive(Clone, Debug)]
pub(crate) struct Holders(Vec<Table>);

#[derive(Clone, Debug)]
struct Table {
    index: Index,
    held: FxHashMap<Value, BTreeSet<ObjectId>>,
    /// The values all of whose holders are in memory.
    complete: FxHashSet<Value>,
}

/// What is known of one value.
pub(crate) struct Known<'h> {
    held_by: Option<&'h BTreeSet<ObjectId>>,
    /// Whether there are no others.
    pub(crate) is_all: bool,
}

impl Holders {
    /// Nothing in memory.
    pub(crate) fn of(indexes: &[Index]) -> Self {
        let table =
            |index: &Index| Table { index: index.clone(), held: FxHashMap::default(), complete: FxHashSet::default() };
        Self(indexes.iter().map(table).collect())
    }

    /// All that storage has of a value is in memory.
    pub(crate) fn complete(&mut self, look: LookUp) {
        if let Some(table) = self.0.iter_mut().find(|table| table.index == look.index) {
            table.complete.insert(look.value);
        }
    }

    /// Who holds a value in these fields.
    pub(crate) fn of_value(&self, collection: &Collection, fields: &[FieldName], value: &Value) -> Known<'_> {
        let is_it = |table: &&Table| table.index.collection == *collection && table.index.fields == fields;
        let table = self.0.iter().find(is_it);
        Known {
            held_by: table.and_then(|table| table.held.get(value)),
            is_all: table.is_none_or(|table| table.complete.contains(value)),
        }
    }

    /// How many values are known.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|table| table.held.len() + table.complete.len()).sum()
    }
}

impl Watcher for Holders {
    fn joins(&mut self, key: &Key, object: &Object) {
        for table in self.0.iter_mut().filter(|table| table.index.collection == key.collection) {
            for value in table.index.held(object) {
                table.held.entry(value).or_default().insert(key.id.clone());
            }
        }
    }

    fn leaves(&mut self, key: &Key, object: &Object) {
        for table in self.0.iter_mut().filter(|table| table.index.collection == key.collection) {
            for value in table.index.held(object) {
                let Some(held_by) = table.held.get_mut(&value) else { continue };
                held_by.remove(&key.id);
                if held_by.is_empty() {
                    table.held.remove(&value);
                }
            }
        }
    }
}

impl<'h> Known<'h> {
    /// Those in memory, sorted.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &'h ObjectId> + use<'h> {
        self.held_by.into_iter().flatten()
    }
}
