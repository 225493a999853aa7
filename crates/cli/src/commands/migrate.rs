//! `schema migrate`: objects that were made before a field was renamed get its new name, too, as edits like any other.
//!
//! What is touched has both names by the server's doing; this touches the rest. Somebody who writes an object meanwhile is
//! not written over: what was read must not have changed, or it is looked at again.

use std::path::Path;

use serde_json::json;
use tapeline_client::{Action, Edit, FieldMap, Key, Object, Op, Outcome, Read, Receipt, RefusalCode, Stream};
use tapeline_core::schema::{Rename, Schema};

use super::{schema, streams};
use crate::failure::Failure;
use crate::import::send::word;
use crate::{coming, http, output};

/// Objects of one event.
const OBJECTS_AT_ONCE: usize = 256;
/// How often a stream is gone over where others write it meanwhile.
const ROUNDS: usize = 8;

/// Goes over all streams of a server.
pub async fn run(server: &str, file: &Path, dry_run: bool, json: bool) -> Result<(), Failure> {
    let schema = schema::read(Some(file))?.schema;
    let names = streams::names(server)?;
    let bar = output::bar(names.len() as u64, "streams");
    let (mut objects, mut changed) = (0, 0);
    for name in names {
        let lacked = of_stream(server, &name, &schema, dry_run).await?;
        if lacked > 0 {
            (objects, changed) = (objects + lacked, changed + 1);
            let line = if json {
                json!({ "stream": name, "objects": lacked }).to_string()
            } else {
                format!("{name}: {lacked}")
            };
            bar.suspend(|| output::line(line))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let done = if dry_run { "lack a name" } else { "have their new names" };
    if json { Ok(()) } else { output::line(format!("{objects} objects of {changed} streams {done}")) }
}

/// Goes over one stream. Answers how many objects lacked a name.
async fn of_stream(server: &str, name: &str, schema: &Schema, dry_run: bool) -> Result<usize, Failure> {
    let tapeline = http::client(server).open().await.map_err(Failure::failed)?;
    let stream = tapeline.stream(name).await.map_err(Failure::failed)?;
    coming::all(server, &stream).await?;
    let mut lacking = lacking(&stream, schema)?;
    let lacked = lacking.len();
    for _ in 0..ROUNDS {
        if dry_run || lacking.is_empty() {
            break;
        }
        let receipts =
            lacking.chunks(OBJECTS_AT_ONCE).map(|some| complete(&stream, some)).collect::<Result<Vec<_>, _>>()?;
        for receipt in receipts {
            match word(server, &receipt).await? {
                Outcome::Refused(refusal) if refusal.code != RefusalCode::Stale => {
                    return Err(Failure::Refused(refusal.reason));
                }
                // Somebody wrote it meanwhile: it is looked at again.
                _ => {}
            }
        }
        stream.caught_up().await.map_err(Failure::failed)?;
        lacking = self::lacking(&stream, schema)?;
    }
    tapeline.close().await.map_err(Failure::failed)?;
    match dry_run || lacking.is_empty() {
        true => Ok(lacked),
        false => Err(Failure::Failed(format!(
            "{name}: others write {} objects all the time; to do it again is safe",
            lacking.len()
        ))),
    }
}

/// What is to be set of which objects, and what that rests on.
fn lacking(stream: &Stream, schema: &Schema) -> Result<Vec<(Op, Vec<Read>)>, Failure> {
    let mut lacking = Vec::new();
    for (collection, rules) in schema.collections().filter(|(_, rules)| !rules.renames.is_empty()) {
        let objects = stream.collection(collection.as_str()).map_err(Failure::failed)?.all();
        let key = |id| Key { collection: collection.clone(), id };
        lacking.extend(objects.into_iter().filter_map(|(id, object)| of_object(key(id), &object, &rules.renames)));
    }
    Ok(lacking)
}

fn of_object(key: Key, object: &Object, renames: &[Rename]) -> Option<(Op, Vec<Read>)> {
    let lacks =
        |rename: &&Rename| object.get(rename.now.as_str()).is_none() && object.get(rename.was.as_str()).is_some();
    let lacking: Vec<&Rename> = renames.iter().filter(lacks).collect();
    let value = |rename: &Rename| Some((rename.now.clone(), Edit::Set(object.get(rename.was.as_str())?.clone())));
    let edits: Vec<_> = lacking.iter().filter_map(|rename| value(rename)).collect();
    let edits = FieldMap::new(edits).ok().filter(|edits| !edits.is_empty())?;
    let reads = lacking.iter().map(|rename| Read { key: key.clone(), field: Some(rename.was.clone()) }).collect();
    Some((Op { key, seen: None, action: Action::Update(edits) }, reads))
}

fn complete(stream: &Stream, some: &[(Op, Vec<Read>)]) -> Result<Receipt, Failure> {
    let ops = some.iter().map(|(op, _)| op.clone()).collect();
    let reads = some.iter().flat_map(|(_, reads)| reads.clone()).collect();
    stream.edit_unless_changed(ops, reads).map_err(Failure::failed)
}
