//! Log and state in one directory, for a server on one machine.
//!
//! The durable path is the [`journal`]: one sequential file for all streams, one sync for all that waits. What is
//! durable there is applied by the sequencers, waits coalesced in memory ([`streams`]) and is brought to the ordered
//! [`store`] a few times a second ([`flush`]), without a sync. Checkpoints make the store durable and shorten the
//! journal. After a stop of any kind the store is as it was at the last checkpoint and the journal has the rest.

mod cache;
mod carry;
mod clients;
mod copying;
mod directory;
mod flush;
mod forget;
mod index;
mod indexes;
mod journal;
mod kept;
mod latest;
mod load;
mod log;
mod open;
mod outstanding;
mod pin;
mod reclaim;
mod rows;
mod scan;
mod slot;
mod space;
mod state;
mod stats;
mod store;
mod streams;
mod tape;
mod thin;
mod touched;
mod trim;
mod unflushed;
mod verify;
mod view;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tapeline_core::name::StreamName;
use tapeline_core::query::index::Index;

use crate::contract::LogError;
use flush::Shared;
use load::load_row;
use streams::{Request, Table};

pub use carry::Carried;
pub use journal::bare::{BareJournal, bare_journal};
pub use space::{Space, StreamSpace, space};
pub use stats::{COMMIT_BUCKETS, Stats};
pub use verify::{Verified, verify};

/// Is told why the process cannot go on; must not return, except in a test.
pub type Fatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Log and state in one directory.
pub struct Embedded {
    shared: Arc<Shared>,
    /// In the order in which they stop: each may give the next one something to do.
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held for as long as the threads may write.
    directory: Mutex<Option<directory::Directory>>,
}

/// Why a directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another server has {directory} open; stop it first, or give this one a directory of its own")]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// It was written by a newer version.
    #[error("the directory has format {found} and this version knows formats up to {known}; use a newer version")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// There is no log in it, and none was to be made.
    #[error("there is no log in {directory}")]
    NoLog {
        /// The directory.
        directory: PathBuf,
    },
    /// A part of it is not there.
    #[error(
        "{directory} has a log without its {missing}: put that back, or mount it, or restore a backup; to begin anew, \
         remove all of the directory"
    )]
    Incomplete {
        /// The directory.
        directory: PathBuf,
        /// The name of the part.
        missing: &'static str,
    },
    /// It is the cache of a log that is elsewhere.
    #[error("{directory} is the cache of the log {of}: use it with that log, or remove it, or use another directory")]
    Cache {
        /// The directory.
        directory: PathBuf,
        /// The identity of the log.
        of: String,
    },
    /// A log is being copied there.
    #[error("{directory} is a copy that was not finished: run tapeline copy again")]
    Copying {
        /// The directory.
        directory: PathBuf,
    },
    /// It has a log of its own.
    #[error("{directory} has a log of its own, and cannot be the cache of another: use another directory")]
    NoCache {
        /// The directory.
        directory: PathBuf,
    },
    /// It is not a log.
    #[error("{path} says {text:?}, which is not the format of a log")]
    Foreign {
        /// The file that says the format.
        path: PathBuf,
        /// What it says.
        text: String,
    },
    /// What is in it is damaged, or cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The directory cannot be used.
    #[error("the directory cannot be used: {0}")]
    Io(#[from] std::io::Error),
}

impl Embedded {
    /// Writes everything that was applied, makes it durable, and lets the directory go. Later appends are `Unknown`.
    ///
    /// # Errors
    /// Where writing behind failed before or fails now. Nothing acknowledged is lost by it.
    pub fn close(&self) -> Result<(), LogError> {
        self.shared.journal.close();
        self.shared.streams.hurry(true);
        self.join();
        self.shared.streams.broken().map_or(Ok(()), Err)
    }

    /// Has what was applied written to the store soon, rather than at its time.
    pub fn flush_soon(&self) {
        self.shared.streams.hurry(false);
    }

    /// Says which indexes there are to be, once, before anything else is done with the log. Streams that lack one get it
    /// behind what goes on, and until then queries do without; those that are there and not declared go.
    pub fn declare(&self, indexes: Vec<Index>) {
        // Said again it counts as it was said first.
        if self.shared.declared.set(indexes).is_ok() {
            self.shared.counters.building_indexes.store(true, Ordering::Relaxed);
        }
        self.shared.streams.hurry(false);
    }

    /// Counts and sizes, for those who watch the server.
    pub fn stats(&self) -> Stats {
        let mut stats = self.shared.counters.read();
        stats.journal_bytes = self.shared.journal.bytes();
        stats.store_bytes = self.shared.store.disk_bytes();
        let table = self.shared.streams.lock();
        let generations = || [Some(&table.current), table.writing.as_deref()].into_iter().flatten();
        stats.unapplied_bytes = table.pending_bytes as u64;
        stats.unflushed_bytes = generations().map(|generation| generation.bytes as u64).sum();
        let oldest = generations().filter_map(|generation| generation.since).min();
        stats.unflushed_age = oldest.map_or(Duration::ZERO, |since| since.elapsed());
        stats.resident_streams = table.streams.len() as u64;
        stats
    }

    fn lock_directory(&self) -> MutexGuard<'_, Option<directory::Directory>> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self) {
        let mut threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner)).into_iter();
        threads.next().into_iter().for_each(join);
        self.shared.checkpoints.close();
        threads.next().into_iter().for_each(join);
        self.shared.compactions.close();
        threads.for_each(join);
        self.lock_directory().take();
    }

    /// Waits until the flusher has done something.
    fn request(&self, request: Request) -> Result<(), LogError> {
        let (tell, hear) = sync_channel(1);
        self.shared.streams.request(request, tell)?;
        hear.recv().map_err(|_| LogError::Storage("the log is closed, or cannot be written".into()))
    }

    /// Waits until what was applied to a stream so far is in the store.
    fn write_out(&self, stream: &StreamName) -> Result<(), LogError> {
        self.shared.streams.write_out(self.table(stream)?, stream)
    }

    /// The table with a stream in memory, where there is such a stream.
    fn table(&self, stream: &StreamName) -> Result<MutexGuard<'_, Table>, LogError> {
        self.shared.streams.with(stream, || load_row(&self.shared.store.snapshot(), stream))
    }
}

impl Drop for Embedded {
    /// Stops as if the process had been killed, only tidier: what is not written behind stays in the journal.
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Release);
        self.shared.journal.close();
        self.shared.streams.hurry(true);
        self.join();
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        eprintln!("tapeline: a thread of the log panicked");
    }
}
