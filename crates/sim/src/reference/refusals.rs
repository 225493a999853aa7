//! Which events must be refused, and why, told in the plainest way.

use std::rc::Rc;

use tapeline_core::event::{Lost, OwnVerdict, Read, RefusalCode, Verdict};
use tapeline_core::name::Key;
use tapeline_core::numbers::Seq;
use tapeline_core::op::{Action, Edit, Op};
use tapeline_core::value::Value;

use super::holding::{follow, is_broken};
use super::{Authored, Fields, Object, Objects, Shown, Write, apply, is_overwritten, resolve_op, sum, tear, unseen};
use crate::workload;

/// What must become of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is recorded.
    Recorded,
    /// It is refused.
    Refused(RefusalCode),
    /// It is refused for this; or, before that is found, as in the next case.
    RefusedOrRebase(RefusalCode),
    /// It is refused, for this or before that is found; or, where that would say too much, as what is not there.
    RefusedOrNotFound(RefusalCode),
    /// It is recorded; or its author may be asked to make it again on the present text: that depends on how much the
    /// server remembers.
    RecordedOrRebase,
}

impl Fate {
    /// Whether that is to be recorded.
    pub fn may_be_recorded(self) -> bool {
        matches!(self, Self::Recorded | Self::RecordedOrRebase)
    }

    /// Whether that is to be refused for this.
    pub fn may_be_refused(self, as_code: RefusalCode) -> bool {
        match self {
            Self::Refused(code) => code == as_code,
            Self::RefusedOrRebase(code) => code == as_code || as_code == RefusalCode::Rebase,
            Self::RefusedOrNotFound(code) => {
                code == as_code || matches!(as_code, RefusalCode::NotFound | RefusalCode::Rebase)
            }
            Self::RecordedOrRebase => as_code == RefusalCode::Rebase,
            Self::Recorded => false,
        }
    }
}

/// Whether an author may not know of an object that shows this.
pub type Hides<'h> = &'h dyn Fn(&Key, &Shown) -> bool;

/// What must become of an event that says this, where `own` are the verdicts on its author's earlier events that the
/// author had not stored when it made this one.
pub fn fate(objects: &Objects, event: Authored<'_>, unchanged: &[Read], own: &[OwnVerdict], hides: Hides<'_>) -> Fate {
    let is_hidden = |key: &Key| objects.get(key).is_some_and(|shown| hides(key, &shown));
    let fate = fate_of(objects, event, unchanged, own, hides);
    match fate {
        // Of what an author may not know, they hear that it is not there, or that its id is taken.
        Fate::Refused(code) | Fate::RefusedOrRebase(code)
            if code != RefusalCode::Exists && event.ops.iter().any(|op| is_hidden(&op.key)) =>
        {
            Fate::RefusedOrNotFound(code)
        }
        fate => fate,
    }
}

fn fate_of(objects: &Objects, event: Authored<'_>, unchanged: &[Read], own: &[OwnVerdict], hides: Hides<'_>) -> Fate {
    let is_hidden = |objects: &Objects, key: &Key| objects.get(key).is_some_and(|shown| hides(key, &shown));
    let head = event.write.0;
    if event.base > head || event.on > head {
        return Fate::Refused(RefusalCode::Invalid);
    }
    let types = event.ops.iter().any(is_typed);
    if (types || !unchanged.is_empty()) && own.iter().any(|own| is_missing(own, event.ops, unchanged)) {
        return Fate::Refused(if types { RefusalCode::Rebase } else { RefusalCode::Stale });
    }
    if unchanged.iter().any(|read| is_hidden(objects, &read.key)) {
        return Fate::Refused(RefusalCode::NotFound);
    }
    if unchanged.iter().any(|read| has_changed(objects, read, event)) {
        return Fate::Refused(RefusalCode::Stale);
    }
    let (mut now, mut fate, mut torn) = (objects.clone(), Fate::Recorded, Vec::new());
    let mut meanwhile = Vec::new();
    for op in event.ops {
        tear(&mut torn, op, &[]);
        let event = Authored { torn: &torn, ..event };
        fate = first(fate, of_op(&now, event, op));
        if matches!(fate, Fate::Refused(_) | Fate::RefusedOrRebase(_)) {
            return fate;
        }
        let (mut ops, mut lost): (Vec<Op>, Vec<Lost>) = Default::default();
        resolve_op(&now, event, op, &[], &mut ops, &mut lost);
        apply(&mut now, &ops, std::slice::from_ref(op), event.write, event.base);
        tear(&mut torn, op, &lost);
        meanwhile.extend(now.live.get(&op.key).map(|object| (&op.key, object.clone())));
    }
    let passes = |(key, object): &(&Key, Rc<Object>)| {
        let (was, now) = (objects.live.get(*key), now.live.get(*key));
        hides(key, &(as_if_it_stayed(was, object, now, event.write), Vec::new()))
    };
    if event.ops.iter().any(|op| is_hidden(objects, &op.key) || is_hidden(&now, &op.key))
        || meanwhile.iter().any(passes)
    {
        return first(fate, Fate::Refused(RefusalCode::Forbidden));
    }
    follow(objects, &mut now, event.write);
    match is_broken(objects, &now) {
        true => first(fate, Fate::Refused(RefusalCode::Invalid)),
        false => fate,
    }
}

