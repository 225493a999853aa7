//! Commands: named functions that read what is shown and say what is to change, run again where the world has changed.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, RwLock};

use rustc_hash::FxHashMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tapeline_core::event::Command;
use tapeline_core::name::{Collection, CommandName, FieldName, Key, NameError, ObjectId};
use tapeline_core::numbers::{ClientId, Millis, Seq};
use tapeline_core::object::{Entry, Object, Write, apply};
use tapeline_core::op::{Action, Edit, FieldMap, FieldMapError, Members, Op};
use tapeline_core::replica::{self, Reads};
use tapeline_core::splice::Splices;
use tapeline_core::valid::Objection;
use tapeline_core::value::Value;

use crate::batch::named;
use crate::error::{Closed, EditError, ShapeError};
use crate::shape;

/// Why a command was not run, or its edit not taken. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Nobody registered it.
    #[error("the command {0} is not registered here: call Tapeline::command first")]
    Unknown(CommandName),
    /// The arguments are not what it takes.
    #[error(transparent)]
    Arguments(#[from] ShapeError),
    /// It refused.
    #[error("{0}")]
    Refused(String),
    /// It panicked: a bug of the app.
    #[error("the command broke: {0}")]
    Bug(String),
    /// What it asked for does not fit what is shown, is not valid, or breaks a limit.
    #[error(transparent)]
    Edit(#[from] replica::EditError),
    /// The client was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl CommandError {
    /// What of its edit is not valid, with the field and the reason, where it was [checked](crate::Builder::checked_by).
    pub const fn objection(&self) -> Option<&Objection> {
        match self {
            Self::Edit(replica::EditError::Invalid(objection)) => Some(objection),
            _ => None,
        }
    }
}

/// Why a command refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl From<&str> for Refused {
    fn from(why: &str) -> Self {
        Self(why.into())
    }
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self(why)
    }
}

impl From<NameError> for Refused {
    fn from(error: NameError) -> Self {
        Self(error.to_string())
    }
}

impl From<FieldMapError> for Refused {
    fn from(error: FieldMapError) -> Self {
        Self(error.to_string())
    }
}

impl From<EditError> for Refused {
    fn from(error: EditError) -> Self {
        Self(error.to_string())
    }
}

type Found = Vec<(ObjectId, Arc<Object>)>;
type Shown<'a> = &'a dyn Fn(&Key) -> Option<Arc<Object>>;
type All<'a> = &'a dyn Fn(&Collection) -> Found;
type Body = dyn Fn(&mut Transaction<'_>, &Value) -> Result<(), CommandError> + Send + Sync;

/// What a command draws time, ids and randomness from: the same in every run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    pub(crate) at: Millis,
    pub(crate) seed: u64,
}

/// What a run of a command came to.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) ops: Vec<Op>,
    pub(crate) reads: Reads,
}

/// The commands of a client.
#[derive(Default)]
pub(crate) struct Registry(RwLock<BTreeMap<CommandName, Arc<Known>>>);

pub(crate) struct Known {
    serializable: bool,
    body: Box<Body>,
}

impl Debug for Registry {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Registry")
    }
}

impl Registry {
    pub(crate) fn add<Args: DeserializeOwned + 'static>(
        &self,
        name: &str,
        serializable: bool,
        run: impl Fn(&mut Transaction<'_>, Args) -> Result<(), Refused> + Send + Sync + 'static,
    ) {
        let name = CommandName::new(name).unwrap_or_else(|error| panic!("{error}"));
        let body = move |tx: &mut Transaction<'_>, args: &Value| {
            run(tx, shape::from_value(args)?).map_err(|Refused(why)| CommandError::Refused(why))
        };
        let known = Arc::new(Known { serializable, body: Box::new(body) });
        self.0.write().expect("no registration panics half-way").insert(name, known);
    }

    pub(crate) fn find(&self, name: &CommandName) -> Result<Arc<Known>, CommandError> {
        let known = self.0.read().expect("no registration panics half-way");
        known.get(name).cloned().ok_or_else(|| CommandError::Unknown(name.clone()))
    }
}

