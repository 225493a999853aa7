//! One object with the versions of its fields, and how a single op changes it.
//!
//! [`apply`] needs no policy: what is on the log has been resolved. Where a pending op meets a state it was not
//! made for (an update of an object that was deleted meanwhile), it does what the sequencer will most likely make
//! of it, so that the view shows what will be. How an edit changes a value alone is in [`crate::edit`].

mod stamp;

use std::sync::Arc;

pub use stamp::{Stamp, Version, Write};

use crate::edit::{SetEdit, edited};
use crate::limits;
use crate::name::{FieldName, Subject};
use crate::numbers::{Millis, Seq};
use crate::op::{Action, Edit, FieldMap, Members, Op};
use crate::short_text::SmolStr;
use crate::value::{Entries, Value};

/// A live object. Many are as they were made: those take no room for what came after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    created: Stamp,
    /// Sorted by name.
    fields: Vec<(FieldName, Value)>,
    /// `None`: nobody has touched it since it was made.
    since: Option<Box<Since>>,
}

/// What became of an object since it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Since {
    version: Version,
    /// Those fields that the object was not made with, or that were written since, sorted by name.
    versions: Vec<(FieldName, Version)>,
    /// Of each set that was edited, the version of each member.
    members: Vec<(FieldName, Vec<Version>)>,
    conflicts: Vec<Conflict>,
}

/// A value that was set concurrently, beside the one in the field, until somebody who has seen it sets the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The field.
    pub field: FieldName,
    /// What was to be there.
    pub value: Value,
    /// The event that said so, and its author.
    pub stamp: Stamp,
    /// When it was made, for people.
    pub at: Millis,
    /// Whose it is, where the server knows.
    pub actor: Option<Subject>,
}

/// One field of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// What it holds.
    pub value: &'a Value,
    /// Who wrote it.
    pub version: Version,
}

impl Object {
    /// An object that was made with fields that are sorted by name, each once.
    pub(crate) fn from_sorted(created: Stamp, version: Version, fields: Vec<(FieldName, Value)>) -> Self {
        debug_assert!(fields.is_sorted_by(|(a, _), (b, _)| a < b));
        let mut object = Self { created, fields, since: None };
        if version != object.made() {
            object.since().version = version;
        }
        object
    }

