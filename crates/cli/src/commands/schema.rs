//! `schema check`, and reading schema files for who serves with one.

use std::path::Path;

use serde_json::json;
use tapeline_core::name::{Collection, FieldName};
use tapeline_core::numbers::SchemaVersion;
use tapeline_core::retention::Retain;
use tapeline_core::schema::{OnDelete, Policy, Reference, Rename, Rules, Schema, UpdateAfterDelete};
use tapeline_server::{SchemaFile, read_schema};

use super::valid;
use crate::failure::Failure;
use crate::output;

/// Reads a schema file. No file is the schema that says nothing.
pub fn read(path: Option<&Path>) -> Result<SchemaFile, Failure> {
    let Some(path) = path else { return Ok(SchemaFile::default()) };
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| Failure::File { place: path.display().to_string(), error })?;
    read_schema(&text).map_err(|error| Failure::of_file(path, error.into()))
}

/// Checks a schema file and prints what it means.
pub fn check(path: &Path, json: bool) -> Result<(), Failure> {
    let SchemaFile { schema, authority } = read(Some(path))?;
    if json {
        return output::line(to_json(&schema));
    }
    if let Some(version) = schema.versions().own {
        let oldest =
            schema.versions().oldest.map_or("all older ones".into(), |oldest| format!("those from {oldest} on"));
        output::line(format!("version {version}: serves apps that were written for it, and for {oldest}\n"))?;
    }
    for (collection, rules) in schema.collections() {
        print_rules(collection, rules)?;
        let checks = authority.checks(collection).map(valid::checks).unwrap_or_default();
        valid::shapes(&rules.shapes).into_iter().chain(checks).try_for_each(output::line)?;
        output::line("")?;
    }
    for (streams, retain) in schema.retention() {
        output::line(format!("streams {streams}: {} stay", staying(*retain)))?;
    }
    valid::rules(&authority).into_iter().try_for_each(output::line)?;
    let which = if schema.is_empty() { "everything" } else { "everything else" };
    output::line(format!("{which}: {}", meaning(Policy::default())))
}

fn print_rules(collection: &Collection, rules: &Rules) -> Result<(), Failure> {
    output::line(format!(
        "{collection}: an update of an object deleted meanwhile {}",
        fate(rules.update_after_delete)
    ))?;
    if rules.keep_events {
        output::line("  its events stay readable where others are let go")?;
    }
    for fields in &rules.indexes {
        output::line(format!("  has an index by {}", joined(fields, ", then ")))?;
    }
    for fields in &rules.unique {
        output::line(format!("  no two have the same {}", joined(fields, " and ")))?;
    }
    for Reference { field, to, on_delete } in &rules.refs {
        output::line(format!("  {field} refers to {to}, by id or a list of ids{}", following(*on_delete)))?;
    }
    for Rename { now, was } in &rules.renames {
        output::line(format!("  {now} was {was}, and is kept the same under both names"))?;
    }
    let others = if rules.fields.is_empty() { "all fields" } else { "all other fields" };
    let fields = rules.fields.iter().map(|(field, policy)| (field.as_str(), *policy)).chain([(others, rules.policy)]);
    let width = fields.clone().map(|(field, _)| field.chars().count()).max().unwrap_or_default();
    for (field, policy) in fields {
        output::line(format!("  {field:<width$}  {:<6}  {}", policy.name(), meaning(policy)))?;
    }
    Ok(())
}

fn joined(fields: &[FieldName], with: &str) -> String {
    fields.iter().map(FieldName::as_str).collect::<Vec<_>>().join(with)
}

/// What a policy makes of a write that meets another one, made by somebody who had not seen it.
fn meaning(policy: Policy) -> &'static str {
    match policy {
        Policy::Last => "of concurrent writes, the last to reach the server wins",
        Policy::First => {
            "of concurrent writes, the first to reach the server wins; the others are reported to their authors"
        }
        Policy::Reject => "a concurrent write refuses its whole event, with the current values",
        Policy::Ask => "a concurrent write stands on the object as a conflict, until somebody settles it",
    }
}

/// What happens to an object when one goes that it refers to.
fn following(on_delete: Option<OnDelete>) -> &'static str {
    match on_delete {
        None => "",
        Some(OnDelete::Restrict) => "; what it refers to cannot be deleted",
        Some(OnDelete::Cascade) => "; it is deleted with what it refers to",
        Some(OnDelete::SetNull) => "; it is taken out when what it refers to is deleted",
    }
}

fn fate(rule: UpdateAfterDelete) -> &'static str {
    match rule {
        UpdateAfterDelete::Drop => "does not take effect, and its author is told",
        UpdateAfterDelete::Revive => "brings it back",
    }
}

fn staying(retain: Retain) -> String {
    match retain {
        Retain::All => "all events".into(),
        Retain::Events(count) => format!("the newest {count} events"),
        Retain::Days(days) => format!("the events of the last {days} days"),
    }
}

fn retain_to_json(retain: Retain) -> serde_json::Value {
    match retain {
        Retain::All => json!("all"),
        Retain::Events(count) => json!({ "events": count }),
        Retain::Days(days) => json!({ "days": days }),
    }
}

fn to_json(schema: &Schema) -> serde_json::Value {
    let rules = |rules: &Rules| {
        let fields = rules.fields.iter().map(|(field, policy)| (field.as_str(), policy.name()));
        let refs = rules.refs.iter().map(|reference| (reference.field.as_str(), reference.to.as_str()));
        let on_delete = rules.refs.iter();
        let on_delete = on_delete.filter_map(|reference| Some((reference.field.as_str(), reference.on_delete?.name())));
        let was = rules.renames.iter().map(|rename| (rename.now.as_str(), rename.was.as_str()));
        json!({
            "policy": rules.policy.name(),
            "update_after_delete": rules.update_after_delete.name(),
            "keep_events": rules.keep_events,
            "indexes": names(&rules.indexes),
            "unique": names(&rules.unique),
            "fields": fields.collect::<std::collections::BTreeMap<_, _>>(),
            "refs": refs.collect::<std::collections::BTreeMap<_, _>>(),
            "on_delete": on_delete.collect::<std::collections::BTreeMap<_, _>>(),
            "was": was.collect::<std::collections::BTreeMap<_, _>>(),
        })
    };
    let collections = schema.collections().map(|(collection, of)| (collection.as_str(), rules(of)));
    let streams = schema.retention().iter();
    let streams = streams.map(|(streams, retain)| (streams.to_string(), json!({ "retain": retain_to_json(*retain) })));
    let version = |version: Option<SchemaVersion>| version.map(|version| version.0);
    json!({
        "version": version(schema.versions().own),
        "oldest": version(schema.versions().oldest),
        "collections": collections.collect::<std::collections::BTreeMap<_, _>>(),
        "streams": streams.collect::<std::collections::BTreeMap<_, _>>(),
    })
}

fn names(lists: &[Vec<FieldName>]) -> Vec<Vec<&str>> {
    lists.iter().map(|fields| fields.iter().map(FieldName::as_str).collect()).collect()
}
