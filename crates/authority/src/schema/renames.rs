//! Fields in a schema file that apps of an older version know by another name.
//!
//! ```toml
//! [collections.tasks.fields]
//! completed = { was = "done" }
//! ```

use tapeline_core::name::FieldName;
use tapeline_core::schema::Rename;

use super::wrong_name;
use crate::toml_file::{Read, Value, Wrong, table};

/// The setting of a field.
pub(super) const WAS: &str = "was";

/// Reads which fields of a collection had another name.
pub(super) fn read(fields: &Value<'_>) -> Read<Vec<Rename>> {
    let fields = table(fields, "fields", "[collections.tasks.fields]")?;
    let mut renames: Vec<Rename> = Vec::new();
    for (name, field) in fields {
        let Some(value) = field.get_ref().as_table().and_then(|settings| settings.get(WAS)) else { continue };
        let wanted = || Wrong::at(value, "the name that a field had, as in completed = { was = \"done\" }");
        let was = FieldName::new(value.get_ref().as_str().ok_or_else(wanted)?);
        let was = was.map_err(|error| wrong_name(value, &error))?;
        let now = FieldName::new(name.get_ref()).map_err(|error| wrong_name(name, &error))?;
        if fields.keys().any(|field| field.get_ref() == was.as_str()) {
            let what =
                format!("{was} is declared itself: what holds of a field is said under the name that it has now");
            return Err(Wrong::at(value, what));
        }
        if renames.iter().any(|rename| rename.was == was) {
            return Err(Wrong::at(value, format!("{was} is the former name of another field already")));
        }
        renames.push(Rename { now, was });
    }
    Ok(renames)
}
