//! Which fields refer to objects of other collections, and what happens when those go.
//!
//! ```toml
//! [collections.tasks.fields]
//! owner = { ref = "people" }                              # may refer to what is not there
//! list = { ref = "lists", on_delete = "cascade" }         # refers to what is there, and goes with it
//! ```

use tapeline_core::name::{Collection, FieldName};
use tapeline_core::schema::{OnDelete, Reference};
use toml::de::DeTable;

use super::{Read, Value, Wrong, table, wrong_name};
use crate::toml_file::read_word;

/// The settings of a field that are about what it refers to.
pub(super) const SETTINGS: [&str; 2] = ["ref", "on_delete"];

/// The fields with a `ref`.
pub(super) fn read(fields: &Value<'_>) -> Read<Vec<Reference>> {
    let fields = table(fields, "fields", "[collections.tasks.fields]")?.iter();
    let tables = fields.filter_map(|(name, field)| Some((name, field.get_ref().as_table()?)));
    let refs = tables.filter_map(|(name, settings)| {
        let name = FieldName::new(name.get_ref()).map_err(|error| wrong_name(name, &error));
        name.and_then(|name| read_reference(name, settings)).transpose()
    });
    refs.collect()
}

fn read_reference(field: FieldName, settings: &DeTable<'_>) -> Read<Option<Reference>> {
    let on_delete = settings.get("on_delete");
    let Some(to) = settings.get("ref") else {
        let wanted = "on_delete is of a field that says to what it refers: ref = \"people\"";
        return on_delete.map_or(Ok(None), |value| Err(Wrong::at(value, wanted)));
    };
    let on_delete = on_delete.map(|value| read_on_delete(value, settings)).transpose()?;
    Ok(Some(Reference { field, to: read_collection(to)?, on_delete }))
}

fn read_on_delete(value: &Value<'_>, settings: &DeTable<'_>) -> Read<OnDelete> {
    let on_delete = read_word(value, "on_delete", OnDelete::ALL.map(|it| (it.name(), it)))?;
    let is_required = settings.get("required").is_some_and(|required| required.get_ref().as_bool() == Some(true));
    let is_list = settings.get("type").is_some_and(|kind| kind.get_ref().as_str() == Some("list"));
    match on_delete {
        OnDelete::SetNull if is_required && !is_list => {
            Err(Wrong::at(value, "a required field cannot become null: use restrict or cascade, or take required out"))
        }
        on_delete => Ok(on_delete),
    }
}

fn read_collection(value: &Value<'_>) -> Read<Collection> {
    let named = value.get_ref().as_str().ok_or_else(|| Wrong::at(value, "ref names a collection: ref = \"people\""))?;
    Collection::new(named).map_err(|error| wrong_name(value, &error))
}
