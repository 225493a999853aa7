//! What a batch makes of each object it touches, for those who follow a part of a stream.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::holders::Holders;
use crate::name::Key;
use crate::object::{Entry, Object};
use crate::objects::Objects;
use crate::op::Op;

/// What a batch made of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The object.
    pub key: Key,
    /// As it was before the batch, where it was there.
    pub before: Option<Arc<Object>>,
    /// As it is after the batch, where it is there.
    pub after: Option<Arc<Object>>,
}

/// Whether and what somebody wants to know of the batch being gathered.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) wanted: bool,
    /// Each object that the batch touches, as it was before.
    before: Option<FxHashMap<Key, Option<Arc<Object>>>>,
}

impl Watch {
    /// A batch begins: only one that is watched from its first event on can be told of.
    pub(super) fn begin(&mut self) {
        self.before = self.wanted.then(FxHashMap::default);
    }

    /// These ops are about to be decided on.
    pub(super) fn look(&mut self, ops: &[Op], objects: &Objects<Holders>) {
        let Some(before) = &mut self.before else { return };
        for op in ops {
            if !before.contains_key(&op.key) {
                before.insert(op.key.clone(), objects.get(&op.key).cloned());
            }
        }
    }

    /// An event has changed what no op of it says, which was this before.
    pub(super) fn note(&mut self, key: &Key, was: Option<&Entry>) {
        let Some(before) = &mut self.before else { return };
        if !before.contains_key(key) {
            before.insert(key.clone(), was.and_then(Entry::live).cloned());
        }
    }

    /// The batch is over: what it changed, sorted.
    pub(super) fn take(&mut self, objects: &Objects<Holders>) -> Option<Vec<Touched>> {
        let before = self.before.take()?.into_iter();
        let touched = before.map(|(key, before)| Touched { after: objects.get(&key).cloned(), key, before });
        let mut touched: Vec<Touched> = touched.filter(Touched::is_change).collect();
        touched.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Some(touched)
    }
}

impl Touched {
    fn is_change(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
            (before, after) => before.is_some() || after.is_some(),
        }
    }
}
