//! What a server shows of its log: counts since it was opened, and how much waits now.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::journal::Waiting;

/// How many durations the buckets of [`Stats::commit_durations`] tell apart.
pub const COMMIT_BUCKETS: usize = 20;

/// Counts and sizes of an embedded log.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Events appended since the log was opened.
    pub events: u64,
    /// Batches appended since then.
    pub batches: u64,
    /// Groups committed since then: each one write and one sync.
    pub groups: u64,
    /// Bytes written to the journal since then.
    pub journal_written: u64,
    /// Time spent on writing and syncing groups.
    pub commit_time: Duration,
    /// How many groups took how long: bucket `i` counts those below `2^i` microseconds that no earlier one counts.
    pub commit_durations: [u64; COMMIT_BUCKETS],
    /// Bytes the journal has on disk now.
    pub journal_bytes: u64,
    /// Bytes that are durable but not yet applied to the state.
    pub unapplied_bytes: u64,
    /// Bytes that are applied but not yet written to the store.
    pub unflushed_bytes: u64,
    /// How long the oldest of them has been waiting.
    pub unflushed_age: Duration,
    /// Streams in memory.
    pub resident_streams: u64,
    /// Bytes of the store's files.
    pub store_bytes: u64,
    /// Checkpoints made since the log was opened.
    pub checkpoints: u64,
    /// Whether streams are looked through for indexes that they lack.
    pub building_indexes: bool,
}

/// The counts, as they are kept.
#[derive(Default)]
pub(super) struct Counters {
    events: AtomicU64,
    batches: AtomicU64,
    groups: AtomicU64,
    written: AtomicU64,
    commit_micros: AtomicU64,
    commit_durations: [AtomicU64; COMMIT_BUCKETS],
    pub(super) checkpoints: AtomicU64,
    pub(super) building_indexes: AtomicBool,
}

impl Counters {
    /// Counts a group that was committed.
    pub(super) fn group(&self, took: Duration, bytes: usize, appends: &[Waiting]) {
        let records = || appends.iter().filter_map(|waiting| waiting.append.as_ref().ok());
        let events: u64 = records().map(|record| record.batch.block.count()).sum();
        let micros = took.as_micros() as u64;
        let bucket = (u64::BITS - micros.leading_zeros()) as usize;
        self.events.fetch_add(events, Relaxed);
        self.batches.fetch_add(records().count() as u64, Relaxed);
        self.groups.fetch_add(1, Relaxed);
        self.written.fetch_add(bytes as u64, Relaxed);
        self.commit_micros.fetch_add(micros, Relaxed);
        self.commit_durations[bucket.min(COMMIT_BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    /// The counts now; the sizes are for others to fill in.
    pub(super) fn read(&self) -> Stats {
        Stats {
            events: self.events.load(Relaxed),
            batches: self.batches.load(Relaxed),
            groups: self.groups.load(Relaxed),
            journal_written: self.written.load(Relaxed),
            commit_time: Duration::from_micros(self.commit_micros.load(Relaxed)),
            commit_durations: std::array::from_fn(|bucket| self.commit_durations[bucket].load(Relaxed)),
            checkpoints: self.checkpoints.load(Relaxed),
            building_indexes: self.building_indexes.load(Relaxed),
            ..Stats::default()
        }
    }
}
