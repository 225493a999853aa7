//! Taking a stream out of a cache, so that it can begin again.
//!
//! First its row says that it is no more than begun, then its other rows go, step by step, and at last that row: whenever a
//! crash comes, nothing takes what is left for the stream.

use tapeline_core::name::StreamName;
use tapeline_core::state::StreamState;

use super::Embedded;
use super::clients::Clients;
use super::rows::{Row, StreamRow, prefix, table};
use super::store::Snapshot;
use super::streams::Request;
use crate::contract::LogError;
use crate::limits;

/// The tables that have rows of a stream, beside its own.
const TABLES: [u8; 7] =
    [table::TAIL, table::SEGMENT, table::ENTRY, table::CLIENT, table::INDEX, table::KEPT, table::FIELDS];

impl Embedded {
    /// Lets go all there is of a stream, which nobody may use meanwhile. Its log has it.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn forget(&self, stream: &StreamName) -> Result<(), LogError> {
        self.write_out(stream)?;
        self.request(Request::Forget(stream.clone()))
    }
}

/// Gives `write` the rows that take a stream out, in steps.
pub(super) fn forget(
    snapshot: &Snapshot,
    stream: &StreamName,
    row: &StreamRow,
    write: impl Fn(Vec<Row>),
) -> Result<(), LogError> {
    let own = StreamRow::key(stream);
    let state = StreamState::empty(row.state.incarnation);
    let begun = StreamRow { state, clients: Clients::default(), ..row.clone() };
    write(vec![(own.clone().into(), Some(begun.encode().into()))]);
    for table in TABLES {
        let mut keys = snapshot.prefix(&prefix(table, row.number)).map(|row| row.map(|(key, _)| (key, None)));
        loop {
            let step = keys.by_ref().take(limits::FORGOTTEN_ROWS).collect::<Result<Vec<Row>, _>>()?;
            if step.is_empty() {
                break;
            }
            write(step);
        }
    }
    write(vec![(own.into(), None)]);
    Ok(())
}
