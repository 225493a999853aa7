//! Absolute to relative: the smallest ops that turn the objects of a collection into those that are wanted.
//!
//! Whoever knows only how things should be (a file, another system's table) gets edits that touch nothing else, so that
//! what others change meanwhile stays, and a second time nothing is to be done.
//!
//! Fields cannot be removed: one that is wanted no more becomes null, and null counts as absent here.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use crate::codec::cbor;
use crate::event::Body;
use crate::limits;
use crate::name::{Collection, FieldName, Key, ObjectId};
use crate::object::Object;
use crate::op::{Action, Edit, FieldMap, FieldMapError, Op};
use crate::value::Value;

/// What becomes of objects that are there and not among the wanted ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They are deleted.
    Delete,
    /// They stay.
    Keep,
}

/// Bytes of ops for which an event has room.
const OPS_BYTES: usize = limits::EVENT_BYTES - limits::EVENT_HEAD_BYTES;

/// The objects of a collection as they are wanted.
pub type Rows = Vec<(ObjectId, FieldMap<Value>)>;

/// Ops that turn what is there into what is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The ops: inserts and updates in the order in which the objects are wanted, then deletes by id.
    pub ops: Vec<Op>,
    /// How many of the wanted objects are there as wanted.
    pub unchanged: usize,
}

/// Why there is no difference to what is wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DifferenceError {
    /// An id stands there for two objects.
    #[error("{0} is wanted twice: give each object an id of its own")]
    Twice(Key),
    /// An object would have too many fields.
    #[error("{key}: {error}; fields that are wanted no more count, as they become null")]
    Fields {
        /// The object.
        key: Key,
        /// What is wrong.
        error: FieldMapError,
    },
    /// One op is too large to travel.
    #[error("{key} takes {bytes} bytes at once; the most is {most}: give it less", most = OPS_BYTES)]
    TooLarge {
        /// Its object.
        key: Key,
        /// The op, encoded.
        bytes: usize,
    },
}

/// How a text is edited to become another: as splices, or whole.
pub type EditText<'f> = &'f dyn Fn(&str, &str) -> Edit;

impl Difference {
    /// Compares what is there with what is wanted. `edit_text` is asked where a long text becomes another.
    ///
    /// # Errors
    /// Where an id stands there twice, or an object would have too many fields.
    pub fn new<'a>(
        collection: &Collection,
        there: impl IntoIterator<Item = (&'a ObjectId, &'a Object)>,
        wanted: Rows,
        others: Others,
        edit_text: EditText<'_>,
    ) -> Result<Self, DifferenceError> {
        let mut there: BTreeMap<&ObjectId, &Object> = there.into_iter().collect();
        let key = |id: &ObjectId| Key { collection: collection.clone(), id: id.clone() };
        let mut met = FxHashSet::default();
        let mut difference = Self::default();
        for (id, fields) in wanted {
            let key = key(&id);
            let object = there.remove(&id);
            if !met.insert(id) {
                return Err(DifferenceError::Twice(key));
            }
            match change(object, &fields, edit_text) {
                Ok(Some(action)) => difference.ops.push(Op { key, seen: None, action }),
                Ok(None) => difference.unchanged += 1,
                Err(error) => return Err(DifferenceError::Fields { key, error }),
            }
        }
        if others == Others::Delete {
            difference.ops.extend(there.keys().map(|id| Op { key: key(id), seen: None, action: Action::Delete }));
        }
        Ok(difference)
    }

    /// Whether all is as wanted.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// How many objects are new.
    pub fn inserted(&self) -> usize {
        self.count(|action| matches!(action, Action::Insert(_)))
    }

    /// How many objects have other fields.
    pub fn updated(&self) -> usize {
        self.count(|action| matches!(action, Action::Update(_)))
    }

    /// How many objects are wanted no more.
    pub fn deleted(&self) -> usize {
        self.count(|action| matches!(action, Action::Delete))
    }

    /// The ops of as few events as hold them: each within the limits of one.
    ///
    /// # Errors
    /// Where a single op is larger than an event may be.
    pub fn into_events(self) -> Result<Vec<Vec<Op>>, DifferenceError> {
        let mut events = vec![Vec::new()];
        let mut bytes = 0;
        for op in self.ops {
            let size = size(&op)?;
            let event = events.last_mut().expect("there is one from the beginning");
            if event.len() < limits::EVENT_OPS && bytes + size <= OPS_BYTES {
                event.push(op);
                bytes += size;
            } else {
                events.push(vec![op]);
                bytes = size;
            }
        }
        events.retain(|ops| !ops.is_empty());
        Ok(events)
    }

    fn count(&self, is: impl Fn(&Action) -> bool) -> usize {
        self.ops.iter().filter(|op| is(&op.action)).count()
    }
}

/// What an object needs to become as wanted, if anything.
fn change(
    object: Option<&Object>,
    wanted: &FieldMap<Value>,
    edit_text: EditText<'_>,
) -> Result<Option<Action>, FieldMapError> {
    let Some(object) = object else {
        let fields = wanted.iter().filter(|(_, value)| **value != Value::Null);
        let fields = fields.map(|(name, value)| (name.clone(), value.clone()));
        return Ok(Some(Action::Insert(FieldMap::new(fields.collect())?)));
    };
    let named = wanted.iter().filter_map(|(name, after)| {
        let edit = edit(object.get(name.as_str()).unwrap_or(&Value::Null), after, edit_text)?;
        Some((name.clone(), edit))
    });
    let unnamed = object.fields().filter(|(name, _)| wanted.get(name.as_str()).is_none());
    let removed = unnamed.filter(|(_, field)| *field.value != Value::Null);
    let edits: Vec<(FieldName, Edit)> =
        named.chain(removed.map(|(name, _)| (name.clone(), Edit::Set(Value::Null)))).collect();
    if edits.is_empty() { Ok(None) } else { FieldMap::new(edits).map(Action::Update).map(Some) }
}

fn edit(before: &Value, after: &Value, edit_text: EditText<'_>) -> Option<Edit> {
    match (before, after) {
        _ if before == after => None,
        (Value::Text(before), Value::Text(after)) if before.len().min(after.len()) >= limits::SPLICED_TEXT_BYTES => {
            Some(edit_text(before, after))
        }
        _ => Some(Edit::Set(after.clone())),
    }
}

/// At most so many bytes of an event, in which each op comes with a whole body around it.
fn size(op: &Op) -> Result<usize, DifferenceError> {
    let bytes = cbor::encode_body(&Body { ops: vec![op.clone()], ..Body::default() }).len();
    if bytes > OPS_BYTES { Err(DifferenceError::TooLarge { key: op.key.clone(), bytes }) } else { Ok(bytes) }
}
