//! Subscriptions to changes: which objects may show something else than before.
//!
//! A watcher that does not look costs no more than the set of keys that changed meanwhile, and past
//! [`CHANGED_KEYS`](limits::CHANGED_KEYS) not even that: it is told that everything may have changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustc_hash::{FxHashMap, FxHashSet};
use tapeline_core::limits;
use tapeline_core::name::{Collection, Key};
use tokio::sync::{Notify, watch};

use crate::status::{Connection, closed};

/// What may have changed since one last looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// These objects, each once, sorted.
    Keys(Vec<Key>),
    /// More than is worth naming: look at everything anew.
    Everything,
}

/// A subscription to changes. It ends when it is dropped.
///
/// ```no_run
/// # async fn example(list: tapeline_client::Stream) {
/// let mut changes = list.changes();
/// while let Some(changed) = changes.next().await {
///     println!("{changed:?}");
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Changes {
    slot: Arc<Slot>,
    connection: watch::Receiver<Connection>,
}

/// What is watched.
pub(crate) enum Scope {
    Stream,
    Collection(Collection),
    Object(Key),
}

/// What one watcher has not yet looked at.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    gathered: Mutex<Gathered>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Gathered {
    keys: FxHashSet<Key>,
    everything: bool,
}

/// Who watches what of one stream.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    stream: Vec<Weak<Slot>>,
    collections: FxHashMap<Collection, Vec<Weak<Slot>>>,
    objects: FxHashMap<Key, Vec<Weak<Slot>>>,
}

impl Changes {
    pub(crate) fn new(slot: Arc<Slot>, connection: watch::Receiver<Connection>) -> Self {
        Self { slot, connection }
    }

    /// Waits until something has changed, and answers all that has since the last call. `None` when the client is
    /// closed.
    pub async fn next(&mut self) -> Option<Changed> {
        loop {
            if let Some(changed) = self.slot.take() {
                return Some(changed);
            }
            tokio::select! {
                () = self.slot.ready.notified() => {}
                () = closed(&mut self.connection) => return self.slot.take(),
            }
        }
    }

    /// What has changed since the last call, without waiting.
    pub fn try_next(&mut self) -> Option<Changed> {
        self.slot.take()
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, key: &Key) {
        let mut gathered = self.lock();
        if gathered.everything {
            return;
        }
        gathered.keys.insert(key.clone());
        if gathered.keys.len() > limits::CHANGED_KEYS {
            *gathered = Gathered { everything: true, ..Gathered::default() };
        }
        drop(gathered);
        self.ready.notify_one();
    }

    fn take(&self) -> Option<Changed> {
        let Gathered { keys, everything } = std::mem::take(&mut *self.lock());
        if everything {
            return Some(Changed::Everything);
        }
        let mut keys: Vec<Key> = keys.into_iter().collect();
        keys.sort_unstable();
        (!keys.is_empty()).then_some(Changed::Keys(keys))
    }
}

impl Watchers {
    pub(crate) fn watch(&mut self, scope: Scope) -> Arc<Slot> {
        forget_if_full(&mut self.collections);
        forget_if_full(&mut self.objects);
        let slot = Arc::new(Slot::default());
        let slots = match scope {
            Scope::Stream => &mut self.stream,
            Scope::Collection(collection) => self.collections.entry(collection).or_default(),
            Scope::Object(key) => self.objects.entry(key).or_default(),
        };
        slots.retain(|slot| slot.strong_count() > 0);
        slots.push(Arc::downgrade(&slot));
        slot
    }

    pub(crate) fn tell(&mut self, changed: impl Iterator<Item = Key>) {
        for key in changed {
            tell(&mut self.stream, &key);
            tell_entry(&mut self.collections, &key.collection, &key);
            tell_entry(&mut self.objects, &key, &key);
        }
    }
}

/// Before it grows, it forgets where nobody watches any more.
fn forget_if_full<K: std::hash::Hash + Eq>(all: &mut FxHashMap<K, Vec<Weak<Slot>>>) {
    if all.len() == all.capacity() {
        all.retain(|_, slots| slots.iter().any(|slot| slot.strong_count() > 0));
        all.reserve(all.len() + 1);
    }
}

fn tell(slots: &mut Vec<Weak<Slot>>, key: &Key) {
    slots.retain(|slot| slot.upgrade().map(|slot| slot.add(key)).is_some());
}

fn tell_entry<K: std::hash::Hash + Eq>(all: &mut FxHashMap<K, Vec<Weak<Slot>>>, at: &K, key: &Key) {
    let Some(slots) = all.get_mut(at) else { return };
    tell(slots, key);
    if slots.is_empty() {
        all.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapeline_core::name::ObjectId;

    fn key(id: u128) -> Key {
        Key { collection: Collection::new("tasks").unwrap(), id: ObjectId::from_uuid(id) }
    }

    #[test]
    fn each_is_told_what_it_watches_and_once() {
        let mut watchers = Watchers::default();
        let stream = watchers.watch(Scope::Stream);
        let object = watchers.watch(Scope::Object(key(2)));
        let other = watchers.watch(Scope::Collection(Collection::new("notes").unwrap()));
        watchers.tell([key(2), key(1), key(2)].into_iter());
        assert_eq!(stream.take(), Some(Changed::Keys(vec![key(1), key(2)])));
        assert_eq!(object.take(), Some(Changed::Keys(vec![key(2)])));
        assert_eq!(other.take(), None);
        assert_eq!(stream.take(), None);
    }

    #[test]
    fn who_does_not_look_is_told_everything_and_who_left_is_forgotten() {
        let mut watchers = Watchers::default();
        let slow = watchers.watch(Scope::Stream);
        drop(watchers.watch(Scope::Object(key(1))));
        watchers.tell((0..=limits::CHANGED_KEYS as u128).map(key));
        assert_eq!(slow.take(), Some(Changed::Everything));
        assert!(watchers.objects.is_empty());
    }

    #[test]
    fn who_left_is_forgotten_though_nothing_changes() {
        let mut watchers = Watchers::default();
        let held: Vec<_> = (0..100).map(|id| watchers.watch(Scope::Object(key(id)))).collect();
        (100..100_000).for_each(|id| drop(watchers.watch(Scope::Object(key(id)))));
        assert!(watchers.objects.len() < 1_000, "{} are watched", watchers.objects.len());
        watchers.tell((0..100).map(key));
        assert!(held.iter().all(|slot| slot.take().is_some()));
    }
}
