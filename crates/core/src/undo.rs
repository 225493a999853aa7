//! Undo and redo: what an edit has changed, so that it can be taken back by another one.
//!
//! Each commit leaves a step: for each thing it changed, how it was before and after. To undo is to make an edit that
//! puts back what is still as the step left it. What others have changed since is skipped, unless it is forced: a field
//! that holds something else, an object that they have touched or deleted. What merges is taken back for itself: a
//! counter by the opposite amount, members one by one, a text by the opposite splices, moved past what others have typed
//! since. Whoever shows the objects tells of what others change ([`History::spliced`], [`History::changed`]).

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::among::Among;
use crate::edit::Together;
use crate::limits;
use crate::name::{FieldName, Key};
use crate::numbers::{ClientId, Millis, Seq};
use crate::object::{Entry, Field, Object, Write, apply};
use crate::op::{Action, Edit, FieldMap, Members, Op};
use crate::replica::{Moved, NewEdit};
use crate::splice::Splices;
use crate::tables::Tables;
use crate::value::Value;

/// The steps of one client on one stream.
#[derive(Debug, Default)]
pub struct History {
    undo: Vec<Step>,
    redo: Vec<Step>,
    /// Edits join the last step until this is ended.
    grouping: bool,
    /// The group has a step.
    grouped: bool,
    /// The objects with texts that steps edit, as they were last seen.
    texts: Tables<Arc<Object>>,
}

#[derive(Clone, Debug, Default)]
struct Step {
    changes: Vec<Change>,
    /// What was done to texts after this step and before the next one.
    since: Vec<(Key, FieldName, Splices)>,
}

/// One thing that changed.
#[derive(Clone, Debug)]
enum Change {
    /// An object came.
    Came(Key, Arc<Object>),
    /// An object went.
    Went(Key, Arc<Object>),
    /// A field was assigned.
    Assigned { key: Key, field: FieldName, before: Value, after: Value },
    /// A field was edited by what merges: this takes it back.
    Merged { key: Key, field: FieldName, inverse: Edit },
}

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Back.
    Undo,
    /// Forth again.
    Redo,
}

/// Looks an object up as it is shown.
pub trait Look {
    /// The object under a key.
    fn look(&self, key: &Key) -> Option<Arc<Object>>;
}

impl<F: Fn(&Key) -> Option<Arc<Object>>> Look for F {
    fn look(&self, key: &Key) -> Option<Arc<Object>> {
        self(key)
    }
}

impl History {
    /// An edit was made; `before` shows what was there before it, `after` what is there now. `way`: it is what
    /// [`next`](Self::next) gave for that, and can be taken back in its turn.
    pub fn committed(&mut self, ops: &[Op], way: Option<Direction>, before: &dyn Look, after: &dyn Look) {
        self.catch_up(ops, before);
        let step = Step::of(ops, before, after);
        self.see(&step, after);
        match way {
            Some(way) => {
                self.drop_last(way);
                push(self.stack_mut(way.back()), step);
                self.end_group();
            }
            None if step.changes.is_empty() => {}
            None => self.begun(step),
        }
    }

    fn begun(&mut self, step: Step) {
        self.redo.clear();
        match self.undo.last_mut() {
            Some(last) if self.grouping && self.grouped => last.then(step),
            _ => push(&mut self.undo, step),
        }
        self.grouped = self.grouping;
    }

    /// All edits from now on are one step, until the group is ended.
    pub fn begin_group(&mut self) {
        (self.grouping, self.grouped) = (true, false);
    }

    /// Ends the group.
    pub fn end_group(&mut self) {
        (self.grouping, self.grouped) = (false, false);
    }

    /// Whether there is a step to go.
    pub fn can(&self, direction: Direction) -> bool {
        !self.stack(direction).is_empty()
    }

    /// Whether it wants to hear of changes.
    pub fn has_texts(&self) -> bool {
        self.texts.len() > 0
    }

    /// What others are told to have done to texts, where that leads to what is shown.
    pub(crate) fn told(&mut self, moved: &[Moved], shown: &dyn Look) {
        for (place, Moved { key, field, .. }) in moved.iter().enumerate() {
            let of_this = |other: &&Moved| other.key == *key && other.field == *field;
            let Some(text) = self.texts.get(key).filter(|_| !moved[..place].iter().any(|other| of_this(&other))) else {
                continue;
            };
            let mut value = text.get(field.as_str()).cloned().unwrap_or(Value::Null);
            let all = || moved.iter().filter(of_this);
            let leads = all().all(|moved| moved.splices.apply_to(&mut value).is_ok());
            if leads && shown.look(key).is_some_and(|now| now.get(field.as_str()) == Some(&value)) {
                all().for_each(|moved| self.spliced(key, field, &moved.splices));
            }
        }
    }

