//! Reads single rows of the store.

use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;
use tapeline_core::state::ClientState;

use super::rows::StreamRow;
use super::store::{Snapshot, place_of};
use crate::contract::LogError;

/// A value from the store, read.
pub(super) fn get<T>(
    snapshot: &Snapshot,
    key: &[u8],
    decode: impl Fn(&[u8], &[u8]) -> Result<T, LogError>,
) -> Result<Option<T>, LogError> {
    snapshot.get(key)?.map(|value| decode(key, &value)).transpose()
}

pub(super) fn load_row(snapshot: &Snapshot, stream: &StreamName) -> Result<Option<StreamRow>, LogError> {
    get(snapshot, &StreamRow::key(stream), |key, value| Ok(decode_row(key, value)?.1))
}

/// Fails where the events from `from` on are not all there.
pub(super) fn check_horizon(row: Option<&StreamRow>, from: Seq) -> Result<(), LogError> {
    let horizon = row.map_or(Seq::FIRST, |row| row.horizon.seq);
    if from < horizon { Err(LogError::Trimmed { horizon }) } else { Ok(()) }
}

pub(super) fn decode_row(key: &[u8], value: &[u8]) -> Result<(StreamName, StreamRow), LogError> {
    let row = StreamRow::name(key).zip(StreamRow::decode(value));
    row.ok_or_else(|| LogError::Damaged { place: place_of(key), what: "not the row of a stream".into() })
}

pub(super) fn decode_client(key: &[u8], value: &[u8]) -> Result<ClientState, LogError> {
    ClientState::decode(value).map_err(|error| LogError::Damaged { place: place_of(key), what: error.to_string() })
}
