//! Indexes: the objects of a collection in the order of some of their fields, so that a query costs what it returns.
//!
//! An index has a row for each live object: the values of its fields as bytes that sort as the values do, and then the
//! id. A query reads one stretch of such rows, or some, where it pins the first fields of an index, compares the next
//! one, or is sorted by those that follow:
//!
//! ```text
//! index ["state", "position"]
//! { where: { state: "done" }, orderBy: "position", limit: 50 }        the first fifty rows of a stretch
//! { where: { state: ["done", "review"] } }                            two stretches
//! { where: { state: "done", position: { ge: "a5" } } }                one, from there on
//! ```
//!
//! What a stretch holds is more than what is wanted where something is cut: whoever reads it checks each object.

use std::cmp::Ordering;

use super::filter::Test;
use super::order::{ID, INT_END, rank};
use super::{Direction, Filter, Order, Query};
use crate::limits;
use crate::name::{Collection, FieldName};
use crate::object::Object;
use crate::value::Value;

/// A declared index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index {
    /// Of which collection.
    pub collection: Collection,
    /// The fields by which it is sorted, the most significant first.
    pub fields: Vec<FieldName>,
}

/// How a query is read from an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The index.
    pub index: Index,
    /// The stretches, each with all that the query may find in it, in the order of their rows.
    pub stretches: Vec<Stretch>,
    /// How the one stretch is to be read, so that objects come in the order of the query but for those of the same cut
    /// [`Place`]. `None`: they are to be sorted.
    pub in_order: Option<Run>,
}

/// How rows of an index are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// From the first to the last.
    Forward,
    /// From the last to the first.
    Backward,
    /// The values from the last to the first, and of the same values the ids from the first to the last.
    BackwardByValue,
}

/// Rows of an index whose values lie in a range: from the first one on, up to the second one, without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first value that is in it.
    pub from: Vec<u8>,
    /// The first value past it.
    pub upto: Vec<u8>,
}

/// The values of an object in an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// As bytes that sort as the values do.
    pub bytes: Vec<u8>,
    /// Whether not all of the values is in the bytes, so that others with the same bytes may sort otherwise.
    pub is_cut: bool,
}

impl Index {
    /// Where an object stands in it.
    pub fn place(&self, object: &Object) -> Place {
        Place::of(self.fields.iter().map(|field| object.get(field.as_str()).unwrap_or(&Value::Null)))
    }

    /// The values that an object holds in it: of one field its value, or each item of the list there; of several fields
    /// their values together. What is not there, or null, is not held.
    pub fn held(&self, object: &Object) -> Vec<Value> {
        let value = |field: &FieldName| object.get(field.as_str()).filter(|value| **value != Value::Null);
        match &self.fields[..] {
            [field] => match value(field) {
                Some(Value::List(items)) => items.iter().filter(|item| **item != Value::Null).cloned().collect(),
                value => value.cloned().into_iter().collect(),
            },
            fields => {
                let all: Option<Vec<Value>> = fields.iter().map(|field| value(field).cloned()).collect();
                all.map(|all| Value::List(all.into())).into_iter().collect()
            }
        }
    }

    /// How a query can be read from it; how good that is, first.
    fn plan(&self, query: &Query) -> Option<(Goodness, Plan)> {
        if query.collection != self.collection {
            return None;
        }
        let mut start = Place::default();
        let mut rest = self.fields.as_slice();
        while let Some((field, after)) = rest.split_first() {
            let Some(value) = pinned(&query.filter, field) else { break };
            start.put(value);
            rest = after;
            if start.is_cut {
                rest = &[];
                break;
            }
        }
        let pinned = self.fields.len() - rest.len();
        let is_narrowed = rest.first().is_some_and(|field| narrows(&query.filter, field));
        let stretches = match rest.first() {
            Some(field) => stretches(&start.bytes, &query.filter, field),
            None => vec![Stretch::of(start.bytes)],
        };
        let is_one = stretches.len() == 1;
        let in_order = if start.is_cut { None } else { run(&query.order, rest).filter(|_| is_one) };
        let goodness = Goodness { pinned: pinned + usize::from(is_narrowed), in_order: in_order.is_some() };
        // Reading in order alone may look at all objects before it finds one.
        let is_worth_it = goodness.pinned > 0 || in_order.is_some() && query.limit.is_some() && self.knows(query);
        let index = self.clone();
        is_worth_it.then_some((goodness, Plan { index, stretches, in_order }))
    }