    /// Others have edited a text, as it is shown, by these splices.
    pub fn spliced(&mut self, key: &Key, field: &FieldName, splices: &Splices) {
        let Some(text) = self.texts.get(key).filter(|text| splices.apply(text.get(field.as_str())).is_ok()) else {
            return;
        };
        let mut seen = Some(Entry::Live(text.clone()));
        if let Some(op) = update(key, field, Edit::Splice(splices.clone())) {
            apply(&mut seen, &op, &Write::pending(ClientId(0), Seq::FIRST, Millis(0)));
        }
        if let Some(seen) = seen.as_ref().and_then(Entry::live) {
            self.texts.insert(key.clone(), seen.clone());
        }
        self.moved(key, field, splices);
    }

    /// What is shown under a key may be something else now, by whoever. What nobody has told of the texts there is seen
    /// by their difference.
    pub fn changed(&mut self, key: &Key, now: Option<&Arc<Object>>) {
        let Some(before) = self.texts.get(key).cloned() else { return };
        let Some(now) = now.filter(|now| !Arc::ptr_eq(now, &before)) else { return };
        self.texts.insert(key.clone(), now.clone());
        for (field, was) in before.values() {
            let is = now.get(field.as_str()).filter(|is| matches!(is, Value::Text(_) | Value::Bytes(_)));
            let differs = is.is_some() && is != Some(was);
            if differs && let Some(done) = Splices::between(Some(was), is) {
                self.moved(key, field, &done);
            }
        }
    }

    /// Sees what was shown just before an edit.
    fn catch_up(&mut self, ops: &[Op], before: &dyn Look) {
        if self.has_texts() {
            ops.iter().for_each(|op| self.changed(&op.key, before.look(&op.key).as_ref()));
        }
    }

    /// Remembers the texts that a step edits as they are after it.
    fn see(&mut self, step: &Step, after: &dyn Look) {
        for change in &step.changes {
            let is_text = matches!(change, Change::Merged { inverse: Edit::Splice(_), .. });
            if is_text || self.texts.get(change.key()).is_some() {
                match after.look(change.key()) {
                    Some(object) => self.texts.insert(change.key().clone(), object),
                    None => self.texts.remove(change.key()),
                };
            }
        }
        if self.texts.len() > limits::UNDO_STEPS {
            self.texts = Tables::default();
        }
    }

    /// The edit that takes the last step back, or makes it again. A step that others have changed all of is passed over.
    /// `None`: there is none.
    ///
    /// The step stays until the edit is [committed](Self::committed).
    pub fn next(&mut self, way: Direction, forced: bool, shown: &dyn Look) -> Option<NewEdit> {
        loop {
            let edit = self.stack(way).last()?.inverse(forced, shown);
            if !edit.ops.is_empty() {
                return Some(edit);
            }
            self.drop_last(way);
        }
    }

    /// A step is done with. What others have done to texts after it, they have done after the one below.
    fn drop_last(&mut self, way: Direction) {
        let stack = self.stack_mut(way);
        let (Some(step), Some(below)) = (stack.pop(), stack.last_mut()) else { return };
        for (key, field, since) in &step.since {
            below.moved(key.clone(), field.clone(), step.without(key, field, since));
        }
    }

    fn moved(&mut self, key: &Key, field: &FieldName, splices: &Splices) {
        for stack in [&mut self.undo, &mut self.redo] {
            if let Some(last) = stack.last_mut() {
                last.moved(key.clone(), field.clone(), splices.clone());
            }
        }
    }

    fn stack(&self, direction: Direction) -> &Vec<Step> {
        match direction {
            Direction::Undo => &self.undo,
            Direction::Redo => &self.redo,
        }
    }

    fn stack_mut(&mut self, direction: Direction) -> &mut Vec<Step> {
        match direction {
            Direction::Undo => &mut self.undo,
            Direction::Redo => &mut self.redo,
        }
    }
}

impl Direction {
    fn back(self) -> Self {
        match self {
            Self::Undo => Self::Redo,
            Self::Redo => Self::Undo,
        }
    }
}

fn push(stack: &mut Vec<Step>, step: Step) {
    stack.push(step);
    if stack.len() > limits::UNDO_STEPS {
        stack.remove(0);
    }
}

