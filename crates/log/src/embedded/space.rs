//! What takes the space in a directory: for each stream its events, indexes, objects and clients.

use std::path::Path;

use rustc_hash::FxHashMap;
use tapeline_core::name::StreamName;

use super::OpenError;
use super::directory::Directory;
use super::load::decode_row;
use super::rows::{read_stream_number, table};
use super::store::Store;
use super::view::View;

/// What takes the space in a directory.
#[derive(Clone, Debug, Default)]
pub struct Space {
    /// Its streams, those that take most first.
    pub streams: Vec<StreamSpace>,
    /// Bytes of the journal's files.
    pub journal: u64,
    /// Bytes of the store's files: they have all below, and what was replaced or let go and is not yet given back.
    pub store: u64,
}

/// What one stream takes, in bytes of rows before the store compresses them. Sealed events are compressed already.
#[derive(Clone, Debug)]
pub struct StreamSpace {
    /// Its name.
    pub stream: StreamName,
    /// Its events.
    pub events: u64,
    /// Events that were kept when the others around them were let go.
    pub kept: u64,
    /// The indexes: of what events touch, and of fields.
    pub index: u64,
    /// Objects and tombstones.
    pub objects: u64,
    /// What clients were told, and the stream itself.
    pub clients: u64,
}

impl StreamSpace {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.events + self.kept + self.index + self.objects + self.clients
    }
}

/// Looks at all rows of a directory that no server has open, and tells `progress` how many bytes it has looked at, of
/// how many there are about. Nothing is changed.
///
/// # Errors
/// Where the directory has no log, another process has it, or it cannot be read.
pub fn space(path: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Space, OpenError> {
    let directory = Directory::look(path)?;
    let view = View::new(&directory.store())?;
    let store = Store::open(view.path()).map_err(|error| view.in_words_of_the_original(error))?;
    let (snapshot, all) = (store.snapshot(), store.disk_bytes());
    let mut streams: FxHashMap<u64, StreamSpace> = FxHashMap::default();
    for row in snapshot.prefix(&[table::STREAM]) {
        let (key, value) = row?;
        let (stream, row) = decode_row(&key, &value)?;
        let clients = (key.len() + value.len()) as u64;
        let (events, kept, index, objects) = Default::default();
        streams.insert(row.number, StreamSpace { stream, events, kept, index, objects, clients });
    }
    let mut read = 0;
    for table in [table::TAIL, table::SEGMENT, table::ENTRY, table::CLIENT, table::INDEX, table::KEPT, table::FIELDS] {
        for row in snapshot.prefix(&[table]) {
            let (key, value) = row?;
            let bytes = (key.len() + value.len()) as u64;
            read += bytes;
            progress(read, all.max(read));
            let stream = read_stream_number(&key).and_then(|number| streams.get_mut(&number));
            if let Some(part) = stream.and_then(|stream| part_of(stream, table)) {
                *part += bytes;
            }
        }
    }
    let mut streams: Vec<_> = streams.into_values().collect();
    streams.sort_by(|a, b| b.total().cmp(&a.total()).then_with(|| a.stream.cmp(&b.stream)));
    Ok(Space { streams, journal: bytes_of(&directory.journal())?, store: all })
}

fn part_of(stream: &mut StreamSpace, table: u8) -> Option<&mut u64> {
    match table {
        table::TAIL | table::SEGMENT => Some(&mut stream.events),
        table::ENTRY => Some(&mut stream.objects),
        table::CLIENT => Some(&mut stream.clients),
        table::INDEX | table::FIELDS => Some(&mut stream.index),
        table::KEPT => Some(&mut stream.kept),
        _ => None,
    }
}

fn bytes_of(directory: &Path) -> std::io::Result<u64> {
    std::fs::read_dir(directory)?.map(|file| Ok(file?.metadata()?.len())).sum()
}
