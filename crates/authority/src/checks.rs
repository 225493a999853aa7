//! What is valid in a collection, whoever writes it: what texts look like, and conditions on objects as they were and as
//! they are to be.
//!
//! What was recorded before a check was declared stays: a pattern looks at a text that changes, a condition is asked
//! where a field that it looks at does.

use tapeline_core::event::RefusalCode;
use tapeline_core::name::FieldName;
use tapeline_core::object::Object;
use tapeline_core::sequencer::Objection;
use tapeline_core::value::Value;

use crate::expression::Rule;
use crate::gate::Asked;
use crate::pattern::Pattern;

/// What is valid in a collection.
#[derive(Debug, Default)]
pub struct Checks {
    /// What the texts of fields look like.
    pub patterns: Vec<(FieldName, Pattern)>,
    /// What holds of each object.
    pub conditions: Vec<Check>,
}

/// What holds of each object of a collection.
#[derive(Debug)]
pub struct Check {
    /// What it is.
    pub rule: Rule,
    /// The field that it is about, where it is one.
    pub field: Option<FieldName>,
    /// What people are told where it does not hold.
    pub message: String,
}

impl Checks {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.conditions.is_empty()
    }

    /// What is not valid about what becomes of an object. What goes is no matter.
    pub(crate) fn objection(&self, asked: &Asked<'_>) -> Option<Objection> {
        let (before, after) = (asked.change.before, asked.change.after?);
        let is_set = |field: &str| before.is_none_or(|before| before.get(field) != after.get(field));
        self.misfit(asked, after, &is_set).or_else(|| self.unmet(asked, &is_set))
    }

    fn misfit(&self, asked: &Asked<'_>, after: &Object, is_set: &dyn Fn(&str) -> bool) -> Option<Objection> {
        let fits = |(field, pattern): &&(FieldName, Pattern)| match after.get(field.as_str()) {
            None | Some(Value::Null) => true,
            Some(Value::Text(text)) => pattern.fits(text.as_str()),
            Some(_) => false,
        };
        let (field, pattern) = self.patterns.iter().filter(|(field, _)| is_set(field.as_str())).find(|it| !fits(it))?;
        let reason = format!("{}, field {field}: it must be a text like {pattern}", asked.change.key);
        Some(Objection { code: RefusalCode::Invalid, field: Some(field.clone()), reason })
    }

    fn unmet(&self, asked: &Asked<'_>, is_set: &dyn Fn(&str) -> bool) -> Option<Objection> {
        let is_asked = |check: &&Check| {
            let fields = check.rule.fields();
            asked.can_tell(&check.rule) && (fields.is_empty() || fields.iter().any(|field| is_set(field)))
        };
        let mut asked_for = self.conditions.iter().filter(is_asked);
        let Check { field, message, .. } = asked_for.find(|check| !asked.is_met(&check.rule))?;
        Some(Objection { code: RefusalCode::Invalid, field: field.clone(), reason: message.clone() })
    }
}
