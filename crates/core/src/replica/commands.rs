//! Commands: edits that are run again where what they read or wrote has changed before they are sent, or where the
//! server refused them as stale.
//!
//! The replica does not run them: it says which is to be run ([`Replica::poll_run`]), lets whoever does so read what
//! was before it ([`Replica::get_before`]), and takes what came of it ([`Replica::ran`]). Ids, time and randomness are
//! those of the first run.

use std::sync::Arc;

use super::edit::{Commanded, NewEdit, Reads, rehearse};
use super::outbox::Pending;
use super::part::Part;
use super::{Notice, Replica};
use crate::event::{Command, Refusal, RefusalCode};
use crate::name::{Collection, Key, ObjectId};
use crate::numbered::Numbered;
use crate::numbers::{EditId, Millis};
use crate::object::{Entry, Object, Write};
use crate::op::Op;
use crate::tables::Tables;

/// Which commands read what, and which are to be run again.
#[derive(Debug, Default)]
pub(super) struct Commands {
    readers: Tables<Vec<EditId>>,
    scanners: Vec<(Collection, EditId)>,
    /// To be run again.
    pub(super) due: Numbered<EditId, ()>,
    /// Being run.
    running: Option<EditId>,
    /// All that they read was let go, and none is run before it is held again.
    awaits_all: bool,
}

/// A command that is to be run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The edit it made.
    pub edit: EditId,
    /// The command.
    pub command: Command,
    /// When it first ran.
    pub at: Millis,
    /// What it drew from when it first ran.
    pub seed: u64,
}

/// What came of running a command again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// These ops, having read this.
    Ops(Vec<Op>, Reads),
    /// It refuses now: its intent is parked with this reason.
    Failed(String),
    /// It broke, which its author did not mean.
    Bug(String),
    /// Nobody here knows it: its ops stay as they are.
    Unknown,
}

impl Commands {
    pub(super) fn watch(&mut self, edit: EditId, reads: &Reads) {
        for key in &reads.objects {
            match self.readers.get_mut(key) {
                Some(readers) => readers.push(edit),
                None => drop(self.readers.insert(key.clone(), vec![edit])),
            }
        }
        self.scanners.extend(reads.collections.iter().map(|collection| (collection.clone(), edit)));
    }

    fn unwatch(&mut self, edit: EditId, reads: &Reads) {
        for key in &reads.objects {
            if let Some(readers) = self.readers.get_mut(key) {
                readers.retain(|&other| other != edit);
                if readers.is_empty() {
                    self.readers.remove(key);
                }
            }
        }
        if !reads.collections.is_empty() {
            self.scanners.retain(|(_, other)| *other != edit);
        }
        self.due.remove(edit);
        self.running = self.running.filter(|&running| running != edit);
    }

    /// Something under a key changed before the commands that come after something.
    fn changed(&mut self, key: &Key, comes_after: &dyn Fn(EditId) -> bool) {
        for &reader in self.readers.get(key).map_or(&[] as &[_], Vec::as_slice) {
            if comes_after(reader) {
                self.due.insert(reader, ());
            }
        }
        for (collection, scanner) in &self.scanners {
            if *collection == key.collection && comes_after(*scanner) {
                self.due.insert(*scanner, ());
            }
        }
    }

    /// Whether an edit waits to be run again.
    pub(super) fn is_due(&self, edit: EditId) -> bool {
        self.due.contains(edit) || self.running == Some(edit)
    }

    fn is_empty(&self) -> bool {
        self.scanners.is_empty() && self.readers.len() == 0
    }
}

impl Replica {
    /// The next command to be run again. One at a time: say what came of it with [`ran`](Self::ran).
    pub fn poll_run(&mut self) -> Option<Run> {
        if self.awaits_all() {
            return None;
        }
        let played = self.history.played;
        // What may be on the log under a former identity is recognised by its content.
        let is_ready =
            |pending: &Pending| pending.former.is_none() && pending.again.is_none_or(|again| again.head <= played);
        let ready = |edit: &EditId| self.outbox.pending.get(*edit).is_none_or(is_ready);
        let edit = self.commands.due.keys().find(ready)?;
        self.commands.due.remove(edit);
        let pending =
            self.outbox.pending.get(edit).filter(|pending| pending.seal.is_none() && pending.recorded.is_none());
        let Some((pending, commanded)) = pending.and_then(|pending| Some((pending, pending.command.as_ref()?))) else {
            return self.poll_run();
        };
        self.commands.running = Some(edit);
        Some(Run { edit, command: commanded.command.clone(), at: pending.body.at, seed: commanded.seed })
    }

