//! An edit in the making.

use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::value::Value;

use crate::error::EditError;
use crate::{Receipt, Stream};

/// Several ops that take effect together or not at all: see [`Stream::batch`].
#[derive(Debug)]
#[must_use = "nothing is edited before `commit`"]
pub struct Batch<'a> {
    stream: &'a Stream,
    /// The ops so far, or the first thing that was wrong with one.
    ops: Result<Vec<Op>, EditError>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(stream: &'a Stream) -> Self {
        Self { stream, ops: Ok(Vec::new()) }
    }

    /// Makes a new object.
    pub fn insert(
        self,
        collection: impl AsRef<str>,
        id: &ObjectId,
        fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>,
    ) -> Self {
        self.op(collection, id, || Ok(Action::Insert(named(fields, |value| value)?)))
    }

    /// Gives fields of an object new values.
    pub fn update(
        self,
        collection: impl AsRef<str>,
        id: &ObjectId,
        fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>,
    ) -> Self {
        self.op(collection, id, || Ok(Action::Update(named(fields, Edit::Set)?)))
    }

    /// Adds to a number. What others add at the same time is added too.
    pub fn increment(
        self,
        collection: impl AsRef<str>,
        id: &ObjectId,
        field: impl AsRef<str>,
        amount: impl Into<Value>,
    ) -> Self {
        self.op(collection, id, || Ok(Action::Update(named([(field, amount.into())], Edit::Inc)?)))
    }

    /// Makes a new object, or gives its fields new values where it exists.
    pub fn upsert(
        self,
        collection: impl AsRef<str>,
        id: &ObjectId,
        fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>,
    ) -> Self {
        self.op(collection, id, || Ok(Action::Upsert(named(fields, |value| value)?)))
    }

    /// Removes an object.
    pub fn delete(self, collection: impl AsRef<str>, id: &ObjectId) -> Self {
        self.op(collection, id, || Ok(Action::Delete))
    }

    /// Makes the edit. It shows at once.
    ///
    /// # Errors
    /// Where an op is not right, or does not fit what is shown. Nothing has changed then.
    pub fn commit(self) -> Result<Receipt, EditError> {
        self.stream.edit(self.ops?)
    }

    fn op(
        mut self,
        collection: impl AsRef<str>,
        id: &ObjectId,
        action: impl FnOnce() -> Result<Action, EditError>,
    ) -> Self {
        self.ops = self.ops.and_then(|mut ops| {
            let key = Key { collection: Collection::new(collection)?, id: id.clone() };
            ops.push(Op { key, seen: None, action: action()? });
            Ok(ops)
        });
        self
    }
}

pub(crate) fn named<T>(
    fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>,
    wrap: impl Fn(Value) -> T,
) -> Result<FieldMap<T>, EditError> {
    let fields = fields.into_iter().map(|(name, value)| Ok((FieldName::new(name)?, wrap(value))));
    Ok(FieldMap::new(fields.collect::<Result<_, EditError>>()?)?)
}
