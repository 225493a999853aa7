//! Checks in a schema file: what is valid, whoever writes it.
//!
//! ```toml
//! [collections.trips.fields]
//! code = { pattern = "[A-Z]{3}-[0-9]+" }      # what all of a text looks like
//!
//! [[collections.trips.checks]]
//! holds = "new.from <= new.to"                # of `old` and `new`, besides `auth` and `stream`
//! message = "a trip ends after it begins"     # told to people as it stands
//! field = "to"                                # what it is about, where it is about one
//! ```

use crate::{Check, Checks, Kind, Pattern, limits};
use tapeline_core::name::FieldName;
use toml::de::DeTable;

use super::{rules, wrong_name};
use crate::toml_file::{Read, Value, Wrong, check_settings, table};

/// The setting of a field that says what its texts look like.
pub(super) const PATTERN: &str = "pattern";
/// How a check is written.
const CHECK: &str = "[[collections.trips.checks]] holds = \"new.from <= new.to\"";

/// Reads what is valid in a collection.
pub(super) fn read(collection: &DeTable<'_>) -> Read<Checks> {
    let patterns = collection.get("fields").map(read_patterns).transpose()?.unwrap_or_default();
    let conditions = collection.get("checks").map(read_checks).transpose()?.unwrap_or_default();
    Ok(Checks { patterns, conditions })
}

fn read_patterns(fields: &Value<'_>) -> Read<Vec<(FieldName, Pattern)>> {
    let fields = table(fields, "fields", "[collections.tasks.fields]")?.iter();
    let patterns = fields.filter_map(|(name, field)| Some((name, field.get_ref().as_table()?.get(PATTERN)?)));
    let patterns = patterns.map(|(name, pattern)| {
        let name = FieldName::new(name.get_ref()).map_err(|error| wrong_name(name, &error))?;
        Ok((name, read_pattern(pattern)?))
    });
    patterns.collect()
}

fn read_pattern(value: &Value<'_>) -> Read<Pattern> {
    let text = value.get_ref().as_str();
    let text = text.ok_or_else(|| Wrong::at(value, "a pattern is a text, such as \"[A-Z]{3}-[0-9]+\""))?;
    Pattern::parse(text).map_err(|error| Wrong::at(value, error.to_string()))
}

fn read_checks(checks: &Value<'_>) -> Read<Vec<Check>> {
    let list = checks.get_ref().as_array().filter(|list| list.len() <= limits::CHECKS);
    let wanted = || Wrong::at(checks, format!("checks are a list, of {} at most, as in {CHECK}", limits::CHECKS));
    list.ok_or_else(wanted)?.iter().map(read_check).collect()
}

fn read_check(check: &Value<'_>) -> Read<Check> {
    let settings = table(check, "a check", CHECK)?;
    check_settings(settings, &["holds", "message", "field"])?;
    let needed = |name: &str| {
        settings.get(name).ok_or_else(|| Wrong::at(check, format!("a check says what holds, and a message: {name}")))
    };
    Ok(Check {
        rule: rules::read_rule(needed("holds")?, Kind::Check)?,
        message: read_message(needed("message")?)?,
        field: settings.get("field").map(read_field).transpose()?,
    })
}

fn read_message(value: &Value<'_>) -> Read<String> {
    let text = value.get_ref().as_str().filter(|text| !text.is_empty() && text.len() <= limits::MESSAGE_BYTES);
    let wanted = || format!("a message is a text of up to {} bytes, for people", limits::MESSAGE_BYTES);
    Ok(text.ok_or_else(|| Wrong::at(value, wanted()))?.into())
}

fn read_field(value: &Value<'_>) -> Read<FieldName> {
    let name = value.get_ref().as_str().ok_or_else(|| Wrong::at(value, "field names a field: field = \"to\""))?;
    FieldName::new(name).map_err(|error| wrong_name(value, &error))
}
