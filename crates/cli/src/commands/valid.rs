//! What a schema says is valid, and who may do what, in words: a part of what `schema check` prints.

use tapeline_authority::{Access, Authority, Check, Checks, Rule};
use tapeline_core::codec::json;
use tapeline_core::name::FieldName;
use tapeline_core::shape::Shape;

/// A line for each field of which it is said which values it takes.
pub(super) fn shapes(shapes: &[(FieldName, Shape)]) -> Vec<String> {
    let lines = shapes.iter().map(|(field, shape)| (field, wanted(shape))).filter(|(_, wanted)| !wanted.is_empty());
    lines.map(|(field, wanted)| format!("  {field} is {}", wanted.join(", "))).collect()
}

/// What a value must be.
fn wanted(shape: &Shape) -> Vec<String> {
    let number = |value| json::value_to_json(value);
    let mut wanted = Vec::new();
    wanted.extend(shape.kind.map(|kind| kind.to_string()));
    wanted.extend(shape.required.then(|| "always there".to_owned()));
    wanted.extend(shape.min.as_ref().map(|least| format!("{} at least", number(least))));
    wanted.extend(shape.max.as_ref().map(|most| format!("{} at most", number(most))));
    wanted.extend(shape.min_length.map(|least| format!("{least} long at least")));
    wanted.extend(shape.max_length.map(|most| format!("{most} long at most")));
    if !shape.one_of.is_empty() {
        wanted.push(format!("one of {}", shape.one_of.iter().map(number).collect::<Vec<_>>().join(", ")));
    }
    wanted
}

/// A line for each pattern and check.
pub(super) fn checks(checks: &Checks) -> Vec<String> {
    let patterns = checks.patterns.iter().map(|(field, pattern)| format!("  {field} is a text like {pattern}"));
    let conditions = checks.conditions.iter().map(|Check { rule, field, message }| {
        let about = field.as_ref().map(|field| format!(", about {field}")).unwrap_or_default();
        format!("  holds{about}: {}; otherwise: {message}", rule.text())
    });
    patterns.chain(conditions).collect()
}

/// A line for each rule.
pub(super) fn rules(authority: &Authority) -> Vec<String> {
    let mut lines = Vec::new();
    for (streams, rules) in authority.streams() {
        let named = [("read", &rules.read), ("write", &rules.write)];
        lines.extend(named.into_iter().filter_map(|(doing, rule)| may(&format!("streams {streams}"), doing, rule)));
    }
    for of in authority.collections() {
        let on = of.streams.as_ref().map(|streams| format!(" on streams {streams}")).unwrap_or_default();
        lines.extend(access(&format!("{}{on}", of.collection), &of.access));
    }
    if !lines.is_empty() {
        lines.push("what no rule allows is refused".into());
    }
    lines
}

fn access<'a>(of: &'a str, access: &'a Access) -> impl Iterator<Item = String> + 'a {
    let Access { read, write, insert, update, delete, fields } = access;
    let named = [("read", read), ("write", write), ("insert", insert), ("update", update), ("delete", delete)];
    let named = named.into_iter().filter_map(move |(doing, rule)| may(of, doing, rule));
    named.chain(fields.iter().map(move |(field, rule)| format!("{of}: may set {field} where {}", rule.text())))
}

fn may(of: &str, doing: &str, rule: &Option<Rule>) -> Option<String> {
    let rule = rule.as_ref()?;
    let cost = match rule.no_query().filter(|_| doing == "read") {
        Some(what) => format!("\n  asked of each object, as no query says it: {what}"),
        None => String::new(),
    };
    Some(format!("{of}: may {doing} where {}{cost}", rule.text()))
}
