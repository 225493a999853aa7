//! Reading TOML that people write: where they went wrong, and what would be right.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// What is wrong, at a byte of the text.
#[derive(Debug)]
pub struct Wrong {
    at: usize,
    what: String,
}

/// What is wrong with a text, and where. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct TextError {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// Something that was read, or what is wrong with it.
pub type Read<T> = Result<T, Wrong>;
/// A value in a file, with its place.
pub type Value<'t> = Spanned<DeValue<'t>>;

impl Wrong {
    /// This is wrong with something.
    pub fn at<T>(thing: &Spanned<T>, what: impl Into<String>) -> Self {
        Self { at: thing.span().start, what: what.into() }
    }

    fn within(self, text: &str) -> TextError {
        let before = text.get(..self.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let (line, column) = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
        TextError { line, column, what: self.what }
    }
}

/// Reads a file by what reads its root.
///
/// # Errors
/// Where the text is no TOML, or its root says what it cannot.
pub fn read_toml<T>(text: &str, read_root: impl FnOnce(&DeTable<'_>) -> Read<T>) -> Result<T, TextError> {
    let root = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        Wrong { at, what: error.message().to_owned() }
    });
    root.and_then(|root| read_root(root.get_ref())).map_err(|wrong| wrong.within(text))
}

/// Reads true or false.
///
/// # Errors
/// Where it is neither.
pub fn read_flag(value: &Value<'_>) -> Read<bool> {
    let found = value.get_ref();
    found.as_bool().ok_or_else(|| Wrong::at(value, format!("this is true or false, no {}", found.type_str())))
}

/// Reads one of some words, as what it means.
///
/// # Errors
/// Where it is none of them.
pub fn read_word<T, const N: usize>(value: &Value<'_>, what: &str, known: [(&str, T); N]) -> Read<T> {
    let words = known.each_ref().map(|(word, _)| *word);
    let Some(word) = value.get_ref().as_str() else {
        let found = value.get_ref().type_str();
        return Err(Wrong::at(value, format!("{what} is no {found}: it is {}", any_of(&words))));
    };
    let meant = known.into_iter().find(|(known, _)| *known == word).map(|(_, meant)| meant);
    meant.ok_or_else(|| {
        let hint = did_you_mean(word, &words);
        Wrong::at(value, format!("there is no {what} \"{word}\": it is {}{hint}", any_of(&words)))
    })
}

/// A table, named for people as `what`.
///
/// # Errors
/// Where it is none, with an example.
pub fn table<'v, 't>(value: &'v Value<'t>, what: &str, example: &str) -> Read<&'v DeTable<'t>> {
    let wrong = || {
        let found = value.get_ref().type_str();
        Wrong::at(value, format!("{what} is no {found}: it is a table, as in {example}"))
    };
    value.get_ref().as_table().ok_or_else(wrong)
}

/// Refuses settings that are none, the first in the text before the others.
///
/// # Errors
/// Where there is one that is not known.
pub fn check_settings(table: &DeTable<'_>, known: &[&str]) -> Read<()> {
    let unknown = table.keys().filter(|name| !known.contains(&name.get_ref().as_ref()));
    match unknown.min_by_key(|name| name.span().start) {
        None => Ok(()),
        Some(name) => {
            let hint = did_you_mean(name.get_ref(), known);
            Err(Wrong::at(
                name,
                format!("there is no setting \"{}\" here: it is {}{hint}", name.get_ref(), any_of(known)),
            ))
        }
    }
}

/// Reads a text.
///
/// # Errors
/// Where it is none, or empty.
pub fn read_text<'v>(value: &'v Value<'_>) -> Read<&'v str> {
    let found = value.get_ref();
    let text = found.as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| Wrong::at(value, format!("this is a text that says something, no {}", found.type_str())))
}

/// A list of so many tables at most.
///
/// # Errors
/// Where it is none, or longer.
pub fn tables<'v, 't>(value: &'v Value<'t>, name: &str, most: usize) -> Read<&'v DeArray<'t>> {
    let tables = value.get_ref().as_array().filter(|tables| tables.len() <= most);
    tables.ok_or_else(|| Wrong::at(value, format!("these are tables, {most} at most, each as in {name}")))
}

/// As in `"last", "first" or "ask"`.
fn any_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// A hint at the word that differs least, where it differs little.
fn did_you_mean(word: &str, words: &[&str]) -> String {
    let least = words.iter().map(|known| (strsim::osa_distance(word, known), known)).min();
    match least {
        Some((distance, known)) if distance <= known.len().div_ceil(3) => format!("; did you mean \"{known}\"?"),
        _ => String::new(),
    }
}
