//! Claims that an auth file gives to an API key: from TOML to values.

use tapeline_core::value::{Entries, Value};
use toml::de::{DeArray, DeTable, DeValue};

use tapeline_authority::toml_file::{self, Read, Wrong, table};

/// Reads a table of claims.
pub(super) fn read_claims(claims: &toml_file::Value<'_>) -> Read<Entries> {
    read_map(table(claims, "claims", "claims = { role = \"server\" }")?)
}

fn read_map(map: &DeTable<'_>) -> Read<Entries> {
    let entries = map.iter().map(|(name, value)| Ok((name.get_ref().as_ref().into(), read_value(value)?)));
    // TOML has let no name stand twice.
    Ok(Entries::new(entries.collect::<Read<_>>()?).unwrap_or_default())
}

fn read_list(list: &DeArray<'_>) -> Read<Value> {
    Ok(Value::List(list.iter().map(read_value).collect::<Read<_>>()?))
}

fn read_value(value: &toml_file::Value<'_>) -> Read<Value> {
    let wrong = || Wrong::at(value, "a claim is a text, a number, true or false, a list or a table");
    match value.get_ref() {
        DeValue::String(text) => Ok(Value::text(text)),
        DeValue::Boolean(truth) => Ok(Value::Bool(*truth)),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map(Value::Int).map_err(|_| wrong())
        }
        DeValue::Float(number) => {
            number.as_str().parse().ok().and_then(|number| Value::number(number).ok()).ok_or_else(wrong)
        }
        DeValue::Array(list) => read_list(list),
        DeValue::Table(map) => Ok(Value::Map(read_map(map)?)),
        DeValue::Datetime(_) => Err(wrong()),
    }
}
