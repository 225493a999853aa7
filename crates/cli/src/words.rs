//! What became of an object, in words: `+` what is new, `~` what changed from what to what, `-` what is gone.

use tapeline_core::codec::json;
use tapeline_core::name::{FieldName, Key};
use tapeline_core::object::Object;
use tapeline_core::value::Value;

/// Characters of a value that are shown.
const SHOWN: usize = 48;
/// Characters shown around what changes in a text.
const AROUND: usize = 12;

/// One line for what became of an object.
pub fn line(key: &Key, before: Option<&Object>, after: Option<&Object>) -> String {
    match (before, after) {
        (Some(_), Some(_)) => {
            let changes = changes(before, after);
            let changes = changes.iter().map(|(name, before, after)| format!("{name}: {}", change(before, after)));
            format!("~ {key}  {}", changes.collect::<Vec<_>>().join(", "))
        }
        (Some(object), None) => format!("- {key}  {}", fields(object)),
        (None, Some(object)) => format!("+ {key}  {}", fields(object)),
        (None, None) => format!("- {key}"),
    }
}

/// The fields that differ, by name, each as it was and as it is. A field that an object does not have is null.
pub fn changes<'a>(
    before: Option<&'a Object>,
    after: Option<&'a Object>,
) -> Vec<(&'a FieldName, &'a Value, &'a Value)> {
    let value = |object: Option<&'a Object>, name: &FieldName| {
        object.and_then(|object| object.get(name.as_str())).unwrap_or(&Value::Null)
    };
    let fields = before.into_iter().chain(after).flat_map(Object::fields);
    let mut names: Vec<_> = fields.map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    let fields = names.into_iter().map(|name| (name, value(before, name), value(after, name)));
    fields.filter(|(_, before, after)| before != after).collect()
}

fn fields(object: &Object) -> String {
    let shown = object.fields().filter(|(_, field)| *field.value != Value::Null);
    let shown = shown.map(|(name, field)| format!("{name}: {}", cut(&json::value_to_json(field.value), 0)));
    shown.collect::<Vec<_>>().join(", ")
}

/// From what to what. Of long texts, the part that differs.
fn change(before: &Value, after: &Value) -> String {
    let (before, after) = (json::value_to_json(before), json::value_to_json(after));
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
    let long = before.chars().count().max(after.chars().count()) > SHOWN;
    let skip = if long { same.saturating_sub(AROUND) } else { 0 };
    format!("{} → {}", cut(&before, skip), cut(&after, skip))
}

/// As much of a text from a character on as is shown.
pub fn cut(text: &str, skip: usize) -> String {
    let mut rest = text.chars().skip(skip);
    let shown: String = rest.by_ref().take(SHOWN).collect();
    let (head, tail) = (if skip > 0 { "…" } else { "" }, if rest.next().is_some() { "…" } else { "" });
    format!("{head}{shown}{tail}")
}
