//! A collection of objects of a stream.

use std::sync::Arc;

use tapeline_core::name::{self, FieldName, Key, ObjectId};
use tapeline_core::object::Object;
use tapeline_core::op::{Action, Edit, FieldMap, Members, Op, Put};
use tapeline_core::splice::Splices;
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

    /// Adds members to a set and takes others out, in one edit. A list in the field is the set.
    ///
    /// # Errors
    /// Where the object does not exist or the field is no list. Nothing has changed then.
    pub fn edit_set(
        &self,
        id: &ObjectId,
        field: impl AsRef<str>,
        add: impl IntoIterator<Item = Value>,
        remove: impl IntoIterator<Item = Value>,
    ) -> Result<Receipt, EditError> {
        let members = Members { add: add.into_iter().collect(), remove: remove.into_iter().collect() };
        self.edit_field(id, field, Edit::Members(members))
    }

    /// Replaces a piece of a text: `delete` characters at `offset` go, `insert` comes. What others type at the same
    /// time is kept. Offsets count Unicode scalar values.
    ///
    /// # Errors
    /// Where the object does not exist, or the offsets are past the end of the text. Nothing has changed then.
    pub fn splice(
        &self,
        id: &ObjectId,
        field: impl AsRef<str>,
        offset: u64,
        delete: u64,
        insert: &str,
    ) -> Result<Receipt, EditError> {
        self.edit_field(id, field, Edit::Splice(Splices::text(offset, delete, insert)))
    }

    /// Several replacements in a text or in bytes at once, offsets all in the content before.
    ///
    /// # Errors
    /// Where the object does not exist, or they do not fit the content. Nothing has changed then.
    pub fn splice_all(&self, id: &ObjectId, field: impl AsRef<str>, splices: Splices) -> Result<Receipt, EditError> {
        self.edit_field(id, field, Edit::Splice(splices))
    }

    /// Assigns within a value of maps: `None` takes away what is there.
    ///
    /// # Errors
    /// Where the object does not exist. Nothing has changed then.
    pub fn put_at(
        &self,
        id: &ObjectId,
        field: impl AsRef<str>,
        path: &[&str],
        value: Option<Value>,
    ) -> Result<Receipt, EditError> {
        let path = path.iter().map(|name| (*name).into()).collect();
        self.edit_field(id, field, Edit::Put(vec![Put { path, value }]))
    }

    /// Makes a new object that stays on this device until it is [published](Self::publish). Answers its id.
    ///
    /// # Errors
    /// Where a field is not right. Nothing has changed then.
    pub fn draft(&self, fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>) -> Result<ObjectId, EditError> {
        let id = chance::object_id();
        let action = Action::Insert(named(fields, |value| value)?);
        self.stream.draft(vec![Op { key: self.key(&id), seen: None, action }])?;
        Ok(id)
    }

    /// A draft becomes an object like others, and is sent.
    ///
    /// # Errors
    /// Where there is no such draft.
    pub fn publish(&self, id: &ObjectId) -> Result<Receipt, EditError> {
        self.stream.publish(&self.key(id))
    }

    /// Settles the conflicts on a field: from now on it holds this value. The same as an update, under a name that says
    /// what it is for.
    ///
    /// # Errors
    /// Where the object does not exist. Nothing has changed then.
    pub fn resolve(&self, id: &ObjectId, field: impl AsRef<str>, value: Value) -> Result<Receipt, EditError> {
        self.edit_field(id, field, Edit::Set(value))
    }

    fn edit_field(&self, id: &ObjectId, field: impl AsRef<str>, edit: Edit) -> Result<Receipt, EditError> {
        let edits = FieldMap::new(vec![(FieldName::new(field)?, edit)])?;
        self.edit(id, Action::Update(edits))
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
