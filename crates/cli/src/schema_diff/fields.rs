//! Which values a field took, and which it takes now.

use tapeline_core::codec::json;
use tapeline_core::query::compare;
use tapeline_core::shape::{Kind, Shape};

use super::{Difference, fine, refused};

/// A field that nothing was said of.
pub fn made(about: &str, shape: &Shape) -> Difference {
    match shape.required {
        true => refused(about, "is new and must be there", "objects without it"),
        false => fine(about, "is new"),
    }
}

/// A field that takes other values now.
pub fn changed(about: &str, old: &Shape, new: &Shape) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut narrows = |what: String, others: &str| found.push(refused(about, &what, others));
    if new.required && !old.required {
        narrows("must be there".into(), "objects without it");
    }
    match (old.kind, new.kind) {
        // A whole number is a number.
        (Some(Kind::Int), Some(Kind::Number)) => {}
        (old, Some(new)) if old != Some(new) => narrows(format!("is {new}"), "anything else"),
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
    let loses = old.one_of.is_empty() || old.one_of.iter().any(|value| !new.one_of.contains(value));
    if !new.one_of.is_empty() && loses {
        let values: Vec<String> = new.one_of.iter().map(json::value_to_json).collect();
        narrows(format!("is one of {}", values.join(", ")), "anything else");
    }
    if found.is_empty() && old != new {
        found.push(fine(about, "may be more than it was"));
    }
    found
}

/// A new bound, where it leaves less room than the old one.
fn tighter<'b, T>(old: Option<&T>, new: Option<&'b T>, is_tighter: impl Fn(&T, &T) -> bool) -> Option<&'b T> {
    new.filter(|new| old.is_none_or(|old| is_tighter(old, new)))
}