impl Known {
    pub(crate) fn is_serializable(&self) -> bool {
        self.serializable
    }

    pub(crate) fn run(
        &self,
        command: &Command,
        drawn: Drawn,
        shown: Shown<'_>,
        all: All<'_>,
    ) -> Result<Made, CommandError> {
        let mut transaction = Transaction::new(drawn, shown, all, self.serializable);
        let ran = catch_unwind(AssertUnwindSafe(|| (self.body)(&mut transaction, &command.args)));
        ran.map_err(|panic| CommandError::Bug(said(&*panic)))??;
        Ok(transaction.finish())
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").into()
}

/// The arguments of a command, as they are kept.
pub(crate) fn args(args: &impl Serialize) -> Result<Value, ShapeError> {
    shape::to_value(args)
}

const NOT_ALL: &str = "a serializable command reads objects by their ids: of a whole collection the server does not \
                       know whether it changed";

/// What a command reads, and what it asks for. It sees its own changes.
pub struct Transaction<'a> {
    shown: Shown<'a>,
    all: All<'a>,
    drawn: Drawn,
    serializable: bool,
    draws: u64,
    changed: FxHashMap<Key, Option<Entry>>,
    ops: Vec<Op>,
    reads: Reads,
}

impl Debug for Transaction<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Transaction")
            .field("ops", &self.ops)
            .field("reads", &self.reads)
            .finish_non_exhaustive()
    }
}

impl<'a> Transaction<'a> {
    fn new(drawn: Drawn, shown: Shown<'a>, all: All<'a>, serializable: bool) -> Self {
        let (changed, ops, reads) = Default::default();
        Self { shown, all, drawn, serializable, draws: 0, changed, ops, reads }
    }

    fn finish(self) -> Made {
        Made { ops: self.ops, reads: self.reads }
    }

    /// An object. That it was read is noted.
    ///
    /// # Errors
    /// Where the collection's name is none.
    pub fn get(&mut self, collection: &str, id: &ObjectId) -> Result<Option<Arc<Object>>, Refused> {
        let key = Key { collection: Collection::new(collection)?, id: id.clone() };
        let found = self.entry(&key).as_ref().and_then(Entry::live).cloned();
        if !self.reads.objects.contains(&key) {
            self.reads.objects.push(key);
        }
        Ok(found)
    }

    /// All objects of a collection, sorted by id. That they were read is noted.
    ///
    /// # Errors
    /// Where the collection's name is none, and in a serializable command: the server does not know whether a whole
    /// collection has changed.
    pub fn all(&mut self, collection: &str) -> Result<Vec<(ObjectId, Arc<Object>)>, Refused> {
        let collection = Collection::new(collection)?;
        if self.serializable {
            return Err(Refused(NOT_ALL.into()));
        }
        let mut found: BTreeMap<ObjectId, Arc<Object>> = (self.all)(&collection).into_iter().collect();
        for (key, entry) in self.changed.iter().filter(|(key, _)| key.collection == collection) {
            match entry.as_ref().and_then(Entry::live) {
                Some(object) => drop(found.insert(key.id.clone(), object.clone())),
                None => drop(found.remove(&key.id)),
            }
        }
        if !self.reads.collections.contains(&collection) {
            self.reads.collections.push(collection);
        }
        Ok(found.into_iter().collect())
    }

    /// When the command first ran.
    pub fn now(&self) -> Millis {
        self.drawn.at
    }

