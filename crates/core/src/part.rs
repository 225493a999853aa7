//! The parts of an update as both codecs spell them: each kind of edit is a part with a value for each field.
//!
//! | part | value of a field |
//! |---|---|
//! | `set`, `ask` | the value |
//! | `inc` | the number |
//! | `add`, `remove` | a list of members |
//! | `splice` | `[[offset, delete, insert], …]` |
//! | `put` | `[[path, value], …]`, without a value where nothing is to stand there |

use std::borrow::Cow;

use crate::short_text::SmolStr;

use crate::limits;
use crate::name::FieldName;
use crate::op::{Action, Edit, Members, Put};
use crate::splice::Splices;
use crate::value::Value;

/// A part of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Set,
    Inc,
    Add,
    Remove,
    Splice,
    Put,
    Ask,
}

impl Part {
    /// All parts, in the order in which they are written; the place of each is its key in CBOR.
    pub(crate) const ALL: [Self; 7] =
        [Self::Set, Self::Inc, Self::Add, Self::Remove, Self::Splice, Self::Put, Self::Ask];

    /// Its key in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Inc => "inc",
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Splice => "splice",
            Self::Put => "put",
            Self::Ask => "ask",
        }
    }

    /// Whether an edit says something in this part.
    pub(crate) fn is_in(self, edit: &Edit) -> bool {
        match edit {
            Edit::Set(_) => self == Self::Set,
            Edit::Inc(_) => self == Self::Inc,
            Edit::Members(members) => match self {
                Self::Add => !members.add.is_empty(),
                Self::Remove => !members.remove.is_empty(),
                _ => false,
            },
            Edit::Splice(_) => self == Self::Splice,
            Edit::Put(_) => self == Self::Put,
            Edit::Ask(_) => self == Self::Ask,
        }
    }

    /// What an edit says in this part, where it says something.
    pub(crate) fn of(self, edit: &Edit) -> Option<Cow<'_, Value>> {
        match (self, edit) {
            (Self::Set, Edit::Set(value)) | (Self::Inc, Edit::Inc(value)) | (Self::Ask, Edit::Ask(value)) => {
                Some(Cow::Borrowed(value))
            }
            (Self::Add, Edit::Members(Members { add: members, .. }))
            | (Self::Remove, Edit::Members(Members { remove: members, .. }))
                if !members.is_empty() =>
            {
                Some(Cow::Owned(Value::List(members.as_slice().into())))
            }
            (Self::Splice, Edit::Splice(splices)) => Some(Cow::Owned(splices.to_value())),
            (Self::Put, Edit::Put(puts)) => Some(Cow::Owned(Value::List(puts.iter().map(put_to_value).collect()))),
            _ => None,
        }
    }

    /// Takes what this part says of a field to the other edits of the op.
    ///
    /// # Errors
    /// Where the value is none of this part's.
    pub(crate) fn add_to(
        self,
        edits: &mut Vec<(FieldName, Edit)>,
        field: FieldName,
        value: Value,
    ) -> Result<(), &'static str> {
        let edit = match self {
            Self::Set => Edit::Set(value),
            Self::Inc => Edit::Inc(value),
            Self::Ask => Edit::Ask(value),
            Self::Add => Edit::Members(Members { add: members(value)?, remove: Vec::new() }),
            Self::Remove => {
                let remove = members(value)?;
                if let Some((_, Edit::Members(members))) = edits.iter_mut().find(|(name, _)| *name == field) {
                    members.remove = remove;
                    return Ok(());
                }
                Edit::Members(Members { add: Vec::new(), remove })
            }
            Self::Splice => Edit::Splice(Splices::from_value(&value)?),
            Self::Put => {
                let mut puts = Vec::new();
                for put in list(&value)? {
                    puts.push(put_from_value(put)?);
                }
                Edit::Put(puts)
            }
        };
        edits.push((field, edit));
        Ok(())
    }
}

fn members(value: Value) -> Result<Vec<Value>, &'static str> {
    Ok(list(&value)?.to_vec())
}

fn list(value: &Value) -> Result<&[Value], &'static str> {
    match value {
        Value::List(items) if items.len() > limits::EDIT_PARTS => Err("too many parts in one edit: make several edits"),
        Value::List(items) => Ok(items),
        _ => Err("this part names a list for each field"),
    }
}

fn put_to_value(put: &Put) -> Value {
    let path = Value::List(put.path.iter().map(Value::text).collect());
    Value::List(std::iter::once(path).chain(put.value.clone()).collect())
}

fn put_from_value(value: &Value) -> Result<Put, &'static str> {
    let (path, value) = match value {
        Value::List(items) => match &**items {
            [Value::List(path)] => (path, None),
            [Value::List(path), value] => (path, Some(value.clone())),
            _ => return Err(A_PUT),
        },
        _ => return Err(A_PUT),
    };
    let mut names: Vec<SmolStr> = Vec::new();
    for name in path.iter() {
        names.push(SmolStr::new(name.as_text().ok_or(A_PUT)?));
    }
    match (1..=limits::VALUE_DEPTH).contains(&names.len()) {
        true => Ok(Put { path: names, value }),
        false => Err(A_PUT),
    }
}

const A_PUT: &str = "an assignment within a value is [[name, …], value], or [[name, …]] to take it away";

/// Whether an action could be recorded as another, or a part of it be lost as that: the same fields or fewer, with the
/// same values, as far as they are not moved or merged.
pub(crate) fn could_become(authored: &Action, recorded: &Action) -> bool {
    match (authored, recorded) {
        (Action::Insert(a) | Action::Upsert(a), Action::Insert(b) | Action::Upsert(b)) => {
            b.iter().all(|(name, value)| a.get(name.as_str()) == Some(value))
        }
        (Action::Insert(a) | Action::Upsert(a), Action::Update(b)) => b.iter().all(|(name, edit)| {
            matches!((a.get(name.as_str()), edit), (Some(value), Edit::Set(same) | Edit::Ask(same)) if value == same)
        }),
        (Action::Update(a), Action::Update(b)) => b.iter().all(|(name, edit)| match (a.get(name.as_str()), edit) {
            (Some(Edit::Set(value)), Edit::Ask(same)) => value == same,
            (Some(Edit::Splice(_)), Edit::Splice(_))
            | (Some(Edit::Members(_)), Edit::Members(_))
            | (Some(Edit::Put(_)), Edit::Ask(_)) => true,
            (Some(same), edit) => same == edit,
            (None, _) => false,
        }),
        (a, b) => a == b,
    }
}
