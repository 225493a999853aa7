//! The store on the device: one thread that owns the database and takes what is waiting in whole batches.
//!
//! While one transaction is made durable, what else is to be written gathers for the next. The queue is bounded
//! without a number of its own: a replica never has more than one batch on its way. A batch that cannot be written is
//! tried again, the very same, until it can; meanwhile [`Store::problem`] says why.

mod sqlite;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tapeline_core::limits;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::ClientId;
use tapeline_core::replica::{Replica, StoreBatch};
use tokio::sync::{oneshot, watch};

use crate::error::{Closed, StoreError, StreamError};
use sqlite::Database;

/// Whom a store belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) app: String,
    pub(crate) subject: String,
}

/// The store of one client.
#[derive(Debug)]
pub(crate) struct Store {
    queue: Arc<Queue>,
    problem: watch::Receiver<Option<StoreError>>,
}

/// A batch of one replica on its way to the device.
pub(crate) struct Write {
    pub(crate) stream: StreamName,
    pub(crate) batch: StoreBatch,
    /// Called on the thread of the store once the batch is durable.
    pub(crate) done: Box<dyn FnOnce() + Send>,
}

/// A replica to be read.
struct Load {
    stream: StreamName,
    client: ClientId,
    reply: oneshot::Sender<Result<Replica, StoreError>>,
}

#[derive(Default)]
struct Waiting {
    writes: Vec<Write>,
    loads: Vec<Load>,
    /// The last that is asked of the store.
    ending: Option<Ending>,
}

enum Ending {
    Dropped,
    Closed(oneshot::Sender<Result<(), StoreError>>),
}

struct Queue {
    /// `None`: the store has come to its end, and takes nothing more.
    waiting: Mutex<Option<Waiting>>,
    ready: Condvar,
}

impl Store {
    /// Opens the store in a file, or makes it there.
    pub(crate) async fn open(path: &Path, owner: Owner) -> Result<Self, StoreError> {
        let (reply, opened) = oneshot::channel();
        let queue = Arc::new(Queue { waiting: Mutex::new(Some(Waiting::default())), ready: Condvar::new() });
        let (tell, problem) = watch::channel(None);
        let thread = {
            let (path, queue) = (path.to_owned(), queue.clone());
            move || match Database::open(&path, &owner) {
                Err(error) => drop(reply.send(Err(error))),
                Ok(database) => {
                    // Where nobody waits for it any more, the database is closed again.
                    if reply.send(Ok(())).is_ok() {
                        work(database, &queue, &tell);
                    }
                }
            }
        };
        let device = |why: String| StoreError::Device { path: path.to_owned(), why };
        let spawned = std::thread::Builder::new().name("tapeline-store".into()).spawn(thread);
        spawned.map_err(|error| device(error.to_string()))?;
        opened.await.map_err(|_| device("its thread ended".into()))??;
        Ok(Self { queue, problem })
    }

    /// Reads the replica of a stream; a new one under `client` where none is stored.
    pub(crate) async fn load(&self, stream: StreamName, client: ClientId) -> Result<Replica, StreamError> {
        let (reply, loaded) = oneshot::channel();
        self.queue.put(|waiting| waiting.loads.push(Load { stream, client, reply }));
        Ok(loaded.await.map_err(|_| Closed)??)
    }

    /// Takes a batch to be written.
    pub(crate) fn write(&self, write: Write) {
        self.queue.put(|waiting| waiting.writes.push(write));
    }

    /// What keeps it from writing, while something does.
    pub(crate) fn problem(&self) -> watch::Receiver<Option<StoreError>> {
        self.problem.clone()
    }

    /// Writes what is waiting and closes the file.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let (reply, closed) = oneshot::channel();
        self.queue.put(|waiting| waiting.ending = Some(Ending::Closed(reply)));
        closed.await.unwrap_or(Ok(()))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue.put(|waiting| {
            waiting.ending.get_or_insert(Ending::Dropped);
        });
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, put: impl FnOnce(&mut Waiting)) {
        if let Some(waiting) = &mut *self.lock() {
            put(waiting);
            self.ready.notify_one();
        }
    }

    /// All that is waiting, as soon as something is, or `patience` is over. After what ends the store, nothing comes.
    fn take(&self, patience: Option<Duration>) -> Waiting {
        let nothing = |waiting: &mut Option<Waiting>| waiting.as_ref().is_some_and(Waiting::is_empty);
        let mut waiting = match patience {
            None => self.ready.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let waited = self.ready.wait_timeout_while(self.lock(), most, nothing);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let taken = waiting.take().unwrap_or_default();
        *waiting = taken.ending.is_none().then(Waiting::default);
        taken
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.loads.is_empty() && self.ending.is_none()
    }
}

/// The life of the store's thread.
fn work(mut database: Database, queue: &Queue, problem: &watch::Sender<Option<StoreError>>) {
    let mut writes: Vec<Write> = Vec::new();
    let mut pause = None;
    loop {
        let waiting = queue.take(pause);
        for load in waiting.loads {
            drop(load.reply.send(database.load(load.stream, load.client)));
        }
        writes.extend(waiting.writes);
        let written = if writes.is_empty() { Ok(()) } else { database.write(&writes) };
        problem.send_if_modified(|problem| {
            let now = written.as_ref().err().cloned();
            let differs = *problem != now;
            *problem = now;
            differs
        });
        pause = match &written {
            Ok(()) => None,
            Err(_) => Some(longer(pause)),
        };
        if written.is_ok() {
            writes.drain(..).for_each(|write| (write.done)());
        }
        match waiting.ending {
            None => {}
            Some(Ending::Dropped) => return,
            Some(Ending::Closed(reply)) => {
                drop(database);
                drop(reply.send(written));
                return;
            }
        }
    }
}

fn longer(pause: Option<Duration>) -> Duration {
    let (first, most) = (Duration::from_millis(limits::BACKOFF_FIRST.0), Duration::from_millis(limits::BACKOFF_MOST.0));
    pause.map_or(first, |pause| (pause * 2).min(most))
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("ended", &self.lock().is_none()).finish_non_exhaustive()
    }
}
