//! The queue in front of a shard: bounded for sessions, which wait, and open for the log, which must not.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;
use crate::lock::lock;

/// A queue that is emptied whole.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    queue: Mutex<Queue<T>>,
    arrived: Condvar,
    /// In units of [`limits::COMMAND_BYTES`].
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Queue<T> {
    waiting: Vec<T>,
    asleep: bool,
}

/// Room in a mailbox, given back when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    _units: OwnedSemaphorePermit,
}

impl Room {
    /// Waits for room for a command with so many bytes, of what there is for those of its kind.
    pub(crate) async fn of(all: Arc<Semaphore>, bytes: usize) -> Result<Self, Closed> {
        let units = all.acquire_many_owned(units(bytes)).await;
        units.map(|_units| Self { _units }).map_err(|_| Closed)
    }

    /// Room, where there is some now.
    pub(super) fn now(all: &Arc<Semaphore>, bytes: usize) -> Option<Self> {
        let units = all.clone().try_acquire_many_owned(units(bytes));
        units.map(|_units| Self { _units }).ok()
    }
}

fn units(bytes: usize) -> u32 {
    let bytes = (bytes + limits::COMMAND_BYTES).min(limits::QUEUE_BYTES / 2);
    (bytes / limits::COMMAND_BYTES) as u32
}

/// The shard is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        let room = Semaphore::new(limits::QUEUE_BYTES / limits::COMMAND_BYTES);
        let queue = Queue { waiting: Vec::new(), asleep: false };
        Self { queue: Mutex::new(queue), arrived: Condvar::new(), room: Arc::new(room) }
    }

    /// Waits for room for a command with so many bytes.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Room, Closed> {
        Room::of(self.room.clone(), bytes).await
    }

    /// Puts something in, for which there is room or which must not wait.
    pub(crate) fn post(&self, message: T) {
        let mut queue = lock(&self.queue);
        if self.room.is_closed() {
            return;
        }
        queue.waiting.push(message);
        if std::mem::take(&mut queue.asleep) {
            drop(queue);
            self.arrived.notify_one();
        }
    }

    /// Takes all that is in; waits for something until `patience` ends.
    pub(crate) fn take(&self, into: &mut Vec<T>, patience: Option<Duration>) {
        let until = patience.map(|patience| Instant::now() + patience);
        let mut queue = lock(&self.queue);
        while queue.waiting.is_empty() {
            queue.asleep = true;
            queue = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => self.arrived.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        queue.asleep = false;
        std::mem::swap(&mut queue.waiting, into);
    }

    /// Nothing is taken out any more.
    pub(crate) fn close(&self) {
        self.room.close();
        lock(&self.queue).waiting.clear();
    }
}
