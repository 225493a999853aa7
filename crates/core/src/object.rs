//! One object with the versions of its fields, and how a single op changes it.
//!
//! [`apply`] needs no policy: what is on the log has been resolved. Where a pending op meets a state it was not
//! made for (an update of an object that was deleted meanwhile), it does what the sequencer will most likely make
//! of it, so that the view shows what will be.

use std::sync::Arc;

use smol_str::SmolStr;

use crate::limits;
use crate::name::FieldName;
use crate::numbers::{ClientId, Seq};
use crate::op::{Action, Edit, Op};
use crate::value::{Entries, SumError, Value};

/// Who wrote, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The event.
    pub seq: Seq,
    /// Its author.
    pub client: ClientId,
}

impl Stamp {
    /// The stamp of an edit that is on no log yet.
    pub const fn pending(client: ClientId) -> Self {
        Self { seq: Seq(u64::MAX), client }
    }
}

/// Who wrote last, and when somebody else had last written before that: one's own write must not hide a foreign one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The last write.
    pub last: Stamp,
    /// The last write by another client than that one.
    pub other: Option<Seq>,
}

impl Version {
    /// The version of something written for the first time.
    pub const fn first(stamp: Stamp) -> Self {
        Self { last: stamp, other: None }
    }

    /// The version after one more write.
    pub fn then(self, stamp: Stamp) -> Self {
        let other = if self.last.client == stamp.client { self.other } else { Some(self.last.seq) };
        Self { last: stamp, other }
    }

    /// Whether another client than `client` has written at or past `base`.
    pub fn changed_since(&self, base: Seq, client: ClientId) -> bool {
        let foreign = if self.last.client == client { self.other } else { Some(self.last.seq) };
        foreign.is_some_and(|seq| seq >= base)
    }
}

/// A live object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The event that made it.
    pub created: Stamp,
    /// Its writes as a whole; `version.last.seq` is the last event that touched it.
    pub version: Version,
    fields: Vec<(FieldName, Field)>,
}

/// One field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it holds.
    pub value: Value,
    /// Who wrote it.
    pub version: Version,
}

impl Object {
    /// An object of fields that are sorted by name, each once.
    pub(crate) fn from_sorted(created: Stamp, version: Version, fields: Vec<(FieldName, Field)>) -> Self {
        debug_assert!(fields.is_sorted_by(|(a, _), (b, _)| a < b));
        Self { created, version, fields }
    }

