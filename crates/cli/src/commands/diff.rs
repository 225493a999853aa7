//! `diff`: what changed between two places of a stream, object by object and field by field.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use tapeline_core::codec::json;
use tapeline_core::name::Key;
use tapeline_core::numbers::Seq;
use tapeline_core::object::Object;
use tapeline_core::objects::Objects;

use crate::arguments::Diff;
use crate::failure::Failure;
use crate::{output, past, words};

/// What was under each key that was touched, before it was.
type Before = BTreeMap<Key, Option<Arc<Object>>>;

/// Prints what changed.
pub async fn run(server: &str, diff: Diff, as_json: bool) -> Result<(), Failure> {
    let Diff { stream, from, to } = diff;
    let to = to.map_or_else(|| past::head(server, &stream), Ok)?;
    if to < from {
        return Err(Failure::Usage(format!("{to} comes before {from}: what changed is told forwards")));
    }
    let (mut objects, mut before) = (Objects::default(), Before::new());
    past::play(server, &stream, to, |event| {
        if event.seq >= from {
            remember(&mut before, &objects, event.body.ops.iter().map(|op| &op.key));
        }
        objects.play(event);
    })
    .await?;
    let mut counts = Counts::default();
    for (key, before) in &before {
        let (before, after) = (before.as_deref(), objects.get(key).map(|object| &**object));
        if counts.count(before, after) {
            match as_json {
                true => output::line(to_json(key, before, after)?)?,
                false => output::line(words::line(key, before, after))?,
            }
        }
    }
    if as_json { Ok(()) } else { output::line(counts.in_words(from, to)) }
}

fn remember<'k>(before: &mut Before, objects: &Objects, keys: impl Iterator<Item = &'k Key>) {
    for key in keys {
        if !before.contains_key(key) {
            before.insert(key.clone(), objects.get(key).cloned());
        }
    }
}

/// How many objects became what.
#[derive(Default)]
struct Counts {
    inserted: usize,
    updated: usize,
    deleted: usize,
}

impl Counts {
    /// Counts an object, if it is not as it was.
    fn count(&mut self, before: Option<&Object>, after: Option<&Object>) -> bool {
        let count = match (before, after) {
            (None, None) => return false,
            (Some(before), Some(after)) if before.has_fields_of(after) => return false,
            (Some(_), Some(_)) => &mut self.updated,
            (None, Some(_)) => &mut self.inserted,
            (Some(_), None) => &mut self.deleted,
        };
        *count += 1;
        true
    }

    fn in_words(&self, from: Seq, to: Seq) -> String {
        let Self { inserted, updated, deleted } = self;
        let events = to.since(from);
        format!("{events} events from {from} on: {inserted} inserted, {updated} updated, {deleted} deleted")
    }
}

/// What became of an object, for programs.
#[derive(Serialize)]
struct Line<'o> {
    collection: &'o str,
    id: String,
    change: &'static str,
    /// The fields that differ.
    fields: BTreeMap<&'o str, FromTo>,
}

#[derive(Serialize)]
struct FromTo {
    from: Box<RawValue>,
    to: Box<RawValue>,
}

fn to_json(key: &Key, before: Option<&Object>, after: Option<&Object>) -> Result<String, Failure> {
    let raw = |value| RawValue::from_string(json::value_to_json(value)).map_err(Failure::failed);
    let changes = words::changes(before, after).into_iter();
    let fields = changes.map(|(name, from, to)| Ok((name.as_str(), FromTo { from: raw(from)?, to: raw(to)? })));
    let change = match (before, after) {
        (None, _) => "inserted",
        (Some(_), Some(_)) => "updated",
        (Some(_), None) => "deleted",
    };
    let (collection, id) = (key.collection.as_str(), key.id.to_string());
    let line = Line { collection, id, change, fields: fields.collect::<Result<_, Failure>>()? };
    serde_json::to_string(&line).map_err(Failure::failed)
}
