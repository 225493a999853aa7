//! The store: one ordered tree of rows that takes batches atomically and is made durable at checkpoints.
//!
//! The tree is that of fjall (`lsm-tree`), without fjall's own journal: ours is before it already. Rows written go to a
//! memtable; a checkpoint writes the memtable to a file and syncs it. A memtable begins and ends between two batches
//! and one tree holds all tables, so what is on disk is always all of some number of batches and nothing else.
//!
//! There is one writer. Readers read snapshots, which never show a part of a batch.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsm_tree::compaction::Leveled;
use lsm_tree::config::{BlockSizePolicy, CompressionPolicy};
use lsm_tree::{
    AbstractTree, AnyTree, Cache, CompressionType, Config, DescriptorTable, Guard, InternalValue, KvSeparationOptions,
    SequenceNumberCounter, Slice, ValueType,
};

use super::rows::Row;
use crate::contract::LogError;
use crate::limits;

/// The rows of a log.
pub(super) struct Store {
    tree: AnyTree,
    /// Gives each batch, and each change of the tree's files, its number.
    numbers: SequenceNumberCounter,
    /// Everything below is visible.
    visible: AtomicU64,
    writing: Mutex<()>,
    snapshots: Mutex<BTreeMap<u64, usize>>,
}

impl Store {
    /// Opens a store, making it where there is none.
    pub(super) fn open(path: &Path) -> Result<Arc<Self>, LogError> {
        let numbers = SequenceNumberCounter::default();
        let apart = KvSeparationOptions::default().separation_threshold(limits::APART_BYTES).age_cutoff(1.0);
        let tree = Config::new(path, numbers.clone(), SequenceNumberCounter::default())
            .use_cache(Arc::new(Cache::with_capacity_bytes(limits::CACHE_BYTES)))
            .use_descriptor_table(Some(Arc::new(DescriptorTable::new(limits::OPEN_FILES))))
            .data_block_size_policy(BlockSizePolicy::all(limits::BLOCK_BYTES))
            .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
            .with_kv_separation(Some(apart));
        let tree = unpanicked(path, || tree.open())?;
        let highest = tree.get_highest_seqno().map_or(0, |highest| highest + 1);
        numbers.fetch_max(highest);
        Ok(Arc::new(Self {
            tree,
            numbers,
            visible: AtomicU64::new(highest),
            writing: Mutex::default(),
            snapshots: Mutex::default(),
        }))
    }

    /// Everything as it is now, whatever is written later.
    pub(super) fn snapshot(self: &Arc<Self>) -> Snapshot {
        let mut snapshots = lock(&self.snapshots);
        let at = self.visible.load(Ordering::Acquire);
        *snapshots.entry(at).or_default() += 1;
        Snapshot { store: self.clone(), at }
    }

    /// Writes rows, all of them or none, each key at most once. They are durable with the next checkpoint.
    pub(super) fn write(&self, rows: Vec<Row>) {
        let _writing = lock(&self.writing);
        let (number, memtable) = (self.numbers.next(), self.tree.active_memtable());
        for (key, value) in rows {
            let kind = if value.is_some() { ValueType::Value } else { ValueType::Tombstone };
            memtable.insert(InternalValue::from_components(key, value.unwrap_or_default(), number, kind));
        }
        self.visible.store(number + 1, Ordering::Release);
    }

    /// Bytes written since the last [`seal`](Self::seal).
    pub(super) fn unsealed_bytes(&self) -> u64 {
        self.tree.active_memtable().size()
    }

    /// Ends the memtable: what was written up to here is durable after the next [`checkpoint`](Self::checkpoint).
    pub(super) fn seal(&self) -> bool {
        let _writing = lock(&self.writing);
        self.tree.rotate_memtable().is_some()
    }

    /// How many memtables wait for a checkpoint.
    pub(super) fn sealed(&self) -> usize {
        self.tree.sealed_memtable_count()
    }

    /// Makes everything that was sealed durable.
    pub(super) fn checkpoint(&self) -> Result<(), LogError> {
        let flushing = self.tree.get_flush_lock();
        self.tree.flush(&flushing, self.unseen()).map_err(|error| self.failed(error))?;
        drop(flushing);
        self.forget()
    }

    /// Merges files where there are too many of them, until there is nothing to do.
    pub(super) fn compact(&self) -> Result<(), LogError> {
        let strategy =
            Leveled::default().with_table_target_size(limits::TABLE_BYTES).with_l0_threshold(limits::YOUNG_TABLES);
        let strategy = Arc::new(strategy);
        loop {
            let before = self.tree.current_version().id();
            self.tree.compact(strategy.clone(), self.unseen()).map_err(|error| self.failed(error))?;
            self.forget()?;
            if self.tree.current_version().id() == before {
                return Ok(());
            }
        }
    }

    /// Merges all files into one run, which is the smallest a store can be.
    pub(super) fn settle(&self) -> Result<(), LogError> {
        self.merge_all()?;
        // Only a merge shows which values apart nobody refers to any more; the next one leaves them out.
        if self.tree.stale_blob_bytes() > 0 { self.merge_all() } else { Ok(()) }
    }

