//! Rows in JSON and NDJSON.
//!
//! ```text
//! [{"id":"t1","title":"Milk"}, …]                                     of one collection
//! {"tasks":[{"id":"t1","title":"Milk"}, …], "notes":[…]}              of several
//! {"collection":"tasks","id":"t1","fields":{"title":"Milk"}}          a line, as `tapeline objects` prints it, with a `seq`
//! ```

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tapeline_core::codec::{CodecError, json};
use tapeline_core::name::{Collection, FieldName};
use tapeline_core::op::FieldMap;
use tapeline_core::value::{Entries, Value};

use super::tables::{Place, Row, Tables, Wrong, id_of};

/// Reads rows of one collection, one a line.
pub fn read_lines(text: &str, collection: &Collection, id_field: &str) -> Result<Tables, Wrong> {
    let mut tables = Tables::default();
    tables.begin(collection);
    for (at, line) in lines(text) {
        tables.add(at, collection, read_row(at, line, collection, id_field)?)?;
    }
    Ok(tables)
}

/// Reads objects of any collections, one a line, as `tapeline objects` prints them.
pub fn read_objects(text: &str) -> Result<Tables, Wrong> {
    let mut tables = Tables::default();
    for (at, line) in lines(text) {
        let how = "name the collection of all rows with --collection C, or write each row as tapeline objects does: \
                   {\"collection\":…,\"id\":…,\"fields\":{…}}";
        let (collection, row) = read_object(at, &read_fields(at, line)?)?.ok_or_else(|| Wrong::at(at, how))?;
        tables.add(at, &collection, row)?;
    }
    Ok(tables)
}

/// Reads a list of the rows of one collection, or an object with such a list for each collection.
pub fn read(text: &str, collection: Option<&Collection>, id_field: &str) -> Result<Tables, Wrong> {
    match (text.trim_start().starts_with('['), collection) {
        (true, Some(collection)) => read_list(text, collection, id_field),
        (false, None) => read_lists(text, id_field),
        (true, None) => Err(Wrong::at(START, "say which collection the rows are of: --collection tasks")),
        (false, Some(_)) => {
            let what = "no list of rows: leave --collection out where the file has a list for each collection";
            Err(Wrong::at(START, what))
        }
    }
}

const START: Place = Place { line: 1, column: 1 };

fn read_list(text: &str, collection: &Collection, id_field: &str) -> Result<Tables, Wrong> {
    let mut tables = Tables::default();
    read_rows(&mut Places::new(text), text, collection, id_field, &mut tables)?;
    Ok(tables)
}

fn read_lists(text: &str, id_field: &str) -> Result<Tables, Wrong> {
    let Members(lists) = serde_json::from_str(text).map_err(|error| located(START, &error))?;
    let (mut tables, mut places) = (Tables::default(), Places::new(text));
    for (name, list) in lists {
        let at = places.of(list.get());
        let collection = Collection::new(&name).map_err(|error| Wrong::at(at, error))?;
        if !tables.begin(&collection) {
            return Err(Wrong::at(at, format!("{name:?} stands there twice: put its rows into one list")));
        }
        read_rows(&mut places, list.get(), &collection, id_field, &mut tables)?;
    }
    Ok(tables)
}

fn read_rows<'t>(
    places: &mut Places<'t>,
    list: &'t str,
    collection: &Collection,
    id_field: &str,
    tables: &mut Tables,
) -> Result<(), Wrong> {
    let start = places.of(list);
    let rows: Vec<&RawValue> = serde_json::from_str(list).map_err(|error| located(start, &error))?;
    tables.begin(collection);
    for row in rows {
        let at = places.of(row.get());
        tables.add(at, collection, read_row(at, row.get(), collection, id_field)?)?;
    }
    Ok(())
}

