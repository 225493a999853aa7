//! Streams that come from another log, and go to another one: as their events, and a snapshot of the rest.
//!
//! ```text
//! begin ─▶ events, as many times as it takes ─▶ records ─▶ settle
//! ```
//!
//! Until it is settled a stream has its events as far as they came, and the state that it had before: nothing, where it is
//! new. So whoever is interrupted goes on with the events, and gives the records again. Nothing of it goes to the journal.

use std::sync::Arc;

use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::hash::Chain;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{ClientId, Position, Seq};
use tapeline_core::state::{ClientState, StreamState};

use super::clients::Clients;
use super::load::{decode_client, load_row};
use super::pin::decode_entry;
use super::rows::{Horizon, StreamRow, head_of, prefix, read_client_key, read_events_key, table};
use super::store::{Snapshot, place_of};
use super::streams::{Pending, Stream};
use super::unflushed::Begins;
use super::{Embedded, kept};
use crate::contract::{LogError, StateChanges};
use crate::snapshot::{Base, Record, Visit};

/// Of group 0 of the journal nothing is waited for.
const NOT_IN_THE_JOURNAL: u64 = 0;

/// A stream as it was at one moment, to be carried elsewhere.
pub struct Carried {
    base: Base,
    row: StreamRow,
    snapshot: Snapshot,
}

impl Embedded {
    /// A stream as it was applied so far. `None` where nothing of it is here.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn carry(&self, stream: &StreamName) -> Result<Option<Carried>, LogError> {
        self.write_out(stream)?;
        let snapshot = self.shared.store.snapshot();
        let Some(row) = load_row(&snapshot, stream)? else { return Ok(None) };
        let Horizon { seq: horizon, chain: before } = row.horizon;
        let base = Base { state: row.state, bytes: row.bytes, horizon, before, source: row.state.position };
        Ok(Some(Carried { base, row, snapshot }))
    }

    /// A stream begins to come, or goes on. Answers how far its events are here.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn begin(&self, stream: &StreamName, base: &Base) -> Result<Seq, LogError> {
        self.begin_at(stream, base, base.horizon, base.before)
    }

    /// A stream begins to come of which the events up to there are elsewhere, and stay there.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn begin_without_events(&self, stream: &StreamName, base: &Base) -> Result<(), LogError> {
        self.begin_at(stream, base, base.state.head, base.state.chain).map(drop)
    }

    fn begin_at(&self, stream: &StreamName, base: &Base, from: Seq, before: Chain) -> Result<Seq, LogError> {
        let mut table = self.table(stream)?;
        if let Some(head) = table.streams.get(stream).and_then(|found| found.durable) {
            return Ok(head.seq);
        }
        let state = StreamState { head: from, chain: before, ..StreamState::empty(base.state.incarnation) };
        let number = table.next_number;
        table.next_number += 1;
        let mut new = Stream::new(number, state.incarnation);
        (new.staged, new.durable, new.applied, new.horizon) =
            (head_of(&state), Some(head_of(&state)), Some(state), base.horizon);
        table.streams.insert(stream.clone(), new);
        let horizon = Horizon { seq: base.horizon, chain: base.before };
        table.current.begin(number, stream, state, Begins { horizon, events: from });
        drop(table);
        // Its row says where it begins.
        self.write_out(stream)?;
        Ok(from)
    }

    /// Takes the next events of a stream that comes.
    ///
    /// # Errors
    /// Where they do not follow from those before them, or the store cannot be written.
    pub fn bring_events(&self, stream: &StreamName, block: EventBlock) -> Result<(), LogError> {
        let mut table = self.table(stream)?;
        let found = table.streams.get_mut(stream);
        let Some((found, applied)) = found.and_then(|found| found.applied.map(|applied| (found, applied))) else {
            return Err(not_begun(stream));
        };
        if (found.staged.seq, found.staged.chain) != (block.from(), block.before()) {
            return Err(differs(stream, block.from()));
        }
        let state = StreamState { head: block.end(), chain: block.after(), ..applied };
        let bytes = block.bytes().len();
        let batch = Arc::new(Batch { block, verdicts: Vec::new() });
        found.pending.push_back(Pending { group: NOT_IN_THE_JOURNAL, position: state.position, batch });
        (found.staged, found.durable) = (head_of(&state), Some(head_of(&state)));
        table.pending_bytes += bytes;
        self.shared.streams.apply(table, stream, changes(state))
    }

    /// Takes records of a stream that comes. The base is none that it needs.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn bring_records(&self, stream: &StreamName, records: Vec<Record>) -> Result<(), LogError> {
        let mut table = self.table(stream)?;
        let found = table.streams.get(stream).and_then(|found| Some((found.number, found.applied?)));
        let Some((number, state)) = found else { return Err(not_begun(stream)) };
        let (mut changes, has_kept) = (changes(state), records.iter().any(|record| matches!(record, Record::Kept(..))));
        for record in records {
            match record {
                Record::Base(_) => {}
                Record::Entry(key, entry) => changes.entries.push((key, entry)),
                Record::Client(client, state) => changes.clients.push((client, state)),
                Record::Kept(from, block) => table.current.keep(number, stream, state, from, block),
            }
        }
        self.shared.streams.apply(table, stream, changes)?;
        // What was kept is read from the store alone.
        if has_kept { self.write_out(stream) } else { Ok(()) }
    }

    /// A stream is whole.
    ///
    /// # Errors
    /// Where its events are not all here, or the store cannot be written.
    pub fn settle(&self, stream: &StreamName, base: &Base) -> Result<(), LogError> {
        let mut table = self.table(stream)?;
        let Some(found) = table.streams.get_mut(stream) else { return Err(not_begun(stream)) };
        if (found.staged.seq, found.staged.chain) != (base.state.head, base.state.chain) {
            return Err(differs(stream, base.state.head));
        }
        (found.staged, found.durable) = (head_of(&base.state), Some(head_of(&base.state)));
        (found.bytes, found.applied_bytes) = (base.bytes, base.bytes);
        self.shared.streams.apply(table, stream, changes(base.state))
    }

    /// Whether a stream is here and no more than begun.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn is_begun(&self, stream: &StreamName) -> Result<bool, LogError> {
        let table = self.table(stream)?;
        let found = table.streams.get(stream).and_then(|found| found.durable);
        Ok(found.is_some_and(|head| head.position == Position::FIRST))
    }
}

