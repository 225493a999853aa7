//! Catching up: what a replica is to get, and what of an object is in it.

use crate::codec::cbor;
use crate::frame::{Item, Open};
use crate::limits;
use crate::name::Key;
use crate::numbers::Seq;
use crate::object::{Entry, Field, Object, Version};

/// How a replica is to catch up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// By the events it misses.
    Events,
    /// By what became of each object since `from`.
    Delta {
        /// What it has played.
        from: Seq,
    },
    /// By all objects there are.
    Snapshot {
        /// What it held before is void.
        fresh: bool,
    },
}

/// Chooses how a replica is to catch up with a stream that is at `head` and begins at `horizon`.
pub fn plan(open: &Open, head: Seq, horizon: Seq) -> Plan {
    let behind = head.since(open.played);
    match open.played {
        _ if !open.pages => Plan::Events,
        played if played < horizon => Plan::Snapshot { fresh: played > Seq::FIRST },
        _ if open.filling.is_none() && behind <= limits::EVENTS_RATHER => Plan::Events,
        Seq::FIRST => Plan::Snapshot { fresh: false },
        from => Plan::Delta { from },
    }
}

/// What a replica is told of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing: it has not changed.
    Nothing,
    /// What it is, or what of it has changed.
    Item(Item),
    /// That it is gone.
    Gone,
}

/// What a replica that has played `base` is told of what is under a key. `holds` says whether it may hold something that
/// is gone.
pub fn told(key: &Key, entry: &Entry, base: Seq, holds: bool) -> Told {
    match entry {
        _ if entry.version().last.seq < base => Told::Nothing,
        Entry::Live(object) => Told::Item(item(key, object, base, object.created.seq >= base)),
        Entry::Tombstone(_) if holds => Told::Gone,
        Entry::Tombstone(_) => Told::Nothing,
    }
}

/// An object in a page: as a whole, or what of it was written at or past `base`.
pub fn item(key: &Key, object: &Object, base: Seq, whole: bool) -> Item {
    let part = match whole {
        true if base == Seq::FIRST => collapsed(object),
        true => object.clone(),
        false => since(object, base),
    };
    Item { key: key.clone(), whole, entry: cbor::encode_entry(&Entry::Live(part.into())) }
}

fn collapsed(object: &Object) -> Object {
    let version = Version::first(object.version.last);
    let fields = object.fields().map(|(name, field)| (name.clone(), Field { value: field.value.clone(), version }));
    let collapsed = Object::from_sorted(object.created, version, fields.collect());
    collapsed.with(Vec::new(), object.conflicts().to_vec())
}

fn since(object: &Object, base: Seq) -> Object {
    let is_new = |field: &&Field| field.version.last.seq >= base;
    let fields = object.fields().filter(|(_, field)| is_new(field)).map(|(name, field)| (name.clone(), field.clone()));
    let fields: Vec<_> = fields.collect();
    let members = object.members().iter().filter(|(name, _)| fields.iter().any(|(field, _)| field == name));
    let part = Object::from_sorted(object.created, object.version, fields.clone());
    part.with(members.cloned().collect(), object.conflicts().to_vec())
}
