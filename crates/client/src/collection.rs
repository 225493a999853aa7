//! A collection of objects of a stream.

use std::sync::Arc;

use tapeline_core::name::{self, Key, ObjectId};
use tapeline_core::object::Object;
use tapeline_core::op::{Action, Edit, Op};
use tapeline_core::value::Value;

use crate::batch::named;
use crate::chance;
use crate::error::EditError;
use crate::watch::{Changes, Scope};
use crate::{Receipt, Stream};

/// A collection of objects of a stream. Cheap to clone.
///
/// ```no_run
/// # async fn example(list: tapeline_client::Stream) -> Result<(), Box<dyn std::error::Error>> {
/// let tasks = list.collection("tasks")?;
/// let (id, _) = tasks.insert([("title", "Buy milk".into()), ("done", false.into())])?;
/// tasks.update(&id, [("done", true.into())])?;
/// assert_eq!(tasks.get(&id).unwrap().get("done"), Some(&true.into()));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Collection {
    stream: Stream,
    name: name::Collection,
}

impl Collection {
    pub(crate) fn new(stream: Stream, name: name::Collection) -> Self {
        Self { stream, name }
    }

    /// Its name.
    pub fn name(&self) -> &name::Collection {
        &self.name
    }

    /// The stream it is on.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// An object as it is shown.
    pub fn get(&self, id: &ObjectId) -> Option<Arc<Object>> {
        self.stream.get(&self.key(id))
    }

    /// All its objects as they are shown, sorted by id.
    pub fn all(&self) -> Vec<(ObjectId, Arc<Object>)> {
        self.stream.all(&self.name)
    }

    /// Makes a new object. Answers its id, a UUID of version 7.
    ///
    /// # Errors
    /// Where a field is not right, or the outbox is full. Nothing has changed then.
    pub fn insert(
        &self,
        fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>,
    ) -> Result<(ObjectId, Receipt), EditError> {
        let id = chance::object_id();
        let receipt = self.insert_as(&id, fields)?;
        Ok((id, receipt))
    }

    /// Makes a new object under an id of one's own.
    ///
    /// # Errors
    /// Where the object exists or a field is not right. Nothing has changed then.
    pub fn insert_as(
        &self,
        id: &ObjectId,
        fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>,
    ) -> Result<Receipt, EditError> {
        self.edit(id, Action::Insert(named(fields, |value| value)?))
    }

    /// Gives fields of an object new values.
    ///
    /// # Errors
    /// Where the object does not exist or a field is not right. Nothing has changed then.
    pub fn update(
        &self,
        id: &ObjectId,
        fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>,
    ) -> Result<Receipt, EditError> {
        self.edit(id, Action::Update(named(fields, Edit::Set)?))
    }

    /// Adds to a number. What others add at the same time is added too.
    ///
    /// # Errors
    /// Where the object does not exist or the field is no number. Nothing has changed then.
    pub fn increment(
        &self,
        id: &ObjectId,
        field: impl AsRef<str>,
        amount: impl Into<Value>,
    ) -> Result<Receipt, EditError> {
        self.edit(id, Action::Update(named([(field, amount.into())], Edit::Inc)?))
    }

    /// Makes a new object, or gives its fields new values where it exists.
    ///
    /// # Errors
    /// Where a field is not right. Nothing has changed then.
    pub fn upsert(
        &self,
        id: &ObjectId,
        fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>,
    ) -> Result<Receipt, EditError> {
        self.edit(id, Action::Upsert(named(fields, |value| value)?))
    }

    /// Removes an object.
    ///
    /// # Errors
    /// Where the object does not exist. Nothing has changed then.
    pub fn delete(&self, id: &ObjectId) -> Result<Receipt, EditError> {
        self.edit(id, Action::Delete)
    }

    /// All changes of its objects from now on.
    pub fn changes(&self) -> Changes {
        self.stream.watch(Scope::Collection(self.name.clone()))
    }

    /// All changes of one object from now on.
    pub fn object_changes(&self, id: &ObjectId) -> Changes {
        self.stream.watch(Scope::Object(self.key(id)))
    }

    /// What names an object of this collection on the stream.
    pub fn key(&self, id: &ObjectId) -> Key {
        Key { collection: self.name.clone(), id: id.clone() }
    }

    pub(crate) fn edit(&self, id: &ObjectId, action: Action) -> Result<Receipt, EditError> {
        self.stream.edit(vec![Op { key: self.key(id), seen: None, action }])
    }
}
