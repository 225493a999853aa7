//! `schema diff`: what a newer schema means for apps that were written for an older one: what is new, and what is refused
//! them now, or no more found by them. `fields` compares which values a field takes.

mod fields;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;
use tapeline_core::name::{Collection, FieldName};
use tapeline_core::schema::Rules;
use tapeline_core::versions::Unserved;
use tapeline_server::SchemaFile;

use crate::commands::schema::read;
use crate::failure::Failure;
use crate::output;

/// Prints what differs. Fails where older apps that are still served cannot do what they could, and where they are ahead.
pub fn run(old: &Path, new: &Path, json: bool) -> Result<(), Failure> {
    let (old, new) = (read(Some(old))?, read(Some(new))?);
    let differences = differences(&old, &new);
    for difference in &differences {
        output::line(if json { difference.to_json() } else { difference.to_string() })?;
    }
    let versions = (old.schema.versions(), new.schema.versions());
    let apps = versions.0.own.map_or("Apps of before".into(), |version| format!("Apps of version {version}"));
    let served = versions.0.own.map_or(Ok(()), |version| versions.1.serve(Some(version)));
    match served {
        Ok(()) if differences.iter().any(|difference| difference.hinders) => Err(Failure::Failed(format!(
            "{apps} are hindered. Mend the schema, or have them upgrade first: oldest = the newer version."
        ))),
        Err(Unserved::TooNew { own, .. }) => Err(Failure::Failed(format!(
            "{apps} are ahead of version {own}, and wait until a server has theirs: the older schema is named first."
        ))),
        _ if json => Ok(()),
        Ok(()) => output::line(format!("{apps} are served as ever.")),
        Err(Unserved::TooOld { .. }) => {
            output::line(format!("{apps} are told to upgrade; they keep what they have, and send it then."))
        }
    }
}

/// One thing that differs.
struct Difference {
    /// The collection or field that it is about.
    about: String,
    /// What is different, and what that means.
    what: String,
    /// Whether older apps cannot do something any more that they could.
    hinders: bool,
}

fn fine(about: impl Into<String>, what: impl Into<String>) -> Difference {
    Difference { about: about.into(), what: what.into(), hinders: false }
}

fn refused(about: impl Into<String>, what: &str, refused: &str) -> Difference {
    Difference { about: about.into(), what: format!("{what}; older apps are refused {refused}"), hinders: true }
}

fn differences(old: &SchemaFile, new: &SchemaFile) -> Vec<Difference> {
    let named = old.schema.collections().chain(new.schema.collections()).map(|(name, _)| name);
    let names: BTreeSet<&Collection> = named.collect();
    let nothing = Rules::default();
    let mut found = Vec::new();
    for name in names {
        let Some(now) = rules_of(new, name) else {
            found.push(fine(name.as_str(), "nothing is said of it any more"));
            continue;
        };
        let compared = Compared { name, old: rules_of(old, name).unwrap_or(&nothing), new: now };
        compared.renames(&mut found);
        compared.shapes(&mut found);
        compared.unique(&mut found);
        compared.references(&mut found);
        compared.checks(old, new, &mut found);
        compared.policies(&mut found);
    }
    found
}

fn rules_of<'s>(file: &'s SchemaFile, name: &Collection) -> Option<&'s Rules> {
    file.schema.collections().find(|(known, _)| *known == name).map(|(_, rules)| rules)
}

/// What two schemas say of one collection.
struct Compared<'s> {
    name: &'s Collection,
    old: &'s Rules,
    new: &'s Rules,
}

