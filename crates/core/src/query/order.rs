//! The order of values and of objects: total, and the same everywhere.
//!
//! Null comes first, then truth values, numbers, texts by code point, bytes, lists and maps. A field an object does
//! not have counts as null.

use std::cmp::Ordering;

use super::{Found, QueryError};
use crate::limits;
use crate::name::{FieldName, ObjectId};
use crate::object::Object;
use crate::value::{Entries, Value};

/// Which way values run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The smallest first.
    Up,
    /// The largest first.
    Down,
}

/// How objects are sorted: by these fields, and then by their ids. A field named `id` is the object's id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order(Vec<(FieldName, Direction)>);

pub(super) const ID: &str = "id";
/// The first float past all integers; below its negative there are none either.
pub(super) const INT_END: f64 = 9_223_372_036_854_775_808.0;

impl Order {
    /// Reads an order: a field, `-field` for the other way round, or a list of those.
    pub(super) fn from_value(value: &Value) -> Result<Self, QueryError> {
        let fields = match value {
            Value::List(fields) if fields.len() > limits::QUERY_CONDITIONS => return Err(QueryError::TooLarge),
            Value::List(fields) => fields,
            one => std::slice::from_ref(one),
        };
        let mut order = Vec::with_capacity(fields.len());
        for field in fields {
            order.push(read_field(field)?);
        }
        Ok(Self(order))
    }

    /// Compares two objects.
    pub fn compare(&self, a: (&ObjectId, &Object), b: (&ObjectId, &Object)) -> Ordering {
        let by_field = |(field, direction): &(FieldName, Direction)| {
            if field.as_str() == ID {
                return if *direction == Direction::Up { a.0.cmp(b.0) } else { b.0.cmp(a.0) };
            }
            let [left, right] = [a.1, b.1].map(|object| object.get(field.as_str()).unwrap_or(&Value::Null));
            match direction {
                Direction::Up => compare(left, right),
                Direction::Down => compare(right, left),
            }
        };
        let fields = self.0.iter().map(by_field).find(|order| order.is_ne());
        fields.unwrap_or_else(|| a.0.cmp(b.0))
    }

    /// Sorts objects. Stable, though no two are equal: built to be small, what is not is the slower one.
    pub(super) fn sort(&self, found: &mut [Found]) {
        found.sort_by(|a, b| self.compare((&a.0, &a.1), (&b.0, &b.1)));
    }
}

impl Order {
    /// The fields by which objects are sorted, and which way.
    pub(super) fn fields(&self) -> &[(FieldName, Direction)] {
        &self.0
    }

    /// Which way ids run, where objects are sorted by nothing else.
    pub fn of_ids(&self) -> Option<Direction> {
        match self.0.first() {
            None => Some(Direction::Up),
            Some((field, direction)) => (field.as_str() == ID).then_some(*direction),
        }
    }
}

fn read_field(value: &Value) -> Result<(FieldName, Direction), QueryError> {
    let text = value.as_text().ok_or(QueryError::Shape { what: "orderBy", wanted: "a field, or a list of fields" })?;
    let (name, direction) = match text.strip_prefix('-') {
        Some(name) => (name, Direction::Down),
        None => (text, Direction::Up),
    };
    Ok((FieldName::new(name)?, direction))
}

/// Compares two values.
pub fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.get().total_cmp(&b.get()),
        (Value::Int(a), Value::Float(b)) => compare_numbers(*a, b.get()),
        (Value::Float(a), Value::Int(b)) => compare_numbers(*b, a.get()).reverse(),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::List(a), Value::List(b)) => compare_lists(a, b),
        (Value::Map(a), Value::Map(b)) => compare_maps(a, b),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

/// Which kind of value it is: kinds are in this order.
pub(super) fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) | Value::Float(_) => 2,
        Value::Text(_) => 3,
        Value::Bytes(_) => 4,
        Value::List(_) => 5,
        Value::Map(_) => 6,
    }
}

/// Exact where turning the integer into a float would round it. A float that is canonical is never equal to an integer
/// of 64 bits: it has a fraction, or lies outside their range.
fn compare_numbers(int: i64, float: f64) -> Ordering {
    if float >= INT_END {
        return Ordering::Less;
    }
    if float < -INT_END {
        return Ordering::Greater;
    }
    int.cmp(&(float.floor() as i64)).then(Ordering::Less)
}

fn compare_lists(a: &[Value], b: &[Value]) -> Ordering {
    let items = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
    items.unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn compare_maps(a: &Entries, b: &Entries) -> Ordering {
    let entry = |((a, x), (b, y)): ((&_, &Value), (&_, &Value))| Ord::cmp(a, b).then_with(|| compare(x, y));
    let entries = a.iter().zip(b.iter()).map(entry).find(|order| order.is_ne());
    entries.unwrap_or_else(|| a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_may_be_sorted_by_their_ids() {
        let order = |text: &str| Order::from_value(&Value::text(text)).unwrap();
        assert_eq!(Order::default().of_ids(), Some(Direction::Up));
        assert_eq!(order("id").of_ids(), Some(Direction::Up));
        assert_eq!(order("-id").of_ids(), Some(Direction::Down));
        assert_eq!(order("name").of_ids(), None);
    }

    #[test]
    fn values_have_one_order() {
        let float = |number| Value::number(number).unwrap();
        let sorted = [
            Value::Null,
            false.into(),
            true.into(),
            float(-1e300),
            Value::Int(i64::MIN),
            float(-1.5),
            Value::Int(-1),
            float(-0.5),
            Value::Int(0),
            float(0.5),
            Value::Int(1),
            Value::Int(i64::MAX - 1),
            Value::Int(i64::MAX),
            float(1e19),
            "".into(),
            "a".into(),
            "b".into(),
            Value::Bytes(vec![0].into()),
            Value::List(vec![1.into()].into()),
            Value::List(vec![1.into(), 2.into()].into()),
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a:?} and {b:?}");
            }
        }
    }
}
