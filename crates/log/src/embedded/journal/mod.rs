//! The journal: one sequence of groups for all streams, and the only thing an append waits for.
//!
//! One thread takes all that waits, writes it as one group and syncs it before it takes more. So at most one group is
//! ever unsynced, and only the last group of the journal can be torn. A failed write or sync ends the process: after
//! it, nobody knows what the disk holds.

pub(crate) mod bare;
pub(crate) mod group;
pub(crate) mod recover;
mod segments;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::{Fatal, stats::Counters};
use crate::contract::{AppendError, Done};
use crate::limits;
use group::{GROUP_HEADER, Record};
pub(crate) use segments::{SegmentFile, Segments};
use writer::Writer;

/// Appends to the journal from any thread.
pub(super) struct Journal {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    room: Condvar,
    segments: Arc<Segments>,
}

/// What waits for the journal: the next group, and who is to hear of it.
#[derive(Default)]
struct Queue {
    /// Room for a group's header, then records.
    bytes: Vec<u8>,
    records: u32,
    waiting: Vec<Waiting>,
    rotate_below: Option<u64>,
    closing: bool,
}

/// One append on its way. One that was refused waits too, so that a stream's appends are answered in their order.
pub(super) struct Waiting {
    pub(super) append: Result<Record, AppendError>,
    pub(super) done: Done,
}

/// Hears of a group that is durable, before those who wait for it do.
pub(super) type OnDurable = Box<dyn Fn(u64, &[Waiting]) + Send>;

impl Journal {
    /// Starts the journal's thread. The next group has the ordinal `next`.
    pub(super) fn start(
        directory: PathBuf,
        next: u64,
        segments: Vec<SegmentFile>,
        on_durable: OnDurable,
        fatal: Fatal,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let segments = Arc::new(Segments::new(segments));
        let writer = Writer::new(directory, next, segments.clone());
        let queue = Mutex::new(Queue { bytes: vec![0; GROUP_HEADER], ..Queue::default() });
        let shared = Arc::new(Shared { queue, work: Condvar::new(), room: Condvar::new(), segments });
        let run = Run { shared: shared.clone(), writer, on_durable, fatal: fatal.clone(), counters };
        let thread = thread::Builder::new().name("journal".into()).spawn(move || {
            // Without it, appends would wait for ever.
            if catch_unwind(AssertUnwindSafe(|| run.run())).is_err() {
                fatal("the journal's thread panicked");
            }
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Waits until the queue has room. More than one caller may be let in for the same room.
    pub(super) fn wait_for_room(&self) {
        let mut queue = self.shared.queue();
        while queue.bytes.len() > limits::JOURNAL_QUEUE_BYTES && !queue.closing {
            queue = self.shared.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts an append, whose batch is `encoded`, behind all that wait. Gives it back where the journal is closed.
    pub(super) fn push(&self, waiting: Waiting, encoded: &[u8]) -> Result<(), Waiting> {
        let mut queue = self.shared.queue();
        if queue.closing {
            return Err(waiting);
        }
        if let Ok(record) = &waiting.append {
            record.encode(encoded, &mut queue.bytes);
            queue.records += 1;
        }
        queue.waiting.push(waiting);
        drop(queue);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Deletes segments that have only groups below `below`, and ends the current one where that is true of it.
    pub(super) fn release(&self, below: u64) -> io::Result<()> {
        if self.shared.segments.current_ends_by(below) {
            self.shared.queue().rotate_below = Some(below);
            self.shared.work.notify_one();
        }
        self.shared.segments.delete_below(below)
    }

    /// Bytes of all segments but those that have a group from `position` on.
    pub(super) fn bytes_below(&self, position: u64) -> u64 {
        self.shared.segments.bytes_below(position)
    }

    /// Bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.shared.segments.bytes()
    }

    /// Writes what waits, then stops. Later appends are given back.
    pub(super) fn close(&self) {
        self.shared.queue().closing = true;
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            eprintln!("tapeline: the journal's thread panicked");
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the journal's thread owns.
struct Run {
    shared: Arc<Shared>,
    writer: Writer,
    on_durable: OnDurable,
    fatal: Fatal,
    counters: Arc<Counters>,
}

impl Run {
    fn run(mut self) {
        let mut group = Taken { bytes: vec![0; GROUP_HEADER], records: 0, waiting: Vec::new() };
        while self.take(&mut group) {
            if let Err(error) = self.commit(&mut group) {
                return self.fail(&error, group.waiting);
            }
            for Waiting { append, done } in group.waiting.drain(..) {
                done(append.map(|record| record.position));
            }
            group.bytes.truncate(GROUP_HEADER);
        }
        self.writer.end_segment();
    }

    fn commit(&mut self, group: &mut Taken) -> io::Result<()> {
        if group.records > 0 {
            let started = Instant::now();
            let ordinal = self.writer.write(&mut group.bytes, group.records)?;
            self.counters.group(started.elapsed(), group.bytes.len(), &group.waiting);
            (self.on_durable)(ordinal, &group.waiting);
        }
        Ok(())
    }

    /// Waits for work and takes all of it. `false` once the journal is closed and nothing is left.
    fn take(&mut self, group: &mut Taken) -> bool {
        let mut queue = self.shared.queue();
        while queue.waiting.is_empty() && queue.rotate_below.is_none() && !queue.closing {
            queue = self.shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let rotate_below = queue.rotate_below.take();
        std::mem::swap(&mut queue.bytes, &mut group.bytes);
        std::mem::swap(&mut queue.waiting, &mut group.waiting);
        group.records = std::mem::take(&mut queue.records);
        let is_over = group.waiting.is_empty() && queue.closing;
        drop(queue);
        self.shared.room.notify_all();
        if let Some(below) = rotate_below.filter(|&below| self.shared.segments.current_ends_by(below)) {
            self.writer.end_segment();
            // What cannot be deleted now is deleted when the log is opened.
            drop(self.shared.segments.delete_below(below));
        }
        !is_over
    }

    /// Only a test survives the call to `fatal`.
    fn fail(&self, error: &io::Error, failed: Vec<Waiting>) {
        let mut queue = self.shared.queue();
        queue.closing = true;
        let later = std::mem::take(&mut queue.waiting);
        drop(queue);
        self.shared.room.notify_all();
        (self.fatal)(&format!("the journal cannot be written: {error}"));
        for Waiting { append, done } in failed.into_iter().chain(later) {
            done(append.and_then(|_| Err(AppendError::Unknown(error.to_string()))));
        }
    }
}

/// What was taken from the queue.
struct Taken {
    bytes: Vec<u8>,
    records: u32,
    waiting: Vec<Waiting>,
}
