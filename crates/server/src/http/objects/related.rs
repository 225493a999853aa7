//! What objects refer to, each once, after them.

use std::collections::BTreeSet;
use std::sync::Arc;

use tapeline_core::name::{Collection, FieldName, Key};
use tapeline_core::object::{Entry, Object};
use tapeline_core::value::Value;
use tapeline_log::Pin;

use super::line;
use crate::http::problem::Problem;
use crate::limits;

/// Writes the objects that rows refer to in these fields, a line each, in the order of their keys; those that are rows
/// stand there already.
pub(super) fn write(
    pin: &dyn Pin,
    with: &[(FieldName, Collection)],
    rows: &[(Key, Arc<Object>)],
    text: &mut String,
) -> Result<(), Problem> {
    let keys = keys(with, rows)?;
    for some in keys.chunks(limits::KEYS_AT_ONCE) {
        for (key, entry) in some.iter().zip(pin.entries(some)?) {
            if let Some(object) = entry.as_ref().and_then(Entry::live) {
                text.push_str(&line(key, object));
            }
            if text.len() > limits::SORTED_BYTES {
                let most = limits::SORTED_BYTES >> 20;
                return Err(too_many(&format!("the objects that they refer to take more than {most} MB")));
            }
        }
    }
    Ok(())
}

fn keys(with: &[(FieldName, Collection)], rows: &[(Key, Arc<Object>)]) -> Result<Vec<Key>, Problem> {
    let mut keys = BTreeSet::new();
    for (field, collection) in with {
        for id in rows.iter().filter_map(|(_, row)| row.get(field.as_str())).flat_map(Value::ids) {
            keys.insert(Key { collection: collection.clone(), id });
            if keys.len() > limits::SORTED_OBJECTS {
                return Err(too_many(&format!("they refer to more than {} objects", limits::SORTED_OBJECTS)));
            }
        }
    }
    for (key, _) in rows {
        keys.remove(key);
    }
    Ok(keys.into_iter().collect())
}

fn too_many(what: &str) -> Problem {
    Problem::bad_request(format!("limit: {what}; ask for fewer"))
}
