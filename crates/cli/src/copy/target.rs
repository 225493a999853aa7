//! Where something is copied to. It says so until it is whole, and no server uses it before.

use tapeline_core::block::EventBlock;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Position, Seq};
use tapeline_core::state::StreamState;
use tapeline_log::embedded::{Carried, Embedded};
use tapeline_log::jetstream::JetStream;
use tapeline_log::snapshot::{Base, Record, Unpacking, Visit};
use tapeline_log::{EventLog, Head, LogError};
use tokio::runtime::Handle;

use super::place::Place;
use crate::failure::Failure;
use crate::storage;

/// Records that are given to a directory at once.
const RECORDS: usize = 4_096;

/// Where something is copied to.
pub struct Target {
    runtime: Handle,
    kept: Kept,
}

enum Kept {
    Directory(Embedded),
    Log(JetStream),
}

/// How far a stream is there.
pub struct Reached {
    /// Where its events end.
    pub head: Head,
    /// The position of the source as of which all of it is there, if it is.
    pub whole: Option<Position>,
}

impl Target {
    /// Opens it, or makes it.
    pub async fn open(place: &Place) -> Result<Self, Failure> {
        let kept = match place {
            Place::Directory(path) => {
                Kept::Directory(Embedded::open_to_copy(path).map_err(|error| storage::cannot_open(path, error))?)
            }
            Place::Log(settings) => Kept::Log(JetStream::connect_to_copy(settings).await.map_err(Failure::failed)?),
        };
        Ok(Self { runtime: Handle::current(), kept })
    }

    /// Whether servers use it. Those of a directory hold it, so that it cannot be opened.
    pub fn is_served(&self) -> Result<bool, LogError> {
        match &self.kept {
            Kept::Directory(_) => Ok(false),
            Kept::Log(log) => self.runtime.block_on(log.is_served()),
        }
    }

    /// Whether a copy to it was begun and not finished.
    pub fn is_being_copied(&self) -> bool {
        match &self.kept {
            Kept::Directory(log) => log.is_being_copied(),
            Kept::Log(log) => log.is_being_copied(),
        }
    }

    /// Nobody is to use it from now on.
    pub fn begin(&self) -> Result<(), LogError> {
        match &self.kept {
            Kept::Directory(log) => log.begin_copy(),
            Kept::Log(log) => self.runtime.block_on(log.begin_copy()),
        }
    }

    /// All of it is there.
    pub fn end(&self) -> Result<(), LogError> {
        match &self.kept {
            Kept::Directory(log) => log.end_copy(),
            Kept::Log(log) => self.runtime.block_on(log.end_copy()),
        }
    }

    /// Lets it go as it is.
    pub fn leave(&self) -> Result<(), LogError> {
        match &self.kept {
            Kept::Directory(log) => log.close(),
            Kept::Log(_) => Ok(()),
        }
    }

    /// Up to so many names of streams, those after one of them.
    pub fn names(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<StreamName>, LogError> {
        match &self.kept {
            Kept::Directory(log) => {
                let streams = self.runtime.block_on(log.streams(after, limit))?;
                Ok(streams.into_iter().map(|info| info.stream).collect())
            }
            Kept::Log(log) => self.runtime.block_on(log.names(after, limit)),
        }
    }

    /// How far a stream is there. `None` where nothing of it is.
    pub fn reached(&self, stream: &StreamName) -> Result<Option<Reached>, LogError> {
        match &self.kept {
            Kept::Directory(log) => {
                let info = self.runtime.block_on(log.info(stream))?;
                Ok(info.map(|info| Reached { head: info.head, whole: Some(info.head.position) }))
            }
            Kept::Log(log) => {
                let Some(end) = self.runtime.block_on(log.end(stream))? else { return Ok(None) };
                let base = self.base(log, stream)?.filter(|base| base.state.position == end.head.position);
                Ok(Some(Reached { head: end.head, whole: base.map(|base| base.source) }))
            }
        }
    }

    /// A stream begins to come, or goes on. Answers how far its events are there.
    pub fn begin_stream(&self, stream: &StreamName, base: &Base) -> Result<Seq, LogError> {
        match &self.kept {
            Kept::Directory(log) => log.begin(stream, base),
            Kept::Log(log) => {
                let end = self.runtime.block_on(log.end(stream))?;
                Ok(end.map_or(base.horizon, |end| end.head.seq))
            }
        }
    }

    /// Takes the next events of a stream.
    pub fn bring_events(&self, stream: &StreamName, base: &Base, block: EventBlock) -> Result<(), LogError> {
        match &self.kept {
            Kept::Directory(log) => log.bring_events(stream, block),
            Kept::Log(log) => self.runtime.block_on(log.bring_events(stream, base, block)).map(drop),
        }
    }

    /// Takes all that there is of a stream beside its events, which are there.
    pub fn settle(&self, stream: &StreamName, carried: Carried) -> Result<(), LogError> {
        match &self.kept {
            Kept::Directory(log) => {
                bring_records(log, stream, &carried)?;
                log.settle(stream, carried.base())
            }
            Kept::Log(log) => self.put_snapshot(log, stream, carried),
        }
    }

    /// Shows what is there of a stream beside its events, read anew.
    pub fn show(&self, stream: &StreamName, visit: &mut Visit<'_>) -> Result<(), LogError> {
        match &self.kept {
            Kept::Directory(log) => match log.carry(stream)? {
                None => Ok(()),
                Some(carried) => {
                    visit(Record::Base(*carried.base()))?;
                    carried.records(visit)
                }
            },
            Kept::Log(log) => {
                let (mut parts, mut unpacking) = (log.snapshot(stream), Unpacking::default());
                while let Some(part) = parts.blocking_recv() {
                    unpacking.take(&part?, visit)?;
                }
                Ok(())
            }
        }
    }

    /// A snapshot on a log counts the batches of that log.
    fn put_snapshot(&self, log: &JetStream, stream: &StreamName, carried: Carried) -> Result<(), LogError> {
        let gone = || LogError::Storage(format!("stream {stream} is gone: does somebody else write there?"));
        let end = self.runtime.block_on(log.end(stream))?.ok_or_else(gone)?;
        let base = *carried.base();
        let base = Base { state: StreamState { position: end.head.position, ..base.state }, ..base };
        self.runtime.block_on(log.put_snapshot(stream, base, move |visit| carried.records(visit)))
    }

    /// What the snapshot of a stream is of.
    fn base(&self, log: &JetStream, stream: &StreamName) -> Result<Option<Base>, LogError> {
        let (mut parts, mut unpacking, mut base) = (log.snapshot(stream), Unpacking::default(), None);
        while base.is_none() {
            let Some(part) = parts.blocking_recv() else { return Ok(None) };
            unpacking.take(&part?, &mut |record| {
                if let Record::Base(found) = record {
                    base = Some(found);
                }
                Ok(())
            })?;
        }
        Ok(base)
    }
}

fn bring_records(log: &Embedded, stream: &StreamName, carried: &Carried) -> Result<(), LogError> {
    let mut records = Vec::new();
    carried.records(&mut |record| {
        records.push(record);
        if records.len() < RECORDS {
            return Ok(());
        }
        log.bring_records(stream, std::mem::take(&mut records))
    })?;
    log.bring_records(stream, records)
}
