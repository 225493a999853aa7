//! `schema diff`: what a newer schema means for apps that were written for an older one: what is new, and what is refused
//! them now.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;
use tapeline_core::codec::json;
use tapeline_core::name::{Collection, FieldName};
use tapeline_core::query::compare;
use tapeline_core::schema::{Rules, Schema};
use tapeline_core::shape::{Kind, Shape};
use tapeline_core::value::Value;

use super::schema::read;
use crate::failure::Failure;
use crate::output;

/// One thing that differs.
struct Difference {
    /// The collection or field that it is about.
    about: String,
    /// What is different.
    what: String,
    /// What is refused older apps for it, where something is.
    refused: Option<String>,
}

/// Prints what differs. Fails where something is refused older apps that are still served.
pub fn run(old: &Path, new: &Path, json: bool) -> Result<(), Failure> {
    let (old, new) = (read(Some(old))?.schema, read(Some(new))?.schema);
    let differences = differences(&old, &new);
    let is_served = old.versions().own.is_none_or(|version| new.versions().serve(Some(version)).is_ok());
    for difference in &differences {
        output::line(if json { difference.to_json() } else { difference.to_string() })?;
    }
    let refused = differences.iter().filter(|difference| difference.refused.is_some()).count();
    let version = old.versions().own.map_or("before".into(), |version| format!("of version {version}"));
    match (is_served, refused) {
        (false, _) if json => Ok(()),
        (false, _) => {
            output::line(format!("Apps {version} are told to upgrade; they keep what they have, and send it then."))
        }
        (true, 0) if json => Ok(()),
        (true, 0) => output::line(format!("Apps {version} are served as ever.")),
        (true, count) => {
            let things = if count == 1 { "one thing" } else { "some things" };
            let cure = "Mend the schema, or have them upgrade first: oldest = the newer version.";
            Err(Failure::Failed(format!("apps {version} are refused {things}. {cure}")))
        }
    }
}

fn differences(old: &Schema, new: &Schema) -> Vec<Difference> {
    let names: BTreeSet<&Collection> = old.collections().chain(new.collections()).map(|(name, _)| name).collect();
    let find = |schema: &Schema, name: &Collection| {
        schema.collections().find(|(known, _)| *known == name).map(|(_, rules)| rules.clone())
    };
    let differ = |name: &Collection| match (find(old, name), find(new, name)) {
        (None, Some(rules)) => of_collection(name, &Rules::default(), &rules),
        (Some(_), None) => vec![fine(name.to_string(), "nothing is said of it any more")],
        (Some(old), Some(new)) => of_collection(name, &old, &new),
        (None, None) => Vec::new(),
    };
    names.into_iter().flat_map(differ).collect()
}

fn of_collection(name: &Collection, old: &Rules, new: &Rules) -> Vec<Difference> {
    let mut found = Vec::new();
    let about = |field: &FieldName| format!("{name}.{field}");
    for rename in new.renames.iter().filter(|rename| !old.renames.contains(rename)) {
        let what =
            format!("was {}: apps of either version find what is written under the name that they know", rename.was);
        found.push(fine(about(&rename.now), &what));
    }
    let before = |field: &FieldName| {
        let rename = new.renames.iter().find(|rename| rename.now == *field);
        rename.map_or(field, |rename| &rename.was).clone()
    };
    for (field, shape) in &new.shapes {
        let before = before(field);
        let known = old.shapes.iter().find(|(known, _)| *known == before).map(|(_, shape)| shape.clone());
        let about = about(field);
        match known {
            None if shape.required && !names(old).contains(&before) => {
                found.push(refused(about, "is new and must be there", "objects without it"));
            }
            None if !names(old).contains(&before) => found.push(fine(about, "is new")),
            known => found.extend(of_shape(&about, &known.unwrap_or_default(), shape)),
        }
    }
    for (field, _) in
        old.shapes.iter().filter(|(field, _)| !new.shapes.iter().any(|(now, _)| now == field || before(now) == *field))
    {
        found.push(fine(about(field), "may be anything now"));
    }
    for fields in new.unique.iter().filter(|fields| !old.unique.contains(fields)) {
        let fields = fields.iter().map(FieldName::as_str).collect::<Vec<_>>().join(" and ");
        found.push(refused(
            name.to_string(),
            &format!("no two have the same {fields}"),
            "what another one has already",
        ));
    }
    for reference in new.refs.iter().filter(|reference| reference.on_delete.is_some()) {
        if !old.refs.iter().any(|known| known.field == reference.field && known.on_delete.is_some()) {
            let what = format!("refers to {} that are there", reference.to);
            found.push(refused(about(&reference.field), &what, "what refers to something else"));
        }
    }
    if old.policy != new.policy || old.fields != new.fields {
        let what = "concurrent writes meet in another way, from the next event on";
        found.push(fine(name.to_string(), what));
    }
    found
}