    /// Whether what was let go has yet to come again: a command would run on nothing.
    fn awaits_all(&mut self) -> bool {
        let has_come = self.is_caught_up() && !self.part.as_ref().is_some_and(Part::is_coming);
        self.commands.awaits_all &= !has_come;
        self.commands.awaits_all
    }

    /// An object as it is shown without a pending edit and those that will come after it on the log.
    pub fn get_before(&self, edit: EditId, key: &Key) -> Option<Arc<Object>> {
        self.entry_where(key, &|other| self.outbox.comes_after(edit, other)).as_ref().and_then(Entry::live).cloned()
    }

    /// All objects of a collection as they are shown without a pending edit and those that will come after it, in no
    /// particular order.
    pub fn collection_before(&self, edit: EditId, collection: &Collection) -> Vec<(ObjectId, Arc<Object>)> {
        let untouched = self.confirmed.collection(collection);
        let untouched = untouched.filter(|(id, _)| !self.view.touches(collection, id));
        let mut objects: Vec<_> = untouched.map(|(id, object)| (id.clone(), object.clone())).collect();
        for id in self.view.ids(collection) {
            let key = Key { collection: collection.clone(), id: id.clone() };
            objects.extend(self.get_before(edit, &key).map(|object| (id.clone(), object)));
        }
        objects
    }

    /// A command was run again.
    pub fn ran(&mut self, edit: EditId, ran: Ran) {
        if self.commands.running != Some(edit) {
            return;
        }
        self.commands.running = None;
        let (code, reason) = match ran {
            Ran::Unknown => return,
            Ran::Ops(ops, reads) => match self.replace(edit, ops, reads) {
                Ok(()) => return,
                Err(reason) => (RefusalCode::Failed, reason),
            },
            Ran::Failed(reason) => (RefusalCode::Failed, reason),
            Ran::Bug(reason) => (RefusalCode::Bug, reason),
        };
        self.park(edit, Refusal { code, reason, about: None, field: None, current: None, head: self.history.played });
    }

    /// A pending edit says something else from now on.
    fn replace(&mut self, edit: EditId, ops: Vec<Op>, reads: Reads) -> Result<(), String> {
        let played = self.history.played;
        let Some(pending) = self.outbox.pending.get(edit) else { return Ok(()) };
        let write = Write::pending(self.identity.client, played, pending.body.at);
        let command = pending.command.as_ref().map(|commanded| Commanded { reads, ..commanded.clone() });
        if ops.is_empty() {
            return Err("the command has nothing left to do".into());
        }
        let before = |key: &Key| self.entry_where(key, &|other| self.outbox.comes_after(edit, other));
        let new = NewEdit { ops, command, ..NewEdit::default() };
        let rehearsed = rehearse(&new.ops, new.drafts, &write, !self.lacks_some(), self.validity.as_deref(), &before);
        rehearsed.map_err(|error| error.to_string())?;
        let (mut body, command) = new.into_body(played, pending.body.at);
        self.say_seen(&mut body.ops);
        self.say_unseen(&mut body, &|key| self.get_before(edit, key).is_some());
        self.exchange(edit, |pending| {
            (pending.body, pending.shown, pending.command) = (body, None, command);
            (pending.met, pending.voided) = (false, false);
        });
        Ok(())
    }

    /// Changes a pending edit in its place, with what that means for those after it.
    fn exchange(&mut self, edit: EditId, change: impl FnOnce(&mut Pending)) {
        let Some(pending) = self.outbox.pending.get(edit) else { return };
        let mut keys = pending.keys();
        let trails = self.trails(&keys);
        for key in &keys {
            self.view.remove(key, edit);
        }
        let Some(pending) = self.outbox.pending.get_mut(edit) else { return };
        if let Some(commanded) = &pending.command {
            self.commands.unwatch(edit, &commanded.reads);
        }
        change(pending);
        if let Some(commanded) = &pending.command {
            self.commands.watch(edit, &commanded.reads);
        }
        for (place, op) in pending.body.ops.iter().enumerate() {
            self.view.add_in_order(&op.key, edit, place);
            keys.push(op.key.clone());
        }
        self.storing.pending(edit);
        self.move_along(trails);
        keys.iter().for_each(|key| self.commands.changed(key, &|reader| self.outbox.comes_after(reader, edit)));
        self.reapply(keys);
    }

