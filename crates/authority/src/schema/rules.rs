//! Rules in a schema file: who may read and write what.
//!
//! ```toml
//! [streams."lists/*"]
//! read = "stream.name in auth.lists"          # who may read anything of them at all
//! write = "stream.name in auth.lists"
//!
//! [collections.tasks.rules]                   # on all streams
//! read = "resource.owner == auth.sub || auth.sub in resource.members"
//! write = "resource.owner == auth.sub"        # as it was and as it is
//! insert = "new.state == 'open'"
//! update = "old.state != 'closed'"
//! delete = "auth.role == 'admin'"
//! fields = { state = "auth.role in ['admin', 'editor']" }
//!
//! [streams."archive/*".rules.tasks]           # on these, in place of those
//! read = "true"
//! ```

use crate::{Access, CollectionRules, Kind, Rule, StreamRules};
use tapeline_core::name::{Collection, FieldName};
use tapeline_core::retention::StreamPattern;
use toml::de::DeTable;

use super::wrong_name;
use crate::toml_file::{Read, Value, Wrong, check_settings, table};

/// How the rules of a collection are written.
const RULES: &str = "[collections.tasks.rules]";
/// How those on certain streams are.
const ON_STREAMS: &str = "[streams.\"lists/*\".rules.tasks]";

/// Reads what a stream says of who may use it, where it says anything.
pub(super) fn read_stream(settings: &DeTable<'_>) -> Read<Option<StreamRules>> {
    let rules =
        StreamRules { read: rule(settings, "read", Kind::Stream)?, write: rule(settings, "write", Kind::Stream)? };
    Ok(Some(rules).filter(|rules| rules.read.is_some() || rules.write.is_some()))
}

/// Reads the rules of a stream for its collections.
pub(super) fn read_on_streams(pattern: &StreamPattern, rules: &Value<'_>) -> Read<Vec<CollectionRules>> {
    let collections = table(rules, "rules", ON_STREAMS)?.iter();
    let collections = collections.map(|(name, rules)| {
        let collection = Collection::new(name.get_ref()).map_err(|error| wrong_name(name, &error))?;
        Ok(CollectionRules { streams: Some(pattern.clone()), collection, access: read_access(rules)? })
    });
    collections.collect()
}

/// Reads the rules of a collection.
pub(super) fn read_access(rules: &Value<'_>) -> Read<Access> {
    let settings = table(rules, "rules", RULES)?;
    check_settings(settings, &["read", "write", "insert", "update", "delete", "fields"])?;
    let access = Access {
        read: rule(settings, "read", Kind::Read)?,
        write: rule(settings, "write", Kind::Write)?,
        insert: rule(settings, "insert", Kind::Insert)?,
        update: rule(settings, "update", Kind::Update)?,
        delete: rule(settings, "delete", Kind::Delete)?,
        fields: settings.get("fields").map(read_fields).transpose()?.unwrap_or_default(),
    };
    match access.is_empty() {
        true => Err(Wrong::at(rules, "these are no rules: say at least one of read, write, insert, update, delete")),
        false => Ok(access),
    }
}

fn read_fields(fields: &Value<'_>) -> Read<Vec<(FieldName, Rule)>> {
    let fields = table(fields, "fields", "fields = { state = \"auth.role == 'admin'\" }")?.iter();
    let fields = fields.map(|(name, value)| {
        let field = FieldName::new(name.get_ref()).map_err(|error| wrong_name(name, &error))?;
        Ok((field, read_rule(value, Kind::Write)?))
    });
    fields.collect()
}

fn rule(settings: &DeTable<'_>, name: &str, kind: Kind) -> Read<Option<Rule>> {
    settings.get(name).map(|value| read_rule(value, kind)).transpose()
}

pub(super) fn read_rule(value: &Value<'_>, kind: Kind) -> Read<Rule> {
    let text = value.get_ref().as_str();
    let text = text.ok_or_else(|| Wrong::at(value, "a rule is a text, such as \"resource.owner == auth.sub\""))?;
    Rule::parse(text, kind).map_err(|error| Wrong::at(value, error.to_string()))
}
