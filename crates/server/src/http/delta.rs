//! `GET /v1/streams/{name}/delta`: how what changed since some event is now, each object once however often it changed.

use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_core::codec::json;
use tapeline_core::name::{Collection, Key, StreamName};
use tapeline_core::numbers::Seq;
use tapeline_core::object::Entry;
use tapeline_log::{EventLog, LogError, Part, Pin, StateStore, Touched};

use super::parts::{self, Parts};
use super::problem::Problem;
use super::query::Query;
use super::{Answer, pinned};
use crate::limits;
use crate::shared::Shared;

/// Gives the objects that changed, and those that are gone, one a line, then the head they are of.
pub(super) async fn read<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    stream: StreamName,
    query: &Query<'_>,
) -> Result<Answer, Problem> {
    let collection = query.name("collection", |text| Collection::new(text))?;
    let since = query.number("since")?.map(Seq);
    let since =
        since.ok_or_else(|| Problem::bad_request("say since=SEQ: how many events you have seen, 0 for none"))?;
    let horizon = shared.log.info(&stream).await?.map_or(Seq::FIRST, |info| info.horizon);
    if since > Seq::FIRST && since < horizon {
        return Err(Problem::trimmed(horizon));
    }
    let pin = pinned::pin(&shared, &stream).await?;
    let head = pin.state().head;
    if since > head {
        return Err(Problem::past_the_head(since, head));
    }
    let delta = Delta { pin, since, collection };
    parts::answer(&shared, head.0, move |parts| delta.write(parts))
}

struct Delta {
    pin: Arc<dyn Pin>,
    since: Seq,
    collection: Option<Collection>,
}

impl Delta {
    fn write(&self, parts: &mut Parts) -> Result<(), LogError> {
        let taken = match self.touched()? {
            Touched::Keys(keys) => self.write_keys(&keys, parts)?,
            Touched::More => self.write_all(parts)?,
        };
        if taken.is_continue() {
            let state = self.pin.state();
            let _ = parts.push(&format!("{{\"head\":{},\"chain\":\"{}\"}}\n", state.head, state.chain));
        }
        Ok(())
    }

    fn touched(&self) -> Result<Touched, LogError> {
        match self.since {
            Seq::FIRST => Ok(Touched::More),
            since => self.pin.touched(since, limits::TOUCHED_KEYS),
        }
    }

    fn write_keys(&self, keys: &[Key], parts: &mut Parts) -> Result<ControlFlow<()>, LogError> {
        let wanted = |key: &&Key| self.collection.as_ref().is_none_or(|wanted| *wanted == key.collection);
        let keys: Vec<Key> = keys.iter().filter(wanted).cloned().collect();
        for some in keys.chunks(limits::KEYS_AT_ONCE) {
            for (key, entry) in some.iter().zip(self.pin.entries(some)?) {
                if entry.is_some_and(|entry| self.write_entry(key, &entry, parts).is_break()) {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn write_all(&self, parts: &mut Parts) -> Result<ControlFlow<()>, LogError> {
        let mut taken = ControlFlow::Continue(());
        let part = Part { collection: self.collection.as_ref(), ..Part::default() };
        self.pin.scan(part, &mut |key, entry| {
            taken = self.write_entry(key, entry, parts);
            taken
        })?;
        Ok(taken)
    }

    /// Writes what is under a key, if it changed.
    fn write_entry(&self, key: &Key, entry: &Entry, parts: &mut Parts) -> ControlFlow<()> {
        let seq = entry.version().last.seq;
        match entry {
            _ if seq < self.since => ControlFlow::Continue(()),
            Entry::Live(object) => parts.push(&(json::object_to_json(key, object) + "\n")),
            // Who has seen nothing misses nothing.
            Entry::Tombstone(_) if self.since == Seq::FIRST => ControlFlow::Continue(()),
            Entry::Tombstone(_) => parts.push(&(json::gone_to_json(key, seq) + "\n")),
        }
    }
}
