//! Visits the objects of a stream in order: what the store has, with what is not in it yet over it.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_core::codec::cbor;
use tapeline_core::name::{Collection, Key};
use tapeline_core::object::{Entry, Object};

use super::rows::{collection_prefix, ids_prefix, prefix, read_entry_key, table};
use super::store::{Snapshot, place_of};
use crate::contract::LogError;

type Entries<'i> = Box<dyn Iterator<Item = Result<(Key, Entry), LogError>> + 'i>;

/// Shows `visit` all live objects, or those of one collection, sorted. `over` hides what the store has.
pub(super) fn visit_objects(
    snapshot: &Snapshot<'_>,
    number: u64,
    mut over: Vec<(Key, Entry)>,
    collection: Option<&Collection>,
    visit: &mut dyn FnMut(&Key, &Arc<Object>) -> ControlFlow<()>,
) -> Result<(), LogError> {
    over.sort_by(|(a, _), (b, _)| a.cmp(b));
    let collections = match collection {
        Some(collection) => BTreeSet::from([collection.clone()]),
        None => {
            let over = over.iter().map(|(key, _)| key.collection.clone());
            stored_collections(snapshot, number)?.into_iter().chain(over).collect()
        }
    };
    for collection in collections {
        let stored = merge(ids(snapshot, number, &collection, true), ids(snapshot, number, &collection, false));
        let over = over.iter().filter(|(key, _)| key.collection == collection).cloned().map(Ok);
        for entry in merge(Box::new(over), stored) {
            let (key, entry) = entry?;
            if entry.live().is_some_and(|object| visit(&key, object).is_break()) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The entries of a collection whose ids are UUIDs, or those whose ids are not: each in order.
fn ids<'i>(snapshot: &Snapshot<'_>, number: u64, collection: &Collection, uuids: bool) -> Entries<'i> {
    let rows = snapshot.prefix(&ids_prefix(number, collection, uuids));
    Box::new(rows.map(|row| row.and_then(|(key, value)| decode(&key, &value))))
}

pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<(Key, Entry), LogError> {
    let damaged = |what: String| LogError::Damaged { place: place_of(key), what };
    let (_, object) = read_entry_key(key).ok_or_else(|| damaged("not the key of an object".into()))?;
    let entry = cbor::decode_entry(value).map_err(|error| damaged(error.to_string()))?;
    Ok((object, entry))
}

/// The collections that the store has of a stream: one look into the store for each.
fn stored_collections(snapshot: &Snapshot<'_>, number: u64) -> Result<Vec<Collection>, LogError> {
    let (mut from, mut upto) = (prefix(table::ENTRY, number), prefix(table::ENTRY, number));
    upto.push(u8::MAX);
    let mut found = Vec::new();
    while let Some((key, value)) = snapshot.range(&from..=&upto).next().transpose()? {
        let (key, _) = decode(&key, &value)?;
        from = collection_prefix(number, &key.collection);
        // The end of the name is 0, and no name has a control character.
        from.pop();
        from.push(1);
        found.push(key.collection);
    }
    Ok(found)
}

/// Two sorted runs as one. Of what both have, that of `first`.
fn merge<'i>(first: Entries<'i>, second: Entries<'i>) -> Entries<'i> {
    let (mut first, mut second) = (first.peekable(), second.peekable());
    Box::new(std::iter::from_fn(move || next_of(&mut first, &mut second)))
}

fn next_of(
    first: &mut Peekable<Entries<'_>>,
    second: &mut Peekable<Entries<'_>>,
) -> Option<Result<(Key, Entry), LogError>> {
    match (first.peek(), second.peek()) {
        (Some(Ok((a, _))), Some(Ok((b, _)))) if a > b => second.next(),
        (Some(Ok((a, _))), Some(Ok((b, _)))) => {
            if a == b {
                second.next();
            }
            first.next()
        }
        (None | Some(Ok(_)), Some(Err(_))) | (None, _) => second.next(),
        _ => first.next(),
    }
}
