//! Ops: the small changes to objects that an event carries.

use crate::short_text::SmolStr;

use crate::limits;
use crate::name::{FieldName, Key};
use crate::numbers::Seq;
use crate::splice::Splices;
use crate::value::Value;

/// One change to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The object.
    pub key: Key,
    /// How far the author had followed this object, where that is not the event's `base`; zero: never held.
    pub seen: Option<Seq>,
    /// What is to happen to it.
    pub action: Action,
}

impl Op {
    /// What it does to texts and bytes, field by field.
    pub(crate) fn splices(&self) -> impl Iterator<Item = (&FieldName, &Splices)> {
        let edits = if let Action::Update(edits) = &self.action { edits.0.as_slice() } else { &[] };
        edits
            .iter()
            .filter_map(|(name, edit)| if let Edit::Splice(splices) = edit { Some((name, splices)) } else { None })
    }

    /// Whether it sets a field as a whole: what was typed on that before is gone. So it is where the object ends.
    pub(crate) fn sets(&self, name: &FieldName) -> bool {
        match &self.action {
            Action::Insert(set) | Action::Upsert(set) => set.get(name.as_str()).is_some(),
            Action::Update(edits) => matches!(edits.get(name.as_str()), Some(Edit::Set(_) | Edit::Put(_))),
            Action::Delete => true,
        }
    }
}

/// What an op does to its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A new object with these fields.
    Insert(FieldMap<Value>),
    /// Edits of fields of an object that exists.
    Update(FieldMap<Edit>),
    /// A new object, or assignments where it exists.
    Upsert(FieldMap<Value>),
    /// The end of the object; a tombstone stays.
    Delete,
}

/// A change to one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The field gets this value.
    Set(Value),
    /// This number is added to the field; a field that is absent or null counts as 0.
    Inc(Value),
    /// Members come into and go from the set in the field; a field that is absent or null is an empty one.
    Members(Members),
    /// Text or bytes in the field are edited; a field that is absent or null is empty.
    Splice(Splices),
    /// Values within the field are assigned, in order; maps on the way are made.
    Put(Vec<Put>),
    /// The value stands beside the one in the field as a conflict, until somebody who has seen it sets the field. Only
    /// a server writes this: it is what becomes of a concurrent `Set` where an app wants to be asked.
    Ask(Value),
}

/// Members that come into a set, and members that go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// They are in the set afterwards.
    pub add: Vec<Value>,
    /// They are not. What is in both is added.
    pub remove: Vec<Value>,
}

/// An assignment within a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Names from the field's value downwards, at least one.
    pub path: Vec<SmolStr>,
    /// What is to stand there; `None`: nothing.
    pub value: Option<Value>,
}

impl Action {
    /// The word for it, in protocol and docs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Insert(_) => "insert",
            Self::Update(_) => "update",
            Self::Upsert(_) => "upsert",
            Self::Delete => "delete",
        }
    }
}

/// Something for each of some fields, sorted by field name, each field once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMap<T>(Vec<(FieldName, T)>);

/// Why fields do not make a [`FieldMap`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldMapError {
    /// A field stands there twice.
    #[error("the field {0} is named twice in one op")]
    Twice(FieldName),
    /// There are too many.
    #[error("{0} fields in one op; the most is {most}", most = limits::OBJECT_FIELDS)]
    TooMany(usize),
}

impl<T> FieldMap<T> {
    /// Sorts and checks fields.
    ///
    /// # Errors
    /// Where a field stands there twice, or there are more than [`limits::OBJECT_FIELDS`].
    pub fn new(mut fields: Vec<(FieldName, T)>) -> Result<Self, FieldMapError> {
        if fields.len() > limits::OBJECT_FIELDS {
            return Err(FieldMapError::TooMany(fields.len()));
        }
        if !fields.is_sorted_by(|(a, _), (b, _)| a < b) {
            fields.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            if let Some(twice) = fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(FieldMapError::Twice(twice[0].0.clone()));
            }
        }
        Ok(Self(fields))
    }

    /// What stands there for `field`.
    pub fn get(&self, field: &str) -> Option<&T> {
        let place = self.0.binary_search_by(|(name, _)| name.as_str().cmp(field)).ok()?;
        Some(&self.0[place].1)
    }

    /// All of them, sorted by field name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&FieldName, &T)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The same with something else for a field, or without it.
    pub fn with(&self, field: &FieldName, thing: Option<T>) -> Self
    where
        T: Clone,
    {
        let mut fields = self.0.clone();
        match (fields.binary_search_by(|(name, _)| name.cmp(field)), thing) {
            (Ok(place), Some(thing)) => fields[place].1 = thing,
            (Ok(place), None) => drop(fields.remove(place)),
            (Err(place), Some(thing)) => fields.insert(place, (field.clone(), thing)),
            (Err(_), None) => {}
        }
        Self(fields)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for FieldMap<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
