//! Snapshots of streams that have grown, whether or not anything of them was let go: a node with an empty disk begins with one,
//! and plays what came since.
//!
//! Every node that has a stream notices, and one of them gets through. Snapshots are made one after another, behind all else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustc_hash::FxHashMap;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;
use tokio::sync::mpsc;

use crate::contract::{LogError, StateStore};
use crate::embedded::Embedded;
use crate::jetstream::JetStream;
use crate::limits;

/// Notices streams that need a snapshot.
pub(super) struct Growing {
    due: Arc<Due>,
    waiting: mpsc::Sender<StreamName>,
}

/// How many events streams will have when they need to be looked at.
#[derive(Default)]
struct Due(Mutex<FxHashMap<StreamName, Seq>>);

impl Growing {
    /// Makes snapshots from a cache for as long as this is there.
    pub(super) fn start(log: &JetStream, cache: &Arc<Embedded>) -> Self {
        let (waiting, looked_at) = mpsc::channel(limits::SNAPSHOTS_WAITING);
        let due = Arc::<Due>::default();
        log.spawn(work(log.clone(), Arc::downgrade(cache), due.clone(), looked_at));
        Self { due, waiting }
    }

    /// The state of a stream has so many events.
    pub(super) fn has_grown(&self, stream: &StreamName, head: Seq) {
        if head.0 >= limits::SNAPSHOT_EVENTS && self.due.is_over(stream, head) {
            // Where too many wait, or it fails, it is asked for again as many events later.
            self.due.set(stream, head.plus(limits::SNAPSHOT_EVENTS));
            let _ = self.waiting.try_send(stream.clone());
        }
    }
}

impl Due {
    fn is_over(&self, stream: &StreamName, head: Seq) -> bool {
        self.lock().get(stream).is_none_or(|due| head >= *due)
    }

    fn set(&self, stream: &StreamName, due: Seq) {
        let mut all = self.lock();
        if all.len() >= limits::SNAPSHOTS_DUE {
            all.clear();
        }
        all.insert(stream.clone(), due);
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<StreamName, Seq>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn work(log: JetStream, cache: Weak<Embedded>, due: Arc<Due>, mut waiting: mpsc::Receiver<StreamName>) {
    while let Some(stream) = waiting.recv().await {
        let Some(cache) = cache.upgrade() else { return };
        // Most likely another node was first; otherwise it is tried again later.
        if let Ok(next) = look(&log, cache, &stream).await {
            due.set(&stream, next);
        }
    }
}

/// Makes a snapshot of a stream, where it needs one. Answers at how many events it needs to be looked at again.
async fn look(log: &JetStream, cache: Arc<Embedded>, stream: &StreamName) -> Result<Seq, LogError> {
    let last = log.snapshot_end(stream).await?.map_or(Seq::FIRST, |end| end.head.seq);
    let gone = || LogError::Storage(format!("stream {stream} is not here any more"));
    let state = cache.stream(stream)?.ok_or_else(gone)?;
    let next = next(last, state.live);
    if state.head < next {
        return Ok(next);
    }
    let named = stream.clone();
    let carried = log.run_blocking(move || cache.carry(&named)).await?.ok_or_else(gone)?;
    let base = *carried.base();
    log.put_snapshot(stream, base, move |visit| carried.records(visit)).await?;
    Ok(self::next(base.state.head, base.state.live))
}

/// At how many events a stream needs the next snapshot.
fn next(last: Seq, objects: u64) -> Seq {
    last.plus(limits::SNAPSHOT_EVENTS.max(objects / limits::SNAPSHOT_PART))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_cost_a_few_times_what_events_do() {
        // Of a stream that only grows: the objects of all its snapshots together.
        let (mut head, mut written) = (Seq::FIRST, 0);
        while head < Seq(10_000_000) {
            head = next(head, head.0);
            written += head.0;
        }
        assert!(written < 4 * head.0, "{written} {head}");
        // Of one that stays small they come after a number of events.
        assert_eq!(next(Seq(5), 100), Seq(5 + limits::SNAPSHOT_EVENTS));
    }
}