    /// A random number, the same in every run.
    pub fn random(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        self.draws += 1;
        let mut bits = self.drawn.seed.wrapping_add(self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// A new id, a UUID of version 7; the same in every run.
    pub fn id(&mut self) -> ObjectId {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.random().to_be_bytes());
        bytes[8..].copy_from_slice(&self.random().to_be_bytes()[..2]);
        ObjectId::from_uuid(uuid::Builder::from_unix_timestamp_millis(self.drawn.at.0, &bytes).into_uuid().as_u128())
    }

    /// Makes a new object. Answers its id.
    ///
    /// # Errors
    /// Where a name is none.
    pub fn insert(
        &mut self,
        collection: &str,
        fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>,
    ) -> Result<ObjectId, Refused> {
        let id = self.id();
        self.op(collection, &id, Action::Insert(named(fields, |value| value)?))?;
        Ok(id)
    }

    /// Gives fields of an object new values.
    ///
    /// # Errors
    /// Where a name is none.
    pub fn update(
        &mut self,
        collection: &str,
        id: &ObjectId,
        fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>,
    ) -> Result<(), Refused> {
        self.op(collection, id, Action::Update(named(fields, Edit::Set)?))
    }

    /// Makes a new object, or gives its fields new values where it exists.
    ///
    /// # Errors
    /// Where a name is none.
    pub fn upsert(
        &mut self,
        collection: &str,
        id: &ObjectId,
        fields: impl IntoIterator<Item = (impl AsRef<str>, Value)>,
    ) -> Result<(), Refused> {
        self.op(collection, id, Action::Upsert(named(fields, |value| value)?))
    }

    /// Adds to a number.
    ///
    /// # Errors
    /// Where a name is none.
    pub fn increment(
        &mut self,
        collection: &str,
        id: &ObjectId,
        field: &str,
        amount: impl Into<Value>,
    ) -> Result<(), Refused> {
        self.edit(collection, id, field, Edit::Inc(amount.into()))
    }

    /// Adds members to a set.
    ///
    /// # Errors
    /// Where a name is none.
    pub fn add(
        &mut self,
        collection: &str,
        id: &ObjectId,
        field: &str,
        members: impl IntoIterator<Item = Value>,
    ) -> Result<(), Refused> {
        let members = Members { add: members.into_iter().collect(), remove: Vec::new() };
        self.edit(collection, id, field, Edit::Members(members))
    }

    /// Takes members out of a set.
    ///
    /// # Errors
    /// Where a name is none.
    pub fn remove(
        &mut self,
        collection: &str,
        id: &ObjectId,
        field: &str,
        members: impl IntoIterator<Item = Value>,
    ) -> Result<(), Refused> {
        let members = Members { add: Vec::new(), remove: members.into_iter().collect() };
        self.edit(collection, id, field, Edit::Members(members))
    }

    /// Replaces a piece of a text. Offsets count Unicode scalar values.
    ///
    /// # Errors
    /// Where a name is none.
    pub fn splice(
        &mut self,
        collection: &str,
        id: &ObjectId,
        field: &str,
        (offset, delete, insert): (u64, u64, &str),
    ) -> Result<(), Refused> {
        self.edit(collection, id, field, Edit::Splice(Splices::text(offset, delete, insert)))
    }

    /// Removes an object.
    ///
    /// # Errors
    /// Where a name is none.
    pub fn delete(&mut self, collection: &str, id: &ObjectId) -> Result<(), Refused> {
        self.op(collection, id, Action::Delete)
    }

    fn edit(&mut self, collection: &str, id: &ObjectId, field: &str, edit: Edit) -> Result<(), Refused> {
        let edits = FieldMap::new(vec![(FieldName::new(field)?, edit)])?;
        self.op(collection, id, Action::Update(edits))
    }

    fn op(&mut self, collection: &str, id: &ObjectId, action: Action) -> Result<(), Refused> {
        let key = Key { collection: Collection::new(collection)?, id: id.clone() };
        let op = Op { key: key.clone(), seen: None, action };
        let mut entry = self.entry(&key);
        apply(&mut entry, &op, &Write::pending(ClientId(0), Seq::FIRST, self.drawn.at));
        self.changed.insert(key, entry);
        self.ops.push(op);
        Ok(())
    }

    fn entry(&self, key: &Key) -> Option<Entry> {
        match self.changed.get(key) {
            Some(entry) => entry.clone(),
            None => (self.shown)(key).map(Entry::Live),
        }
    }
}
