//! Rows in CSV (RFC 4180): a header with the names of the fields, then a row a line.
//!
//! CSV knows text alone. What is spelled like a number or a truth value is taken for one; what is empty is left out.
//! What would not come back as it was written stays text: `007`, `+49 30`, `1e3`, numbers of more digits than a number
//! keeps. Ids are always text.

use csv::{ErrorKind, Reader, StringRecord};
use tapeline_core::name::{Collection, FieldName};
use tapeline_core::value::Value;

use super::quotes;
use super::tables::{Place, Tables, Wrong, id_of};

/// Digits that a number with a decimal point keeps.
const EXACT_DIGITS: usize = 15;

/// Reads rows of one collection.
pub fn read(bytes: &[u8], collection: &Collection, id_field: &str) -> Result<Tables, Wrong> {
    quotes::check(bytes)?;
    let mut reader = Reader::from_reader(bytes);
    let names = reader.headers().map_err(|error| wrong(&error))?;
    let header = Header::read(names, id_field)?;
    let mut tables = Tables::default();
    tables.begin(collection);
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| wrong(&error))? {
        let line = record.position().map_or(0, |position| position.line() as usize);
        let at = Place { line, column: header.id + 1 };
        let id = id_of(at, record.get(header.id).map(Value::text).as_ref(), id_field)?;
        let fields = header.names.iter().zip(&record).filter_map(|(name, cell)| Some((name.clone()?, value(cell))));
        tables.add(at, collection, (id, fields.collect()))?;
    }
    Ok(tables)
}

struct Header {
    /// The field of each column; none for the ids.
    names: Vec<Option<FieldName>>,
    /// The column with the ids.
    id: usize,
}

impl Header {
    fn read(names: &StringRecord, id_field: &str) -> Result<Self, Wrong> {
        let at = |column| Place { line: 1, column: column + 1 };
        let Some(id) = names.iter().position(|name| name == id_field) else {
            let columns = names.iter().collect::<Vec<_>>().join(", ");
            let what = format!(
                "no column is named {id_field:?}: name the one with the ids with --id-field; there are {columns}"
            );
            return Err(Wrong::at(at(0), what));
        };
        let mut fields = Vec::new();
        for (column, name) in names.iter().enumerate() {
            if names.iter().take(column).any(|other| other == name) {
                return Err(Wrong::at(at(column), format!("two columns are named {name:?}: rename one")));
            }
            let field = FieldName::new(name).map_err(|error| Wrong::at(at(column), error))?;
            fields.push((column != id).then_some(field));
        }
        Ok(Self { names: fields, id })
    }
}

fn value(cell: &str) -> Value {
    match cell {
        "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => number(cell).unwrap_or_else(|| Value::text(cell)),
    }
}

/// The number that a cell spells, where it would be spelled so again but for zeros at its end.
fn number(cell: &str) -> Option<Value> {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    match fraction {
        None => cell.parse().ok().map(Value::Int),
        Some(part) if all_digits(part) && whole.len() + part.len() <= EXACT_DIGITS => {
            Value::number(cell.parse().ok()?).ok()
        }
        Some(_) => None,
    }
}

fn wrong(error: &csv::Error) -> Wrong {
    let line = |position: &Option<csv::Position>| position.as_ref().map_or(0, |position| position.line() as usize);
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let column = usize::try_from((*len).min(*expected_len)).unwrap_or(usize::MAX);
            let what =
                format!("the row has {len} fields and the header {expected_len}: put text with commas into quotes");
            Wrong::at(Place { line: line(pos), column }, what)
        }
        ErrorKind::Utf8 { pos, err } => {
            let at = Place { line: line(pos), column: err.field() + 1 };
            Wrong::at(at, "not UTF-8: save the file as UTF-8")
        }
        _ => Wrong::at(Place { line: 0, column: 0 }, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_like_a_number_is_one_if_nothing_is_lost() {
        let number = |number: f64| Value::number(number).unwrap();
        let cases = [
            ("", Value::Null),
            ("true", true.into()),
            ("0", 0.into()),
            ("-17", (-17).into()),
            ("9.50", number(9.5)),
            ("-0.25", number(-0.25)),
            ("9223372036854775807", i64::MAX.into()),
        ];
        for (cell, expected) in cases {
            assert_eq!(value(cell), expected, "{cell}");
        }
        let texts =
            ["True", "007", "+49 30", "1e3", "1.", ".5", "-", "9223372036854775808", "0.1234567890123456", " 1"];
        for cell in texts {
            assert_eq!(value(cell), Value::text(cell), "{cell}");
        }
    }
}
