//! Which fields refer to objects of other collections.

use tapeline_core::name::{Collection, FieldName};

use super::{Read, Value, Wrong, table, wrong_name};

/// The fields with a `ref`, and the collections that they refer to.
pub(super) fn read(fields: &Value<'_>) -> Read<Vec<(FieldName, Collection)>> {
    let fields = table(fields, "fields", "[collections.tasks.fields]")?.iter();
    let refs = fields.filter_map(|(name, field)| Some((name, field.get_ref().as_table()?.get("ref")?)));
    let refs = refs.map(|(name, collection)| {
        let name = FieldName::new(name.get_ref()).map_err(|error| wrong_name(name, &error))?;
        Ok((name, read_collection(collection)?))
    });
    refs.collect()
}

fn read_collection(value: &Value<'_>) -> Read<Collection> {
    let named = value.get_ref().as_str().ok_or_else(|| Wrong::at(value, "ref names a collection: ref = \"people\""))?;
    Collection::new(named).map_err(|error| wrong_name(value, &error))
}