impl Step {
    fn of(ops: &[Op], before: &dyn Look, after: &dyn Look) -> Self {
        let mut by_key: Vec<&Op> = ops.iter().collect();
        by_key.sort_by(|a, b| a.key.cmp(&b.key));
        let mut step = Self::default();
        for op in ops {
            let key = &op.key;
            let own = &by_key[by_key.partition_point(|other| other.key < *key)..];
            // The changes of an object stand where its first op does.
            if !std::ptr::eq(own[0], op) {
                continue;
            }
            let own = &own[..own.partition_point(|other| other.key == *key)];
            match (before.look(key), after.look(key)) {
                (None, Some(object)) => step.changes.push(Change::Came(key.clone(), object)),
                (Some(object), None) => step.changes.push(Change::Went(key.clone(), object)),
                (Some(before), Some(after)) => step.changed(key, own, &before, &after),
                (None, None) => {}
            }
        }
        step
    }

    /// An edit has changed an object that is there before and after.
    fn changed(&mut self, key: &Key, ops: &[&Op], before: &Object, after: &Object) {
        // An edit takes no field away.
        for (name, Field { value: is, .. }) in after.fields() {
            let was = before.get(name.as_str());
            let merged = only_edit(ops, name).and_then(|edit| inverse(was, edit));
            let (key, field) = (key.clone(), name.clone());
            match merged {
                Some(inverse) => self.changes.push(Change::Merged { key, field, inverse }),
                None if was == Some(is) => {}
                None => {
                    let before = was.cloned().unwrap_or(Value::Null);
                    self.changes.push(Change::Assigned { key, field, before, after: is.clone() });
                }
            }
        }
    }

    /// A later edit joins this step.
    fn then(&mut self, later: Self) {
        for change in &later.changes {
            if let Change::Merged { key, field, inverse: Edit::Splice(inverse) } = change {
                self.join_splices(key, field, inverse);
            }
        }
        let joined = |change: &Change| match change {
            Change::Merged { key, field, inverse: Edit::Splice(_) } => {
                !self.changes.iter().any(|own| own.is_of(key, field))
            }
            _ => true,
        };
        let new: Vec<Change> = later.changes.into_iter().filter(joined).collect();
        self.changes.extend(new);
    }

    /// What takes back an edit of a text goes before what takes back the earlier ones.
    fn join_splices(&mut self, key: &Key, field: &FieldName, later: &Splices) {
        let since = self.since.iter().position(|(other, name, _)| other == key && name == field);
        let since = since.map(|place| self.since.remove(place).2);
        for change in self.changes.iter_mut().filter(|change| change.is_of(key, field)) {
            if let Change::Merged { inverse: Edit::Splice(own), .. } = change
                && let Some(moved) = past(own, since.as_ref())
                && let Ok(both) = later.then_own(&moved)
            {
                *own = both;
            }
        }
    }

    /// What others have done to a text after this step, as it is once the step is taken back.
    fn without(&self, key: &Key, field: &FieldName, since: &Splices) -> Splices {
        let own = self.changes.iter().find_map(|change| match change {
            Change::Merged { inverse: Edit::Splice(own), .. } if change.is_of(key, field) => Some(own),
            _ => None,
        });
        own.and_then(|own| Some(Splices::meet(since, own).ok()?.0)).unwrap_or_else(|| since.clone())
    }

    fn moved(&mut self, key: Key, field: FieldName, splices: Splices) {
        match self.since.iter_mut().find(|(other, name, _)| *other == key && *name == field) {
            Some((.., since)) => {
                if let Ok(both) = since.then(&splices) {
                    *since = both;
                }
            }
            None => self.since.push((key, field, splices)),
        }
    }

    /// The edit that takes it back, later changes first; those of one object are one op where that can be. What was a
    /// draft is to be one again.
    fn inverse(&self, forced: bool, shown: &dyn Look) -> NewEdit {
        let [mut drafts, mut others] = [Vec::new(), Vec::new()];
        let mut there: FxHashMap<Key, Option<Entry>> = FxHashMap::default();
        for change in self.changes.iter().rev() {
            let key = change.key();
            let entry = there.entry(key.clone()).or_insert_with(|| shown.look(key).map(Entry::Live));
            let live = entry.as_ref().and_then(Entry::live).map(AsRef::as_ref);
            if let Some(op) = self.take_back(change, forced, live) {
                apply(entry, &op, &Write::pending(ClientId(0), Seq::FIRST, Millis(0)));
                let is_draft = matches!(change, Change::Went(_, gone) if gone.is_draft());
                join(if is_draft { &mut drafts } else { &mut others }, op);
            }
        }
        let count = drafts.len();
        drafts.append(&mut others);
        NewEdit { drafts: count, ..NewEdit::from(drafts) }
    }

