//! Objects as values of the program's own types.

use std::marker::PhantomData;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tapeline_core::name::ObjectId;
use tapeline_core::op::{Action, Edit};
use tapeline_core::value::Value;

use crate::batch::named;
use crate::error::{EditError, ShapeError};
use crate::{Collection, Receipt, chance, shape};

/// A collection whose objects are values of a type. What else a [`Collection`] can do, it can do too.
///
/// ```no_run
/// # async fn example(list: tapeline_client::Stream) -> Result<(), Box<dyn std::error::Error>> {
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Task {
///     title: String,
///     done: bool,
/// }
///
/// let tasks = list.typed::<Task>("tasks")?;
/// let (id, _) = tasks.put_new(&Task { title: "Buy milk".into(), done: false })?;
/// tasks.update(&id, [("done", true.into())])?;
/// assert!(tasks.read(&id)?.unwrap().done);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Typed<T> {
    collection: Collection,
    shape: PhantomData<fn() -> T>,
}

impl<T> Typed<T> {
    pub(crate) fn new(collection: Collection) -> Self {
        Self { collection, shape: PhantomData }
    }
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        Self::new(self.collection.clone())
    }
}

impl<T> Deref for Typed<T> {
    type Target = Collection;

    fn deref(&self) -> &Collection {
        &self.collection
    }
}

impl<T: DeserializeOwned> Typed<T> {
    /// An object as it is shown.
    ///
    /// # Errors
    /// Where it does not have the shape of the type.
    pub fn read(&self, id: &ObjectId) -> Result<Option<T>, ShapeError> {
        self.collection.get(id).map(|object| shape::read(&object)).transpose()
    }

    /// All objects as they are shown, sorted by id.
    ///
    /// # Errors
    /// Where one does not have the shape of the type.
    pub fn read_all(&self) -> Result<Vec<(ObjectId, T)>, ShapeError> {
        let all = self.collection.all().into_iter();
        all.map(|(id, object)| Ok((id, shape::read(&object)?))).collect()
    }
}

impl<T: Serialize> Typed<T> {
    /// Makes a new object. Answers its id, a UUID of version 7. Fields that are null or `None` are left out.
    ///
    /// # Errors
    /// Where the value cannot be an object.
    pub fn put_new(&self, value: &T) -> Result<(ObjectId, Receipt), EditError> {
        let id = chance::object_id();
        let fields = shape::fields(value)?.into_iter().filter(|(_, value)| *value != Value::Null);
        let fields = named(fields, |value| value)?;
        Ok((id.clone(), self.collection.edit(&id, Action::Insert(fields))?))
    }

    /// Makes an object, or gives all fields of the type their values where it exists.
    ///
    /// Fields that others changed meanwhile are overwritten; change single fields with [`merge`](Self::merge).
    ///
    /// # Errors
    /// Where the value cannot be an object.
    pub fn put(&self, id: &ObjectId, value: &T) -> Result<Receipt, EditError> {
        self.collection.edit(id, Action::Upsert(named(shape::fields(value)?, |value| value)?))
    }

    /// Takes an object, lets `change` work on it, and edits the fields that came out differently. `None` where
    /// there is no such object, or nothing came out differently.
    ///
    /// # Errors
    /// Where the object does not have the shape of the type, or the edit is not taken.
    pub fn merge(&self, id: &ObjectId, change: impl FnOnce(&mut T)) -> Result<Option<Receipt>, EditError>
    where
        T: DeserializeOwned,
    {
        let Some(object) = self.collection.get(id) else { return Ok(None) };
        let mut value: T = shape::read(&object)?;
        change(&mut value);
        let fields = shape::fields(&value)?.into_iter();
        // A field that is not there is as good as null.
        let known = |name: &str| object.get(name).unwrap_or(&Value::Null);
        let changed: Vec<_> = fields.filter(|(name, value)| known(name) != value).collect();
        if changed.is_empty() {
            return Ok(None);
        }
        self.collection.edit(id, Action::Update(named(changed, Edit::Set)?)).map(Some)
    }
}
