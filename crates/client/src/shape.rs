//! How values of the program's types become fields of objects and back: the way `serde_json` spells them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use smol_str::SmolStr;
use tapeline_core::object::Object;
use tapeline_core::value::{Entries, Value};

use crate::error::ShapeError;

/// An object as a value of a type.
pub(crate) fn read<T: DeserializeOwned>(object: &Object) -> Result<T, ShapeError> {
    let fields = object.fields().map(|(name, field)| (name.as_str().to_owned(), to_json(field.value)));
    serde_json::from_value(Json::Object(fields.collect())).map_err(|error| ShapeError::Mismatch(error.to_string()))
}

/// The fields of a value that stands for a whole object.
pub(crate) fn fields(value: &impl Serialize) -> Result<Vec<(String, Value)>, ShapeError> {
    match serde_json::to_value(value).map_err(|error| ShapeError::Mismatch(error.to_string()))? {
        Json::Object(fields) => fields.into_iter().map(|(name, value)| Ok((name, from_json(value)?))).collect(),
        _ => Err(ShapeError::NotAnObject),
    }
}

/// A value as one of a type.
pub(crate) fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ShapeError> {
    serde_json::from_value(to_json(value)).map_err(|error| ShapeError::Mismatch(error.to_string()))
}

/// The value that stands for one of a type.
pub(crate) fn to_value(value: &impl Serialize) -> Result<Value, ShapeError> {
    from_json(serde_json::to_value(value).map_err(|error| ShapeError::Mismatch(error.to_string()))?)
}

fn from_json(json: Json) -> Result<Value, ShapeError> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => match (number.as_i64(), number.as_f64().filter(|_| number.is_f64())) {
            (Some(int), _) => Value::Int(int),
            (None, Some(float)) => Value::number(float).map_err(|error| ShapeError::Number(error.to_string()))?,
            (None, None) => return Err(ShapeError::Number(number.to_string())),
        },
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::List(items.into_iter().map(from_json).collect::<Result<_, _>>()?),
        Json::Object(entries) => {
            let entries = entries.into_iter().map(|(name, value)| Ok((SmolStr::new(name), from_json(value)?)));
            let entries = Entries::new(entries.collect::<Result<_, ShapeError>>()?);
            Value::Map(entries.expect("a JSON object has each name once"))
        }
    })
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Int(int) => (*int).into(),
        Value::Float(float) => float.get().into(),
        Value::Text(text) => text.as_str().into(),
        Value::Bytes(bytes) => bytes.iter().copied().collect(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|(name, value)| (name.to_string(), to_json(value))).collect::<Map<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        let json = serde_json::json!({"a": [1, -2, 0.5, null, true, "x"], "b": {"c": i64::MAX}});
        let value = from_json(json.clone()).unwrap();
        assert_eq!(to_json(&value), json);
    }

    #[test]
    fn numbers_that_would_lose_digits_are_refused() {
        assert_eq!(from_json(u64::MAX.into()), Err(ShapeError::Number(u64::MAX.to_string())));
        assert_eq!(from_json(2.0.into()), Ok(Value::Int(2)));
    }

    #[test]
    fn only_structs_and_maps_are_objects() {
        assert_eq!(fields(&1), Err(ShapeError::NotAnObject));
    }
}
