//! What never leaves the device: ops as an app gives them, rows as it reads them, and records of its store.
//!
//! ```text
//! ops    = [op, …]                                      as in protocol.cddl
//! edit   = [ops, [read, …], command | null]
//! command = [name, args, seed, serializable, [[collection, id], …], [collection, …]]
//! ran    = [ops, [[collection, id], …], [collection, …]]
//! row    = [id, {field: value, …}, conflicts?]          ids are text
//! rows   = [row, …]
//! change = [stream, collection, id, fields | null, fields | null]             {field: value, …} as they were, and are to be
//! moved  = [[place, …], [place, …], [row, …]]           take out, then put in
//! parked = [[edit, at, refusal, [op, …], [name, args] | null], …]
//! record = [[table, key, value | null], …]
//! ```

use std::sync::Arc;

use super::event::read_read;
use super::op::{read_key, read_op};
use super::value::read_value;
use super::{CodecError, Reader, Writer, check_end, read_array, read_null, read_tuple, read_values, unknown};
use crate::event::Command;
use crate::limits;
use crate::name::{Collection, CommandName, Key, ObjectId, StreamName};
use crate::numbers::{ClientId, EditId, Seq};
use crate::object::{Object, Stamp, Version};
use crate::op::Op;
use crate::query::{Found, Moved};
use crate::replica::{Commanded, NewEdit, Notice, Parked, Reads, Row, Run, StoreBatch, StoredRow, Table};
use crate::valid::{Change, Changed};

/// Reads the ops of one edit.
///
/// # Errors
/// Where the bytes are none, or break a limit.
pub fn decode_ops(bytes: &[u8]) -> Result<Vec<Op>, Box<CodecError>> {
    read_all_ops(Reader::new(bytes))
}

/// Reads the ops of one edit, which are all there is.
pub(crate) fn read_all_ops(mut reader: Reader<'_>) -> Result<Vec<Op>, Box<CodecError>> {
    let ops = read_ops(&mut reader)?;
    check_end(&reader, "ops")?;
    Ok(ops)
}

pub(crate) fn read_ops(reader: &mut Reader<'_>) -> Result<Vec<Op>, Box<CodecError>> {
    read_array(reader, "ops in one event", limits::EVENT_OPS, read_op)
}

/// Reads `[collection, id]`.
///
/// # Errors
/// Where the bytes are none.
pub fn decode_key(bytes: &[u8]) -> Result<Key, Box<CodecError>> {
    let mut reader = Reader::new(bytes);
    read_tuple(&mut reader, 2, "a key")?;
    let key = read_key(&mut reader)?;
    check_end(&reader, "a key")?;
    Ok(key)
}

/// Encodes what an app should hear of beside changed objects.
///
/// ```text
/// notice = [0, edit, seq, [[op, reason], …]] recorded | [1, edit, refusal] refused | [2, edit] cancelled
///        | [3, seq, [collection, id], {field: value, …}, client, actor | null] overwritten | [4] new identity
///        | [5, reason] started over | [6, seq] diverged | [7, seq] outdated
/// ```
pub fn encode_notice(notice: &Notice) -> Vec<u8> {
    let mut writer = Writer::new();
    match notice {
        Notice::Recorded { edit, seq, lost } => writer.array(4).uint(0).uint(edit.0).uint(seq.0).lost(lost),
        Notice::Refused { edit, refusal } => writer.array(3).uint(1).uint(edit.0).refusal(refusal),
        Notice::Cancelled { edit } => writer.array(2).uint(2).uint(edit.0),
        Notice::Overwritten { seq, key, fields, by, actor } => {
            writer.array(6).uint(3).uint(seq.0).array(2).key(key).map(fields.len() as u64);
            fields.iter().fold(&mut writer, |writer, (name, value)| writer.text(name.as_str()).value(value));
            writer.bits(by.0);
            match actor {
                Some(actor) => writer.text(actor.as_str()),
                None => writer.null(),
            }
        }
        Notice::NewIdentity(_) => writer.array(1).uint(4),
        Notice::StartedOver(reason) => writer.array(2).uint(5).text(reason.code()),
        Notice::Diverged { seq } => writer.array(2).uint(6).uint(seq.0),
        Notice::Outdated { seq } => writer.array(2).uint(7).uint(seq.0),
    };
    writer.finish()
}

