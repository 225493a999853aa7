//! Entries of a stream in order, from anywhere, in either direction: what the store has, with what is not in it yet
//! over it.
//!
//! The order is that of keys, by collection and then by id as text. The store keeps the UUIDs of a collection before
//! its other ids, so both runs are read side by side, each from where it goes on.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Bound::{self, Excluded, Included};

use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::object::Entry;

use super::pin::decode_entry;
use super::rows::{collection_prefix, entry_key, ids_prefix, past, prefix, read_entry_key, table, text_key};
use super::store::{Snapshot, place_of};
use crate::contract::LogError;
use crate::pin::{Part, Visit};

type Entries<'i> = Box<dyn Iterator<Item = Result<(Key, Entry), LogError>> + 'i>;

/// Shows `visit` the entries of a part. `over`, which is sorted, hides what the store has.
pub(super) fn scan(
    snapshot: &Snapshot,
    number: u64,
    over: &[(Key, Entry)],
    part: Part<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), LogError> {
    let Part { collection: only, after, reverse } = part;
    let collections = Collections { snapshot, number, over, reverse };
    let mut next = match only.or(after.map(|after| &after.collection)) {
        Some(collection) => Some(collection.clone()),
        None => collections.past(None)?,
    };
    while let Some(collection) = next {
        let after = after.filter(|after| after.collection == collection).map(|after| &after.id);
        let stored = merge(
            uuids(snapshot, number, &collection, after, reverse),
            texts(snapshot, number, &collection, after, reverse),
            reverse,
        );
        for entry in merge(unstored(over, &collection, after, reverse), stored, reverse) {
            let (key, entry) = entry?;
            if visit(&key, &entry).is_break() {
                return Ok(());
            }
        }
        next = if only.is_some() { None } else { collections.past(Some(&collection))? };
    }
    Ok(())
}

/// The collections of a stream, in order.
struct Collections<'c> {
    snapshot: &'c Snapshot,
    number: u64,
    over: &'c [(Key, Entry)],
    reverse: bool,
}

impl Collections<'_> {
    /// The next collection past one, or the first: one look into the store.
    fn past(&self, collection: Option<&Collection>) -> Result<Option<Collection>, LogError> {
        let (least, most) = (prefix(table::ENTRY, self.number), past(prefix(table::ENTRY, self.number)));
        let here = collection.map(|collection| collection_prefix(self.number, collection));
        let row = match self.reverse {
            false => self.snapshot.keys(Included(&here.map_or(least, past)), Excluded(&most)).next(),
            true => self.snapshot.keys(Included(&least), Excluded(&here.unwrap_or(most))).next_back(),
        };
        let stored = row.transpose()?.map(|key| collection_of(&key)).transpose()?;
        Ok([stored, self.unstored(collection)].into_iter().flatten().min_by(|a, b| ordered(a.cmp(b), self.reverse)))
    }

    fn unstored(&self, past: Option<&Collection>) -> Option<Collection> {
        let place =
            |before: &dyn Fn(&Collection) -> bool| self.over.partition_point(|(key, _)| before(&key.collection));
        let found = match (past, self.reverse) {
            (None, false) => self.over.first(),
            (None, true) => self.over.last(),
            (Some(past), false) => self.over.get(place(&|collection| collection <= past)),
            (Some(past), true) => self.over[..place(&|collection| collection < past)].last(),
        };
        found.map(|(key, _)| key.collection.clone())
    }
}

fn collection_of(row: &[u8]) -> Result<Collection, LogError> {
    let key = read_entry_key(row).map(|(_, key)| key.collection);
    key.ok_or_else(|| LogError::Damaged { place: place_of(row), what: "not the key of an object".into() })
}

/// The entries of a collection that are not in the store.
fn unstored<'i>(
    over: &'i [(Key, Entry)],
    collection: &Collection,
    after: Option<&ObjectId>,
    reverse: bool,
) -> Entries<'i> {
    let start = over.partition_point(|(key, _)| key.collection < *collection);
    let all = &over[start..];
    let all = &all[..all.partition_point(|(key, _)| key.collection == *collection)];
    let upto = |id: &ObjectId| all.partition_point(|(key, _)| key.id <= *id);
    let before = |id: &ObjectId| all.partition_point(|(key, _)| key.id < *id);
    match reverse {
        false => Box::new(all[after.map_or(0, upto)..].iter().cloned().map(Ok)),
        true => Box::new(all[..after.map_or(all.len(), before)].iter().rev().cloned().map(Ok)),
    }
}

