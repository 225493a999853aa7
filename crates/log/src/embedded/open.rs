//! Opens a directory: takes it, opens the store, and reads from the journal what the store does not have.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};

use rustc_hash::FxHashMap;
use tapeline_core::name::StreamName;

use super::directory::Directory;
use super::flush::{Flusher, Shared, run_checkpoints, run_compactions};
use super::journal::group::Record;
use super::journal::recover::recover;
use super::journal::{Journal, Waiting};
use super::load::{get, load_row};
use super::reclaim::Reclaim;
use super::rows::MetaRow;
use super::slot::Slot;
use super::stats::Counters;
use super::store::{Store, place_of};
use super::streams::{Pending, Stream, Streams, Table};
use super::{Embedded, Fatal, OpenError};
use crate::contract::LogError;

/// What the journal has of each stream: batches, each with its group.
type Found = FxHashMap<StreamName, Vec<(u64, Record)>>;

impl Embedded {
    /// Opens a directory, making it where there is none. A failed write of the journal ends the process.
    ///
    /// # Errors
    /// Where another process has it, it is of another format, or something acknowledged in it is damaged.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, Self::abort())
    }

    /// Opens a directory with another answer to a failed write of the journal.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: &Path, fatal: Fatal) -> Result<Self, OpenError> {
        Self::open_directory(Directory::take(path)?, fatal)
    }

    /// Ends the process.
    pub(super) fn abort() -> Fatal {
        Arc::new(|why: &str| {
            eprintln!("tapeline: {why}; stopping, since nobody knows what the disk holds now");
            std::process::abort();
        })
    }

    pub(super) fn open_directory(directory: Directory, fatal: Fatal) -> Result<Self, OpenError> {
        let store = Store::open(&directory.store())?;
        let meta = load_meta(&store)?;
        directory.is_open(meta.is_some())?;
        let meta = meta.unwrap_or(MetaRow { journal: 1, next_number: 1 });
        let mut found = Found::default();
        let recovered = recover(&directory.journal(), meta.journal, |group, record| {
            found.entry(record.stream.clone()).or_default().push((group, record));
            Ok(())
        })?;
        let streams = Arc::new(Streams::new(rebuild(&store, meta, found)?));
        let counters = Arc::new(Counters::default());
        let on_durable = {
            let streams = streams.clone();
            Box::new(move |group, appends: &[Waiting]| take_durable(&streams, group, appends))
        };
        let journal = Journal::start(
            directory.journal(),
            recovered.next,
            recovered.segments,
            on_durable,
            fatal,
            counters.clone(),
        )?;
        let shared = Arc::new(Shared {
            streams,
            store,
            journal,
            counters,
            checkpoints: Slot::new(),
            compactions: Slot::new(),
            reclaim: Reclaim::default(),
            declared: OnceLock::new(),
            abandoned: AtomicBool::new(false),
        });
        Ok(Self::start(shared, directory, meta.journal)?)
    }

    fn start(shared: Arc<Shared>, directory: Directory, journal: u64) -> io::Result<Self> {
        let flusher = Flusher::new(shared.clone(), journal);
        let flusher = spawn("flusher", &shared.streams, move || flusher.run())?;
        let (for_checkpoints, for_compactions) = (shared.clone(), shared.clone());
        let checkpointer = spawn("checkpointer", &shared.streams, move || run_checkpoints(&for_checkpoints))?;
        let compactor = spawn("compactor", &shared.streams, move || run_compactions(&for_compactions))?;
        Ok(Self {
            shared,
            threads: Mutex::new(vec![flusher, checkpointer, compactor]),
            directory: Mutex::new(Some(directory)),
        })
    }
}

/// Starts a thread that writes behind. Where it panics, as the tree below does over some damage, nobody waits for it any more.
fn spawn(
    name: &'static str,
    streams: &Arc<Streams>,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let streams = streams.clone();
    thread::Builder::new().name(name.into()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            streams.break_off(name, LogError::Storage("it panicked".into()));
        }
    })
}

fn load_meta(store: &Arc<Store>) -> Result<Option<MetaRow>, LogError> {
    get(&store.snapshot(), &MetaRow::KEY, |key, value| {
        MetaRow::decode(value)
            .ok_or_else(|| LogError::Damaged { place: place_of(key), what: "not the row it should be".into() })
    })
}

/// Tells the streams that a group is durable.
fn take_durable(streams: &Streams, group: u64, appends: &[Waiting]) {
    let mut table = streams.lock();
    for record in appends.iter().filter_map(|waiting| waiting.append.as_ref().ok()) {
        table.take_durable(group, record);
    }
}

/// The table as it was when the server stopped: what the store has, with what only the journal has as pending.
fn rebuild(store: &Arc<Store>, meta: MetaRow, found: Found) -> Result<Table, LogError> {
    let mut table = Table::new(meta.next_number, meta.journal);
    let snapshot = store.snapshot();
    let mut found: Vec<_> = found.into_iter().collect();
    // In the order of the store's keys, so that each of its blocks is read once.
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, records) in found {
        let row = load_row(&snapshot, &name)?;
        let stored = row.as_ref().map(|row| row.state.position).unwrap_or_default();
        let mut records = records.into_iter().filter(|(_, record)| record.position > stored).peekable();
        let Some((_, first)) = records.peek() else { continue };
        let stream = row.map_or_else(|| Stream::new(first.number, first.incarnation), |row| Stream::stored(&row));
        table.next_number = table.next_number.max(stream.number + 1);
        table.streams.insert(name, stream);
        for (group, record) in records {
            restage(&mut table, group, &record)?;
        }
    }
    Ok(table)
}

fn restage(table: &mut Table, group: u64, record: &Record) -> Result<(), LogError> {
    let Some(stream) = table.streams.get_mut(&record.stream) else { return Ok(()) };
    if stream.staged.position.next() != record.position || !stream.continues(&record.batch) {
        return Err(LogError::Damaged {
            place: format!("journal group {group}"),
            what: format!("batch {} of {} does not follow from the one before it", record.position, record.stream),
        });
    }
    stream.stage(&record.batch);
    table.take_durable(group, record);
    Ok(())
}

impl Table {
    /// Takes a batch that became durable with a group.
    pub(super) fn take_durable(&mut self, group: u64, record: &Record) {
        if let Some(stream) = self.streams.get_mut(&record.stream) {
            self.pending_bytes += record.batch.block.bytes().len();
            self.outstanding.add(group, 1);
            stream.durable(Pending { group, position: record.position, batch: record.batch.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_thread_that_panicked() {
        let streams = Arc::new(Streams::default());
        spawn("flusher", &streams, || panic!("over damage")).unwrap().join().unwrap();
        let (tell, hear) = std::sync::mpsc::sync_channel(1);
        let name = StreamName::new("s").unwrap();
        assert!(streams.request(super::super::streams::Request::Forget(name), tell).is_err());
        assert!(hear.recv().is_err() && streams.broken().is_some());
    }
}
