//! What the edits of one op become, field by field.

use super::resolve::{Ground, refuse};
use super::texts::{self, Between, Spliced, Typed};
use crate::among::Among;
use crate::edit;
use crate::event::{Lost, LostReason, Refusal, RefusalCode};
use crate::limits;
use crate::name::FieldName;
use crate::numbers::Seq;
use crate::object::{Object, Stamp};
use crate::op::{Action, Edit, FieldMap, Members, Op};
use crate::schema::Policy;
use crate::splice::Splices;
use crate::value::Value;

/// The fields of one op of an event.
pub(super) struct Fields<'a, 'g> {
    pub(super) ground: &'a Ground<'g>,
    pub(super) op: &'a Op,
    /// How far the author had followed the object.
    pub(super) base: Seq,
    /// The state that splices refer to.
    pub(super) on: Seq,
    pub(super) stamp: Stamp,
    /// What the event has done to texts so far.
    pub(super) typed: &'a mut Typed,
}

/// What became of all fields.
pub(super) enum Fate {
    /// They are as they were authored.
    Kept,
    Changed {
        kept: FieldMap<Edit>,
        lost: Vec<Lost>,
    },
}

/// What is kept so far, and what is lost.
type Changed = (Vec<(FieldName, Edit)>, Vec<Lost>);

/// What became of one.
enum One {
    Kept,
    /// This instead, if anything; and this was lost, if anything.
    Changed(Option<Edit>, Option<(Edit, LostReason)>),
}

impl Fields<'_, '_> {
    pub(super) fn decide_all(&mut self, object: &Object, edits: &FieldMap<Edit>) -> Result<Fate, Box<Refusal>> {
        self.check_room(object, edits)?;
        let mut changed: Option<Changed> = None;
        for (place, (name, edit)) in edits.iter().enumerate() {
            let one = self.decide(object, name, edit)?;
            if let (One::Kept, None) = (&one, &changed) {
                continue;
            }
            let earlier = || edits.iter().take(place).map(|(name, edit)| (name.clone(), edit.clone())).collect();
            let (kept, lost) = changed.get_or_insert_with(|| (earlier(), Vec::new()));
            if let One::Changed(_, Some((Edit::Set(_) | Edit::Put(_) | Edit::Splice(_), _))) = &one {
                self.typed.lost.push((self.op.key.clone(), name.clone()));
            }
            match one {
                One::Kept => kept.push((name.clone(), edit.clone())),
                One::Changed(instead, gone) => {
                    kept.extend(instead.map(|edit| (name.clone(), edit)));
                    lost.extend(gone.map(|(edit, reason)| Lost { op: self.only(name, edit), reason }));
                }
            }
        }
        Ok(changed
            .map_or(Fate::Kept, |(kept, lost)| Fate::Changed { kept: FieldMap::new(kept).unwrap_or_default(), lost }))
    }

    /// The fields of an upsert of an object that is there.
    pub(super) fn decide_set(&mut self, object: &Object, set: &FieldMap<Value>) -> Result<Fate, Box<Refusal>> {
        if self.ground.schema.is_empty() {
            return self.check_room(object, set).map(|()| Fate::Kept);
        }
        let edits = set.iter().map(|(name, value)| (name.clone(), Edit::Set(value.clone())));
        self.decide_all(object, &FieldMap::new(edits.collect()).unwrap_or_default())
    }

    fn decide(&mut self, object: &Object, name: &FieldName, edit: &Edit) -> Result<One, Box<Refusal>> {
        let decided = match edit {
            Edit::Set(_) | Edit::Put(_) => self.by_policy(object, name, edit)?,
            Edit::Members(members) => self.members(object, name, members),
            Edit::Splice(splices) => self.splice(object, name, splices)?,
            Edit::Inc(_) => One::Kept,
            Edit::Ask(_) => return Err(self.invalid(name, &"a conflict is made by the server alone: use set")),
        };
        let taken = match &decided {
            One::Kept => Some(edit),
            One::Changed(instead, _) => instead.as_ref(),
        };
        let fits = taken.map_or(Ok(()), |taken| edit::check(object.get(name.as_str()), taken));
        match fits {
            Ok(_) => Ok(decided),
            // It was typed on a text that did not come to be.
            Err(_) if matches!(edit, Edit::Splice(_)) && self.on < self.stamp.seq => Err(self.rebase(name, object)),
            Err(error) => Err(self.invalid(name, &error)),
        }
    }

