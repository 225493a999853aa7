//! The hub: where sessions and shards meet over the streams that are active.
//!
//! A shard says how far a stream is; the sessions that have it open are told, and read at their own positions, from the
//! tail in memory or from the log. Nothing is queued for a subscriber.

mod answered;
mod following;
mod presence;
mod tail;
mod tape;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use rustc_hash::FxHashMap;
use tapeline_core::name::StreamName;

use crate::backend::Queue;
use crate::inbox::OpeningId;
use crate::lock::lock;
pub(crate) use following::Course;
pub(crate) use presence::{News, Speaker, Told};
pub(crate) use tail::Run;
pub(crate) use tape::{Opening, Tape};

/// All active streams.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    tapes: Mutex<FxHashMap<StreamName, Weak<Tape>>>,
    openings: AtomicU64,
    /// Who is told of what is recorded on any stream.
    told: OnceLock<Vec<Arc<Queue>>>,
}

impl Hub {
    /// A stream, active from now on.
    pub(crate) fn tape(self: &Arc<Self>, stream: &StreamName) -> Arc<Tape> {
        let mut tapes = lock(&self.tapes);
        if let Some(tape) = tapes.get(stream).and_then(Weak::upgrade) {
            return tape;
        }
        let tape = Arc::new(Tape::new(stream.clone(), self.clone()));
        tapes.insert(stream.clone(), Arc::downgrade(&tape));
        tape
    }

    /// A stream, where it is active.
    pub(crate) fn active(&self, stream: &StreamName) -> Option<Arc<Tape>> {
        lock(&self.tapes).get(stream)?.upgrade()
    }

    /// Of how many streams the log is known to have more than is here, and how many batches more at most.
    pub(crate) fn behind(&self) -> (u64, u64) {
        let tapes = lock(&self.tapes);
        let missing = tapes.values().filter_map(|tape| Some(tape.upgrade()?.missing())).filter(|missing| *missing > 0);
        missing.fold((0, 0), |(streams, most), missing| (streams + 1, most.max(missing)))
    }

    /// From now on these are told of what is recorded on any stream. Said once.
    pub(crate) fn tells(&self, queues: Vec<Arc<Queue>>) {
        let _ = self.told.set(queues);
    }

    /// Something was recorded on a stream.
    fn is_played(&self, stream: &StreamName) {
        self.told.get().into_iter().flatten().for_each(|queue| queue.hear(stream));
    }

    fn next_opening(&self) -> OpeningId {
        OpeningId(self.openings.fetch_add(1, Ordering::Relaxed))
    }

    /// A stream is active no more, unless it has become so again.
    fn forget(&self, stream: &StreamName) {
        let mut tapes = lock(&self.tapes);
        if tapes.get(stream).is_some_and(|tape| tape.strong_count() == 0) {
            tapes.remove(stream);
        }
    }
}