    /// The object with the version of a field, by its place.
    pub(crate) fn set_version(&mut self, place: usize, version: Version) {
        let as_made = version == self.made();
        if as_made && self.since.is_none() {
            return;
        }
        let name = self.fields[place].0.clone();
        let versions = &mut self.since().versions;
        match versions.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(known) if as_made => drop(versions.remove(known)),
            Ok(known) => versions[known].1 = version,
            Err(_) if as_made => {}
            Err(new) => versions.insert(new, (name, version)),
        }
    }

    /// The object with the versions of members of its sets, and with conflicts.
    pub(crate) fn with(mut self, members: Vec<(FieldName, Vec<Version>)>, conflicts: Vec<Conflict>) -> Self {
        if self.since.is_some() || !members.is_empty() || !conflicts.is_empty() {
            let since = self.since();
            (since.members, since.conflicts) = (members, conflicts);
            self.tidy();
        }
        self
    }

    /// The object as one that stays on the device.
    pub(crate) fn drafted(self) -> Self {
        Self { created: Stamp::DRAFT, ..self }
    }

    /// The event that made it.
    pub fn created(&self) -> Stamp {
        self.created
    }

    /// Its writes as a whole; `version.last.seq` is the last event that touched it.
    pub fn version(&self) -> Version {
        self.since.as_ref().map_or(self.made(), |since| since.version)
    }

    /// The version of what was there from the beginning and was not touched since.
    const fn made(&self) -> Version {
        Version::first(self.created)
    }

    fn since(&mut self) -> &mut Since {
        let version = self.made();
        let as_made = || Since { version, versions: Vec::new(), members: Vec::new(), conflicts: Vec::new() };
        self.since.get_or_insert_with(|| as_made().into())
    }

    /// Forgets what says no more than how it was made.
    fn tidy(&mut self) {
        let made = self.made();
        self.since.take_if(|since| {
            let Since { version, versions, members, conflicts } = &**since;
            *version == made && versions.is_empty() && members.is_empty() && conflicts.is_empty()
        });
    }

    /// Whether it was made as a draft, and not published since.
    pub fn is_draft(&self) -> bool {
        self.created == Stamp::DRAFT
    }

    /// The conflicts that stand on it, oldest first.
    pub fn conflicts(&self) -> &[Conflict] {
        self.since.as_ref().map_or(&[], |since| &since.conflicts)
    }

    /// The versions of members, of each set that was edited.
    pub(crate) fn members(&self) -> &[(FieldName, Vec<Version>)] {
        self.since.as_ref().map_or(&[], |since| &since.members)
    }

    /// The version of a member of the set in a field. Who assigned the set as a whole has added all its members.
    pub fn member_version(&self, field: &str, place: usize) -> Option<Version> {
        let known = self.members().iter().find(|(name, _)| name.as_str() == field);
        let member = known.and_then(|(_, versions)| versions.get(place)).copied();
        member.or_else(|| Some(Version::first(self.field(field)?.version.last)))
    }

    /// The value of a field, where it has one.
    pub fn get(&self, field: &str) -> Option<&Value> {
        let place = self.place(field).ok()?;
        Some(&self.fields[place].1)
    }

    /// A field with its version.
    pub fn field(&self, field: &str) -> Option<Field<'_>> {
        let place = self.place(field).ok()?;
        Some(Field { value: &self.fields[place].1, version: self.version_at(place) })
    }

    /// All fields, sorted by name.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&FieldName, Field<'_>)> {
        let fields = self.fields.iter().enumerate();
        fields.map(|(place, (name, value))| (name, Field { value, version: self.version_at(place) }))
    }

    /// What all fields hold, sorted by name.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (&FieldName, &Value)> {
        self.fields.iter().map(|(name, value)| (name, value))
    }

    /// What makes such an object.
    pub(crate) fn insert(&self) -> Action {
        // An object has no more fields than an op may have.
        Action::Insert(FieldMap::new(self.fields.clone()).unwrap_or_default())
    }

    fn version_at(&self, place: usize) -> Version {
        let versions = self.since.as_ref().map_or(&[][..], |since| &since.versions);
        let own = versions.binary_search_by(|(known, _)| known.cmp(&self.fields[place].0)).ok();
        own.map_or(self.made(), |own| versions[own].1)
    }

    /// Whether it shows the same as another: the same fields with the same values, whoever wrote them.
    pub fn has_fields_of(&self, other: &Self) -> bool {
        self.fields == other.fields && self.conflicts() == other.conflicts()
    }

    /// Whether it was there before whoever wrote last did, and another one has made it.
    pub(crate) fn was_there(&self) -> bool {
        let (made, last) = (self.created, self.version().last);
        made.client != last.client && !made.is_pending() && !last.is_pending()
    }

    /// It without the history of its parts: all of it counts as made by whoever wrote last.
    #[must_use]
    pub fn collapsed(&self) -> Self {
        let last = self.version().last;
        let made = Self::from_sorted(last, Version::first(last), self.fields.clone());
        made.with(Vec::new(), self.conflicts().to_vec())
    }

    /// It with those fields alone that were written at or past `base`.
    #[must_use]
    pub fn changed_since(&self, base: Seq) -> Self {
        let changed = |name: &FieldName| self.field(name.as_str()).is_some_and(|field| field.version.last.seq >= base);
        let fields = self.fields().filter(|(name, _)| changed(name)).collect();
        let members = self.members().iter().filter(|(name, _)| changed(name)).cloned().collect();
        Self::of(self.created, self.version(), fields).with(members, self.conflicts().to_vec())
    }

    /// It with what has changed since, as [`changed_since`](Self::changed_since) tells it.
    #[must_use]
    pub fn merged(&self, changed: &Self) -> Self {
        let stays = |name: &FieldName| changed.get(name.as_str()).is_none();
        let mut fields: Vec<_> = changed.fields().collect();
        fields.extend(self.fields().filter(|(name, _)| stays(name)));
        fields.sort_unstable_by_key(|(name, _)| *name);
        let mut members: Vec<_> = self.members().iter().filter(|(name, _)| stays(name)).cloned().collect();
        members.extend_from_slice(changed.members());
        Self::of(changed.created, changed.version(), fields).with(members, changed.conflicts().to_vec())
    }

    /// An object of fields with versions, sorted by name.
    pub(crate) fn of(created: Stamp, version: Version, fields: Vec<(&FieldName, Field<'_>)>) -> Self {
        let values = fields.iter().map(|(name, field)| (FieldName::clone(name), field.value.clone()));
        let mut object = Self::from_sorted(created, version, values.collect());
        fields.iter().enumerate().for_each(|(place, (_, field))| object.set_version(place, field.version));
        object
    }

    /// The last event that touched it.
    pub fn seq(&self) -> Seq {
        self.version().last.seq
    }

    /// Whether it can have these fields beside those it has.
    pub fn has_room<'a>(&self, fields: impl Iterator<Item = &'a FieldName>) -> bool {
        let room = limits::OBJECT_FIELDS - self.fields.len();
        // Only fields it does not have yet take room; mostly there is room whatever they are.
        let (_, most) = fields.size_hint();
        most.is_some_and(|most| most <= room) || fields.filter(|name| self.get(name.as_str()).is_none()).count() <= room
    }

    /// Roughly how many bytes its fields take, encoded.
    pub fn estimated_bytes(&self) -> usize {
        self.fields.iter().map(|(name, value)| 2 + name.as_str().len() + value.estimated_bytes()).sum()
    }

    /// Its fields as one value, a map.
    pub fn to_value(&self) -> Value {
        let entries = self.values().map(|(name, value)| (SmolStr::new(name.as_str()), value.clone()));
        Value::Map(Entries::new(entries.collect()).expect("an object has each field once"))
    }

    fn place(&self, field: &str) -> Result<usize, usize> {
        // Most objects have few fields: to see that two names differ takes less than to see how.
        if let Some(place) = self.fields.iter().take(limits::FEW_NAMES).position(|(name, _)| name.as_str() == field) {
            return Ok(place);
        }
        self.fields.binary_search_by(|(name, _)| name.as_str().cmp(field))
    }

    fn set(&mut self, name: &FieldName, value: Value, stamp: Stamp) {
        match self.place(name.as_str()) {
            Ok(place) => {
                let version = self.version_at(place).then(stamp);
                self.fields[place].1 = value;
                self.set_version(place, version);
            }
            Err(place) if self.fields.len() < limits::OBJECT_FIELDS => {
                self.fields.insert(place, (name.clone(), value));
                self.set_version(place, Version::first(stamp));
            }
            Err(_) => {}
        }
    }

    /// Gives a field a value as a whole: that settles the conflicts its author has seen.
    fn assign(&mut self, name: &FieldName, value: Value, write: &Write<'_>) {
        self.set(name, value, write.stamp);
        self.forget_members(name);
        self.settle(name, write);
    }

    fn edit(&mut self, name: &FieldName, edit: &Edit, write: &Write<'_>) {
        match edit {
            Edit::Set(value) => self.assign(name, value.clone(), write),
            Edit::Ask(value) => self.ask(name, value.clone(), write),
            // What says nothing leaves no field behind: nothing of it is on the log.
            Edit::Members(members) if members.add.is_empty() && members.remove.is_empty() => {}
            Edit::Splice(splices) if splices.is_empty() => {}
            Edit::Members(members) => self.edit_members(name, members, write.stamp),
            Edit::Splice(splices) if let Ok(place) = self.place(name.as_str()) => {
                let version = self.version_at(place).then(write.stamp);
                if splices.apply_to(&mut self.fields[place].1).is_ok() {
                    self.set_version(place, version);
                }
            }
            Edit::Inc(_) | Edit::Splice(_) | Edit::Put(_) => {
                // What no longer fits what is there has no effect; the sequencer refuses it.
                if let Ok(value) = edited(self.get(name.as_str()), edit) {
                    self.set(name, value, write.stamp);
                }
            }
        }
    }

    fn edit_members(&mut self, name: &FieldName, members: &Members, stamp: Stamp) {
        let mut list = match self.get(name.as_str()) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::List(list)) => list.to_vec(),
            Some(_) => return,
        };
        let edit = SetEdit::new(members);
        let is_left = |place: &usize| edit.leaves(&list[*place]);
        let left = (0..list.len()).filter(is_left).filter_map(|place| self.member_version(name.as_str(), place));
        let mut versions: Vec<Version> = left.collect();
        list.retain(|member| edit.leaves(member));
        for place in edit.add_to(&mut list).into_iter().flatten() {
            versions[place] = versions[place].then(stamp);
        }
        versions.resize(list.len(), Version::first(stamp));
        self.set(name, Value::List(list.into()), stamp);
        self.forget_members(name);
        self.since().members.push((name.clone(), versions));
    }

    fn forget_members(&mut self, name: &FieldName) {
        if let Some(since) = &mut self.since {
            since.members.retain(|(known, _)| known != name);
        }
    }

    fn ask(&mut self, name: &FieldName, value: Value, write: &Write<'_>) {
        let conflicts = &mut self.since().conflicts;
        let Write { stamp, at, .. } = *write;
        conflicts.retain(|conflict| conflict.field != *name || conflict.stamp.client != stamp.client);
        conflicts.push(Conflict { field: name.clone(), value, stamp, at, actor: write.actor.cloned() });
        if conflicts.len() > limits::CONFLICTS {
            conflicts.remove(0);
        }
    }

    fn settle(&mut self, name: &FieldName, write: &Write<'_>) {
        let Some(since) = &mut self.since else { return };
        let seen = |conflict: &Conflict| conflict.stamp.seq < write.base || conflict.stamp.client == write.stamp.client;
        since.conflicts.retain(|conflict| conflict.field != *name || !seen(conflict));
        self.tidy();
    }
}

