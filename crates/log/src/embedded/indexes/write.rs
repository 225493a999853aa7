//! What becomes of the rows of indexes as objects change.

use lsm_tree::Slice;
use tapeline_core::name::{Key, ObjectId};
use tapeline_core::object::Entry;
use tapeline_core::query::index::Place;

use super::list::{Indexes, StreamIndex};
use crate::contract::LogError;
use crate::embedded::pin::load_entry;
use crate::embedded::rows::Row;
use crate::embedded::store::Snapshot;
use crate::pin::IndexRow;

/// Puts down what entries that are written change in the indexes of their stream. What they replace is in the snapshot.
pub(in crate::embedded) fn put_rows<'e>(
    rows: &mut Vec<Row>,
    snapshot: &Snapshot,
    stream: u64,
    indexes: &Indexes,
    entries: impl Iterator<Item = (&'e Key, &'e Entry)>,
) -> Result<(), LogError> {
    for (key, entry) in entries {
        let mut of_key = indexes.kept_up().filter(|own| own.index.collection == key.collection).peekable();
        if of_key.peek().is_none() {
            continue;
        }
        let before = load_entry(snapshot, stream, key)?;
        for own in of_key {
            let place = |entry: &Entry| entry.live().map(|object| own.index.place(object));
            let (was, is) = (before.as_ref().and_then(place), place(entry));
            if was == is {
                continue;
            }
            rows.extend(was.map(|was| (own.row_key(stream, &was, &key.id).into(), None)));
            rows.extend(is.map(|is| own.row(stream, &is, &key.id)));
        }
    }
    Ok(())
}

impl StreamIndex {
    /// The row of an object: its values and id, and beside them how long the values are and whether they are cut.
    pub(super) fn row(&self, stream: u64, place: &Place, id: &ObjectId) -> (Slice, Option<Slice>) {
        let [low, high] = (place.bytes.len() as u16).to_le_bytes();
        (self.row_key(stream, place, id).into(), Some([low, high, place.is_cut.into()].into()))
    }

    pub(super) fn row_key(&self, stream: u64, place: &Place, id: &ObjectId) -> Vec<u8> {
        let mut key = self.prefix(stream);
        key.extend_from_slice(&place.bytes);
        // As text, so that of the same values the ids are in their order.
        id.with_str(|text| key.extend_from_slice(text.as_bytes()));
        key
    }

    /// Reads a row that [`row`](Self::row) made.
    pub(super) fn read_row(&self, stream: u64, key: &[u8], value: &[u8]) -> Option<IndexRow> {
        let &[low, high, is_cut] = value else { return None };
        let rest = key.strip_prefix(&self.prefix(stream)[..])?;
        let (bytes, id) = rest.split_at_checked(u16::from_le_bytes([low, high]).into())?;
        let id = ObjectId::new(std::str::from_utf8(id).ok()?).ok()?;
        Some(IndexRow { place: Place { bytes: bytes.to_vec(), is_cut: is_cut != 0 }, id })
    }
}