impl Compared<'_> {
    fn about(&self, field: &FieldName) -> String {
        format!("{}.{field}", self.name)
    }

    /// The name by which older apps know a field.
    fn before<'f>(&'f self, field: &'f FieldName) -> &'f FieldName {
        self.new.renames.iter().find(|rename| rename.now == *field).map_or(field, |rename| &rename.was)
    }

    fn renames(&self, found: &mut Vec<Difference>) {
        let (old, new) = (&self.old.renames, &self.new.renames);
        for rename in new.iter().filter(|rename| !old.contains(rename)) {
            let what = format!(
                "was {}: apps of either version find what is written under the name that they know",
                rename.was
            );
            found.push(fine(self.about(&rename.now), what));
        }
        for rename in old.iter().filter(|rename| !new.contains(rename)) {
            let what = format!("is not kept as {} any more; apps that know that name alone miss it", rename.was);
            found.push(Difference { about: self.about(&rename.now), what, hinders: true });
        }
    }

    fn shapes(&self, found: &mut Vec<Difference>) {
        let known = self.known();
        for (field, shape) in &self.new.shapes {
            let before = self.before(field);
            let was = self.old.shapes.iter().find(|(name, _)| name == before).map(|(_, shape)| shape);
            match was {
                None if !known.contains(before) => found.push(fields::made(&self.about(field), shape)),
                was => found.extend(fields::changed(&self.about(field), &was.cloned().unwrap_or_default(), shape)),
            }
        }
        let is_said = |field: &FieldName| self.new.shapes.iter().any(|(now, _)| self.before(now) == field);
        let free = self.old.shapes.iter().filter(|(field, _)| !is_said(field));
        found.extend(free.map(|(field, _)| fine(self.about(field), "may be anything now")));
    }

    /// All fields of which the older schema says something.
    fn known(&self) -> BTreeSet<&FieldName> {
        let Rules { fields, shapes, refs, .. } = self.old;
        let said = fields.iter().map(|(name, _)| name).chain(shapes.iter().map(|(name, _)| name));
        said.chain(refs.iter().map(|reference| &reference.field)).collect()
    }

    fn unique(&self, found: &mut Vec<Difference>) {
        let was = |fields: &[FieldName]| fields.iter().map(|field| self.before(field).clone()).collect();
        for fields in self.new.unique.iter().filter(|fields| !self.old.unique.contains(&was(fields))) {
            let fields = fields.iter().map(FieldName::as_str).collect::<Vec<_>>().join(" and ");
            let what = format!("no two have the same {fields}");
            found.push(refused(self.name.as_str(), &what, "what another one has already"));
        }
    }

    fn references(&self, found: &mut Vec<Difference>) {
        let holds = |rules: &Rules, field: &FieldName| {
            rules.refs.iter().any(|reference| reference.field == *field && reference.on_delete.is_some())
        };
        for reference in &self.new.refs {
            if holds(self.new, &reference.field) && !holds(self.old, self.before(&reference.field)) {
                let what = format!("refers to {} that are there", reference.to);
                found.push(refused(self.about(&reference.field), &what, "what refers to something else"));
            }
        }
    }

    fn checks(&self, old: &SchemaFile, new: &SchemaFile, found: &mut Vec<Difference>) {
        let (was, Some(now)) = (old.authority.checks(self.name), new.authority.checks(self.name)) else { return };
        for (field, pattern) in &now.patterns {
            let mut known = was.iter().flat_map(|was| &was.patterns);
            if !known.any(|(name, known)| name == self.before(field) && known.text() == pattern.text()) {
                let what = format!("looks like {}", pattern.text());
                found.push(refused(self.about(field), &what, "what looks otherwise"));
            }
        }
        for check in &now.conditions {
            let mut known = was.iter().flat_map(|was| &was.conditions);
            if !known.any(|known| known.rule.text() == check.rule.text()) {
                found.push(refused(
                    self.name.as_str(),
                    &format!("is checked: {}", check.message),
                    "what is against it",
                ));
            }
        }
    }

    fn policies(&self, found: &mut Vec<Difference>) {
        if self.old.policy != self.new.policy || self.old.fields != self.new.fields {
            found.push(fine(self.name.as_str(), "concurrent writes meet in another way, from the next event on"));
        }
    }
}

impl Difference {
    fn to_json(&self) -> String {
        json!({ "about": self.about, "what": self.what, "hinders": self.hinders }).to_string()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { about, what, hinders } = self;
        write!(f, "{} {about}: {what}", if *hinders { '!' } else { ' ' })
    }
}
