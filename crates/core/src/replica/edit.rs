//! Local edits: checked against what is shown, shown at once, queued to be sent.

use rustc_hash::FxHashMap;

use super::Replica;
use crate::codec::cbor;
use crate::event::{Body, Command};
use crate::limits;
use crate::name::Key;
use crate::numbers::{EditId, Millis};
use crate::object::{Entry, Object, Stamp, apply};
use crate::op::{Action, Edit, FieldMap, Op};
use crate::value::{SumError, Value};

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
    /// A value nests too deep.
    #[error("a value nests deeper than {most} levels", most = limits::VALUE_DEPTH)]
    TooDeep,
    /// An insert of an object that is there.
    #[error("{0} exists: update it, upsert it, or insert under another id")]
    Exists(Key),
    /// An update or delete of an object that is not there.
    #[error("{0} does not exist: insert it, or upsert it")]
    NotFound(Key),
    /// An increment that cannot be.
    #[error("{key}: {error}")]
    Sum {
        /// Of which object.
        key: Key,
        /// Why.
        error: SumError,
    },
    /// An object would have too many fields.
    #[error("{0} would have too many fields; the most is {most}", most = limits::OBJECT_FIELDS)]
    TooManyFields(Key),
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
    /// Makes an edit: all of its ops, or none. It shows at once and is queued to be sent.
    ///
    /// # Errors
    /// Where the edit does not fit what is shown, or breaks a limit. Nothing has changed then.
    pub fn edit(&mut self, now: Millis, ops: Vec<Op>, command: Option<Command>) -> Result<EditId, EditError> {
        EditError::check_room(ops.len(), self.outbox.len())?;
        let shown = rehearse(&ops, Stamp::pending(self.identity.client), true, |key| match self.view.shown(key) {
            Some(entry) => entry.cloned(),
            None => self.confirmed.entry(key).cloned(),
        })?;
        let body = Body { base: self.history.played, at: now, command, ops, ..Body::default() };
        EditError::check_bytes(&body)?;
        let edit = self.outbox.next_edit();
        for (place, op) in body.ops.iter().enumerate() {
            self.view.add(&op.key, edit, place);
        }
        for (key, entry) in shown {
            self.changed.insert(key.clone());
            self.view.show(&key, entry);
        }
        self.outbox.push(edit, body);
        self.storing.pending(edit);
        Ok(edit)
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

/// What the touched keys would show after the ops. `strict`: all that exists is known, so an op that does not fit it
/// is an error.
pub(crate) fn rehearse(
    ops: &[Op],
    stamp: Stamp,
    strict: bool,
    shown: impl Fn(&Key) -> Option<Entry>,
) -> Result<FxHashMap<Key, Option<Entry>>, EditError> {
    let mut rehearsed: FxHashMap<Key, Option<Entry>> = FxHashMap::default();
    for op in ops {
        let entry = rehearsed.entry(op.key.clone()).or_insert_with(|| shown(&op.key));
        match check(entry.as_ref().and_then(Entry::live).map(AsRef::as_ref), op) {
            Err(EditError::Exists(_) | EditError::NotFound(_)) if !strict => {}
            checked => checked?,
        }
        apply(entry, op, stamp);
    }
    Ok(rehearsed)
}

fn check(live: Option<&Object>, op: &Op) -> Result<(), EditError> {
    match (&op.action, live) {
        (Action::Insert(_), Some(_)) => Err(EditError::Exists(op.key.clone())),
        (Action::Update(_) | Action::Delete, None) => Err(EditError::NotFound(op.key.clone())),
        (Action::Insert(set) | Action::Upsert(set), live) => {
            set.iter().try_for_each(|(_, value)| check_depth(value))?;
            check_room(live, set, &op.key)
        }
        (Action::Update(edits), Some(object)) => {
            edits.iter().try_for_each(|(name, edit)| check_edit(object.get(name.as_str()), edit, &op.key))?;
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

fn check_edit(value: Option<&Value>, edit: &Edit, key: &Key) -> Result<(), EditError> {
    match edit {
        Edit::Set(value) => check_depth(value),
        Edit::Inc(amount) => match Object::incremented(value, amount) {
            Ok(_) => Ok(()),
            Err(error) => Err(EditError::Sum { key: key.clone(), error }),
        },
    }
}

fn check_depth(value: &Value) -> Result<(), EditError> {
    match value.nests_within(limits::VALUE_DEPTH) {
        true => Ok(()),
        false => Err(EditError::TooDeep),
    }
}
