//! What an edit makes of a value, and what two edits of one field make together.
//!
//! | first, then | together |
//! |---|---|
//! | anything, `set` | the `set` |
//! | `set`, any edit | `set` of what the edit makes of the value |
//! | `inc`, `inc` | `inc` by the sum |
//! | `add`/`remove`, `add`/`remove` | each member as the later one says |
//! | `splice`, `splice` | one splice with the effect of both |
//! | `put`, `put` | both, in order |
//! | otherwise | they stay two edits |

use crate::short_text::SmolStr;

use crate::among::Among;
use crate::limits;
use crate::op::{Action, Edit, FieldMap, Members, Put};
use crate::splice::SpliceError;
use crate::value::{Entries, SumError, Value};

/// Why an edit does not fit the value it meets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The value is no number, or the sum does not fit.
    #[error(transparent)]
    Sum(#[from] SumError),
    /// The value is no set.
    #[error("only a list can be edited as a set; set the field to a list first")]
    NotASet,
    /// The text or bytes cannot be edited like this.
    #[error(transparent)]
    Splice(#[from] SpliceError),
    /// The value would be too large.
    #[error("the field would have {0} bytes; the most is {most}", most = limits::FIELD_BYTES)]
    TooLarge(usize),
    /// The value would nest too deep.
    #[error("a value nests deeper than {most} levels", most = limits::VALUE_DEPTH)]
    TooDeep,
}

/// What a field holds after an edit. Absent and null count as 0, as an empty set, or as empty text.
///
/// # Errors
/// Where the edit does not fit what the field holds.
pub fn edited(value: Option<&Value>, edit: &Edit) -> Result<Value, Misfit> {
    let value = value.filter(|value| **value != Value::Null);
    match edit {
        Edit::Set(value) => Ok(value.clone()),
        Edit::Ask(_) => Ok(value.cloned().unwrap_or(Value::Null)),
        Edit::Inc(amount) => Ok(value.unwrap_or(&Value::Int(0)).sum(amount)?),
        Edit::Members(members) => with_members(value, members),
        Edit::Splice(splices) => Ok(splices.apply(value)?),
        Edit::Put(puts) => Ok(puts.iter().fold(value.cloned(), |value, put| put_at(value, &put.path, &put.value)))
            .map(|value| value.unwrap_or(Value::Null)),
    }
}

/// Checks what an edit makes of a value: that it fits, and is neither too large nor too deep.
///
/// # Errors
/// Where it does not fit, or breaks a limit.
pub fn check(value: Option<&Value>, edit: &Edit) -> Result<(), Misfit> {
    if let Edit::Set(value) | Edit::Ask(value) = edit {
        return if value.nests_within(limits::VALUE_DEPTH) { Ok(()) } else { Err(Misfit::TooDeep) };
    }
    if let Edit::Splice(splices) = edit {
        return match splices.check(value)? {
            bytes if bytes <= limits::FIELD_BYTES => Ok(()),
            // Roughly too large: what goes makes room.
            _ => match splices.apply(value)?.estimated_bytes() {
                bytes if bytes > limits::FIELD_BYTES => Err(Misfit::TooLarge(bytes)),
                _ => Ok(()),
            },
        };
    }
    let value = edited(value, edit)?;
    let grows = !matches!(edit, Edit::Inc(_));
    match value.estimated_bytes() {
        bytes if grows && bytes > limits::FIELD_BYTES => Err(Misfit::TooLarge(bytes)),
        _ if grows && !value.nests_within(limits::VALUE_DEPTH) => Err(Misfit::TooDeep),
        _ => Ok(()),
    }
}

fn with_members(value: Option<&Value>, members: &Members) -> Result<Value, Misfit> {
    let mut list = match value {
        None => Vec::new(),
        Some(Value::List(list)) => list.to_vec(),
        Some(_) => return Err(Misfit::NotASet),
    };
    let edit = SetEdit::new(members);
    list.retain(|member| edit.leaves(member));
    edit.add_to(&mut list);
    Ok(Value::List(list.into()))
}

/// An edit of a set.
pub(crate) struct SetEdit<'a> {
    add: Among<'a>,
    remove: Among<'a>,
}

impl<'a> SetEdit<'a> {
    pub(crate) fn new(members: &'a Members) -> Self {
        Self { add: Among::new(&members.add), remove: Among::new(&members.remove) }
    }

    /// Whether a member that is there stays.
    pub(crate) fn leaves(&self, member: &Value) -> bool {
        !self.remove.has(member) || self.add.has(member)
    }

    /// Puts what is added behind what is there. Answers where each stood already.
    pub(crate) fn add_to(&self, list: &mut Vec<Value>) -> Vec<Option<usize>> {
        let there = self.add.first_in(list);
        for (at, member) in self.add.values().iter().enumerate() {
            if there[at].is_none() && self.add.place(member) == Some(at) {
                list.push(member.clone());
            }
        }
        there
    }
}

