//! `tapeline types`: what a schema says of objects, as types of the language an app is written in.

mod rust;
mod typescript;

use std::collections::{BTreeMap, BTreeSet};

use heck::{ToSnakeCase, ToUpperCamelCase};
use tapeline_core::name::{Collection, FieldName};
use tapeline_core::schema::{Reference, Rules, Schema};
use tapeline_core::shape::Shape;

use crate::arguments::{Language, Types};
use crate::commands::schema;
use crate::failure::Failure;
use crate::output;

/// Prints the types of a schema file.
pub fn run(arguments: &Types) -> Result<(), Failure> {
    let schema = schema::read(Some(&arguments.file))?.schema;
    let text = match arguments.lang {
        Language::Ts => typescript::types(&schema),
        Language::Rust => rust::types(&schema),
    };
    output::line(text.trim_end())
}

/// What is known of the objects of one collection.
struct Kept<'s> {
    collection: &'s Collection,
    /// What the type of its objects is called.
    name: String,
    fields: Vec<Field<'s>>,
}

/// What is known of one field.
struct Field<'s> {
    name: &'s FieldName,
    shape: Shape,
    refers_to: Option<&'s Collection>,
}

/// All collections that a schema says something of, with names for their types that differ from each other and from those
/// that are `taken`.
fn kept<'s>(schema: &'s Schema, taken: &[&str]) -> Vec<Kept<'s>> {
    let mut names = Names::without(taken);
    let kept = |(collection, rules): (&'s Collection, &'s Rules)| Kept {
        collection,
        name: names.take(pascal(collection.as_str())),
        fields: fields(rules),
    };
    schema.collections().map(kept).collect()
}

fn fields(rules: &Rules) -> Vec<Field<'_>> {
    let mut fields = BTreeMap::new();
    let named = rules.fields.iter().map(|(name, _)| name);
    let indexed = rules.indexes.iter().flatten();
    for name in named.chain(indexed) {
        fields.insert(name, Field { name, shape: Shape::default(), refers_to: None });
    }
    for (name, shape) in &rules.shapes {
        fields.insert(name, Field { name, shape: shape.clone(), refers_to: None });
    }
    for Reference { field: name, to, .. } in &rules.refs {
        let field = fields.entry(name).or_insert_with(|| Field { name, shape: Shape::default(), refers_to: None });
        field.refers_to = Some(to);
    }
    fields.into_values().collect()
}

/// Names that were given already.
struct Names(BTreeSet<String>);

impl Names {
    fn without(taken: &[&str]) -> Self {
        Self(taken.iter().map(|&name| name.to_owned()).collect())
    }

    /// A name, with a number after it where it was given before.
    fn take(&mut self, name: String) -> String {
        let numbered = (2..).map(|number| format!("{name}{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| self.0.insert(name.clone()));
        free.unwrap_or(name)
    }
}

/// A name as types have it: `BlogPosts`.
fn pascal(name: &str) -> String {
    begun(ascii(name).to_upper_camel_case(), 'T')
}

/// A name as fields have it: `due_date`.
fn snake(name: &str) -> String {
    begun(ascii(name).to_snake_case(), 'f')
}

/// A name without what not every language takes.
fn ascii(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii(), " ")
}

/// A name that begins with a letter.
fn begun(name: String, with: char) -> String {
    match name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => name,
        false => format!("{with}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_types_and_fields() {
        for (name, of_type, of_field) in [
            ("tasks", "Tasks", "tasks"),
            ("blog-posts", "BlogPosts", "blog_posts"),
            ("dueDate", "DueDate", "due_date"),
            ("URL", "Url", "url"),
            ("3d", "T3d", "f3d"),
            ("…", "T", "f"),
        ] {
            assert_eq!((pascal(name), snake(name)), (of_type.into(), of_field.into()), "{name}");
        }
        let mut names = Names::without(&["Value"]);
        assert_eq!(["A", "A", "Value"].map(|name| names.take(name.into())), ["A", "A2", "Value2"]);
    }
}
