//! Budgets: bytes that many may hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes that many may hold together.
#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    used: AtomicUsize,
}

/// Bytes held of a budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, used: AtomicUsize::new(0) })
    }

    /// Bytes nobody holds.
    pub(crate) fn free(&self) -> usize {
        self.most.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    /// Holds bytes, more than are free if need be.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Held { budget: self.clone(), bytes }
    }
}

impl Held {
    /// Holds more or fewer bytes. Answers whether the budget has room for all that is now held of it.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        *self = self.budget.hold(bytes);
        self.budget.used.load(Ordering::Relaxed) <= self.budget.most
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_again() {
        let budget = Budget::new(100);
        let mut held = budget.hold(60);
        assert_eq!(budget.free(), 40);
        assert!(held.resize(100));
        assert!(!held.resize(101));
        assert_eq!(budget.free(), 0);
        assert!(held.resize(10));
        drop(held);
        assert_eq!(budget.free(), 100);
    }
}
