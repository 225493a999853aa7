//! What one device shows, against the log: all of a stream, a part of it, or one that is being filled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tapeline_core::name::Key;
use tapeline_core::numbers::{ClientId, EditId, Millis, Seq};
use tapeline_core::object::{self, Entry, Write};
use tapeline_core::op::{Action, FieldMap, Op};
use tapeline_core::query::Query;
use tapeline_core::replica::Replica;
use tapeline_core::value::Value;

use crate::device::Draft;
use crate::part;
use crate::recorder::{self, Recorder};
use crate::reference::{self, Shown};
use crate::rights::Level;

/// What a replica shows must be what is on the log as far as it has played it, with its pending edits on top.
///
/// # Errors
/// Where it is not. Answers all that is shown otherwise, and at which level it held nothing that may not be read: it may
/// have held what could be read `before` until what may be read now has come.
pub fn check(
    recorder: &Recorder,
    replica: &mut Replica,
    drafts: &BTreeMap<Key, Draft>,
    before: Level,
) -> Result<(BTreeMap<Key, Shown>, Level), String> {
    if replica.filling().is_some() {
        return Ok((check_filling(recorder, replica, drafts)?, before));
    }
    if replica.is_partial() || replica.status().denied.is_some() {
        return check_part(recorder, replica, drafts, before);
    }
    Ok((check_whole(recorder, replica, drafts)?, Level::Whole))
}

/// Whether a replica holds what it may read at this level, all of it, and nothing else.
pub fn has_come(recorder: &Recorder, replica: &Replica, level: Level) -> bool {
    if level == Level::Whole && !replica.is_partial() {
        return true;
    }
    let is_part = || recorder.states(replica.played()).any(|objects| is_part(replica, &objects.shown(), level));
    replica.view() == level.view() && replica.subscriptions().iter().all(|query| query.ready) && is_part()
}

fn check_whole(
    recorder: &Recorder,
    replica: &mut Replica,
    drafts: &BTreeMap<Key, Draft>,
) -> Result<BTreeMap<Key, Shown>, String> {
    let (played, digest) = (replica.played(), replica.digest());
    let Some(confirmed) = recorder.objects(played, digest) else {
        return Err(format!("the objects after {played} events have digest {digest}, as on no log"));
    };
    let mut expected = confirmed.clone();
    for (edit, body) in replica.outbox() {
        let write = (Seq(u64::MAX), replica.client());
        let ops = replica.shown_ops(edit).unwrap_or_default();
        reference::apply(&mut expected, ops, ops, write, body.base);
    }
    let (shown, mut expected) = (shown(replica), expected.shown());
    for (key, draft) in drafts {
        let fields = BTreeMap::from([("said".to_owned(), Value::Int(draft.said))]);
        expected.insert(key.clone(), (fields, Vec::new()));
    }
    if let Some(key) = shown.keys().chain(expected.keys()).find(|&key| shown.get(key) != expected.get(key)) {
        let (shown, expected) = (shown.get(key), expected.get(key));
        return Err(format!("shown after {played} events under {key} is {shown:?}, not {expected:?}"));
    }
    Ok(shown)
}

/// What a partial replica holds is what its queries find where it is; of those whose results have not all come,
/// something they may find.
fn check_part(
    recorder: &Recorder,
    replica: &Replica,
    drafts: &BTreeMap<Key, Draft>,
    before: Level,
) -> Result<(BTreeMap<Key, Shown>, Level), String> {
    let level = Level::of_view(replica.view());
    let right = recorder.states(replica.played()).any(|objects| is_part(replica, &objects.shown(), level));
    let shown = shown(replica);
    let reads = |key: &Key, object: &object::Object| level.reads(key, object) || before.reads(key, object);
    if !right && (level == before || !confirmed(replica).all(|(key, object)| reads(&key, &object))) {
        let queries = replica.subscriptions();
        let held: BTreeMap<_, _> = shown.keys().map(|key| (key.clone(), replica.get_before(EditId(0), key))).collect();
        return Err(format!("after {} events {held:?} is not what {queries:?} find", replica.played()));
    }
    let touched = replica.outbox().flat_map(|(_, body)| &body.ops).map(|op| &op.key);
    for key in touched.chain(shown.keys()).filter(|key| !drafts.contains_key(key)) {
        let confirmed = replica.get_before(EditId(0), key);
        let expected = shown_from(replica, key, confirmed.as_deref(), Seq(0));
        if shown.get(key) != expected.as_ref() {
            return Err(format!("shown of a part under {key} is {:?}, not {expected:?}", shown.get(key)));
        }
    }
    Ok((shown, if right { level } else { before }))
}

/// All that a replica holds, without what is pending.
fn confirmed(replica: &Replica) -> impl Iterator<Item = (Key, Arc<object::Object>)> {
    replica.collections().into_iter().flat_map(|collection| {
        let found = replica.collection_before(EditId(0), &collection);
        found.into_iter().map(move |(id, object)| (Key { collection: collection.clone(), id }, object))
    })
}

