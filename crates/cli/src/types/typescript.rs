//! Types for TypeScript: an interface for the objects of each collection, and one for all that is on a stream.

use std::fmt::Write;

use tapeline_core::codec::json;
use tapeline_core::schema::Schema;
use tapeline_core::shape::{Kind, Shape};
use tapeline_core::value::Value;

use super::{Field, Kept, kept};

/// The largest whole number that a number holds there.
const SAFE: i64 = (1 << 53) - 1;

/// The types of a schema.
pub fn types(schema: &Schema) -> String {
    let kept = kept(schema, &["Collections", "Value"]);
    let interfaces: String = kept.iter().map(interface).collect();
    let uses_values = interfaces.contains("Value");
    let import = if uses_values { "import type { Value } from \"tapeline\";\n\n" } else { "" };
    let mut all = String::new();
    for Kept { collection, name, .. } in &kept {
        let _ = writeln!(all, "  {}: {name};", property(collection.as_str()));
    }
    format!(
        "// Made by `tapeline types --lang ts` from the schema: make it anew when that changes.\n\n\
         {import}{interfaces}\
         /** What is on a stream: `db.stream<Collections>(\"…\").collection(\"…\")`. */\n\
         export interface Collections {{\n{all}}}\n"
    )
}

fn interface(kept: &Kept<'_>) -> String {
    let Kept { collection, name, fields } = kept;
    let about = format!("/** An object of `{collection}`. */\nexport");
    if fields.is_empty() {
        return format!("{about} type {name} = Record<string, Value>;\n\n");
    }
    let fields: String = fields.iter().map(field).collect();
    format!("{about} interface {name} {{\n{fields}}}\n\n")
}

fn field(field: &Field<'_>) -> String {
    let mut text = String::new();
    if let Some(collection) = field.refers_to {
        let _ = writeln!(text, "  /** Refers to `{collection}`. */");
    }
    let (name, of) = (property(field.name.as_str()), type_of(field));
    let _ = match field.shape.required {
        true => writeln!(text, "  {name}: {of};"),
        false if of == "Value" => writeln!(text, "  {name}?: Value;"),
        false => writeln!(text, "  {name}?: {of} | null;"),
    };
    text
}

fn type_of(Field { shape, refers_to, .. }: &Field<'_>) -> String {
    let literals: Option<Vec<String>> = shape.one_of.iter().map(literal).collect();
    if let Some(literals) = literals.filter(|literals| !literals.is_empty()) {
        return literals.join(" | ");
    }
    let of = match (shape.kind, refers_to) {
        (None | Some(Kind::Map), Some(_)) => "string | readonly string[]",
        (Some(Kind::List), Some(_)) => "readonly string[]",
        (Some(Kind::Bool), _) => "boolean",
        (Some(Kind::Int), _) if !is_safe(shape) => "number | bigint",
        (Some(Kind::Int | Kind::Number), _) => "number",
        (Some(Kind::Text), _) => "string",
        (Some(Kind::Bytes), _) => "Uint8Array",
        (Some(Kind::List), None) => "readonly Value[]",
        (Some(Kind::Map), None) => "{ readonly [name: string]: Value }",
        (None, None) => "Value",
    };
    of.into()
}

/// Whether all values fit into a number there. Others are read as `bigint`.
fn is_safe(shape: &Shape) -> bool {
    let within = |bound: &Option<Value>| match bound {
        Some(Value::Int(bound)) => (-SAFE..=SAFE).contains(bound),
        _ => false,
    };
    within(&shape.min) && within(&shape.max)
}

fn literal(value: &Value) -> Option<String> {
    match value {
        Value::Int(int) if !(-SAFE..=SAFE).contains(int) => Some(format!("{int}n")),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => Some(json::value_to_json(value)),
        _ => None,
    }
}

/// The name of a property, in quotes where it has to be.
fn property(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    if is_plain { name.into() } else { json::value_to_json(&Value::text(name)) }
}
