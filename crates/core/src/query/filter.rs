//! Which objects: conditions on fields, joined by and, or and not.

use std::cmp::Ordering;

use super::{QueryError, Told, compare};
use crate::limits;
use crate::name::{FieldName, ObjectId};
use crate::object::Object;
use crate::value::{Entries, Value};

/// A condition on an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// Every object.
    Everything,
    /// A field, compared. A field the object does not have counts as null.
    Field(FieldName, Test),
    /// The object's id, compared.
    Id(Test),
    /// All of them hold.
    All(Vec<Filter>),
    /// One of them holds.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// It is told by whoever made it. No query that is written down has such a condition.
    Told(Told),
}

/// A comparison of one value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// It is this value.
    Equal(Value),
    /// It is another value.
    Unequal(Value),
    /// It is of the same kind as the value, and compares like one of these.
    Compares(&'static [Ordering], Value),
    /// It is one of these.
    In(Vec<Value>),
    /// It is a list with this item, or a text with this part.
    Contains(Value),
    /// It is a list with this item.
    Has(Value),
    /// It is a list.
    IsList,
    /// It is a text that begins so.
    Prefix(String),
    /// Whether it is there at all, and not null.
    Exists(bool),
}

impl Filter {
    /// Reads a filter.
    pub(super) fn from_value(value: &Value) -> Result<Self, QueryError> {
        let mut room = limits::QUERY_CONDITIONS;
        read_filter(value, limits::VALUE_DEPTH, &mut room)
    }

    /// Whether an object meets it.
    pub fn matches(&self, id: &ObjectId, object: &Object) -> bool {
        match self {
            Self::Everything => true,
            Self::Field(field, test) => test.holds(object.get(field.as_str()).unwrap_or(&Value::Null)),
            Self::Id(test) => test.holds(&Value::text(id.to_string())),
            Self::All(filters) => filters.iter().all(|filter| filter.matches(id, object)),
            Self::Any(filters) => filters.iter().any(|filter| filter.matches(id, object)),
            Self::Not(filter) => !filter.matches(id, object),
            Self::Told(told) => told.holds(id, object),
        }
    }

    /// The ids that it wants one of, where it wants certain objects.
    pub fn ids(&self) -> Option<Vec<ObjectId>> {
        match self {
            Self::Id(test) => Some(test.values()?.iter().filter_map(|id| ObjectId::new(id.as_text()?).ok()).collect()),
            Self::All(filters) => filters.iter().find_map(Self::ids),
            _ => None,
        }
    }

    /// The id of the one object that it wants, where it says no more.
    pub(crate) fn one(&self) -> Option<ObjectId> {
        let Self::Id(test) = self else { return None };
        let [id] = test.values()? else { return None };
        ObjectId::new(id.as_text()?).ok()
    }

    /// Whether one of the fields that it looks at is such.
    pub fn looks_at(&self, is_such: &impl Fn(&FieldName) -> bool) -> bool {
        match self {
            Self::Everything | Self::Id(_) => false,
            Self::Field(field, _) => is_such(field),
            Self::All(filters) | Self::Any(filters) => filters.iter().any(|filter| filter.looks_at(is_such)),
            Self::Not(filter) => filter.looks_at(is_such),
            Self::Told(told) => told.fields().iter().any(is_such),
        }
    }
}

impl Test {
    /// The values that it wants one of, where it wants no more than that.
    pub(super) fn values(&self) -> Option<&[Value]> {
        match self {
            Self::Equal(value) => Some(std::slice::from_ref(value)),
            Self::In(values) => Some(values),
            _ => None,
        }
    }

    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Equal(wanted) => value == wanted,
            Self::Unequal(wanted) => value != wanted,
            Self::Compares(orders, with) => comparable(value, with) && orders.contains(&compare(value, with)),
            Self::In(values) => values.contains(value),
            Self::Contains(part) => contains(value, part),
            Self::Has(item) => matches!(value, Value::List(items) if items.contains(item)),
            Self::IsList => matches!(value, Value::List(_)),
            Self::Prefix(prefix) => value.as_text().is_some_and(|text| text.starts_with(prefix)),
            Self::Exists(wanted) => (*value != Value::Null) == *wanted,
        }
    }
}