fn is_part(replica: &Replica, there: &BTreeMap<Key, Shown>, level: Level) -> bool {
    let objects: BTreeMap<Key, Arc<object::Object>> =
        there.iter().map(|(key, shown)| (key.clone(), object_of(shown))).collect();
    let (mut held, mut coming, mut windows): (BTreeSet<Key>, Vec<Query>, Vec<Query>) = Default::default();
    for subscription in replica.subscriptions() {
        let query = level.narrow(Query::from_value(&subscription.query).expect("it could be read"));
        if subscription.ready {
            held.extend(part::found(&query, objects.iter()));
        }
        match (subscription.ready, query.limit) {
            (false, _) => coming.push(query),
            (true, Some(_)) => windows.push(query),
            (true, None) => {}
        }
    }
    let has_all = held.iter().all(|key| {
        let confirmed = replica.get_before(EditId(0), key);
        confirmed.as_deref().map(recorder::shown).as_ref() == there.get(key)
    });
    // What windows held before goes when all has come.
    if !coming.is_empty() {
        coming.append(&mut windows);
    }
    let may_come = |key: &Key, object: &object::Object| {
        let of = |query: &Query| query.collection == key.collection && query.filter.matches(&key.id, object);
        coming.iter().any(of)
    };
    has_all && confirmed(replica).all(|(key, object)| held.contains(&key) || may_come(&key, &object))
}

/// While a replica is filled, each object is as it was at some place of the log, with those pending edits on top
/// that are not in it.
fn check_filling(
    recorder: &Recorder,
    replica: &Replica,
    drafts: &BTreeMap<Key, Draft>,
) -> Result<BTreeMap<Key, Shown>, String> {
    let shown = shown(replica);
    let mut keys: BTreeSet<Key> = shown.keys().cloned().collect();
    keys.extend(replica.outbox().flat_map(|(_, body)| &body.ops).map(|op| op.key.clone()));
    for key in keys.into_iter().filter(|key| !drafts.contains_key(key)) {
        let confirmed = replica.get_before(EditId(0), &key);
        let (at, as_shown) = (confirmed.as_ref().map(|object| object.seq()), confirmed.as_deref().map(recorder::shown));
        let first = at.map_or(Seq(0), Seq::next);
        if !recorder.was(&key, first, as_shown.as_ref()) {
            return Err(format!("{key} is in mid-filling as it was on no log: {confirmed:?}"));
        }
        // It is as it is there, and as it is later on where nothing has changed it.
        let is_touched = replica.outbox().any(|(_, body)| body.ops.iter().any(|op| op.key == key));
        let later = if is_touched { first.0 + 1..recorder.most().0 + 1 } else { 0..0 };
        // What left a part of the stream may be there.
        let was =
            |place: &Seq| confirmed.is_none() && replica.is_partial() || recorder.was(&key, *place, as_shown.as_ref());
        let mut places = std::iter::once(first).chain(later.map(Seq).filter(was));
        let there = shown.get(&key);
        if !places.any(|place| shown_from(replica, &key, confirmed.as_deref(), place).as_ref() == there) {
            return Err(format!("shown in mid-filling under {key} is {there:?}; confirmed is {confirmed:?}"));
        }
    }
    Ok(shown)
}

/// What a key shows of an object with those pending edits on top that are not recorded below `place`.
fn shown_from(replica: &Replica, key: &Key, confirmed: Option<&object::Object>, place: Seq) -> Option<Shown> {
    let mut entry = confirmed.map(|object| Entry::Live(object.clone().into()));
    for (edit, body) in replica.outbox() {
        let write = Write::pending(replica.client(), body.base, body.at);
        if replica.recorded_at(edit).is_none_or(|recorded| recorded >= place) {
            let ops = replica.shown_ops(edit).unwrap_or_default().iter().filter(|op| op.key == *key);
            ops.for_each(|op| object::apply(&mut entry, op, &write));
        }
    }
    entry.as_ref().and_then(Entry::live).map(|object| recorder::shown(object))
}

/// An object that shows this.
pub fn object_of(shown: &Shown) -> Arc<object::Object> {
    let named = |(name, value): (&String, &Value)| (name.parse().expect("a name"), value.clone());
    let fields = FieldMap::new(shown.0.iter().map(named).collect()).expect("each once");
    let key = Key { collection: "any".parse().expect("a name"), id: "any".parse().expect("an id") };
    let mut entry = None;
    let op = Op { key, seen: None, action: Action::Upsert(fields) };
    object::apply(&mut entry, &op, &Write::pending(ClientId(0), Seq(0), Millis(0)));
    entry.as_ref().and_then(Entry::live).expect("it was made").clone()
}

/// All that a replica shows.
fn shown(replica: &Replica) -> BTreeMap<Key, Shown> {
    let mut objects = BTreeMap::new();
    for collection in replica.collections() {
        for (id, object) in replica.collection(&collection) {
            let key = Key { collection: collection.clone(), id: id.clone() };
            objects.insert(key, recorder::shown(object));
        }
    }
    objects
}
