//! Giving back the space of what was let go: the wish for it goes from hand to hand, each time behind what it is about.
//!
//! ```text
//! asked ─▶ flusher, seals ─▶ checkpointer, makes durable ─▶ compactor, merges all
//! ```

use std::sync::atomic::{AtomicBool, Ordering};

/// Where the wish is.
#[derive(Default)]
pub(super) struct Reclaim {
    asked: AtomicBool,
    sealed: AtomicBool,
    durable: AtomicBool,
}

impl Reclaim {
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// The flusher takes it.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.swap(false, Ordering::AcqRel)
    }

    /// All that was let go is sealed.
    pub(super) fn is_sealed(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// The checkpointer takes it, before it makes durable what is sealed.
    pub(super) fn take_sealed(&self) -> bool {
        self.sealed.swap(false, Ordering::AcqRel)
    }

    /// All that was let go is in files.
    pub(super) fn is_durable(&self) {
        self.durable.store(true, Ordering::Release);
    }

    /// The compactor takes it.
    pub(super) fn take_durable(&self) -> bool {
        self.durable.swap(false, Ordering::AcqRel)
    }
}