    /// Whether a query looks at no other fields.
    fn knows(&self, query: &Query) -> bool {
        !query.filter.looks_at(&|field| !self.fields.contains(field))
    }
}

/// The more the better.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Goodness {
    /// How many fields narrow what is read.
    pinned: usize,
    /// Whether nothing is to be sorted.
    in_order: bool,
}

impl Plan {
    /// The best way to read a query, where one of the indexes helps. Of queries for certain ids none does.
    pub fn of(query: &Query, indexes: &[Index]) -> Option<Self> {
        if query.filter.ids().is_some() {
            return None;
        }
        let plans = indexes.iter().filter_map(|index| index.plan(query));
        plans.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, plan)| plan)
    }

    /// The way to read those that [hold](Index::held) a value. In lists it is looked for one by one: rows do not tell their items.
    pub fn of_holders(index: &Index, value: &Value) -> Self {
        let mut stretches = match value {
            Value::List(values) if index.fields.len() > 1 => {
                vec![Stretch::of(Place::of(values.iter()).bytes)]
            }
            value => vec![at(&[], value), Stretch::of(vec![rank(&Value::List([].into()))])],
        };
        stretches.sort_by(|a, b| a.from.cmp(&b.from));
        stretches.dedup();
        Self { index: index.clone(), stretches, in_order: None }
    }
}

impl Stretch {
    /// All rows whose values begin so.
    fn of(from: Vec<u8>) -> Self {
        Self { upto: past(from.clone()), from }
    }
}

/// The value that a filter wants a field to have.
fn pinned<'f>(filter: &'f Filter, name: &FieldName) -> Option<&'f Value> {
    match filter {
        Filter::Field(field, Test::Equal(value)) if field == name => Some(value),
        Filter::Field(field, Test::In(values)) if field == name && values.len() == 1 => values.first(),
        Filter::All(filters) => filters.iter().find_map(|filter| pinned(filter, name)),
        _ => None,
    }
}

/// The tests that a field must pass.
fn tests<'f>(filter: &'f Filter, name: &FieldName, visit: &mut dyn FnMut(&'f Test)) {
    match filter {
        Filter::Field(field, test) if field == name => visit(test),
        Filter::All(filters) => filters.iter().for_each(|filter| tests(filter, name, visit)),
        _ => {}
    }
}

fn narrows(filter: &Filter, field: &FieldName) -> bool {
    let mut narrows = false;
    tests(filter, field, &mut |test| {
        narrows |= matches!(test, Test::In(_) | Test::Compares(..) | Test::Prefix(_));
    });
    narrows
}

/// Where the values lie that begin with what is pinned and whose next field passes its tests.
fn stretches(start: &[u8], filter: &Filter, field: &FieldName) -> Vec<Stretch> {
    let mut whole = Stretch::of(start.to_vec());
    let mut several = None;
    tests(filter, field, &mut |test| match test {
        Test::In(values) => several = Some(values.iter().map(|value| at(start, value)).collect::<Vec<_>>()),
        Test::Compares(orders, with) => whole.compare(orders, &at(start, with), start, with),
        Test::Prefix(prefix) => whole.clip(Stretch::of(begun(start, prefix))),
        _ => {}
    });
    let Some(mut several) = several else { return vec![whole] };
    several.sort_by(|a, b| a.from.cmp(&b.from));
    several.dedup();
    several
}

impl Stretch {
    fn clip(&mut self, other: Self) {
        self.from = std::mem::take(&mut self.from).max(other.from);
        self.upto = std::mem::take(&mut self.upto).min(other.upto);
    }

    /// Leaves what compares so with the values of a stretch, and is of the same kind.
    fn compare(&mut self, orders: &[Ordering], with: &Self, start: &[u8], value: &Value) {
        let kind = Self::of([start, &[rank(value)]].concat());
        self.clip(kind);
        // What is equal in its bytes may be less or greater where something is cut.
        let (up, down) = (orders.contains(&Ordering::Greater), orders.contains(&Ordering::Less));
        let from = if down { Vec::new() } else { with.from.clone() };
        let upto = if up { self.upto.clone() } else { with.upto.clone() };
        self.clip(Self { from, upto });
    }
}

/// Where rows lie whose next value is this.
fn at(start: &[u8], value: &Value) -> Stretch {
    let mut place = Place { bytes: start.to_vec(), is_cut: false };
    place.put(value);
    Stretch::of(place.bytes)
}

