//! What a file says should be there: rows by collection, each id once, and where it cannot be read.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use tapeline_core::name::{Collection, FieldName, ObjectId};
use tapeline_core::value::Value;

/// A place in a file. Lines and columns count from 1; a column of CSV is one of its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {what}", at.line, at.column)]
pub struct Wrong {
    /// Where.
    pub at: Place,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Wrong {
    /// What comes after this text is no text.
    pub fn not_utf8(before: &[u8]) -> Self {
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
        Self::at(Place { line, column }, "not UTF-8: save the file as UTF-8")
    }

    /// Something wrong at a place.
    pub fn at(at: Place, what: impl ToString) -> Self {
        Self { at, what: what.to_string() }
    }
}

/// An object as a file has it.
pub type Row = (ObjectId, Vec<(FieldName, Value)>);

/// The rows of each collection that a file speaks of.
#[derive(Debug, Default)]
pub struct Tables(BTreeMap<Collection, Table>);

/// The rows of one collection.
#[derive(Debug, Default)]
struct Table {
    rows: Vec<Row>,
    lines: HashMap<ObjectId, usize>,
}

impl Tables {
    /// The file speaks of this collection, though it may have no rows of it. Answers whether it is the first time.
    pub fn begin(&mut self, collection: &Collection) -> bool {
        match self.0.entry(collection.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(Table::default());
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// The file has this row.
    pub fn add(&mut self, at: Place, collection: &Collection, row: Row) -> Result<(), Wrong> {
        let table = self.0.entry(collection.clone()).or_default();
        if let Some(line) = table.lines.insert(row.0.clone(), at.line) {
            let what = format!("the id {:?} stands on line {line} already: give each row an id of its own", row.0);
            return Err(Wrong::at(at, what));
        }
        table.rows.push(row);
        Ok(())
    }

    /// The rows of each collection, sorted by collection.
    pub fn into_rows(self) -> impl Iterator<Item = (Collection, Vec<Row>)> {
        self.0.into_iter().map(|(collection, table)| (collection, table.rows))
    }
}

/// The id that a value stands for.
pub fn id_of(at: Place, value: Option<&Value>, field: &str) -> Result<ObjectId, Wrong> {
    let id = match value {
        Some(Value::Text(text)) => ObjectId::new(text),
        Some(Value::Int(number)) => ObjectId::new(number.to_string()),
        Some(_) => return Err(Wrong::at(at, format!("{field:?} is no id: it is text or a whole number"))),
        None => {
            let what = format!("the row has no {field:?}: name the field with the ids, as in --id-field sku");
            return Err(Wrong::at(at, what));
        }
    };
    id.map_err(|error| Wrong::at(at, error))
}
