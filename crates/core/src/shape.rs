//! The shape of a field: which values it takes.
//!
//! A server refuses what does not fit, once it is known what an event makes of the object; a replica that knows the shapes
//! says so before. What was recorded before a shape was declared stays: only what an event sets is looked at.

use std::fmt;

use crate::event::RefusalCode;
use crate::name::FieldName;
use crate::object::Object;
use crate::query::compare;
use crate::valid::{Change, Objection};
use crate::value::Value;

/// Which values a field takes. By default any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// What kind of value.
    pub kind: Option<Kind>,
    /// Whether an object must have it, other than null.
    pub required: bool,
    /// The smallest number.
    pub min: Option<Value>,
    /// The largest number.
    pub max: Option<Value>,
    /// The fewest characters of a text, bytes, or items of a list.
    pub min_length: Option<usize>,
    /// The most of them.
    pub max_length: Option<usize>,
    /// These values alone, where there are any.
    pub one_of: Vec<Value>,
}

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// Any number.
    Number,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
    /// A list; a set is one.
    List,
    /// Values by name.
    Map,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// There is none.
    #[error("it must be there")]
    Missing,
    /// It is of another kind.
    #[error("it must be {0}")]
    Kind(Kind),
    /// It is too small.
    #[error("it must be at least {0}")]
    TooSmall(String),
    /// It is too large.
    #[error("it must be at most {0}")]
    TooLarge(String),
    /// It is too short.
    #[error("it must be at least {0} long")]
    TooShort(usize),
    /// It is too long.
    #[error("it must be at most {0} long")]
    TooLong(usize),
    /// It is none of those that it may be.
    #[error("it must be one of {0}")]
    Other(String),
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Bool, Self::Int, Self::Number, Self::Text, Self::Bytes, Self::List, Self::Map];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Number => "number",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Map => "map",
        }
    }

    fn is_of(self, value: &Value) -> bool {
        match self {
            Self::Bool => matches!(value, Value::Bool(_)),
            Self::Int => matches!(value, Value::Int(_)),
            Self::Number => matches!(value, Value::Int(_) | Value::Float(_)),
            Self::Text => matches!(value, Value::Text(_)),
            Self::Bytes => matches!(value, Value::Bytes(_)),
            Self::List => matches!(value, Value::List(_)),
            Self::Map => matches!(value, Value::Map(_)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "true or false",
            Self::Int => "a whole number",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Bytes => "bytes",
            Self::List => "a list",
            Self::Map => "a map",
        })
    }
}

impl Shape {
    /// Whether a value fits; null stands for none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, value: &Value) -> Result<(), Misfit> {
        if *value == Value::Null {
            return if self.required { Err(Misfit::Missing) } else { Ok(()) };
        }
        if let Some(kind) = self.kind.filter(|kind| !kind.is_of(value)) {
            return Err(Misfit::Kind(kind));
        }
        if !self.one_of.is_empty() && !self.one_of.contains(value) {
            return Err(Misfit::Other(self.one_of.iter().map(show).collect::<Vec<_>>().join(", ")));
        }
        if matches!(value, Value::Int(_) | Value::Float(_)) {
            self.check_number(value)?;
        }
        match length(value) {
            Some(length) => self.check_length(length),
            None => Ok(()),
        }
    }

    fn check_number(&self, number: &Value) -> Result<(), Misfit> {
        if let Some(min) = self.min.as_ref().filter(|min| compare(number, min).is_lt()) {
            return Err(Misfit::TooSmall(show(min)));
        }
        match self.max.as_ref().filter(|max| compare(number, max).is_gt()) {
            Some(max) => Err(Misfit::TooLarge(show(max))),
            None => Ok(()),
        }
    }

    fn check_length(&self, length: usize) -> Result<(), Misfit> {
        if let Some(min) = self.min_length.filter(|min| length < *min) {
            return Err(Misfit::TooShort(min));
        }
        match self.max_length.filter(|max| length > *max) {
            Some(max) => Err(Misfit::TooLong(max)),
            None => Ok(()),
        }
    }
}

/// What stands against a change by the shapes of a collection's fields: the first that does not fit.
pub fn objection(shapes: &[(FieldName, Shape)], change: &Change<'_>) -> Option<Objection> {
    let (field, misfit) = misfit(shapes, change.before, change.after?)?;
    let reason = format!("{}, field {field}: {misfit}", change.key);
    Some(Objection { code: RefusalCode::Invalid, field: Some(field.clone()), reason })
}

/// The first field of an object that does not fit, of those that were set: all of a new object.
fn misfit<'s>(
    shapes: &'s [(FieldName, Shape)],
    before: Option<&Object>,
    after: &Object,
) -> Option<(&'s FieldName, Misfit)> {
    shapes.iter().find_map(|(field, shape)| {
        let value = |object: &Object| object.get(field.as_str()).cloned().unwrap_or(Value::Null);
        let (was, is) = (before.map(value), value(after));
        let is_set = was.is_none_or(|was| was != is);
        let wrong = shape.check(&is).err().filter(|_| is_set)?;
        Some((field, wrong))
    })
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Text(text) => Some(text.as_str().chars().count()),
        Value::Bytes(bytes) => Some(bytes.len()),
        Value::List(items) => Some(items.len()),
        _ => None,
    }
}

/// A value as a person reads it.
fn show(value: &Value) -> String {
    crate::codec::json::value_to_json(value)
}
