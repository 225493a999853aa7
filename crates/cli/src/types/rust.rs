//! Types for Rust: a struct for the objects of each collection, as `serde` reads and writes it.

use std::fmt::Write;

use tapeline_core::schema::Schema;
use tapeline_core::shape::Kind;
use tapeline_core::value::Value;

use super::{Field, Kept, Names, kept, pascal, snake};

/// Words that cannot name a field.
const WORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Names of types that the code itself uses.
const USED: [&str; 9] =
    ["BTreeMap", "Deserialize", "NameError", "Option", "Serialize", "Stream", "String", "Typed", "Vec"];

/// The types of a schema.
pub fn types(schema: &Schema) -> String {
    let kept = kept(schema, &USED);
    let mut names = Names::without(&USED);
    kept.iter().for_each(|kept| drop(names.take(kept.name.clone())));
    let structs: String = kept.iter().map(|kept| of_collection(kept, &mut names)).collect();
    let maps = if structs.contains("BTreeMap") { "use std::collections::BTreeMap;\n\n" } else { "" };
    format!(
        "// Made by `tapeline types --lang rust` from the schema: make it anew when that changes.\n\n\
         {maps}use serde::{{Deserialize, Serialize}};\n\
         use tapeline_client::{{NameError, Stream, Typed}};\n{structs}"
    )
}

fn of_collection(kept: &Kept<'_>, names: &mut Names) -> String {
    let Kept { collection, name, fields } = kept;
    let (mut own, mut enums, mut members) = (Names::without(&[]), String::new(), String::new());
    if fields.is_empty() {
        members += "    #[serde(flatten)]\n    pub fields: BTreeMap<String, serde_json::Value>,\n";
    }
    for field in fields {
        if field.shape.kind == Some(Kind::Bytes) {
            // What `serde` makes of bytes is a list of numbers.
            let _ = writeln!(members, "    // `{}` is bytes: read and set it through the collection.", field.name);
            continue;
        }
        let of = match variants(field) {
            Some(variants) => {
                let of = names.take(name.clone() + &pascal(field.name.as_str()));
                enums += &choice(&format!("What `{}` of `{collection}` may be.", field.name), &of, &variants);
                of
            }
            None => type_of(field).into(),
        };
        members += &member(field, &own.take(unlike_words(snake(field.name.as_str()))), &of);
    }
    let shown = quoted(collection.as_str());
    format!(
        "\n/// An object of `{collection}`.\n{DERIVED}pub struct {name} {{\n{members}}}\n\n\
         impl {name} {{\n    /// The collection of these on a stream.\n    \
         pub fn on(stream: &Stream) -> Result<Typed<Self>, NameError> {{\n        stream.typed({shown})\n    }}\n}}\n{enums}"
    )
}

const DERIVED: &str = "#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]\n";

fn member(field: &Field<'_>, name: &str, of: &str) -> String {
    let mut text = String::new();
    if let Some(collection) = field.refers_to {
        let _ = writeln!(text, "    /// Refers to `{collection}`.");
    }
    if name != field.name.as_str() {
        let _ = writeln!(text, "    #[serde(rename = {})]", quoted(field.name.as_str()));
    }
    let _ = match field.shape.required {
        true => writeln!(text, "    pub {name}: {of},"),
        false => writeln!(text, "    pub {name}: Option<{of}>,"),
    };
    text
}

fn type_of(Field { shape, refers_to, .. }: &Field<'_>) -> &'static str {
    match (shape.kind, refers_to) {
        (Some(Kind::Bool), _) => "bool",
        (Some(Kind::Int), _) => "i64",
        (Some(Kind::Number), _) => "f64",
        (Some(Kind::Text), _) => "String",
        (Some(Kind::List), Some(_)) => "Vec<String>",
        (Some(Kind::List), None) => "Vec<serde_json::Value>",
        (Some(Kind::Map), _) => "BTreeMap<String, serde_json::Value>",
        (Some(Kind::Bytes) | None, _) => "serde_json::Value",
    }
}

/// The texts that a field may be, where it may be no other.
fn variants<'f>(field: &'f Field<'_>) -> Option<Vec<&'f str>> {
    let text = |value: &'f Value| match value {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    };
    field.shape.one_of.iter().map(text).collect::<Option<Vec<_>>>().filter(|texts| !texts.is_empty())
}

fn choice(about: &str, name: &str, variants: &[&str]) -> String {
    let (mut names, mut lines) = (Names::without(&["Self"]), String::new());
    for text in variants {
        let variant = names.take(pascal(text));
        let _ = writeln!(lines, "    /// `{text}`.");
        if variant != *text {
            let _ = writeln!(lines, "    #[serde(rename = {})]", quoted(text));
        }
        let _ = writeln!(lines, "    {variant},");
    }
    format!("\n/// {about}\n{DERIVED}pub enum {name} {{\n{lines}}}\n")
}

/// A name that is no word of the language.
fn unlike_words(name: String) -> String {
    if WORDS.contains(&&*name) { name + "_" } else { name }
}

/// A text as a literal.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_default())
}