    /// Nothing is as it was: all commands are to be run again, once it is held again.
    pub(super) fn disturb_all(&mut self) {
        self.commands.awaits_all = true;
        for (edit, pending) in self.outbox.pending.iter() {
            if pending.command.is_some() {
                self.commands.due.insert(edit, ());
            }
        }
    }

    /// Something was changed under a key before the pending edits after `edit`: commands that rest on it are to be run
    /// again.
    pub(super) fn disturb(&mut self, key: &Key, edit: EditId) {
        if self.commands.is_empty() {
            return;
        }
        let rests = |other: EditId| other > edit || other != edit && self.outbox.is_made_again(other);
        self.commands.changed(key, &rests);
        for &(writer, _) in self.view.ops(key) {
            let commanded = self.outbox.pending.get(writer).is_some_and(|pending| pending.command.is_some());
            if commanded && rests(writer) {
                self.commands.due.insert(writer, ());
            }
        }
    }

    /// Whether an edit waits for the verdict on an earlier serializable command that writes the same: where that is
    /// refused and made again, it is to stand before what was made on top of it. What names its reads need not wait: it
    /// would be refused with it.
    pub(super) fn waits_for_command(&self, edit: EditId) -> bool {
        let Some(pending) = self.outbox.pending.get(edit).filter(|pending| pending.body.unchanged.is_empty()) else {
            return false;
        };
        if self.commands.is_empty() {
            return false;
        }
        let reads = pending.command.iter().flat_map(|commanded| &commanded.reads.objects);
        let keys = pending.body.ops.iter().map(|op| &op.key).chain(reads);
        let mut earlier = keys.flat_map(|key| self.view.ops(key)).filter(|(other, _)| *other < edit);
        earlier.any(|(other, _)| self.outbox.pending.get(*other).is_some_and(Pending::may_be_made_again))
    }

    /// A refused edit is made again, where that helps: a command on what has changed, a splice on the present text.
    /// Answers whether it will be.
    pub(super) fn make_again(&mut self, edit: EditId, refused: super::outbox::Again, code: RefusalCode) -> bool {
        let overtaken = self.is_overtaken(edit);
        let Some(pending) = self.outbox.pending.get_mut(edit) else { return false };
        let commanded = pending.command.is_some();
        // A splice whose text was set anew has nothing to be moved to.
        let rebases = code == RefusalCode::Rebase && !pending.voided && !overtaken;
        let helps = rebases || code == RefusalCode::Stale && commanded;
        if !helps || refused.tries > crate::limits::TRIES {
            return false;
        }
        (pending.seal, pending.again) = (None, Some(refused));
        let keys = pending.keys();
        if commanded {
            self.commands.due.insert(edit, ());
        }
        // Earlier ones that are made again had counted on it: it was to come before them.
        keys.iter().for_each(|key| self.disturb(key, edit));
        self.outbox.start_sealing();
        self.storing.pending(edit);
        true
    }

    /// A pending edit is gone: nothing is watched for it any more.
    pub(super) fn forget_command(&mut self, edit: EditId, pending: &Pending) {
        if let Some(commanded) = &pending.command {
            self.commands.unwatch(edit, &commanded.reads);
        }
    }

    /// Edits that came to nothing before they were sent.
    pub(super) fn cancelled(&mut self, edit: EditId, also: &[EditId]) {
        for &edit in std::iter::once(&edit).chain(also) {
            self.notice(Notice::Cancelled { edit });
        }
    }

    /// When an edit that is refused can be made again: once all that is on its way is decided. What of that is refused as
    /// well would be held against it, too. It counts as a try where something was said against the edit itself.
    pub(super) fn refused_at(&self, edit: EditId, refusal: &Refusal) -> super::outbox::Again {
        let tries = self.outbox.pending.get(edit).and_then(|pending| pending.again).map_or(0, |again| again.tries);
        let tries = tries + u32::from(refusal.about.is_some());
        super::outbox::Again { settled: self.outbox.last_sealed(), head: refusal.head, tries }
    }
}

impl Pending {
    /// Whether it is a serializable command on its way.
    fn may_be_made_again(&self) -> bool {
        let on_its_way = self.seal.is_some() && self.recorded.is_none();
        on_its_way && self.command.is_some() && !self.body.unchanged.is_empty()
    }
}