/// An object as it is after an event, with what its fields held meanwhile, or have beside them by that event.
fn as_if_it_stayed(was: Option<&Rc<Object>>, meanwhile: &Object, now: Option<&Rc<Object>>, by: Write) -> Fields {
    let now = now.map_or(meanwhile, |now| now);
    let has = |object: &Object, name: &str, value: &Value| object.fields.get(name) == Some(value);
    let beside = meanwhile.conflicts.iter().filter(|(.., write)| *write == by).map(|(name, value, _)| (name, value));
    let all = meanwhile.fields.iter().chain(beside);
    let passing = all.filter(|(name, value)| !has(now, name, value) && !was.is_some_and(|was| has(was, name, value)));
    let mut fields = now.fields.clone();
    fields.extend(passing.map(|(name, value)| (name.clone(), value.clone())));
    fields
}

/// Whether an op edits a text.
pub fn is_typed(op: &Op) -> bool {
    matches!(&op.action, Action::Update(edits) if edits.iter().any(|(_, edit)| matches!(edit, Edit::Splice(_))))
}

/// Whether something is missing that the author took for done.
fn is_missing(own: &OwnVerdict, ops: &[Op], unchanged: &[Read]) -> bool {
    let touched = |key: &Key| ops.iter().any(|op| op.key == *key) || unchanged.iter().any(|read| read.key == *key);
    match &own.verdict {
        Verdict::Refused(_) => true,
        Verdict::Recorded { lost, .. } => lost.iter().any(|lost| touched(&lost.op.key)),
    }
}

fn has_changed(objects: &Objects, read: &Read, event: Authored<'_>) -> bool {
    let unseen = |writes: &Vec<Write>| unseen(Some(writes), event.base, event.write.1);
    let never_held = |op: &Op| op.key == read.key && op.seen == Some(Seq::FIRST);
    match (objects.live.get(&read.key), objects.gone.get(&read.key), &read.field) {
        (Some(_), ..) if event.ops.iter().any(never_held) => true,
        (Some(object), _, Some(field)) => {
            let made: Vec<Write> = object.made.into_iter().collect();
            unseen(&made) || object.writes.get(field.as_str()).is_some_and(unseen)
        }
        (Some(object), _, None) | (None, Some(object), _) => unseen(&object.all),
        (None, None, _) => false,
    }
}

fn of_op(objects: &Objects, event: Authored<'_>, op: &Op) -> Fate {
    let event = Authored { base: op.seen.unwrap_or(event.base), ..event };
    let knew = |write: Option<&Write>| write.is_some_and(|(seq, by)| *seq < event.base || *by == event.write.1);
    match (&op.action, objects.live.get(&op.key), objects.gone.get(&op.key)) {
        (Action::Insert(_), Some(object), _) if knew(object.made.as_ref()) => Fate::Refused(RefusalCode::Exists),
        (Action::Insert(set) | Action::Upsert(set), Some(object), _) => {
            let all = set.iter().map(|(name, value)| (name.as_str(), Edit::Set(value.clone())));
            all.map(|(name, edit)| of_field(object, event, op, name, &edit)).fold(Fate::Recorded, first)
        }
        (Action::Update(edits), Some(object), _) => edits
            .iter()
            .map(|(name, edit)| of_field(object, event, op, name.as_str(), edit))
            .fold(Fate::Recorded, first),
        (Action::Update(edits), None, Some(gone)) if !knew(gone.all.last()) => {
            let typed = |edit: &Edit| matches!(edit, Edit::Splice(_));
            let others = edits.iter().filter(|(_, edit)| workload::revives(&op.key.collection) && !typed(edit));
            others.map(|(name, edit)| of_field(gone, event, op, name.as_str(), edit)).fold(Fate::Recorded, first)
        }
        (Action::Update(_), None, _) => Fate::Refused(RefusalCode::NotFound),
        (Action::Insert(_) | Action::Upsert(_), None, _) | (Action::Delete, ..) => Fate::Recorded,
    }
}

/// The first refusal counts.
fn first(earlier: Fate, later: Fate) -> Fate {
    match (earlier, later) {
        (Fate::Refused(_) | Fate::RefusedOrRebase(_), _) => earlier,
        (Fate::RecordedOrRebase, Fate::Refused(code)) => Fate::RefusedOrRebase(code),
        (Fate::RecordedOrRebase, Fate::Recorded) => Fate::RecordedOrRebase,
        (_, later) => later,
    }
}

fn of_field(object: &Object, event: Authored<'_>, op: &Op, name: &str, edit: &Edit) -> Fate {
    let there = object.fields.get(name).filter(|value| **value != Value::Null);
    let fits = |fits: bool| if fits { Fate::Recorded } else { Fate::Refused(RefusalCode::Invalid) };
    match edit {
        Edit::Set(_) | Edit::Put(_) => {
            let concurrent = object.is_concurrent(name, event.base, event.write.1);
            match workload::policy(&op.key.collection, name) {
                "reject" if concurrent => Fate::Refused(RefusalCode::Stale),
                _ => Fate::Recorded,
            }
        }
        Edit::Inc(amount) => fits(sum(there, amount).is_some()),
        // What somebody else has added stays: nothing may be left that would have to fit.
        Edit::Members(_) => fits(matches!(there, None | Some(Value::List(_)))),
        Edit::Splice(_) => {
            let mut writes = object.writes.get(name).into_iter().flatten().chain(&object.made);
            match writes.any(|(seq, by)| *seq >= event.on && *by == event.write.1) {
                true => Fate::RecordedOrRebase,
                false if is_overwritten(object, op, name, event) => Fate::Recorded,
                false => fits(matches!(there, None | Some(Value::Text(_) | Value::Bytes(_)))),
            }
        }
        Edit::Ask(_) => Fate::Refused(RefusalCode::Invalid),
    }
}
