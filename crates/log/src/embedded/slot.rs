//! A place for one thing to do, from one thread to another. A newer one replaces an older one that was not taken.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The place.
pub(super) struct Slot<T> {
    content: Mutex<Content<T>>,
    changed: Condvar,
}

struct Content<T> {
    item: Option<T>,
    closed: bool,
}

impl<T> Slot<T> {
    pub(super) fn new() -> Self {
        Self { content: Mutex::new(Content { item: None, closed: false }), changed: Condvar::new() }
    }

    /// Puts something there.
    pub(super) fn put(&self, item: T) {
        self.lock().item = Some(item);
        self.changed.notify_one();
    }

    /// Waits for something and takes it. `None` once the slot is closed and empty.
    pub(super) fn take(&self) -> Option<T> {
        let mut content = self.lock();
        loop {
            match content.item.take() {
                Some(item) => return Some(item),
                None if content.closed => return None,
                None => content = self.changed.wait(content).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Content<T>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