    /// The value of a field, where it has one.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.field(field).map(|field| &field.value)
    }

    /// A field with its version.
    pub fn field(&self, field: &str) -> Option<&Field> {
        let place = self.place(field).ok()?;
        Some(&self.fields[place].1)
    }

    /// All fields, sorted by name.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&FieldName, &Field)> {
        self.fields.iter().map(|(name, field)| (name, field))
    }

    /// Whether it shows the same as another: the same fields with the same values, whoever wrote them.
    pub fn has_fields_of(&self, other: &Self) -> bool {
        self.fields.len() == other.fields.len()
            && self.fields.iter().zip(&other.fields).all(|(a, b)| a.0 == b.0 && a.1.value == b.1.value)
    }

    /// The last event that touched it.
    pub fn seq(&self) -> Seq {
        self.version.last.seq
    }

    /// Whether it can have these fields beside those it has.
    pub fn has_room<'a>(&self, fields: impl Iterator<Item = &'a FieldName>) -> bool {
        let room = limits::OBJECT_FIELDS - self.fields.len();
        // Only fields it does not have yet take room; mostly there is room whatever they are.
        let (_, most) = fields.size_hint();
        most.is_some_and(|most| most <= room)
            || fields.filter(|name| self.field(name.as_str()).is_none()).count() <= room
    }

    /// What a field holds after an increment. Absent and null count as 0.
    ///
    /// # Errors
    /// Where one of them is no number, or the sum does not fit.
    pub fn incremented(value: Option<&Value>, amount: &Value) -> Result<Value, SumError> {
        match value {
            None | Some(Value::Null) => Value::Int(0).sum(amount),
            Some(value) => value.sum(amount),
        }
    }

    /// Roughly how many bytes its fields take, encoded.
    pub(crate) fn estimated_bytes(&self) -> usize {
        self.fields.iter().map(|(name, field)| 2 + name.as_str().len() + field.value.estimated_bytes()).sum()
    }

    /// Its fields as one value, a map.
    pub fn to_value(&self) -> Value {
        let entries = self.fields().map(|(name, field)| (SmolStr::new(name.as_str()), field.value.clone()));
        Value::Map(Entries::new(entries.collect()).expect("an object has each field once"))
    }

    fn place(&self, field: &str) -> Result<usize, usize> {
        self.fields.binary_search_by(|(name, _)| name.as_str().cmp(field))
    }

    fn set(&mut self, name: &FieldName, value: Value, stamp: Stamp) {
        match self.place(name.as_str()) {
            Ok(place) => {
                let field = &mut self.fields[place].1;
                *field = Field { value, version: field.version.then(stamp) };
            }
            Err(place) if self.fields.len() < limits::OBJECT_FIELDS => {
                self.fields.insert(place, (name.clone(), Field { value, version: Version::first(stamp) }));
            }
            Err(_) => {}
        }
    }

    fn edit(&mut self, name: &FieldName, edit: &Edit, stamp: Stamp) {
        match edit {
            Edit::Set(value) => self.set(name, value.clone(), stamp),
            Edit::Inc(amount) => {
                if let Ok(sum) = Self::incremented(self.get(name.as_str()), amount) {
                    self.set(name, sum, stamp);
                }
            }
        }
    }
}

/// What is known under a key: an object, or the tombstone of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An object. Shared, so that a reader may keep it while it changes.
    Live(Arc<Object>),
    /// A deleted object: who wrote it last, that is, who deleted it. Boxed, as there are few.
    Tombstone(Box<Version>),
}

impl Entry {
    /// The object, where it is live.
    pub fn live(&self) -> Option<&Arc<Object>> {
        match self {
            Self::Live(object) => Some(object),
            Self::Tombstone(_) => None,
        }
    }

    /// Its writes as a whole.
    pub fn version(&self) -> &Version {
        match self {
            Self::Live(object) => &object.version,
            Self::Tombstone(version) => version,
        }
    }
}

/// Lets one op take effect on what is under its key.
pub fn apply(entry: &mut Option<Entry>, op: &Op, stamp: Stamp) {
    match (&op.action, entry.as_mut()) {
        (Action::Insert(fields) | Action::Upsert(fields), Some(Entry::Live(object))) => {
            let object = touch(object, stamp);
            for (name, value) in fields.iter() {
                object.set(name, value.clone(), stamp);
            }
        }
        (Action::Insert(fields) | Action::Upsert(fields), dead) => {
            let version = dead.map_or(Version::first(stamp), |dead| dead.version().then(stamp));
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), Field { value: value.clone(), version: Version::first(stamp) }));
            *entry = Some(Entry::Live(Arc::new(Object::from_sorted(stamp, version, fields.collect()))));
        }
        (Action::Update(edits), Some(Entry::Live(object))) => {
            let object = touch(object, stamp);
            for (name, edit) in edits.iter() {
                object.edit(name, edit, stamp);
            }
        }
        (Action::Delete, Some(Entry::Live(object))) => {
            *entry = Some(Entry::Tombstone(Box::new(object.version.then(stamp))));
        }
        (Action::Update(_) | Action::Delete, _) => {}
    }
}

fn touch(object: &mut Arc<Object>, stamp: Stamp) -> &mut Object {
    let object = Arc::make_mut(object);
    object.version = object.version.then(stamp);
    object
}
