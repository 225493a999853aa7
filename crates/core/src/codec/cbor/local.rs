//! What never leaves the device: ops as an app gives them, rows as it reads them, and records of its store.
//!
//! ```text
//! ops    = [op, …]                                      as in protocol.cddl
//! row    = [id, {field: value, …}]                      ids are text
//! rows   = [row, …]
//! moved  = [[place, …], [[place, row], …]]              take out, then put in
//! parked = [[edit, at, refusal, [op, …]], …]
//! record = [[table, key, value | null], …]
//! ```

use super::op::read_op;
use super::{CodecError, Reader, Writer, check_end, read_array, read_null, read_tuple};
use crate::limits;
use crate::name::ObjectId;
use crate::numbers::EditId;
use crate::object::Object;
use crate::op::Op;
use crate::query::{Found, Moved};
use crate::replica::{Parked, Row, StoreBatch, Table};

/// Reads the ops of one edit.
///
/// # Errors
/// Where the bytes are none, or break a limit.
pub fn decode_ops(bytes: &[u8]) -> Result<Vec<Op>, Box<CodecError>> {
    let mut reader = Reader::new(bytes);
    let ops = read_array(&mut reader, "ops in one event", limits::EVENT_OPS, read_op)?;
    check_end(&reader, "ops")?;
    Ok(ops)
}

/// Encodes one object as an app reads it.
pub fn encode_row(id: &ObjectId, object: &Object) -> Vec<u8> {
    let mut writer = Writer::with_capacity(160);
    writer.row(id, object);
    writer.finish()
}

/// Encodes an answer to a query.
pub fn encode_rows(rows: &[Found]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(16 + 160 * rows.len());
    rows.iter().fold(writer.array(rows.len() as u64), |writer, (id, object)| writer.row(id, object));
    writer.finish()
}

/// Encodes what became of an answer to a query.
pub fn encode_moved(moved: &Moved) -> Vec<u8> {
    let mut writer = Writer::with_capacity(16 + 160 * moved.inserted.len());
    let removed = writer.array(2).array(moved.removed.len() as u64);
    let writer_on = moved.removed.iter().fold(removed, |writer, &place| writer.uint(place as u64));
    let inserted = writer_on.array(moved.inserted.len() as u64);
    moved
        .inserted
        .iter()
        .fold(inserted, |writer, (place, (id, object))| writer.array(2).uint(*place as u64).row(id, object));
    writer.finish()
}

/// Encodes edits that were refused.
pub fn encode_parked<'a>(parked: impl ExactSizeIterator<Item = (EditId, &'a Parked)>) -> Vec<u8> {
    let mut writer = Writer::new();
    let array = writer.array(parked.len() as u64);
    parked.fold(array, |writer, (edit, Parked { body, refusal })| {
        let writer = writer.array(4).uint(edit.0).uint(body.at.0).refusal(refusal).array(body.ops.len() as u64);
        body.ops.iter().fold(writer, Writer::op)
    });
    writer.finish()
}

/// Encodes the rows of a batch, in parts of about [`RECORD_PART_BYTES`](limits::RECORD_PART_BYTES) that belong
/// together.
pub fn encode_record(batch: &StoreBatch) -> Vec<Vec<u8>> {
    let size = |row: &Row| 16 + row.key.len() + row.value.as_ref().map_or(0, Vec::len);
    let mut parts = Vec::new();
    let mut rest = batch.rows.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|row| {
            let first = bytes == 0;
            bytes += size(row);
            first || bytes <= limits::RECORD_PART_BYTES
        });
        let (part, after) = rest.split_at(fits.count());
        parts.push(encode_store_rows(part, bytes));
        rest = after;
    }
    parts
}

fn encode_store_rows(rows: &[Row], bytes: usize) -> Vec<u8> {
    let mut writer = Writer::with_capacity(bytes);
    rows.iter().fold(writer.array(rows.len() as u64), |writer, row| {
        let writer = writer.array(3).uint(row.table as u64).bytes(&row.key);
        match &row.value {
            Some(value) => writer.bytes(value),
            None => writer.null(),
        }
    });
    writer.finish()
}

/// Reads one part of a record.
///
/// # Errors
/// Where the bytes are none.
pub fn decode_record(bytes: &[u8]) -> Result<Vec<Row>, Box<CodecError>> {
    let mut reader = Reader::new(bytes);
    let rows = read_array(&mut reader, "rows of a record", usize::MAX, read_row)?;
    check_end(&reader, "a record")?;
    Ok(rows)
}

fn read_row(reader: &mut Reader<'_>) -> Result<Row, Box<CodecError>> {
    read_tuple(reader, 3, "a row of a record")?;
    let table = reader.u64()?;
    let known = Table::ALL.into_iter().find(|known| *known as u64 == table);
    let table = known.ok_or_else(|| CodecError::Unknown { what: "table", found: table.to_string() })?;
    let key = reader.bytes()?.to_vec();
    let value = if read_null(reader)? { None } else { Some(reader.bytes()?.to_vec()) };
    Ok(Row { table, key, value })
}

impl Writer {
    fn row(&mut self, id: &ObjectId, object: &Object) -> &mut Self {
        self.array(2);
        id.with_str(|id| {
            self.text(id);
        });
        self.fields(object)
    }
}
