//! Reads every record of a directory and names all damage.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use tapeline_core::block::EventBlock;
use tapeline_core::hash::Chain;
use tapeline_core::numbers::Seq;
use xxhash_rust::xxh3::Xxh3;

use super::clients::Clients;
use super::directory::Directory;
use super::index::index_of;
use super::indexes::check_indexes;
use super::journal::recover::inspect;
use super::load::{decode_client, decode_row};
use super::pin::decode_entry;
use super::rows::{StreamRow, events_key, prefix, table};
use super::store::{Snapshot, Store, place_of};
use super::view::View;
use super::{OpenError, kept, tape};
use crate::contract::LogError;

/// Damage that stops a look at one table: past it the tree cannot be read on.
const MOST_DAMAGE_IN_A_TABLE: usize = 100;

/// What a directory holds.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Batches in the journal.
    pub journal_batches: u64,
    /// Streams in the store.
    pub streams: u64,
    /// Events in the store.
    pub events: u64,
    /// Objects and tombstones in the store.
    pub entries: u64,
    /// Clients in the store.
    pub clients: u64,
    /// All damage that was found.
    pub damage: Vec<LogError>,
}

/// Reads everything in a directory that no server has open, and tells `progress` how many records it has read.
///
/// Nothing is changed. Each record is checked and decoded; the events of each stream are checked to be dense and
/// chained up to the stream's own row.
///
/// # Errors
/// Where the directory has no log, another process has it, or it cannot be read at all.
pub fn verify(path: &Path, mut progress: impl FnMut(u64)) -> Result<Verified, OpenError> {
    let directory = Directory::look(path)?;
    let mut verified = Verified::default();
    let (mut batches, mut damage) = (0, Vec::new());
    inspect(&directory.journal(), |_, _| batches += 1, |error| damage.push(error))?;
    (verified.journal_batches, verified.damage) = (batches, damage);
    let view = View::new(&directory.store())?;
    match Store::open(view.path()) {
        Ok(store) => verify_store(&store, &view, directory.is_cache()?, &mut verified, &mut progress),
        Err(error) => verified.damage.push(view.in_words_of_the_original(error)),
    }
    Ok(verified)
}

fn verify_store(
    store: &Arc<Store>,
    view: &View,
    is_cache: bool,
    verified: &mut Verified,
    progress: &mut dyn FnMut(u64),
) {
    let read = verified.journal_batches;
    let mut look = Look { snapshot: store.snapshot(), is_cache, verified, progress, read };
    look.streams();
    look.table(table::ENTRY, |verified, key, value| {
        verified.entries += 1;
        decode_entry(key, value).map(drop)
    });
    look.table(table::CLIENT, |verified, key, value| {
        verified.clients += 1;
        decode_client(key, value).map(drop)
    });
    look.table(table::KEPT, |_, key, value| kept::decode(key, value).map(drop));
    drop(look);
    let damaged = store.files().into_iter().filter_map(|(path, check)| check_file(&path, check));
    verified.damage.extend(damaged.map(|error| view.in_words_of_the_original(error)));
}

/// Reads a whole file, so that bytes are checked too that no record needs.
fn check_file(path: &Path, check: u128) -> Option<LogError> {
    let place = path.display().to_string();
    match hash_file(path) {
        Ok(found) if found == check => None,
        Ok(_) => Some(LogError::Damaged { place, what: "the checksum of the file does not match".into() }),
        Err(error) => Some(LogError::Storage(format!("{place}: {error}"))),
    }
}

fn hash_file(path: &Path) -> io::Result<u128> {
    let (mut file, mut hash, mut part) = (File::open(path)?, Xxh3::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hash.digest128()),
            read => hash.update(&part[..read]),
        }
    }
}

/// One look through the store.
struct Look<'l> {
    snapshot: Snapshot,
    is_cache: bool,
    verified: &'l mut Verified,
    progress: &'l mut dyn FnMut(u64),
    read: u64,
}

