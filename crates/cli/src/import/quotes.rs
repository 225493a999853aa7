//! Whether the quotes of a CSV file are as RFC 4180 has them. Its reader takes what is not for text: a quote that nobody
//! closes makes one field of the rest of the file, and the rows in it are gone.

use super::tables::{Place, Wrong};

/// What was read last of a field.
#[derive(Clone, Copy)]
enum Read {
    Nothing,
    Plain,
    /// It is in quotes, which are open.
    Quoted,
    /// A quote within quotes: they are closed, or another one follows.
    Quote,
}

/// Checks that quotes around a field close, and close at its end.
pub fn check(bytes: &[u8]) -> Result<(), Wrong> {
    let (mut at, mut opened, mut read) = (Place { line: 1, column: 1 }, Place { line: 1, column: 1 }, Read::Nothing);
    for &byte in bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) {
        let last = read;
        read = match (last, byte) {
            (Read::Nothing, b'"') => {
                opened = at;
                Read::Quoted
            }
            (Read::Quoted, b'"') => Read::Quote,
            (Read::Quoted, _) | (Read::Quote, b'"') => Read::Quoted,
            (_, b',' | b'\r' | b'\n') => Read::Nothing,
            (Read::Nothing | Read::Plain, _) => Read::Plain,
            (Read::Quote, _) => return Err(misplaced(opened, at.line)),
        };
        at = match (byte, read) {
            (b'\n', _) => {
                Place { line: at.line + 1, column: if matches!(read, Read::Nothing) { 1 } else { at.column } }
            }
            (b',', Read::Nothing) => Place { column: at.column + 1, ..at },
            _ => at,
        };
    }
    match read {
        Read::Quoted => {
            Err(Wrong::at(opened, "the quote that the field begins with is never closed: write one at the field's end"))
        }
        _ => Ok(()),
    }
}

fn misplaced(opened: Place, line: usize) -> Wrong {
    let closed = if line == opened.line { String::new() } else { format!(", on line {line}") };
    let what = format!(
        "the quotes around the field close before it ends{closed}: write them around the whole field, and a quote within as \"\""
    );
    Wrong::at(opened, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells of rows, of what has a meaning in CSV.
    fn rows(chance: &mut fastrand::Rng) -> Vec<Vec<String>> {
        let columns = chance.usize(2..5);
        let cell = |chance: &mut fastrand::Rng| {
            let pieces = ["a", "b c", ",", "\n", "\r\n", "\"", "\"\"", "é"];
            (0..chance.usize(0..4)).map(|_| chance.choice(pieces).expect("some")).collect::<String>()
        };
        (0..chance.usize(1..6)).map(|_| (0..columns).map(|_| cell(chance)).collect()).collect()
    }

    fn quoted(cell: &str) -> String {
        format!("\"{}\"", cell.replace('"', "\"\""))
    }

    fn written(rows: &[Vec<String>], chance: &mut fastrand::Rng) -> String {
        let row = |row: &Vec<String>| {
            let cells = row.iter().map(|cell| match cell.contains(['"', ',', '\n', '\r']) || chance.bool() {
                true => quoted(cell),
                false => cell.clone(),
            });
            cells.collect::<Vec<_>>().join(",") + "\n"
        };
        rows.iter().map(row).collect()
    }

    fn seeded(test: impl Fn(&mut fastrand::Rng)) {
        let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a number"));
        println!("SEED={seed}");
        let mut chance = fastrand::Rng::with_seed(seed);
        (0..500).for_each(|_| test(&mut chance));
    }

    #[test]
    fn what_is_written_as_it_should_be_passes_and_reads_the_same() {
        seeded(|chance| {
            let rows = rows(chance);
            let text = written(&rows, chance);
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let read: Vec<Vec<String>> = reader.deserialize().collect::<Result<_, _>>().expect("CSV");
            assert_eq!(read, rows, "{text}");
        });
    }

    #[test]
    fn one_quote_too_few_or_too_early_is_told_where_its_field_begins() {
        seeded(|chance| {
            let (before, mut after) = (rows(chance), rows(chance));
            // What comes after has no quotes that could close what is open.
            after.iter_mut().flatten().for_each(|cell| cell.retain(|char| char.is_alphabetic()));
            let whole = quoted(&rows(chance)[0][0]);
            let field = match chance.bool() {
                true => whole[..whole.len() - 1].to_owned(),
                false => whole + "b",
            };
            let first = written(&before, chance);
            let place = Place { line: first.matches('\n').count() + 1, column: 2 };
            let text =
                format!("{first}x,{field}\n{}", after.iter().map(|row| row.join(",") + "\n").collect::<String>());
            let wrong = check(text.as_bytes()).expect_err(&text);
            assert_eq!(wrong.at, place, "{text}");
        });
    }
}