    fn merge_all(&self) -> Result<(), LogError> {
        self.tree.major_compact(limits::TABLE_BYTES, self.unseen()).map_err(|error| self.failed(error))?;
        self.forget()
    }

    /// All files with the xxh3-128 of what was written to them.
    pub(super) fn files(&self) -> Vec<(PathBuf, u128)> {
        let version = self.tree.current_version();
        let tables = version.iter_tables().map(|table| (table.path.to_path_buf(), table.checksum().into_u128()));
        let apart = version.blob_files.iter().map(|file| (file.path().to_path_buf(), file.checksum().into_u128()));
        tables.chain(apart).collect()
    }

    /// Bytes of all files.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.tree.disk_space()
    }

    /// Below it, only the newest version of a row is ever read.
    fn unseen(&self) -> u64 {
        let snapshots = lock(&self.snapshots);
        let oldest = snapshots.first_key_value().map(|(&at, _)| at);
        oldest.unwrap_or_else(|| self.visible.load(Ordering::Acquire))
    }

    /// Lets readers see the newest files, and deletes those that nobody sees any more.
    fn forget(&self) -> Result<(), LogError> {
        let writing = lock(&self.writing);
        self.visible.store(self.numbers.get(), Ordering::Release);
        drop(writing);
        let path = self.tree.tree_config().path.clone();
        let result = self.tree.get_version_history_lock().maintenance(&path, self.unseen());
        result.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: lsm_tree::Error) -> LogError {
        failed(&self.tree.tree_config().path, error)
    }
}

/// The store at one moment.
pub(super) struct Snapshot {
    store: Arc<Store>,
    at: u64,
}

/// Rows in order, from either end.
pub(super) trait Rows: DoubleEndedIterator<Item = Result<(Slice, Slice), LogError>> {}
impl<R: DoubleEndedIterator<Item = Result<(Slice, Slice), LogError>>> Rows for R {}

impl Snapshot {
    /// The value under a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Slice>, LogError> {
        self.store.tree.get(key, self.at).map_err(|error| failed_at(key, error))
    }

    /// Bytes of the value under a key.
    pub(super) fn size(&self, key: &[u8]) -> Result<u64, LogError> {
        let size = self.store.tree.size_of(key, self.at).map_err(|error| failed_at(key, error))?;
        Ok(size.unwrap_or(0).into())
    }

    /// The rows whose keys are in a range.
    pub(super) fn range(&self, from: Bound<&[u8]>, upto: Bound<&[u8]>) -> impl Rows + use<> {
        let place = start_of(from);
        let rows = self.store.tree.range::<&[u8], _>((from, upto), self.at, None);
        rows.map(move |row| row.into_inner().map_err(|error| failed_at(&place, error)))
    }

    /// The keys of those rows: what is stored apart from its key is not read.
    pub(super) fn keys(
        &self,
        from: Bound<&[u8]>,
        upto: Bound<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = Result<Slice, LogError>> + use<> {
        let place = start_of(from);
        let rows = self.store.tree.range::<&[u8], _>((from, upto), self.at, None);
        rows.map(move |row| row.key().map_err(|error| failed_at(&place, error)))
    }

    /// The rows whose keys begin with something.
    pub(super) fn prefix(&self, prefix: &[u8]) -> impl Rows + use<> {
        let from = prefix.to_vec();
        let rows = self.store.tree.prefix(prefix, self.at, None);
        rows.map(move |row| row.into_inner().map_err(|error| failed_at(&from, error)))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let mut snapshots = lock(&self.store.snapshots);
        if let Some(open) = snapshots.get_mut(&self.at) {
            *open -= 1;
            if *open == 0 {
                snapshots.remove(&self.at);
            }
        }
    }
}

fn start_of(bound: Bound<&[u8]>) -> Vec<u8> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => key.to_vec(),
        Bound::Unbounded => Vec::new(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the tree. It panics over some damage of its list of files, which is an error like any other.
fn unpanicked<T>(path: &Path, open: impl FnOnce() -> lsm_tree::Result<T>) -> Result<T, LogError> {
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(result) => result.map_err(|error| failed(path, error)),
        Err(_) => {
            let what = "the list of its files is not what was written".into();
            Err(LogError::Damaged { place: path.display().to_string(), what })
        }
    }
}

fn failed(path: &Path, error: lsm_tree::Error) -> LogError {
    error_at(path.display().to_string(), error)
}

fn failed_at(key: &[u8], error: lsm_tree::Error) -> LogError {
    error_at(place_of(key), error)
}

/// A key as it is named to people.
pub(super) fn place_of(key: &[u8]) -> String {
    format!("store, at or after the key {}", key.escape_ascii())
}

fn error_at(place: String, error: lsm_tree::Error) -> LogError {
    match error {
        lsm_tree::Error::Io(error) => LogError::Storage(format!("{place}: {error}")),
        damage => LogError::Damaged { place, what: damage.to_string() },
    }
}
