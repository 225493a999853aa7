//! Log and state in one directory, for a server on one machine.
//!
//! The durable path is the [`journal`]: one sequential file for all streams, one sync for all that waits. What is
//! durable there is applied by the sequencers, waits coalesced in memory ([`streams`]) and is brought to the ordered
//! [`store`] a few times a second ([`flush`]), without a sync. Checkpoints make the store durable and shorten the
//! journal. After a stop of any kind the store is as it was at the last checkpoint and the journal has the rest.

mod clients;
mod directory;
mod flush;
mod journal;
mod latest;
mod objects;
mod open;
mod outstanding;
mod rows;
mod slot;
mod stats;
mod store;
mod streams;
mod tape;
mod thin;
mod unflushed;
mod verify;

use std::future::{Future, ready};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, Key, StreamName};
use tapeline_core::numbers::{ClientId, Position, Seq};
use tapeline_core::object::{Entry, Object};
use tapeline_core::state::{ClientState, StreamState};

use crate::contract::{
    Append, AppendError, Done, EventLog, Head, LogError, StateChanges, StateStore, StreamInfo,
};
use clients::Clients;
use flush::Shared;
use journal::Waiting;
use journal::group::Record;
use rows::{StreamRow, client_key, entry_key};
use store::{Snapshot, place_of};
use streams::{Stream, Table};
use unflushed::Unflushed;

