//! Local edits: checked against what is shown, shown at once, queued to be sent.

use rustc_hash::FxHashMap;

use super::{Replica, checking};
use crate::codec::cbor;
use crate::edit::{self, Misfit};
use crate::event::{Body, Command, Read};
use crate::limits;
use crate::name::{Collection, Key};
use crate::numbers::{EditId, Millis, Seq};
use crate::object::{Entry, Object, Write, apply};
use crate::op::{Action, Edit, FieldMap, Op};
use crate::valid::{Objection, Validity};

/// An edit to be made: all of its ops, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewEdit {
    /// The changes.
    pub ops: Vec<Op>,
    /// How many of them, from the first on, are of drafts: what these insert stays on the device, with every later edit of
    /// it, until it is [published](Replica::publish).
    pub drafts: usize,
    /// What must not have changed by the time it is recorded.
    pub unchanged: Vec<Read>,
    /// The command that made the ops, where one did.
    pub command: Option<Commanded>,
}

/// How a command made the ops of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commanded {
    /// The command.
    pub command: Command,
    /// What it drew ids and randomness from: the same in every run.
    pub seed: u64,
    /// What it read. Where that changes before the edit is sent, it is run again.
    pub reads: Reads,
    /// What it read must not have changed by the time it is recorded.
    pub serializable: bool,
}

/// What a command read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Single objects.
    pub objects: Vec<Key>,
    /// Whole collections.
    pub collections: Vec<Collection>,
}

impl From<Vec<Op>> for NewEdit {
    fn from(ops: Vec<Op>) -> Self {
        Self { ops, drafts: 0, unchanged: Vec::new(), command: None }
    }
}

impl NewEdit {
    /// An edit whose inserts are drafts.
    pub fn draft(ops: Vec<Op>) -> Self {
        Self { drafts: ops.len(), ..Self::from(ops) }
    }

    /// What the edit says to others, and how it was made.
    pub(crate) fn into_body(self, base: Seq, at: Millis) -> (Body, Option<Commanded>) {
        let Self { ops, mut unchanged, command: commanded, .. } = self;
        unchanged.extend(commanded.iter().flat_map(Commanded::unchanged));
        let command = commanded.as_ref().map(|commanded| commanded.command.clone());
        (Body { base, at, command, unchanged, ops, on: None }, commanded)
    }
}

impl Commanded {
    /// What must not have changed, where it is serializable.
    pub(crate) fn unchanged(&self) -> impl Iterator<Item = Read> {
        let reads = self.reads.objects.iter().filter(|_| self.serializable).take(limits::EVENT_READS);
        reads.map(|key| Read { key: key.clone(), field: None })
    }
}

/// Why an edit was not taken. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The edit says nothing.
    #[error("an edit needs at least one op")]
    NoOps,
    /// There are too many ops in one edit.
    #[error("{0} ops in one edit; the most is {most}: make several edits", most = limits::EVENT_OPS)]
    TooManyOps(usize),
    /// The edit is too large to travel.
    #[error("the edit has {0} bytes; the most is {most}: make several edits", most = limits::EVENT_BYTES)]
    TooLarge(usize),
    /// An insert of an object that is there.
    #[error("{0} exists: update it, upsert it, or insert under another id")]
    Exists(Key),
    /// An update or delete of an object that is not there.
    #[error("{0} does not exist: insert it, or upsert it")]
    NotFound(Key),
    /// A value that does not fit, or an edit that does not fit the value.
    #[error("{key}: {error}")]
    Misfit {
        /// Of which object.
        key: Key,
        /// Why.
        error: Misfit,
    },
    /// An object would have too many fields.
    #[error("{0} would have too many fields; the most is {most}", most = limits::OBJECT_FIELDS)]
    TooManyFields(Key),
    /// What it would make of an object is not valid, as far as the device knows.
    #[error("{}", .0.reason)]
    Invalid(Objection),
    /// The outbox is full: nothing could be sent for long.
    #[error("{0} edits wait to be sent; the most is {most}: connect to the server first", most = limits::PENDING_EVENTS)]
    OutboxFull(usize),
}

impl EditError {
    /// Whether the same edit may be taken later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::OutboxFull(_))
    }
}

