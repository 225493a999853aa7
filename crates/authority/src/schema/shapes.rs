//! Shapes in a schema file: which values fields take.
//!
//! ```toml
//! [collections.tasks.fields]
//! title = { type = "text", required = true, min_length = 1, max_length = 200 }
//! state = { one_of = ["open", "closed"] }
//! effort = { type = "int", min = 0, max = 100 }
//! ```

use tapeline_core::name::FieldName;
use tapeline_core::query::compare;
use tapeline_core::shape::{Kind, Shape};
use tapeline_core::value::Value as Known;
use toml::de::{DeTable, DeValue};

use super::wrong_name;
use crate::toml_file::{Read, Value, Wrong, read_flag, read_word, table};

/// The settings of a field that are about its shape.
pub(super) const SETTINGS: [&str; 7] = ["type", "required", "min", "max", "min_length", "max_length", "one_of"];

/// Reads the shapes of those fields that have any.
pub(super) fn read(fields: &Value<'_>) -> Read<Vec<(FieldName, Shape)>> {
    let mut shapes = Vec::new();
    for (name, field) in table(fields, "fields", "[collections.tasks.fields]")? {
        let Some(settings) = field.get_ref().as_table() else { continue };
        if SETTINGS.iter().any(|setting| settings.contains_key(*setting)) {
            let name = FieldName::new(name.get_ref()).map_err(|error| wrong_name(name, &error))?;
            shapes.push((name, read_shape(settings)?));
        }
    }
    Ok(shapes)
}

fn read_shape(settings: &DeTable<'_>) -> Read<Shape> {
    let kind = |value: &_| read_word(value, "type", Kind::ALL.map(|kind| (kind.name(), kind)));
    let shape = Shape {
        kind: settings.get("type").map(kind).transpose()?,
        required: settings.get("required").map(read_flag).transpose()?.unwrap_or_default(),
        min: settings.get("min").map(read_number).transpose()?,
        max: settings.get("max").map(read_number).transpose()?,
        min_length: settings.get("min_length").map(read_length).transpose()?,
        max_length: settings.get("max_length").map(read_length).transpose()?,
        one_of: settings.get("one_of").map(read_values).transpose()?.unwrap_or_default(),
    };
    check_bounds(&shape, settings)?;
    check_values(&shape, settings)?;
    Ok(shape)
}

/// Bounds are of values of the field's type, and leave something between them.
fn check_bounds(shape: &Shape, settings: &DeTable<'_>) -> Read<()> {
    let is_number = shape.kind.is_none_or(|kind| matches!(kind, Kind::Int | Kind::Number));
    let has_length = shape.kind.is_none_or(|kind| matches!(kind, Kind::Text | Kind::Bytes | Kind::List));
    let wrong = |name: &str, what: String| settings.get(name).map_or(Ok(()), |value| Err(Wrong::at(value, what)));
    for (name, applies, of) in [
        ("min", is_number, "numbers"),
        ("max", is_number, "numbers"),
        ("min_length", has_length, "texts, bytes and lists"),
        ("max_length", has_length, "texts, bytes and lists"),
    ] {
        if !applies {
            wrong(name, format!("{name} is of {of}, and the field is of another type"))?;
        }
    }
    if shape.min.as_ref().zip(shape.max.as_ref()).is_some_and(|(min, max)| compare(max, min).is_lt()) {
        wrong("max", "max is less than min: nothing is between them".into())?;
    }
    if shape.min_length.zip(shape.max_length).is_some_and(|(min, max)| max < min) {
        wrong("max_length", "max_length is less than min_length: nothing is between them".into())?;
    }
    Ok(())
}

/// Each value that a field may have is one that it can have.
fn check_values(shape: &Shape, settings: &DeTable<'_>) -> Read<()> {
    let others = Shape { one_of: Vec::new(), ..shape.clone() };
    let written =
        settings.get("one_of").and_then(|values| values.get_ref().as_array()).into_iter().flat_map(|all| all.iter());
    for (value, written) in shape.one_of.iter().zip(written) {
        others.check(value).map_err(|misfit| Wrong::at(written, format!("the field can never be this: {misfit}")))?;
    }
    Ok(())
}

fn read_number(value: &Value<'_>) -> Read<Known> {
    let number = read_value(value).filter(|number| matches!(number, Known::Int(_) | Known::Float(_)));
    number.ok_or_else(|| Wrong::at(value, "this is a number"))
}

fn read_length(value: &Value<'_>) -> Read<usize> {
    let length = read_value(value).and_then(|length| usize::try_from(length.as_int()?).ok());
    length.ok_or_else(|| Wrong::at(value, "a length is a whole number, 0 or more"))
}

fn read_values(value: &Value<'_>) -> Read<Vec<Known>> {
    let wanted = || Wrong::at(value, "one_of is a list of texts, numbers, true or false, as in [\"open\", \"closed\"]");
    let values = value.get_ref().as_array().filter(|values| !values.is_empty()).ok_or_else(wanted)?;
    values.iter().map(|value| read_value(value).ok_or_else(wanted)).collect()
}

/// A value that stands for itself.
fn read_value(value: &Value<'_>) -> Option<Known> {
    match value.get_ref() {
        DeValue::String(text) => Some(Known::text(text)),
        DeValue::Boolean(truth) => Some(Known::Bool(*truth)),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(Known::Int),
        DeValue::Float(number) => Known::number(number.as_str().parse().ok()?).ok(),
        _ => None,
    }
}
