//! Values that no two objects of a collection have on one stream.

use super::Need;
use super::resolve::{Ground, refuse};
use crate::event::{Refusal, RefusalCode};
use crate::holders::LookUp;
use crate::name::FieldName;
use crate::query::index::Index;
use crate::valid::Change;

impl Ground<'_> {
    /// Refuses a change to a value that another object has. What cannot be told yet is put to what is needed.
    pub(super) fn check_unique(&self, change: &Change<'_>, needs: &mut Vec<Need>) -> Result<(), Box<Refusal>> {
        let Some(after) = change.after else { return Ok(()) };
        for fields in self.schema.unique(&change.key.collection) {
            let index = Index { collection: change.key.collection.clone(), fields: fields.clone() };
            let before = change.before.map(|before| index.held(before)).unwrap_or_default();
            for value in index.held(after).into_iter().filter(|value| !before.contains(value)) {
                let known = self.objects.holders().of_value(&index.collection, fields, &value);
                if known.ids().any(|id| *id != change.key.id) {
                    return Err(taken(change, fields));
                }
                if !known.is_all {
                    needs.push(Need::Holders(LookUp { index: index.clone(), value, enough: 1 }));
                }
            }
        }
        Ok(())
    }
}

fn taken(change: &Change<'_>, fields: &[FieldName]) -> Box<Refusal> {
    let names = fields.iter().map(FieldName::as_str).collect::<Vec<_>>().join(" and ");
    let what = if fields.len() == 1 { "field" } else { "fields" };
    let reason = format!("{}, {what} {names}: this is taken; it must be unique", change.key);
    Box::new(Refusal {
        field: fields.first().cloned(),
        ..*refuse(RefusalCode::Invalid, reason, change.key, change.before)
    })
}