/// A value with something else at a path. What stands in the way and is no map goes.
fn put_at(value: Option<Value>, path: &[SmolStr], new: &Option<Value>) -> Option<Value> {
    let Some((name, rest)) = path.split_first() else { return new.clone() };
    let entries = match value {
        Some(Value::Map(entries)) => entries,
        _ if new.is_none() => return value,
        _ => Entries::default(),
    };
    let below = put_at(entries.get(name).cloned(), rest, new);
    let others = entries.iter().filter(|(other, _)| *other != name);
    let mut entries: Vec<_> = others.map(|(name, value)| (name.clone(), value.clone())).collect();
    entries.extend(below.map(|value| (name.clone(), value)));
    Some(Value::Map(Entries::new(entries).unwrap_or_default()))
}

impl Edit {
    /// One edit with the effect of this one and then a later one; `None` where there is none.
    pub fn then(&self, later: &Self) -> Option<Self> {
        Some(match (self, later) {
            (_, Self::Set(_)) => later.clone(),
            (Self::Set(value), _) => Self::Set(edited(Some(value), later).ok()?),
            (Self::Inc(a), Self::Inc(b)) => Self::Inc(a.sum(b).ok()?),
            (Self::Members(a), Self::Members(b)) => Self::Members(a.then(b)?),
            (Self::Splice(a), Self::Splice(b)) => Self::Splice(a.then_own(b).ok()?),
            (Self::Put(a), Self::Put(b)) if a.len() + b.len() <= limits::EDIT_PARTS => {
                Self::Put(a.iter().chain(b).cloned().collect::<Vec<Put>>())
            }
            _ => return None,
        })
    }
}

impl Members {
    fn then(&self, later: &Self) -> Option<Self> {
        let (first, last) = (SetEdit::new(self), SetEdit::new(later));
        let mut add: Vec<Value> = self.add.iter().filter(|member| last.leaves(member)).cloned().collect();
        add.extend(later.add.iter().filter(|member| !first.add.has(member)).cloned());
        let mut remove: Vec<Value> = self.remove.iter().filter(|member| !last.add.has(member)).cloned().collect();
        remove.extend(later.remove.iter().filter(|member| !first.remove.has(member)).cloned());
        (add.len() + remove.len() <= limits::EDIT_PARTS).then_some(Self { add, remove })
    }
}

/// What two actions on one object are together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Together {
    /// One action.
    One(Action),
    /// Nothing: the object came and went.
    Nothing,
    /// They stay two.
    Two,
}

impl Action {
    /// What this action and then a later one on the same object are together.
    pub fn then(&self, later: &Self) -> Together {
        let together = match (self, later) {
            (Self::Insert(_), Self::Delete) => return Together::Nothing,
            (Self::Update(_) | Self::Upsert(_), Self::Delete) => Some(Self::Delete),
            (Self::Update(edits), Self::Update(more)) => then_edits(edits, more).map(Self::Update),
            (Self::Insert(set), Self::Update(edits)) => then_set(set, edits).map(Self::Insert),
            (Self::Upsert(set), Self::Update(edits)) if all_set(edits) => then_set(set, edits).map(Self::Upsert),
            (Self::Insert(set), Self::Upsert(more)) => then_set(set, &as_sets(more)).map(Self::Insert),
            (Self::Upsert(set), Self::Upsert(more)) => then_set(set, &as_sets(more)).map(Self::Upsert),
            _ => None,
        };
        together.map_or(Together::Two, Together::One)
    }
}

fn then_edits(edits: &FieldMap<Edit>, more: &FieldMap<Edit>) -> Option<FieldMap<Edit>> {
    merged(edits, more, |edit, later| edit.then(later), Edit::clone)
}

fn then_set(set: &FieldMap<Value>, edits: &FieldMap<Edit>) -> Option<FieldMap<Value>> {
    let made = merged(
        set,
        edits,
        |value, edit| edited(Some(value), edit).ok(),
        |edit| match edit {
            Edit::Set(value) => value.clone(),
            edit => edited(None, edit).unwrap_or(Value::Null),
        },
    );
    made.filter(|made| made.iter().all(|(_, value)| value.nests_within(limits::VALUE_DEPTH)))
}

fn all_set(edits: &FieldMap<Edit>) -> bool {
    edits.iter().all(|(_, edit)| matches!(edit, Edit::Set(_)))
}

fn as_sets(set: &FieldMap<Value>) -> FieldMap<Edit> {
    let edits = set.iter().map(|(name, value)| (name.clone(), Edit::Set(value.clone())));
    FieldMap::new(edits.collect()).unwrap_or_default()
}

/// What stands for each field of either, both where both name it.
fn merged<A: Clone, B>(
    first: &FieldMap<A>,
    later: &FieldMap<B>,
    both: impl Fn(&A, &B) -> Option<A>,
    alone: impl Fn(&B) -> A,
) -> Option<FieldMap<A>> {
    let mut fields = Vec::with_capacity(first.len() + later.len());
    for (name, thing) in first.iter() {
        let together = match later.get(name.as_str()) {
            Some(more) => both(thing, more)?,
            None => thing.clone(),
        };
        fields.push((name.clone(), together));
    }
    let new = later.iter().filter(|(name, _)| first.get(name.as_str()).is_none());
    fields.extend(new.map(|(name, thing)| (name.clone(), alone(thing))));
    FieldMap::new(fields).ok()
}