    fn take_back(&self, change: &Change, forced: bool, there: Option<&Object>) -> Option<Op> {
        match change {
            Change::Came(key, made) => {
                // An insert that met what somebody else had made has made nothing.
                let same = there.filter(|there| !there.was_there())?.has_fields_of(made);
                (same || forced).then(|| op(key, Action::Delete))
            }
            Change::Went(key, gone) => there.is_none().then(|| op(key, gone.insert())),
            Change::Assigned { key, field, before, after } => {
                let same = there?.get(field.as_str()).unwrap_or(&Value::Null) == after;
                (same || forced).then(|| update(key, field, Edit::Set(before.clone())))?
            }
            Change::Merged { key, field, inverse } => {
                let value = there?.get(field.as_str());
                let inverse = self.inverse_now(key, field, inverse)?;
                crate::edit::check(value, &inverse).ok()?;
                update(key, field, inverse)
            }
        }
    }

    fn inverse_now(&self, key: &Key, field: &FieldName, inverse: &Edit) -> Option<Edit> {
        let Edit::Splice(splices) = inverse else { return Some(inverse.clone()) };
        let since = self.since.iter().find(|(other, name, _)| other == key && name == field);
        let moved = past(splices, since.map(|(.., since)| since))?;
        (!moved.is_empty()).then_some(Edit::Splice(moved))
    }
}

/// Takes an op to the others, into the one before it on the same object where the two are one.
fn join(ops: &mut Vec<Op>, op: Op) {
    if let Some(last) = ops.iter_mut().rev().find(|last| last.key == op.key)
        && let Together::One(action) = last.action.then(&op.action)
    {
        last.action = action;
        return;
    }
    ops.push(op);
}

impl Change {
    fn key(&self) -> &Key {
        match self {
            Self::Came(key, _) | Self::Went(key, _) | Self::Assigned { key, .. } | Self::Merged { key, .. } => key,
        }
    }

    fn is_of(&self, key: &Key, field: &FieldName) -> bool {
        matches!(self, Self::Merged { key: other, field: name, inverse: Edit::Splice(_) } if other == key && name == field)
    }
}

fn past(splices: &Splices, since: Option<&Splices>) -> Option<Splices> {
    match since {
        Some(since) => Some(Splices::meet(since, splices).ok()?.1),
        None => Some(splices.clone()),
    }
}

/// The edit of a field, where ops on one object edit it once and do not assign it.
fn only_edit<'o>(ops: &[&'o Op], name: &FieldName) -> Option<&'o Edit> {
    let mut found = None;
    for op in ops {
        let Action::Update(edits) = &op.action else { return None };
        if let Some(edit) = edits.get(name.as_str())
            && found.replace(edit).is_some()
        {
            return None;
        }
    }
    found
}

/// What takes back an edit that merges.
fn inverse(before: Option<&Value>, edit: &Edit) -> Option<Edit> {
    Some(match edit {
        Edit::Inc(amount) => Edit::Inc(negative(amount)?),
        Edit::Splice(splices) => Edit::Splice(splices.inverse(before).ok()?),
        Edit::Members(members) => {
            let before = if let Some(Value::List(list)) = before { &**list } else { &[] };
            let (added, removed) = (Among::new(&members.add), Among::new(&members.remove));
            let mut inverse = Members::default();
            for (member, had) in members.add.iter().zip(added.first_in(before)) {
                if had.is_none() {
                    inverse.remove.push(member.clone());
                }
            }
            for (member, had) in members.remove.iter().zip(removed.first_in(before)) {
                if had.is_some() && !added.has(member) {
                    inverse.add.push(member.clone());
                }
            }
            return (!inverse.add.is_empty() || !inverse.remove.is_empty()).then_some(Edit::Members(inverse));
        }
        Edit::Set(_) | Edit::Put(_) | Edit::Ask(_) => return None,
    })
}

fn negative(amount: &Value) -> Option<Value> {
    match amount {
        Value::Int(int) => int.checked_neg().map(Value::Int),
        Value::Float(float) => Value::number(-float.get()).ok(),
        _ => None,
    }
}

fn op(key: &Key, action: Action) -> Op {
    Op { key: key.clone(), seen: None, action }
}

fn update(key: &Key, field: &FieldName, edit: Edit) -> Option<Op> {
    Some(op(key, Action::Update(FieldMap::new(vec![(field.clone(), edit)]).ok()?)))
}