    /// A field that is set while somebody else has written it.
    fn by_policy(&self, object: &Object, name: &FieldName, edit: &Edit) -> Result<One, Box<Refusal>> {
        let policy = self.ground.schema.policy(&self.op.key.collection, name);
        let field = object.field(name.as_str());
        let concurrent = || field.is_some_and(|field| field.version.changed_since(self.base, self.stamp.client));
        if policy == Policy::Last || !concurrent() {
            return Ok(One::Kept);
        }
        Ok(match policy {
            Policy::Last => One::Kept,
            Policy::First => One::Changed(None, Some((edit.clone(), LostReason::First))),
            Policy::Ask => {
                let value = edit::edited(object.get(name.as_str()), edit).unwrap_or(Value::Null);
                One::Changed(Some(Edit::Ask(value)), Some((edit.clone(), LostReason::Conflict)))
            }
            Policy::Reject => {
                let key = &self.op.key;
                let reason = format!("{key}, field {name}: somebody else has set it meanwhile; look at it, and decide");
                return Err(refuse(RefusalCode::Stale, reason, key, Some(object)));
            }
        })
    }

    /// Members that somebody else has added concurrently stay.
    fn members(&self, object: &Object, name: &FieldName, members: &Members) -> One {
        let Some(Value::List(list)) = object.get(name.as_str()) else { return One::Kept };
        let add = Among::new(&members.add);
        let (mut stay, mut go) = (Vec::new(), Vec::new());
        for (member, place) in members.remove.iter().zip(Among::new(&members.remove).first_in(list)) {
            let version = place.and_then(|place| object.member_version(name.as_str(), place));
            let concurrent = version.is_some_and(|version| version.changed_since(self.base, self.stamp.client));
            if concurrent && !add.has(member) { &mut stay } else { &mut go }.push(member.clone());
        }
        if stay.is_empty() {
            return One::Kept;
        }
        let kept = Members { add: members.add.clone(), remove: go };
        let kept = (!kept.add.is_empty() || !kept.remove.is_empty()).then_some(Edit::Members(kept));
        let lost = Edit::Members(Members { add: Vec::new(), remove: stay });
        One::Changed(kept, Some((lost, LostReason::Added)))
    }

    /// A splice is moved past what others have done to the text since its author saw it.
    fn splice(&mut self, object: &Object, name: &FieldName, authored: &Splices) -> Result<One, Box<Refusal>> {
        let key = &self.op.key;
        let lost = self.typed.lost.iter().any(|(other, field)| other == key && field == name);
        let between = (lost.then_some(Between::Overwritten).or_else(|| self.earlier(name)))
            .unwrap_or_else(|| self.ground.texts.between(key, object, name, self.on, self.stamp.client));
        let (others, recorded) = match between {
            Between::Nothing => (Vec::new(), authored.clone()),
            Between::Overwritten => {
                let lost = (Edit::Splice(authored.clone()), LostReason::Overwritten);
                return Ok(One::Changed(None, Some(lost)));
            }
            Between::Unknown => return Err(self.rebase(name, object)),
            Between::Splices(others) => {
                texts::meet_all(others, authored).map_err(|error| self.invalid(name, &error))?
            }
        };
        let altered = recorded != *authored;
        let instead = altered.then(|| Edit::Splice(recorded.clone()));
        self.typed.spliced.push(Spliced {
            key: key.clone(),
            field: name.clone(),
            before: object.field(name.as_str()).map(|field| field.version.last),
            by: self.stamp,
            recorded,
            authored: Some((self.on, authored.clone())),
            others,
        });
        Ok(if altered { One::Changed(instead, None) } else { One::Kept })
    }

    /// What stands between the author and the text after earlier splices of the very same event.
    fn earlier(&self, name: &FieldName) -> Option<Between> {
        let mut latest = self.typed.spliced.iter().rev();
        let earlier = latest.find(|spliced| spliced.key == self.op.key && spliced.field == *name)?;
        Some(if earlier.others.is_empty() { Between::Nothing } else { Between::Splices(earlier.others.clone()) })
    }

    fn rebase(&self, name: &FieldName, object: &Object) -> Box<Refusal> {
        let key = &self.op.key;
        let reason =
            format!("{key}, field {name}: too much has happened to the text since; move the edit to the present text");
        refuse(RefusalCode::Rebase, reason, key, Some(object))
    }

    fn check_room<T>(&self, object: &Object, fields: &FieldMap<T>) -> Result<(), Box<Refusal>> {
        if object.has_room(fields.iter().map(|(name, _)| name)) {
            return Ok(());
        }
        let reason = format!("{} would have too many fields; the most is {}", self.op.key, limits::OBJECT_FIELDS);
        Err(refuse(RefusalCode::Invalid, reason, &self.op.key, None))
    }

    fn invalid(&self, name: &FieldName, error: &dyn std::fmt::Display) -> Box<Refusal> {
        let current = self.ground.objects.get(&self.op.key).map(AsRef::as_ref);
        refuse(RefusalCode::Invalid, format!("{}, field {name}: {error}", self.op.key), &self.op.key, current)
    }

    fn only(&self, name: &FieldName, edit: Edit) -> Op {
        let action = Action::Update(FieldMap::new(vec![(name.clone(), edit)]).unwrap_or_default());
        Op { key: self.op.key.clone(), seen: self.op.seen, action }
    }
}