/// Encodes a command that is to be run again: `[edit, name, args, at, seed]`.
pub fn encode_run(run: &Run) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(5).uint(run.edit.0).text(run.command.name.as_str()).value(&run.command.args);
    writer.uint(run.at.0).uint(run.seed);
    writer.finish()
}

/// Reads an edit as an app gives it.
///
/// # Errors
/// Where the bytes are none, or break a limit.
pub fn decode_new_edit(bytes: &[u8]) -> Result<NewEdit, Box<CodecError>> {
    let mut reader = Reader::new(bytes);
    read_tuple(&mut reader, 3, "an edit")?;
    let ops = read_ops(&mut reader)?;
    let unchanged = read_array(&mut reader, "reads in one event", limits::EVENT_READS, read_read)?;
    let command = read_commanded(&mut reader)?;
    check_end(&reader, "an edit")?;
    Ok(NewEdit { ops, drafts: 0, unchanged, command })
}

/// Reads what came of running a command again: `[ops, objects, collections]`.
///
/// # Errors
/// Where the bytes are none, or break a limit.
pub fn decode_ran(bytes: &[u8]) -> Result<(Vec<Op>, Reads), Box<CodecError>> {
    let mut reader = Reader::new(bytes);
    read_tuple(&mut reader, 3, "what a command did")?;
    let ran = (read_ops(&mut reader)?, read_reads(&mut reader)?);
    check_end(&reader, "what a command did")?;
    Ok(ran)
}

/// Reads how a command made an edit, where one did.
pub(crate) fn read_commanded(reader: &mut Reader<'_>) -> Result<Option<Commanded>, Box<CodecError>> {
    if read_null(reader)? {
        return Ok(None);
    }
    read_tuple(reader, 6, "a command of an edit")?;
    let command = Command { name: CommandName::new(reader.str()?)?, args: read_value(reader)? };
    let (seed, serializable) = (reader.u64()?, reader.u64()? == 1);
    Ok(Some(Commanded { command, seed, serializable, reads: read_reads(reader)? }))
}

fn read_reads(reader: &mut Reader<'_>) -> Result<Reads, Box<CodecError>> {
    let read_key = |reader: &mut Reader<'_>| {
        read_tuple(reader, 2, "a key")?;
        read_key(reader)
    };
    Ok(Reads {
        objects: read_array(reader, "objects that were read", limits::COMMAND_READS, read_key)?,
        collections: read_array(reader, "collections that were read", limits::COMMAND_READS, |reader| {
            Ok(Collection::new(reader.str()?)?)
        })?,
    })
}

/// Encodes one object as an app reads it.
pub fn encode_row(id: &ObjectId, object: &Object) -> Vec<u8> {
    let mut writer = Writer::with_capacity(160);
    writer.row(id, object);
    writer.finish()
}

/// Encodes what is to be made of an object on a stream, as it shows.
pub fn encode_change(stream: &str, change: &Change<'_>) -> Vec<u8> {
    let mut writer = Writer::with_capacity(160);
    writer.array(5).text(stream).key(change.key);
    for object in [change.before, change.after] {
        match object {
            Some(object) => writer.fields(object),
            None => writer.null(),
        };
    }
    writer.finish()
}

/// Reads what is to be made of an object on a stream.
///
/// # Errors
/// Where the bytes are none.
pub fn decode_change(bytes: &[u8]) -> Result<(StreamName, Changed), Box<CodecError>> {
    let mut reader = Reader::new(bytes);
    read_tuple(&mut reader, 5, "a change")?;
    let stream = StreamName::new(reader.str()?)?;
    let key = read_key(&mut reader)?;
    let (before, after) = (read_shown(&mut reader)?, read_shown(&mut reader)?);
    check_end(&reader, "a change")?;
    Ok((stream, Changed { key, before: before.map(Arc::new), after: after.map(Arc::new) }))
}