fn changes(state: StreamState) -> StateChanges {
    StateChanges { state, entries: Vec::new(), clients: Vec::new() }
}

fn not_begun(stream: &StreamName) -> LogError {
    LogError::Storage(format!("stream {stream} was not begun"))
}

fn differs(stream: &StreamName, at: Seq) -> LogError {
    LogError::Storage(format!("the events of stream {stream} do not follow at {at} from those that came before"))
}

impl Carried {
    /// What it is of.
    pub const fn base(&self) -> &Base {
        &self.base
    }

    /// Shows all records but the base, until one cannot be taken.
    ///
    /// # Errors
    /// Where the store cannot be read, or a record cannot be taken.
    pub fn records(&self, visit: &mut Visit<'_>) -> Result<(), LogError> {
        self.rows(table::ENTRY, |key, value| {
            let (key, entry) = decode_entry(key, value)?;
            visit(Record::Entry(key, entry))
        })?;
        self.clients(visit)?;
        self.rows(table::KEPT, |key, value| {
            let (_, from) = read_events_key(key).ok_or_else(|| damaged(key))?;
            visit(Record::Kept(from, kept::decode(key, value)?))
        })
    }

    fn clients(&self, visit: &mut Visit<'_>) -> Result<(), LogError> {
        let mut show = |client, key: &[u8], state: &[u8]| {
            let state: ClientState = decode_client(key, state)?;
            visit(Record::Client(client, state))
        };
        if let Clients::Few(few) = &self.row.clients {
            return few.iter().try_for_each(|(client, state)| show(*client, &[table::CLIENT], state));
        }
        self.rows(table::CLIENT, |key, value| {
            let client: ClientId = read_client_key(key).ok_or_else(|| damaged(key))?;
            show(client, key, value)
        })
    }

    fn rows(&self, table: u8, mut show: impl FnMut(&[u8], &[u8]) -> Result<(), LogError>) -> Result<(), LogError> {
        for row in self.snapshot.prefix(&prefix(table, self.row.number)) {
            let (key, value) = row?;
            show(&key, &value)?;
        }
        Ok(())
    }
}

fn damaged(key: &[u8]) -> LogError {
    LogError::Damaged { place: place_of(key), what: "not the key that it should be".into() }
}