fn read_row(at: Place, text: &str, collection: &Collection, id_field: &str) -> Result<Row, Wrong> {
    let fields = read_fields(at, text)?;
    if let Some((name, row)) = printed_object(at, &fields)? {
        return if name == *collection { Ok(row) } else { Err(of_another(at, &name)) };
    }
    let id = id_of(at, fields.get(id_field), id_field)?;
    let others = fields.iter().filter(|(name, _)| name.as_str() != id_field);
    Ok((id, others.map(|(name, value)| (name.clone(), value.clone())).collect()))
}

/// What `tapeline objects` has printed, by all of its members and nothing but them: no row of an app.
fn printed_object(at: Place, members: &FieldMap<Value>) -> Result<Option<(Collection, Row)>, Wrong> {
    let names = members.iter().map(|(name, _)| name.as_str());
    if !names.eq(["collection", "fields", "id", "seq"]) || !matches!(members.get("seq"), Some(Value::Int(_))) {
        return Ok(None);
    }
    read_object(at, members)
}

fn of_another(at: Place, collection: &Collection) -> Wrong {
    let what = format!(
        "the object is of the collection {:?}: leave --collection out, and each goes where it belongs",
        collection.as_str()
    );
    Wrong::at(at, what)
}

/// The object that the members tell of, if they do.
fn read_object(at: Place, members: &FieldMap<Value>) -> Result<Option<(Collection, Row)>, Wrong> {
    let (Some(Value::Text(collection)), Some(Value::Map(fields))) = (members.get("collection"), members.get("fields"))
    else {
        return Ok(None);
    };
    let collection = Collection::new(collection).map_err(|error| Wrong::at(at, error))?;
    Ok(Some((collection, (id_of(at, members.get("id"), "id")?, read_entries(at, fields)?))))
}

fn read_fields(at: Place, text: &str) -> Result<FieldMap<Value>, Wrong> {
    json::fields_from_json(text).map_err(|error| match error {
        CodecError::Json(words) => located(at, &words),
        other => Wrong::at(at, other),
    })
}

fn read_entries(at: Place, entries: &Entries) -> Result<Vec<(FieldName, Value)>, Wrong> {
    let field = |(name, value): (_, &Value)| Ok((FieldName::new(name)?, value.clone()));
    entries
        .iter()
        .map(field)
        .collect::<Result<_, _>>()
        .map_err(|error: tapeline_core::name::NameError| Wrong::at(at, error))
}

/// The lines with something on them.
fn lines(text: &str) -> impl Iterator<Item = (Place, &str)> {
    let lines = text.lines().enumerate().map(|(number, line)| (Place { line: number + 1, column: 1 }, line));
    lines.filter(|(_, line)| !line.trim().is_empty())
}

/// An error in a part of a file that begins at `start`, moved to its place in the file.
fn located(start: Place, error: &impl ToString) -> Wrong {
    let words = error.to_string();
    let found = words.rsplit_once(" at line ").and_then(|(what, place)| {
        let (line, column) = place.split_once(" column ")?;
        Some((what, line.parse::<usize>().ok()?, column.parse::<usize>().ok()?))
    });
    match found {
        None => Wrong::at(start, words),
        Some((what, 0 | 1, column)) => {
            Wrong::at(Place { line: start.line, column: start.column + column.saturating_sub(1) }, what)
        }
        Some((what, line, column)) => Wrong::at(Place { line: start.line + line - 1, column }, what),
    }
}

/// Finds the places of parts of a text, which are asked for in their order.
struct Places<'t> {
    text: &'t str,
    offset: usize,
    place: Place,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, offset: 0, place: Place { line: 1, column: 1 } }
    }

    fn of(&mut self, part: &'t str) -> Place {
        let offset = part.as_ptr() as usize - self.text.as_ptr() as usize;
        for char in self.text[self.offset..offset].chars() {
            self.place = match char {
                '\n' => Place { line: self.place.line + 1, column: 1 },
                _ => Place { column: self.place.column + 1, ..self.place },
            };
        }
        self.offset = offset;
        self.place
    }
}

/// The members of an object in their order, those with the same name as well.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a list of rows for each collection")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
