//! References that hold: what they refer to is there, and what goes with it when it is deleted.
//!
//! Both are about what an event makes of all its objects. First what refers to the deleted goes or changes, too, as ops
//! of the same event, and what refers to that, and so on: replicas just play it. Then nothing new may refer to what is not
//! there, and nothing that must stay to what is gone.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::Need;
use super::resolve::{Before, Ground, Stop, refuse};
use crate::event::{Refusal, RefusalCode};
use crate::holders::LookUp;
use crate::limits;
use crate::name::{Collection, FieldName, Key, ObjectId};
use crate::object::{Object, Write};
use crate::op::{Action, Edit, FieldMap, Members, Op};
use crate::query::index::Index;
use crate::schema::{OnDelete, Reference};
use crate::valid::Change;
use crate::value::Value;

impl Ground<'_> {
    /// Lets go, or change, what refers to the objects that an event has deleted. Answers by which ops, for which there is
    /// so much room; `before` then has what they touch, too.
    pub(super) fn follow(&mut self, before: &mut Before<'_>, room: usize, write: &Write<'_>) -> Result<Vec<Op>, Stop> {
        if self.schema.held().is_empty() {
            return Ok(Vec::new());
        }
        let most = room.min(limits::FOLLOWING_OBJECTS);
        let (mut ops, mut needs) = (Vec::new(), Vec::new());
        let mut gone: VecDeque<Key> = self.gone(before).map(|(key, _)| key.clone()).collect();
        while needs.len() < limits::LOOK_UPS_AT_ONCE
            && let Some(key) = gone.pop_front()
        {
            for op in self.followers(&key, &mut needs) {
                if self.objects.get(&op.key).is_none() {
                    // It refers to what is gone in two ways, and has gone by the other one.
                    continue;
                }
                if ops.len() == most {
                    return Err(self.too_many(before).into());
                }
                before.push((Cow::Owned(op.key.clone()), self.objects.entry(&op.key).cloned()));
                self.apply(&op, write);
                if op.action == Action::Delete {
                    gone.push_back(op.key.clone());
                }
                ops.push(op);
            }
        }
        if needs.is_empty() { Ok(ops) } else { Err(Stop::Needs(needs)) }
    }

    /// The objects that were there before and are not any more; those that the event itself deletes come first.
    fn gone<'b>(&self, before: &'b Before<'_>) -> impl Iterator<Item = (&'b Key, &'b Object)> + use<'b, '_> {
        let was_there = before.iter().filter_map(|(key, entry)| Some((&**key, &**entry.as_ref()?.live()?)));
        was_there.filter(|(key, _)| self.objects.get(key).is_none())
    }

    /// What happens to those that refer to an object that is gone.
    fn followers(&self, gone: &Key, needs: &mut Vec<Need>) -> Vec<Op> {
        let mut ops = Vec::new();
        for (collection, reference, on_delete) in self.schema.referring(&gone.collection) {
            if on_delete == OnDelete::Restrict {
                continue;
            }
            let look = look_up(collection, reference, &gone.id, limits::FOLLOWING_OBJECTS + 1);
            let known = self.objects.holders().of_value(collection, &look.index.fields, &look.value);
            for id in known.ids().take(look.enough) {
                let key = Key { collection: collection.clone(), id: id.clone() };
                match on_delete {
                    OnDelete::SetNull => ops.extend(self.without(key, &reference.field, &look.value)),
                    _ => ops.push(Op { key, seen: None, action: Action::Delete }),
                }
            }
            if !known.is_all {
                needs.push(Need::Holders(look));
            }
        }
        ops
    }

    /// Takes a value out of a field: as often as it is in the list there, or the one that is there.
    fn without(&self, key: Key, field: &FieldName, value: &Value) -> Vec<Op> {
        let (times, edit) = match self.objects.get(&key).and_then(|object| object.get(field.as_str())) {
            Some(Value::List(items)) => {
                let times = items.iter().filter(|item| *item == value).count();
                (times, Edit::Members(Members { add: Vec::new(), remove: vec![value.clone()] }))
            }
            _ => (1, Edit::Set(Value::Null)),
        };
        let action = Action::Update(FieldMap::new(vec![(field.clone(), edit)]).unwrap_or_default());
        vec![Op { key, seen: None, action }; times]
    }

    /// Refuses a change that makes an object refer to what is not there, or takes away what one refers to that must stay.
    /// What cannot be told yet is put to what is needed.
    pub(super) fn check_references(&self, change: &Change<'_>, needs: &mut Vec<Need>) -> Result<(), Box<Refusal>> {
        match change.after {
            Some(after) => self.check_referred(change, after, needs),
            None => self.check_referring(change, needs),
        }
    }

    /// Something that would go or change with what an event deletes may not. Its author need not know what it is.
    pub(super) fn must_stay(&self, follower: &Key, before: &Before<'_>) -> Box<Refusal> {
        let collection = &follower.collection;
        self.refuse_delete(
            before,
            &format!("an object of {collection} that would go or change with it must stay as it is"),
        )
    }

    fn too_many(&self, before: &Before<'_>) -> Box<Refusal> {
        let most = limits::FOLLOWING_OBJECTS;
        self.refuse_delete(
            before,
            &format!("more than {most} objects would go or change with it; delete or change some first"),
        )
    }

    fn refuse_delete(&self, before: &Before<'_>, why: &str) -> Box<Refusal> {
        let (key, object) = self.gone(before).next().expect("nothing follows where nothing is gone");
        refuse(RefusalCode::Invalid, format!("{key}: {why}"), key, Some(object))
    }

    fn check_referred(&self, change: &Change<'_>, after: &Object, needs: &mut Vec<Need>) -> Result<(), Box<Refusal>> {
        let collection = &change.key.collection;
        for reference in self.schema.references(collection).iter().filter(|it| it.on_delete.is_some()) {
            let index = index_of(collection, reference);
            let before = change.before.map(|before| index.held(before)).unwrap_or_default();
            for value in index.held(after).into_iter().filter(|value| !before.contains(value)) {
                let id = value.as_text().and_then(|text| ObjectId::new(text).ok());
                let key = id.map(|id| Key { collection: reference.to.clone(), id });
                match key {
                    Some(key) if !self.objects.knows(&key) => needs.push(Need::Entry(key)),
                    Some(key) if self.objects.get(&key).is_some() => {}
                    _ => return Err(dangling(change, reference)),
                }
            }
        }
        Ok(())
    }

    fn check_referring(&self, change: &Change<'_>, needs: &mut Vec<Need>) -> Result<(), Box<Refusal>> {
        for (collection, reference, on_delete) in self.schema.referring(&change.key.collection) {
            if on_delete != OnDelete::Restrict {
                continue;
            }
            let look = look_up(collection, reference, &change.key.id, 1);
            let known = self.objects.holders().of_value(collection, &look.index.fields, &look.value);
            if known.ids().next().is_some() {
                return Err(still_referred(change, collection, reference));
            }
            if !known.is_all {
                needs.push(Need::Holders(look));
            }
        }
        Ok(())
    }
}

fn index_of(collection: &Collection, reference: &Reference) -> Index {
    Index { collection: collection.clone(), fields: vec![reference.field.clone()] }
}

fn look_up(collection: &Collection, reference: &Reference, to: &ObjectId, enough: usize) -> LookUp {
    LookUp { index: index_of(collection, reference), value: Value::text(to.to_string()), enough }
}

fn dangling(change: &Change<'_>, reference: &Reference) -> Box<Refusal> {
    let Reference { field, to, .. } = reference;
    let reason = format!("{}, field {field}: it must refer to what is there in {to}", change.key);
    Box::new(Refusal { field: Some(field.clone()), ..*refuse(RefusalCode::Invalid, reason, change.key, change.before) })
}

fn still_referred(change: &Change<'_>, collection: &Collection, reference: &Reference) -> Box<Refusal> {
    let (key, field) = (change.key, &reference.field);
    let reason = format!("{key}: objects of {collection} refer to it by {field}; delete or change those first");
    refuse(RefusalCode::Invalid, reason, key, change.before)
}