/// Reads an object as it shows. Who wrote it is not said; nothing that is decided by what shows depends on it.
pub(crate) fn read_shown(reader: &mut Reader<'_>) -> Result<Option<Object>, Box<CodecError>> {
    if read_null(reader)? {
        return Ok(None);
    }
    let stamp = Stamp { seq: Seq::FIRST, client: ClientId(0) };
    Ok(Some(Object::from_sorted(stamp, Version::first(stamp), read_values(reader)?)))
}

/// Encodes an answer to a query.
pub fn encode_rows(rows: &[Found]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(16 + 160 * rows.len());
    writer.rows(rows);
    writer.finish()
}

/// Encodes what became of an answer to a query.
pub fn encode_moved(moved: &Moved) -> Vec<u8> {
    let mut writer = Writer::with_capacity(16 + 160 * moved.rows.len());
    writer.array(3).places(&moved.removed).places(&moved.inserted).rows(&moved.rows);
    writer.finish()
}

/// Encodes edits that were refused.
pub fn encode_parked<'a>(parked: impl ExactSizeIterator<Item = (EditId, &'a Parked)>) -> Vec<u8> {
    let mut writer = Writer::new();
    let array = writer.array(parked.len() as u64);
    parked.fold(array, |writer, (edit, Parked { body, refusal })| {
        let writer = writer.array(5).uint(edit.0).uint(body.at.0).refusal(refusal).array(body.ops.len() as u64);
        let writer = body.ops.iter().fold(writer, Writer::op);
        match &body.command {
            Some(Command { name, args }) => writer.array(2).text(name.as_str()).value(args),
            None => writer.null(),
        }
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
pub fn decode_record(bytes: &[u8]) -> Result<Vec<StoredRow<'_>>, Box<CodecError>> {
    let mut reader = Reader::new(bytes);
    let rows = read_array(&mut reader, "rows of a record", usize::MAX, read_row)?;
    check_end(&reader, "a record")?;
    Ok(rows)
}

fn read_row<'b>(reader: &mut Reader<'b>) -> Result<StoredRow<'b>, Box<CodecError>> {
    read_tuple(reader, 3, "a row of a record")?;
    let table = reader.u64()?;
    let known = Table::ALL.into_iter().find(|known| *known as u64 == table);
    let table = known.ok_or_else(|| unknown("table", &table))?;
    let key = reader.bytes()?;
    let value = if read_null(reader)? { None } else { Some(reader.bytes()?) };
    Ok(StoredRow { table, key, value })
}

impl Writer {
    pub(crate) fn commanded(&mut self, commanded: Option<&Commanded>) -> &mut Self {
        let Some(Commanded { command, seed, reads, serializable }) = commanded else { return self.null() };
        self.array(6).text(command.name.as_str()).value(&command.args).uint(*seed).uint(u64::from(*serializable));
        self.array(reads.objects.len() as u64);
        for key in &reads.objects {
            self.array(2).key(key);
        }
        let collections = self.array(reads.collections.len() as u64);
        reads.collections.iter().fold(collections, |writer, collection| writer.text(collection.as_str()))
    }

    pub(crate) fn places(&mut self, places: &[usize]) -> &mut Self {
        places.iter().fold(self.array(places.len() as u64), |array, &place| array.uint(place as u64))
    }

    fn rows(&mut self, rows: &[Found]) -> &mut Self {
        rows.iter().fold(self.array(rows.len() as u64), |array, (id, object)| array.row(id, object))
    }

    fn row(&mut self, id: &ObjectId, object: &Object) -> &mut Self {
        let conflicts = object.conflicts();
        self.array(2 + u64::from(!conflicts.is_empty()));
        id.with_str(|id| {
            self.text(id);
        });
        self.fields(object);
        if !conflicts.is_empty() {
            self.conflicts(conflicts);
        }
        self
    }
}