/// The entries of a collection whose ids are UUIDs.
fn uuids(
    snapshot: &Snapshot,
    number: u64,
    collection: &Collection,
    after: Option<&ObjectId>,
    reverse: bool,
) -> Entries<'static> {
    let key = |uuid| entry_key(number, &Key { collection: collection.clone(), id: ObjectId::from_uuid(uuid) });
    let all = ids_prefix(number, collection, true);
    match (after, reverse) {
        (None, _) => rows(snapshot, Included(&all), Excluded(&past(all.clone())), reverse),
        (Some(after), false) => match first_uuid(|uuid| uuid > after) {
            Some(first) => rows(snapshot, Included(&key(first)), Excluded(&past(all)), reverse),
            None => Box::new(std::iter::empty()),
        },
        (Some(after), true) => {
            let end = first_uuid(|uuid| uuid >= after).map_or_else(|| past(all.clone()), key);
            rows(snapshot, Included(&all), Excluded(&end), reverse)
        }
    }
}

/// The entries of a collection whose ids are no UUIDs.
fn texts(
    snapshot: &Snapshot,
    number: u64,
    collection: &Collection,
    after: Option<&ObjectId>,
    reverse: bool,
) -> Entries<'static> {
    let all = ids_prefix(number, collection, false);
    let after = after.map(|after| after.with_str(|text| text_key(number, collection, text)));
    match (after, reverse) {
        (None, _) => rows(snapshot, Included(&all), Excluded(&past(all.clone())), reverse),
        (Some(after), false) => rows(snapshot, Excluded(&after), Excluded(&past(all)), reverse),
        (Some(after), true) => rows(snapshot, Included(&all), Excluded(&after), reverse),
    }
}

fn rows(snapshot: &Snapshot, from: Bound<&[u8]>, upto: Bound<&[u8]>, reverse: bool) -> Entries<'static> {
    let rows = snapshot.range(from, upto);
    let decode = |row: Result<_, LogError>| {
        row.and_then(|(key, value): (lsm_tree::Slice, lsm_tree::Slice)| decode_entry(&key, &value))
    };
    match reverse {
        false => Box::new(rows.map(decode)),
        true => Box::new(rows.rev().map(decode)),
    }
}

/// The least UUID of which something holds that holds of all greater ones.
fn first_uuid(holds: impl Fn(&ObjectId) -> bool) -> Option<u128> {
    let (mut least, mut most) = (0, u128::MAX);
    while least < most {
        let middle = least + (most - least) / 2;
        match holds(&ObjectId::from_uuid(middle)) {
            true => most = middle,
            false => least = middle + 1,
        }
    }
    holds(&ObjectId::from_uuid(most)).then_some(most)
}

/// Two runs in one order as one. Of what both have, that of `first`.
fn merge<'i>(first: Entries<'i>, second: Entries<'i>, reverse: bool) -> Entries<'i> {
    let (mut first, mut second) = (first.peekable(), second.peekable());
    Box::new(std::iter::from_fn(move || next_of(&mut first, &mut second, reverse)))
}

fn next_of(
    first: &mut Peekable<Entries<'_>>,
    second: &mut Peekable<Entries<'_>>,
    reverse: bool,
) -> Option<Result<(Key, Entry), LogError>> {
    match (first.peek(), second.peek()) {
        (Some(Ok((a, _))), Some(Ok((b, _)))) => match ordered(a.cmp(b), reverse) {
            Ordering::Less => first.next(),
            Ordering::Greater => second.next(),
            Ordering::Equal => {
                second.next();
                first.next()
            }
        },
        (None | Some(Ok(_)), Some(Err(_))) | (None, _) => second.next(),
        _ => first.next(),
    }
}

fn ordered(order: Ordering, reverse: bool) -> Ordering {
    if reverse { order.reverse() } else { order }
}
