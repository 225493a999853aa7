//! Values in a schema file that no two objects have.
//!
//! ```toml
//! [collections.seats]
//! unique = [["row", "number"]]        # several fields together
//!
//! [collections.seats.fields]
//! holder = { unique = true }
//! ```

use tapeline_core::limits;
use tapeline_core::name::FieldName;
use toml::de::DeTable;

use super::{read_several, wrong_name};
use crate::toml_file::{Read, Value, Wrong, read_flag, table};

/// The setting of a field, and of a collection.
pub(super) const UNIQUE: &str = "unique";
/// How a collection says it.
const TOGETHER: &str = "unique = [[\"row\", \"number\"]]";

/// Reads of which fields of a collection no two objects have the same value, each alone or several together.
pub(super) fn read(collection: &DeTable<'_>) -> Read<Vec<Vec<FieldName>>> {
    let mut unique = collection.get("fields").map(read_alone).transpose()?.unwrap_or_default();
    unique.extend(collection.get(UNIQUE).map(read_together).transpose()?.unwrap_or_default());
    unique.sort();
    unique.dedup();
    Ok(unique)
}

fn read_alone(fields: &Value<'_>) -> Read<Vec<Vec<FieldName>>> {
    let mut unique = Vec::new();
    for (name, field) in table(fields, "fields", "[collections.tasks.fields]")? {
        let Some(flag) = field.get_ref().as_table().and_then(|settings| settings.get(UNIQUE)) else { continue };
        if read_flag(flag)? {
            unique.push(vec![FieldName::new(name.get_ref()).map_err(|error| wrong_name(name, &error))?]);
        }
    }
    Ok(unique)
}

fn read_together(value: &Value<'_>) -> Read<Vec<Vec<FieldName>>> {
    let wanted =
        |value| Wrong::at(value, format!("fields that are unique together are lists of them, as in {TOGETHER}"));
    let lists = value.get_ref().as_array().filter(|lists| lists.len() <= limits::INDEXES);
    let lists = lists.ok_or_else(|| wanted(value))?.iter().map(|fields| {
        let list = fields.get_ref().as_array().filter(|list| !list.is_empty() && list.len() <= limits::INDEXES);
        read_several(list.ok_or_else(|| wanted(fields))?)
    });
    lists.collect()
}