pub use journal::bare::{BareJournal, bare_journal};
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
        stats.unflushed_age = oldest.map_or(std::time::Duration::ZERO, |since| since.elapsed());
        stats.resident_streams = table.streams.len() as u64;
        stats
    }

    fn join(&self) {
        let mut threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner)).into_iter();
        threads.next().into_iter().for_each(join);
        self.shared.checkpoints.close();
        threads.next().into_iter().for_each(join);
        self.shared.compactions.close();
        threads.for_each(join);
        self.directory.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The table with a stream in memory, where there is such a stream.
    fn table(&self, stream: &StreamName) -> Result<MutexGuard<'_, Table>, LogError> {
        self.shared.streams.with(stream, || load_row(&self.shared.store.snapshot(), stream))
    }

    /// Decides on an append: stages it, or says why not.
    fn stage(&self, table: &mut Table, append: Append) -> Result<Record, AppendError> {
        let Append { stream: name, incarnation, expected, batch } = append;
        let Table { streams, next_number, .. } = table;
        let position = streams.get(&name).map_or(Position::FIRST, |stream| stream.staged.position);
        if position != expected {
            return Err(AppendError::Conflict { position });
        }
        let stream = streams.entry(name.clone()).or_insert_with(|| {
            *next_number += 1;
            Stream::new(*next_number - 1, incarnation)
        });
        if !stream.continues(&batch) {
            return Err(AppendError::Conflict { position });
        }
        stream.stage(&batch);
        let (number, incarnation) = (stream.number, stream.staged.incarnation);
        Ok(Record { stream: name, number, incarnation, position: expected.next(), batch })
    }

    fn read_now(&self, name: &StreamName, from: Seq, most_bytes: usize) -> Result<EventBlock, LogError> {
        let table = self.table(name)?;
        let Some((stream, head)) = table.streams.get(name).and_then(|stream| Some((stream, stream.durable?))) else {
            return Ok(EventBlock::empty(Seq::FIRST, Chain::EMPTY));
        };
        if from >= head.seq {
            return Ok(EventBlock::empty(head.seq, head.chain));
        }
        let number = stream.number;
        let recent = recent_batches(&table, stream, from, most_bytes);
        let stored = recent.first().is_none_or(|batch| batch.block.from() > from);
        let snapshot = self.shared.store.snapshot();
        drop(table);
        let mut found = if stored { tape::read_events(&snapshot, number, from, most_bytes)? } else { None };
        for batch in recent {
            let next = found.as_ref().map_or(from, EventBlock::end);
            if batch.block.from() <= next && batch.block.end() > next && tape::extend(&mut found, &batch.block, next, most_bytes) {
                break;
            }
        }
        found.ok_or_else(|| LogError::Damaged {
            place: format!("store, events of stream {name} from {from}"),
            what: "they are missing".into(),
        })
    }

    fn replay_now(&self, name: &StreamName, after: Position) -> Result<Vec<Arc<Batch>>, LogError> {
        let table = self.table(name)?;
        let Some((stream, head)) = table.streams.get(name).and_then(|stream| Some((stream, stream.durable?))) else {
            return Ok(Vec::new());
        };
        // Positions count batches, and those in memory are the last ones.
        let all: Vec<_> = table.batches(stream).cloned().collect();
        let wanted = head.position.since(after) as usize;
        Ok(all[all.len().saturating_sub(wanted)..].to_vec())
    }

    fn streams_now(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<StreamInfo>, LogError> {
        let table = self.shared.streams.lock();
        let in_memory = table.streams.iter().filter(|(name, _)| after.is_none_or(|after| *name > after));
        let recent = in_memory.filter_map(|(name, stream)| {
            Some((name.clone(), StreamInfo { stream: name.clone(), head: stream.durable?, bytes: stream.bytes }))
        });
        let mut found: std::collections::BTreeMap<_, _> = recent.collect();
        let snapshot = self.shared.store.snapshot();
        drop(table);
        let from = after.map_or(vec![rows::table::STREAM], StreamRow::key);
        for row in snapshot.range(&from..=&[rows::table::STREAM, u8::MAX]).take(limit + 1) {
            let (key, value) = row?;
            let (stream, row) = decode_row(&key, &value)?;
            if after != Some(&stream) {
                let info = StreamInfo { stream: stream.clone(), head: row.head(), bytes: row.bytes };
                found.entry(stream).or_insert(info);
            }
        }
        Ok(found.into_values().take(limit).collect())
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

impl EventLog for Embedded {
    fn append(&self, append: Append, done: Done) {
        self.shared.journal.wait_for_room();
        let encoded = append.batch.encode();
        let refused = match self.table(&append.stream) {
            Ok(mut table) => {
                let append = self.stage(&mut table, append);
                self.shared.journal.push(Waiting { append, done }, &encoded).err().map(|waiting| (waiting.done, "the log is closed".into()))
            }
            Err(error) => Some((done, error.to_string())),
        };
        if let Some((done, why)) = refused {
            done(Err(AppendError::Unknown(why)));
        }
    }

    fn head(&self, stream: &StreamName) -> impl Future<Output = Result<Option<Head>, LogError>> + Send {
        let table = self.table(stream);
        ready(table.map(|table| table.streams.get(stream).and_then(|stream| stream.durable)))
    }

    fn read(
        &self,
        stream: &StreamName,
        from: Seq,
        most_bytes: usize,
    ) -> impl Future<Output = Result<EventBlock, LogError>> + Send {
        ready(self.read_now(stream, from, most_bytes))
    }

    fn replay(
        &self,
        stream: &StreamName,
        after: Position,
    ) -> impl Future<Output = Result<Vec<Arc<Batch>>, LogError>> + Send {
        ready(self.replay_now(stream, after))
    }

    fn streams(
        &self,
        after: Option<&StreamName>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<StreamInfo>, LogError>> + Send {
        ready(self.streams_now(after, limit))
    }

    fn unapplied_streams(&self) -> Vec<StreamName> {
        let table = self.shared.streams.lock();
        let behind = table.streams.iter().filter(|(_, stream)| !stream.pending.is_empty());
        behind.map(|(name, _)| name.clone()).collect()
    }
}

impl StateStore for Embedded {
    fn stream(&self, stream: &StreamName) -> Result<Option<StreamState>, LogError> {
        Ok(self.table(stream)?.streams.get(stream).and_then(|stream| stream.applied))
    }

    fn entries(&self, stream: &StreamName, keys: &[Key]) -> Result<Vec<Option<Entry>>, LogError> {
        let Some((number, recent, snapshot)) = self.recent(stream, keys, |unflushed, key| unflushed.entries.get(key).cloned())? else {
            return Ok(vec![None; keys.len()]);
        };
        let find = |(key, recent): (&Key, Option<Entry>)| match recent {
            Some(entry) => Ok(Some(entry)),
            None => get(&snapshot, &entry_key(number, key), |key, value| Ok(objects::decode(key, value)?.1)),
        };
        keys.iter().zip(recent).map(find).collect()
    }

    fn clients(&self, stream: &StreamName, clients: &[ClientId]) -> Result<Vec<Option<ClientState>>, LogError> {
        let Some((number, recent, snapshot)) = self.recent(stream, clients, |unflushed, client| unflushed.clients.get(client).cloned())?
        else {
            return Ok(vec![None; clients.len()]);
        };
        let stored = load_row(&snapshot, stream)?.map(|row| row.clients).unwrap_or_default();
        let find = |(client, recent): (&ClientId, Option<ClientState>)| match recent {
            Some(state) => Ok(Some(state)),
            None => stored_client(&snapshot, number, &stored, *client),
        };
        clients.iter().zip(recent).map(find).collect()
    }

    fn apply(&self, stream: &StreamName, changes: StateChanges) -> Result<(), LogError> {
        let table = self.table(stream)?;
        self.shared.streams.apply(table, stream, changes)
    }

    fn objects(
        &self,
        stream: &StreamName,
        collection: Option<&Collection>,
        visit: &mut dyn FnMut(&Key, &Arc<Object>) -> ControlFlow<()>,
    ) -> Result<Option<StreamState>, LogError> {
        let table = self.table(stream)?;
        let found = table.streams.get(stream).and_then(|stream| Some((stream.number, stream.applied?)));
        let Some((number, state)) = found else { return Ok(None) };
        let mut over = rustc_hash::FxHashMap::default();
        for unflushed in table.unflushed(number).into_iter().flatten() {
            let entries = unflushed.entries.iter().filter(|(key, _)| collection.is_none_or(|only| key.collection == *only));
            over.extend(entries.map(|(key, entry)| (key.clone(), entry.clone())));
        }
        let snapshot = self.shared.store.snapshot();
        drop(table);
        objects::visit_objects(&snapshot, number, over.into_iter().collect(), collection, visit)?;
        Ok(Some(state))
    }
}

impl Embedded {
    /// What waits to be written under some keys of a stream, its number, and the store for the rest.
    fn recent<K, V>(
        &self,
        stream: &StreamName,
        keys: &[K],
        find: impl Fn(&Unflushed, &K) -> Option<V>,
    ) -> Result<Option<(u64, Vec<Option<V>>, Snapshot<'_>)>, LogError> {
        let table = self.table(stream)?;
        let Some(number) = table.streams.get(stream).map(|stream| stream.number) else { return Ok(None) };
        let [writing, current] = table.unflushed(number);
        let newest_first = [current, writing];
        let found = |key| newest_first.iter().flatten().find_map(|unflushed| find(unflushed, key));
        Ok(Some((number, keys.iter().map(found).collect(), self.shared.store.snapshot())))
    }
}

/// The batches in memory that have events from `from` on, as many as `most_bytes` need.
fn recent_batches(table: &Table, stream: &Stream, from: Seq, most_bytes: usize) -> Vec<Arc<Batch>> {
    let mut bytes = 0;
    let wanted = table.batches(stream).filter(|batch| batch.block.end() > from && !batch.block.is_empty());
    let enough = wanted.take_while(|batch| {
        let enough = bytes >= most_bytes;
        bytes += batch.block.bytes().len();
        !enough || bytes == batch.block.bytes().len()
    });
    enough.cloned().collect()
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        eprintln!("tapeline: a thread of the log panicked");
    }
}

/// A value from the store, read.
fn get<T>(
    snapshot: &Snapshot<'_>,
    key: &[u8],
    decode: impl Fn(&[u8], &[u8]) -> Result<T, LogError>,
) -> Result<Option<T>, LogError> {
    snapshot.get(key)?.map(|value| decode(key, &value)).transpose()
}

fn load_row(snapshot: &Snapshot<'_>, stream: &StreamName) -> Result<Option<StreamRow>, LogError> {
    get(snapshot, &StreamRow::key(stream), |key, value| Ok(decode_row(key, value)?.1))
}

fn decode_row(key: &[u8], value: &[u8]) -> Result<(StreamName, StreamRow), LogError> {
    let row = StreamRow::name(key).zip(StreamRow::decode(value));
    row.ok_or_else(|| LogError::Damaged { place: place_of(key), what: "not the row of a stream".into() })
}

fn stored_client(
    snapshot: &Snapshot<'_>,
    number: u64,
    clients: &Clients,
    client: ClientId,
) -> Result<Option<ClientState>, LogError> {
    let key = client_key(number, client);
    match clients {
        Clients::Apart => get(snapshot, &key, decode_client),
        Clients::Few(_) => clients.get(client).map(|state| decode_client(&key, state)).transpose(),
    }
}

fn decode_client(key: &[u8], value: &[u8]) -> Result<ClientState, LogError> {
    ClientState::decode(value).map_err(|error| LogError::Damaged { place: place_of(key), what: error.to_string() })
}