fn comparable(a: &Value, b: &Value) -> bool {
    let is_number = |value: &Value| matches!(value, Value::Int(_) | Value::Float(_));
    is_number(a) && is_number(b) || std::mem::discriminant(a) == std::mem::discriminant(b)
}

fn contains(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::List(items), part) => items.contains(part),
        (Value::Text(text), Value::Text(part)) => text.contains(part.as_str()),
        _ => false,
    }
}

fn read_filter(value: &Value, depth: usize, room: &mut usize) -> Result<Filter, QueryError> {
    let shape = QueryError::Shape { what: "where", wanted: "a map of fields and what they must be" };
    let Value::Map(conditions) = value else { return Err(shape) };
    let mut filters = Vec::with_capacity(conditions.len());
    for (name, value) in conditions.iter() {
        let below = depth.checked_sub(1).ok_or(QueryError::TooLarge)?;
        filters.push(match name.as_str() {
            "and" => Filter::All(read_filters(value, below, room)?),
            "or" => Filter::Any(read_filters(value, below, room)?),
            "not" => Filter::Not(Box::new(read_filter(value, below, room)?)),
            field => read_condition(field, value, room)?,
        });
    }
    Ok(match filters.len() {
        0 => Filter::Everything,
        1 => filters.remove(0),
        _ => Filter::All(filters),
    })
}

fn read_filters(value: &Value, depth: usize, room: &mut usize) -> Result<Vec<Filter>, QueryError> {
    let Value::List(filters) = value else {
        return Err(QueryError::Shape { what: "and, or", wanted: "a list of conditions" });
    };
    let mut read = Vec::with_capacity(filters.len());
    for filter in filters.iter() {
        read.push(read_filter(filter, depth, room)?);
    }
    Ok(read)
}

/// One field: a map holds comparisons, all of which must hold; any other value is what it must be.
fn read_condition(field: &str, value: &Value, room: &mut usize) -> Result<Filter, QueryError> {
    let tests = match value {
        Value::Map(tests) => read_tests(tests)?,
        value => vec![Test::Equal(value.clone())],
    };
    *room = room.checked_sub(tests.len().max(1)).ok_or(QueryError::TooLarge)?;
    let name = FieldName::new(field)?;
    let on_field = |test| if field == "id" { Filter::Id(test) } else { Filter::Field(name.clone(), test) };
    let mut filters: Vec<Filter> = tests.into_iter().map(on_field).collect();
    Ok(if filters.len() == 1 { filters.remove(0) } else { Filter::All(filters) })
}

fn read_tests(tests: &Entries) -> Result<Vec<Test>, QueryError> {
    let mut read = Vec::with_capacity(tests.len());
    for (name, value) in tests.iter() {
        read.push(read_test(name, value)?);
    }
    Ok(read)
}

fn read_test(name: &str, value: &Value) -> Result<Test, QueryError> {
    use Ordering::{Equal, Greater, Less};
    let orders: &[Ordering] = match name {
        "eq" => return Ok(Test::Equal(value.clone())),
        "ne" => return Ok(Test::Unequal(value.clone())),
        "in" => return read_in(value),
        "contains" => return Ok(Test::Contains(value.clone())),
        "prefix" => {
            let prefix = value.as_text().ok_or(QueryError::Shape { what: "prefix", wanted: "a text" })?;
            return Ok(Test::Prefix(prefix.into()));
        }
        "exists" => {
            let wanted = value.as_bool().ok_or(QueryError::Shape { what: "exists", wanted: "true or false" })?;
            return Ok(Test::Exists(wanted));
        }
        "lt" => &[Less],
        "le" => &[Less, Equal],
        "gt" => &[Greater],
        "ge" => &[Greater, Equal],
        other => return Err(QueryError::UnknownComparison(other.into())),
    };
    Ok(Test::Compares(orders, value.clone()))
}

fn read_in(value: &Value) -> Result<Test, QueryError> {
    match value {
        Value::List(values) if values.len() > limits::QUERY_CONDITIONS => Err(QueryError::TooLarge),
        Value::List(values) => Ok(Test::In(values.to_vec())),
        _ => Err(QueryError::Shape { what: "in", wanted: "a list of values" }),
    }
}