/// What is known under a key: an object, or the tombstone of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An object. Shared, so that a reader may keep it while it changes.
    Live(Arc<Object>),
    /// A deleted object. Boxed, as there are few.
    Tombstone(Box<Tombstone>),
}

/// What stays of a deleted object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Who wrote it last, that is, who deleted it.
    pub version: Version,
    /// The object as it was, where an update may revive it.
    pub last: Option<Arc<Object>>,
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
    pub fn version(&self) -> Version {
        match self {
            Self::Live(object) => object.version(),
            Self::Tombstone(tombstone) => tombstone.version,
        }
    }
}

/// Lets one op take effect on what is under its key.
pub fn apply(entry: &mut Option<Entry>, op: &Op, write: &Write<'_>) {
    let stamp = write.stamp;
    match (&op.action, entry.as_mut()) {
        (Action::Insert(fields) | Action::Upsert(fields), Some(Entry::Live(object))) => {
            let object = touch(object, stamp);
            if object.is_draft() && matches!(op.action, Action::Insert(_)) {
                // It is published, where the insert makes no draft itself.
                object.created = stamp;
            }
            for (name, value) in fields.iter() {
                object.assign(name, value.clone(), write);
            }
        }
        (Action::Insert(fields) | Action::Upsert(fields), dead) => {
            let version = dead.map_or(Version::first(stamp), |dead| dead.version().then(stamp));
            let fields = fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            *entry = Some(Entry::Live(Arc::new(Object::from_sorted(stamp, version, fields))));
        }
        (Action::Update(edits), Some(Entry::Live(object))) => {
            let object = touch(object, stamp);
            for (name, edit) in edits.iter() {
                object.edit(name, edit, write);
            }
        }
        (Action::Delete, Some(Entry::Live(object))) => {
            let version = object.version().then(stamp);
            *entry = Some(Entry::Tombstone(Box::new(Tombstone { version, last: None })));
        }
        (Action::Update(_) | Action::Delete, _) => {}
    }
}

fn touch(object: &mut Arc<Object>, stamp: Stamp) -> &mut Object {
    let object = Arc::make_mut(object);
    let version = object.version().then(stamp);
    if version != object.version() {
        object.since().version = version;
    }
    object
}
