//! Rows of an index in the order of a plan: those of the store, with what is not in it yet among them.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Bound::{self, Excluded, Included};

use tapeline_core::name::{Key, ObjectId};
use tapeline_core::object::Entry;
use tapeline_core::query::index::{Plan, Run, Stretch};

use super::list::StreamIndex;
use super::pinned::PinnedIndex;
use crate::contract::LogError;
use crate::embedded::rows::past;
use crate::embedded::store::{Snapshot, place_of};
use crate::pin::IndexRow;

type IndexRows<'i> = Box<dyn Iterator<Item = Result<IndexRow, LogError>> + 'i>;

/// The next rows of a plan after one of them, at most so many. `over`, which is sorted, hides what the store has.
pub(in crate::embedded) fn read_rows(
    snapshot: &Snapshot,
    stream: u64,
    pinned: &PinnedIndex,
    over: &[(Key, Entry)],
    plan: &Plan,
    after: Option<&IndexRow>,
    most: usize,
) -> Result<Vec<IndexRow>, LogError> {
    let own = &pinned.own;
    let run = plan.in_order.unwrap_or(Run::Forward);
    let hides = |id: &ObjectId| {
        let order = |(key, _): &(Key, Entry)| key.collection.cmp(&own.index.collection).then_with(|| key.id.cmp(id));
        over.binary_search_by(order).is_ok()
    };
    let stored = Stored { snapshot, stream, own, run }.after(&plan.stretches, after);
    let stored = stored.filter(|row| row.as_ref().map_or(true, |row| !hides(&row.id)));
    let unstored = unstored(pinned.unstored(over), plan, run, after);
    let mut rows = Vec::new();
    for row in merge(unstored, Box::new(stored), run).take(most) {
        rows.push(row?);
    }
    Ok(rows)
}

/// How two rows come after each other.
fn compare(a: &IndexRow, b: &IndexRow, run: Run) -> Ordering {
    let (values, ids) = (a.place.bytes.cmp(&b.place.bytes), a.id.cmp(&b.id));
    match run {
        Run::Forward => values.then(ids),
        Run::Backward => values.then(ids).reverse(),
        Run::BackwardByValue => values.reverse().then(ids),
    }
}

/// The rows of what is not in the store.
fn unstored<'i>(rows: &'i [IndexRow], plan: &Plan, run: Run, after: Option<&IndexRow>) -> IndexRows<'i> {
    let place = |end: &[u8]| rows.partition_point(|row| row.place.bytes.as_slice() < end);
    let within = |stretch: &Stretch| rows.get(place(&stretch.from)..place(&stretch.upto)).unwrap_or_default();
    let all = plan.stretches.iter().flat_map(within);
    let mut rows: Vec<&IndexRow> =
        all.filter(|row| after.is_none_or(|after| compare(row, after, run).is_gt())).collect();
    rows.sort_by(|a, b| compare(a, b, run));
    rows.dedup();
    Box::new(rows.into_iter().cloned().map(Ok))
}

/// The rows of the store.
#[derive(Clone, Copy)]
struct Stored<'s> {
    snapshot: &'s Snapshot,
    stream: u64,
    own: &'s StreamIndex,
    run: Run,
}

impl<'s> Stored<'s> {
    /// Those of some stretches after a row.
    fn after(self, stretches: &[Stretch], after: Option<&IndexRow>) -> IndexRows<'s> {
        match (self.run, stretches) {
            (Run::BackwardByValue, [stretch]) => self.by_value(stretch, after),
            (Run::Backward, [stretch]) => {
                let end = after.map_or_else(|| self.key(&stretch.upto), |after| self.row_key(after));
                Box::new(self.range(Included(&self.key(&stretch.from)), Excluded(&end)).rev())
            }
            _ => {
                let stretch = |stretch: &Stretch| (self.key(&stretch.from), self.key(&stretch.upto));
                let stretches: Vec<_> = stretches.iter().map(stretch).collect();
                let after = after.map(|after| self.row_key(after));
                Box::new(
                    stretches.into_iter().flat_map(move |(from, upto)| self.forward(from, &upto, after.as_deref())),
                )
            }
        }
    }

    fn forward(self, from: Vec<u8>, upto: &[u8], after: Option<&[u8]>) -> IndexRows<'s> {
        match after.filter(|after| **after >= *from) {
            Some(after) if after >= upto => Box::new(std::iter::empty()),
            Some(after) => Box::new(self.range(Excluded(after), Excluded(upto))),
            None => Box::new(self.range(Included(&from), Excluded(upto))),
        }
    }

    /// One value after the other, from the last.
    fn by_value(self, stretch: &Stretch, after: Option<&IndexRow>) -> IndexRows<'s> {
        let begun = after.map(|after| (self.key(&after.place.bytes), self.row_key(after)));
        let from = self.key(&stretch.from);
        let mut end = begun.as_ref().map_or_else(|| self.key(&stretch.upto), |(value, _)| value.clone());
        let rest =
            begun.into_iter().flat_map(move |(value, after)| self.range(Excluded(&after), Excluded(&past(value))));
        let values = std::iter::from_fn(move || {
            let last = self.range(Included(&from), Excluded(&end)).next_back()?;
            Some(match last {
                Err(error) => Box::new(std::iter::once(Err(error))) as IndexRows<'s>,
                Ok(last) => {
                    let value = self.key(&last.place.bytes);
                    end.clone_from(&value);
                    Box::new(self.range(Included(&value), Excluded(&past(value.clone()))))
                }
            })
        });
        // What cannot be read would be found again and again.
        Box::new(
            rest.chain(values.flatten())
                .scan(false, |is_over, row| (!std::mem::replace(is_over, row.is_err())).then_some(row)),
        )
    }

    fn range(
        self,
        from: Bound<&[u8]>,
        upto: Bound<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = Result<IndexRow, LogError>> + use<'s> {
        self.snapshot.range(from, upto).map(move |row| {
            let (key, value) = row?;
            let damaged = || LogError::Damaged { place: place_of(&key), what: "not the row of an index".into() };
            self.own.read_row(self.stream, &key, &value).ok_or_else(damaged)
        })
    }

    /// What the keys of rows with such values begin with.
    fn key(self, values: &[u8]) -> Vec<u8> {
        [&self.own.prefix(self.stream)[..], values].concat()
    }

    fn row_key(self, row: &IndexRow) -> Vec<u8> {
        self.own.row_key(self.stream, &row.place, &row.id)
    }
}

/// Two runs of rows as one.
fn merge<'i>(first: IndexRows<'i>, second: IndexRows<'i>, run: Run) -> IndexRows<'i> {
    let (mut first, mut second): (Peekable<_>, Peekable<_>) = (first.peekable(), second.peekable());
    Box::new(std::iter::from_fn(move || match (first.peek(), second.peek()) {
        (Some(Ok(a)), Some(Ok(b))) if compare(a, b, run).is_lt() => first.next(),
        (_, Some(_)) => second.next(),
        (_, None) => first.next(),
    }))
}