/// All fields of which something is said.
fn names(rules: &Rules) -> BTreeSet<FieldName> {
    let said = rules.fields.iter().map(|(name, _)| name).chain(rules.shapes.iter().map(|(name, _)| name));
    said.chain(rules.refs.iter().map(|reference| &reference.field)).cloned().collect()
}

fn of_shape(about: &str, old: &Shape, new: &Shape) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut narrows = |what: String, refused_now: &str| found.push(refused(about.into(), &what, refused_now));
    if new.required && !old.required {
        narrows("must be there".into(), "objects without it");
    }
    match (old.kind, new.kind) {
        (old, Some(new)) if old != Some(new) && (old, new) != (Some(Kind::Int), Kind::Number) => {
            narrows(format!("is {new}"), "anything else");
        }
        _ => {}
    }
    if let Some(least) = tighter(old.min.as_ref(), new.min.as_ref(), |old, new| compare(new, old).is_gt()) {
        narrows(format!("is {} at least", json::value_to_json(least)), "less");
    }
    if let Some(most) = tighter(old.max.as_ref(), new.max.as_ref(), |old, new| compare(new, old).is_lt()) {
        narrows(format!("is {} at most", json::value_to_json(most)), "more");
    }
    if let Some(least) = tighter(old.min_length.as_ref(), new.min_length.as_ref(), |old, new| new > old) {
        narrows(format!("is {least} long at least"), "what is shorter");
    }
    if let Some(most) = tighter(old.max_length.as_ref(), new.max_length.as_ref(), |old, new| new < old) {
        narrows(format!("is {most} long at most"), "what is longer");
    }
    let is_gone = |value: &&Value| !new.one_of.contains(value);
    if !new.one_of.is_empty() && (old.one_of.is_empty() || old.one_of.iter().any(|value| is_gone(&value))) {
        let values = new.one_of.iter().map(json::value_to_json).collect::<Vec<_>>().join(", ");
        narrows(format!("is one of {values}"), "anything else");
    }
    if found.is_empty() && old != new {
        found.push(fine(about.into(), "may be more than it was"));
    }
    found
}

/// A new bound, where it leaves less room than the old one.
fn tighter<'b, T>(old: Option<&T>, new: Option<&'b T>, is_tighter: impl Fn(&T, &T) -> bool) -> Option<&'b T> {
    new.filter(|new| old.is_none_or(|old| is_tighter(old, new)))
}

fn fine(about: String, what: &str) -> Difference {
    Difference { about, what: what.into(), refused: None }
}

fn refused(about: String, what: &str, refused: &str) -> Difference {
    Difference { about, what: what.into(), refused: Some(refused.into()) }
}

impl Difference {
    fn to_json(&self) -> String {
        json!({ "about": self.about, "what": self.what, "refused": self.refused }).to_string()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { about, what, refused } = self;
        match refused {
            None => write!(f, "  {about}: {what}"),
            Some(refused) => write!(f, "! {about}: {what}; older apps are refused {refused}"),
        }
    }
}