impl Look<'_> {
    /// Reads all rows of a table.
    fn table(&mut self, table: u8, mut check: impl FnMut(&mut Verified, &[u8], &[u8]) -> Result<(), LogError>) {
        let mut damaged = 0;
        for row in self.snapshot.prefix(&[table]) {
            let checked = row.and_then(|(key, value)| check(self.verified, &key, &value));
            self.read += 1;
            (self.progress)(self.read);
            if let Err(error) = checked {
                damaged += 1;
                self.verified.damage.push(error);
            }
            if damaged == MOST_DAMAGE_IN_A_TABLE {
                return;
            }
        }
    }

    fn streams(&mut self) {
        let mut rows = Vec::new();
        self.table(table::STREAM, |verified, key, value| {
            let (_, row) = decode_row(key, value)?;
            verified.streams += 1;
            let few = check_clients(&row, key);
            rows.push(row);
            verified.clients += few?;
            Ok(())
        });
        for row in rows {
            let checked = [self.events(&row), check_indexes(&self.snapshot, &row)];
            self.verified.damage.extend(checked.into_iter().filter_map(Result::err));
        }
    }

    /// Checks that the events of a stream are all there and follow from one another.
    fn events(&mut self, row: &StreamRow) -> Result<(), LogError> {
        let (mut end, mut indexed) = (self.begins(row)?, 0);
        for table in [table::SEGMENT, table::TAIL] {
            for block in self.snapshot.prefix(&prefix(table, row.number)) {
                let (key, value) = block?;
                let block = tape::decode(&key, &value)?;
                check_follows(row, end, (block.from(), block.before()))?;
                end = (block.end(), block.after());
                indexed += u64::from(table == table::SEGMENT && self.index(row, &block)?);
                self.count(&block);
            }
        }
        self.only_those_indexes(row, indexed)?;
        check_follows(row, end, (row.state.head, row.state.chain))
    }

    /// Where the events of a stream begin that are here.
    fn begins(&self, row: &StreamRow) -> Result<(Seq, Chain), LogError> {
        if !self.is_cache {
            return Ok((row.horizon.seq, row.horizon.chain));
        }
        // One that began from a snapshot leaves the events before it to its log.
        for table in [table::SEGMENT, table::TAIL] {
            if let Some(first) = tape::blocks(&self.snapshot, table, row.number, Seq::FIRST)?.next().transpose()? {
                return Ok((first.from(), first.before()));
            }
        }
        Ok((row.state.head, row.state.chain))
    }

    /// Checks that the index of a segment, where it has one, says what its events touch. Segments of older versions
    /// have none.
    fn index(&self, row: &StreamRow, segment: &EventBlock) -> Result<bool, LogError> {
        let key = events_key(table::INDEX, row.number, segment.from());
        let Some(index) = self.snapshot.get(&key)? else { return Ok(false) };
        let same = index_of(segment).is_some_and(|expected| expected == *index);
        let what = || "the index of a segment is not that of its events".into();
        same.then_some(true).ok_or_else(|| LogError::Damaged { place: place_of(&key), what: what() })
    }

    fn only_those_indexes(&self, row: &StreamRow, expected: u64) -> Result<(), LogError> {
        let place = prefix(table::INDEX, row.number);
        let found = self.snapshot.prefix(&place).count() as u64;
        let what = || format!("{found} indexes, and {expected} segments that they are of");
        (found == expected).then_some(()).ok_or_else(|| LogError::Damaged { place: place_of(&place), what: what() })
    }

    fn count(&mut self, block: &EventBlock) {
        self.verified.events += block.count();
        self.read += 1;
        (self.progress)(self.read);
    }
}

/// Reads the clients in a stream's row and counts them.
fn check_clients(row: &StreamRow, key: &[u8]) -> Result<u64, LogError> {
    let Clients::Few(few) = &row.clients else { return Ok(0) };
    few.iter().try_for_each(|(_, state)| decode_client(key, state).map(drop))?;
    Ok(few.len() as u64)
}

fn check_follows(row: &StreamRow, end: (Seq, Chain), next: (Seq, Chain)) -> Result<(), LogError> {
    if end == next {
        return Ok(());
    }
    Err(LogError::Damaged {
        place: format!("store, events of stream number {} at {}", row.number, end.0),
        what: format!("the chain is {} there, and what follows expects {} at {}", end.1, next.1, next.0),
    })
}
