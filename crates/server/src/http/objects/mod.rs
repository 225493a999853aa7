//! `GET /v1/streams/{name}/objects`: what is there, as of one moment.

mod asked;
mod first;
mod related;

use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_authority::Reading;
use tapeline_core::codec::json;
use tapeline_core::name::{Key, ObjectId, StreamName};
use tapeline_core::object::{Entry, Object};
use tapeline_core::query::{Direction, Query as Wanted};
use tapeline_log::{EventLog, LogError, Part, Pin, StateStore};

use super::problem::Problem;
use super::query::Query;
use super::{Answer, full, lines, parts, pinned};
use crate::finding::{Course, Walk};
use crate::limits;
use crate::shared::Shared;
use asked::Asked;
use first::{First, TooLarge};

/// Gives the objects that are asked for, one a line.
pub(super) async fn read<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    stream: StreamName,
    reading: Reading,
    query: &Query<'_>,
) -> Result<Answer, Problem> {
    let asked = Asked::read(query, &shared.schema)?.narrowed(&reading);
    let pin = pinned::pin(&shared, &stream).await?;
    match asked {
        Asked::One(key) => one(&*pin, &key, &reading),
        Asked::All => listed(&shared, pin, None, reading),
        Asked::Some(wanted) => listed(&shared, pin, Some(wanted), reading),
        Asked::First(wanted, limit) => first(shared, pin, wanted, limit, reading).await,
    }
}

fn one(pin: &dyn Pin, key: &Key, reading: &Reading) -> Result<Answer, Problem> {
    let entry = pin.entries(std::slice::from_ref(key))?.pop().flatten();
    let found = entry.as_ref().and_then(Entry::live).filter(|object| reading.finds(key, object));
    let line = found.map_or(String::new(), |object| line(key, object));
    Ok(lines(full(line.into()), pin.state().head.0))
}

/// Objects in the order of their keys: all, or those of a collection that are wanted.
fn listed<L: EventLog, S: StateStore>(
    shared: &Arc<Shared<L, S>>,
    pin: Arc<dyn Pin>,
    wanted: Option<Wanted>,
    reading: Reading,
) -> Result<Answer, Problem> {
    let head = pin.state().head.0;
    let mut left = wanted.as_ref().and_then(|wanted| wanted.limit).unwrap_or(usize::MAX);
    parts::answer(shared, head, move |parts| {
        each(&*pin, wanted.as_ref(), &mut |key, object| {
            if !reading.finds(key, object) {
                return ControlFlow::Continue(());
            }
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            parts.push(&line(key, object))
        })
    })
}

/// Shows objects in the order of their keys, or the other way round where that is wanted.
fn each(
    pin: &dyn Pin,
    wanted: Option<&Wanted>,
    show: &mut dyn FnMut(&Key, &Arc<Object>) -> ControlFlow<()>,
) -> Result<(), LogError> {
    let reverse = wanted.is_some_and(|wanted| wanted.order.of_ids() == Some(Direction::Down));
    let meets = |key: &Key, object: &Arc<Object>| wanted.is_none_or(|wanted| wanted.filter.matches(&key.id, object));
    let mut look = |key: &Key, entry: &Entry| match entry.live().filter(|object| meets(key, object)) {
        Some(object) => show(key, object),
        None => ControlFlow::Continue(()),
    };
    let course = wanted.map_or(Ok(Course::Scan(None)), |wanted| Course::of(pin, wanted))?;
    let Course::Keys(keys) = course else {
        let collection = wanted.map(|wanted| &wanted.collection);
        return pin.scan(Part { collection, after: None, reverse }, &mut look);
    };
    let mut keys: Vec<Key> = keys.into();
    if reverse {
        keys.reverse();
    }
    for some in keys.chunks(limits::KEYS_AT_ONCE) {
        for (key, entry) in some.iter().zip(pin.entries(some)?) {
            if entry.is_some_and(|entry| look(key, &entry).is_break()) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The first objects of a collection in some order, and what they refer to where that is asked for.
async fn first<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    pin: Arc<dyn Pin>,
    wanted: Wanted,
    limit: usize,
    reading: Reading,
) -> Result<Answer, Problem> {
    let busy = |_| Problem::busy("too many lists are under way; ask again later");
    let permit = shared.lists.clone().try_acquire_owned().map_err(busy)?;
    let head = pin.state().head.0;
    let sorting = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let rows = sort(&*pin, &wanted, limit)?;
        let mut text: String = rows.iter().map(|(key, object)| line(key, object)).collect();
        related::write(&*pin, &wanted.with, &rows, &reading, &mut text)?;
        Ok::<_, Problem>(text)
    });
    let text = sorting.await.map_err(|_| Problem::stopping())??;
    Ok(lines(full(text.into()), head))
}

fn sort(pin: &dyn Pin, wanted: &Wanted, limit: usize) -> Result<Vec<(Key, Arc<Object>)>, Problem> {
    let mut first = First::new(&wanted.order, limit);
    let (mut shown, mut count) = (Ok(()), 0);
    match Walk::of(pin, wanted)? {
        Some(mut walk) => {
            let is_in_order = walk.is_in_order();
            let mut show = |id: &ObjectId, object: &Arc<Object>| {
                let key = Key { collection: wanted.collection.clone(), id: id.clone() };
                shown = shown.and_then(|()| first.show(&key, object));
                count += 1;
                let is_enough = shown.is_err() || is_in_order && count >= limit;
                if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            while walk.go_on(pin, wanted, &mut show)? {}
        }
        None => each(pin, Some(wanted), &mut |key, object| {
            shown = first.show(key, object);
            count += 1;
            let is_enough = shown.is_err() || wanted.order.of_ids().is_some() && count >= limit;
            if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?,
    }
    let too_large = |TooLarge| {
        let most = limits::SORTED_BYTES >> 20;
        Problem::bad_request(format!("limit: the first {limit} objects take more than {most} MB; ask for fewer"))
    };
    shown.map_err(too_large)?;
    Ok(first.into_sorted().collect())
}

/// One object on one line.
pub(super) fn line(key: &Key, object: &Object) -> String {
    json::object_to_json(key, object) + "\n"
}