impl Replica {
    /// Makes an edit: all of its ops, or none. It shows at once and is queued to be sent. What it does to drafts stays on
    /// the device.
    ///
    /// # Errors
    /// Where the edit does not fit what is shown, is not valid, or breaks a limit. Nothing has changed then.
    pub fn edit(&mut self, now: Millis, new: impl Into<NewEdit>) -> Result<EditId, EditError> {
        let new = new.into();
        EditError::check_room(new.ops.len(), self.outbox.len())?;
        let drafts = new.drafts;
        let (mut body, command) = new.into_body(self.history.played, now);
        self.say_seen(&mut body.ops);
        self.say_unseen(&mut body, &|key| self.get(key).is_some());
        let write = Write::pending(self.identity.client, body.base, now);
        let (strict, validity) = (!self.lacks_some(), self.validity.as_deref());
        let shown = rehearse(&body.ops, drafts, &write, strict, validity, &|key| self.shown_entry(key))?;
        EditError::check_bytes(&body)?;
        if drafts > 0 || self.touches_drafts(&body.ops) {
            self.take_drafts(&mut body, drafts);
        }
        let edit = self.outbox.next_edit();
        if body.ops.is_empty() {
            return Ok(edit);
        }
        for (key, entry) in self.add(edit, body, command, shown) {
            self.view.show(&key, entry);
        }
        Ok(edit)
    }

    /// Whether the stream may have objects that are not here.
    pub(super) fn lacks_some(&self) -> bool {
        self.is_partial() || self.history.filling.is_some()
    }

    /// What is shown under a key, tombstones included.
    pub(super) fn shown_entry(&self, key: &Key) -> Option<Entry> {
        if let Some(draft) = self.drafts.get(key) {
            return Some(Entry::Live(draft.clone()));
        }
        match self.view.shown(key) {
            Some(entry) => entry.cloned(),
            None => self.confirmed.entry(key).cloned(),
        }
    }
}

impl EditError {
    /// Checks the number of ops, and that there is room for one more edit beside those that wait.
    pub(crate) fn check_room(ops: usize, waiting: usize) -> Result<(), Self> {
        match ops {
            0 => Err(Self::NoOps),
            count if count > limits::EVENT_OPS => Err(Self::TooManyOps(count)),
            _ if waiting >= limits::PENDING_EVENTS => Err(Self::OutboxFull(waiting)),
            _ => Ok(()),
        }
    }

    /// Checks that an edit is not too large to travel.
    pub(crate) fn check_bytes(body: &Body) -> Result<(), Self> {
        match cbor::encode_body(body).len() {
            bytes if bytes > limits::EVENT_BYTES => Err(Self::TooLarge(bytes)),
            _ => Ok(()),
        }
    }
}

/// What keys show.
pub(crate) type Shown = FxHashMap<Key, Option<Entry>>;

/// What the touched keys would show after the ops, so many of which are of drafts, where that is valid. `strict`: all that
/// exists is known, so an edit of what is not there is an error.
pub(crate) fn rehearse(
    ops: &[Op],
    drafts: usize,
    write: &Write<'_>,
    strict: bool,
    validity: Option<&dyn Validity>,
    shown: &dyn Fn(&Key) -> Option<Entry>,
) -> Result<Shown, EditError> {
    let mut rehearsed: Shown = FxHashMap::default();
    let draft = Write::draft(write.at);
    for (place, op) in ops.iter().enumerate() {
        let entry = rehearsed.entry(op.key.clone()).or_insert_with(|| shown(&op.key));
        match check(entry.as_ref().and_then(Entry::live).map(AsRef::as_ref), op) {
            Err(EditError::NotFound(_)) if !strict => {}
            checked => checked?,
        }
        apply(entry, op, if place < drafts { &draft } else { write });
    }
    if let Some(validity) = validity {
        checking::check(validity, ops, &rehearsed, strict, shown)?;
    }
    Ok(rehearsed)
}

fn check(live: Option<&Object>, op: &Op) -> Result<(), EditError> {
    let fits =
        |value, edit: &Edit| edit::check(value, edit).map_err(|error| EditError::Misfit { key: op.key.clone(), error });
    match (&op.action, live) {
        (Action::Insert(_), Some(_)) => Err(EditError::Exists(op.key.clone())),
        (Action::Update(_) | Action::Delete, None) => Err(EditError::NotFound(op.key.clone())),
        (Action::Insert(set) | Action::Upsert(set), live) => {
            let deep = |value: &crate::value::Value| !value.nests_within(limits::VALUE_DEPTH);
            if set.iter().any(|(_, value)| deep(value)) {
                return Err(EditError::Misfit { key: op.key.clone(), error: Misfit::TooDeep });
            }
            check_room(live, set, &op.key)
        }
        (Action::Update(edits), Some(object)) => {
            edits.iter().try_for_each(|(name, edit)| fits(object.get(name.as_str()), edit))?;
            check_room(live, edits, &op.key)
        }
        (Action::Delete, Some(_)) => Ok(()),
    }
}

fn check_room<T>(live: Option<&Object>, fields: &FieldMap<T>, key: &Key) -> Result<(), EditError> {
    let Some(object) = live else { return Ok(()) };
    match object.has_room(fields.iter().map(|(name, _)| name)) {
        true => Ok(()),
        false => Err(EditError::TooManyFields(key.clone())),
    }
}
