//! Looking storage through for who holds a value, for a sequencer that cannot decide without.
//!
//! Objects are found by an index where it is built, and by a look at the whole collection until then: slower, but never
//! wrong. One pin serves many look-ups: what has changed since is in the sequencer's memory, which goes before what the
//! pin shows.

use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_core::holders::LookUp;
use tapeline_core::name::Key;
use tapeline_core::object::Entry;
use tapeline_core::query::index::Plan;
use tapeline_core::sequencer::{Need, Sequencer};
use tapeline_log::{EventLog, LogError, Part, Pin, StateStore};

use super::Shard;
use super::slots::Slot;
use crate::limits;

impl<L: EventLog, S: StateStore> Shard<L, S> {
    /// Brings into memory what a sequencer needs.
    pub(super) fn load_needed(&mut self, place: usize, needs: Vec<Need>) -> Result<(), LogError> {
        let (mut keys, mut sought) = (Vec::new(), Vec::new());
        for need in needs {
            match need {
                Need::Entry(key) => keys.push(key),
                Need::Holders(look) => sought.push(look),
            }
        }
        self.load_keys(place, keys.clone())?;
        let Some(Slot { tape, sequencer, look, whole, packed, .. }) = self.slots.get(place) else { return Ok(()) };
        // What is nowhere need not be loaded where the stream is in memory as a whole.
        keys.into_iter().for_each(|key| sequencer.load_entry(key, None));
        let is_in_memory = *whole && packed.len() == 0;
        if look.is_none() && !sought.is_empty() && !is_in_memory {
            *look = self.store.pin(tape.stream())?;
        }
        sought.into_iter().try_for_each(|sought| look_up(look.as_ref(), sequencer, sought))
    }
}

fn look_up(pin: Option<&Arc<dyn Pin>>, sequencer: &mut Sequencer, sought: LookUp) -> Result<(), LogError> {
    let found = pin.map(|pin| find(&**pin, sequencer, &sought)).transpose()?.unwrap_or_default();
    let is_all = found.len() < sought.enough;
    found.into_iter().for_each(|(key, entry)| sequencer.load_entry(key, Some(entry)));
    if is_all {
        sequencer.holds_all(sought);
    }
    Ok(())
}

/// The holders that are not in memory, as many as are enough.
fn find(pin: &dyn Pin, sequencer: &Sequencer, sought: &LookUp) -> Result<Vec<(Key, Entry)>, LogError> {
    match pin.indexes()?.contains(&sought.index) {
        true => find_by_index(pin, sequencer, sought),
        false => find_among_all(pin, sequencer, sought),
    }
}

fn find_by_index(pin: &dyn Pin, sequencer: &Sequencer, sought: &LookUp) -> Result<Vec<(Key, Entry)>, LogError> {
    let plan = Plan::of_holders(&sought.index, &sought.value);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let rows = pin.index_rows(&plan, after.as_ref(), limits::KEYS_AT_ONCE)?;
        let is_last = rows.len() < limits::KEYS_AT_ONCE;
        after = rows.last().cloned();
        let keys = rows.into_iter().map(|row| Key { collection: sought.index.collection.clone(), id: row.id });
        let keys: Vec<Key> = keys.filter(|key| !sequencer.knows_key(key)).collect();
        let entries = pin.entries(&keys)?;
        let held = keys.into_iter().zip(entries).filter_map(|(key, entry)| Some((key, entry?)));
        found.extend(held.filter(|(_, entry)| holds(entry, sought)));
        if is_last || found.len() >= sought.enough {
            found.truncate(sought.enough);
            return Ok(found);
        }
    }
}

fn find_among_all(pin: &dyn Pin, sequencer: &Sequencer, sought: &LookUp) -> Result<Vec<(Key, Entry)>, LogError> {
    let mut found = Vec::new();
    let part = Part { collection: Some(&sought.index.collection), ..Part::default() };
    pin.scan(part, &mut |key, entry| {
        if holds(entry, sought) && !sequencer.knows_key(key) {
            found.push((key.clone(), entry.clone()));
        }
        if found.len() < sought.enough { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}

fn holds(entry: &Entry, sought: &LookUp) -> bool {
    entry.live().is_some_and(|object| sought.index.held(object).contains(&sought.value))
}