/// What the bytes of texts begin with that begin with this.
fn begun(start: &[u8], prefix: &str) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.push(rank(&Value::text(prefix)));
    put_escaped(&mut bytes, &prefix.as_bytes()[..prefix.len().min(limits::INDEXED_BYTES)]);
    bytes
}

/// How rows are to be read to be sorted by an order, where they are sorted by these fields and then by ids.
fn run(order: &Order, fields: &[FieldName]) -> Option<Run> {
    let (values, ids) = match order.fields().split_last() {
        Some(((field, direction), before)) if field.as_str() == ID => (before, *direction),
        _ => (order.fields(), Direction::Up),
    };
    if values.len() != fields.len() || values.iter().zip(fields).any(|((wanted, _), field)| wanted != field) {
        return None;
    }
    let all = |wanted| values.iter().all(|(_, direction)| *direction == wanted);
    match ids {
        Direction::Up if all(Direction::Up) => Some(Run::Forward),
        Direction::Up if all(Direction::Down) => Some(Run::BackwardByValue),
        Direction::Down if all(Direction::Down) => Some(Run::Backward),
        _ => None,
    }
}

impl Place {
    /// Values one behind the other, up to where one is cut.
    fn of<'v>(values: impl Iterator<Item = &'v Value>) -> Self {
        let mut place = Self::default();
        for value in values {
            if place.is_cut {
                break;
            }
            place.put(value);
        }
        place
    }

    /// Puts a value behind those that are there. No value's bytes begin another's, so what follows sorts as it should.
    fn put(&mut self, value: &Value) {
        self.bytes.push(rank(value));
        match value {
            Value::Null => {}
            Value::Bool(is) => self.bytes.push((*is).into()),
            Value::Int(int) => put_int(&mut self.bytes, *int),
            Value::Float(float) => put_float(&mut self.bytes, float.get()),
            Value::Text(text) => self.put_bytes(text.as_bytes()),
            Value::Bytes(bytes) => self.put_bytes(bytes),
            // Their kind alone: nobody sorts by them.
            Value::List(_) | Value::Map(_) => self.is_cut = true,
        }
    }

    /// Bytes and their end, or the first of them.
    fn put_bytes(&mut self, bytes: &[u8]) {
        match bytes.split_at_checked(limits::INDEXED_BYTES) {
            Some((first, rest)) if !rest.is_empty() => {
                put_escaped(&mut self.bytes, first);
                self.bytes.extend_from_slice(&CUT);
                self.is_cut = true;
            }
            _ => {
                put_escaped(&mut self.bytes, bytes);
                self.bytes.extend_from_slice(&END);
            }
        }
    }
}

/// Where a text ends; where one is cut, which sorts behind; and what stands for a zero, which sorts behind both.
const END: [u8; 2] = [0, 0];
const CUT: [u8; 2] = [0, 1];
const ZERO: [u8; 2] = [0, 2];

fn put_escaped(to: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            0 => to.extend_from_slice(&ZERO),
            byte => to.push(byte),
        }
    }
}

/// A number is the whole number below it, and how far it is above that. One beyond the whole numbers is below or above
/// all of them.
const BELOW: u8 = 0;
const WITHIN: u8 = 1;
const ABOVE: u8 = 2;

fn put_int(to: &mut Vec<u8>, int: i64) {
    to.push(WITHIN);
    to.extend_from_slice(&(int ^ i64::MIN).to_be_bytes());
    to.push(0);
}

fn put_float(to: &mut Vec<u8>, float: f64) {
    if (-INT_END..INT_END).contains(&float) {
        to.push(WITHIN);
        to.extend_from_slice(&(float.floor() as i64 ^ i64::MIN).to_be_bytes());
        to.push(1);
    } else {
        to.push(if float < 0.0 { BELOW } else { ABOVE });
    }
    // Sorts as `f64::total_cmp` does.
    let bits = float.to_bits();
    let sorted = if float.is_sign_negative() { !bits } else { bits | 1 << 63 };
    to.extend_from_slice(&sorted.to_be_bytes());
}

/// The first bytes past all those that begin so; the highest byte alone where that is anything.
pub fn past(mut start: Vec<u8>) -> Vec<u8> {
    while start.pop_if(|last| *last == u8::MAX).is_some() {}
    match start.last_mut() {
        Some(last) => *last += 1,
        None => start.push(u8::MAX),
    }
    start
}
