//! A stream: its objects as they are shown, edits of them, and how it stands.

use std::sync::Arc;

use serde::Serialize;
use tapeline_core::event::{Command, Read, Refusal};
use tapeline_core::hash::Digest;
use tapeline_core::name::{self, CommandName, Key, NameError, StreamName};
use tapeline_core::numbers::{ClientId, EditId, Millis};
use tapeline_core::object::Object;
use tapeline_core::op::Op;
use tapeline_core::replica::{NewEdit, Notice, Replica};
use tapeline_core::undo::Direction;
use tokio::sync::broadcast;

use crate::cell::Cell;
use crate::command::{self, CommandError};
use crate::error::{Closed, EditError};
use crate::hub::Shared;
use crate::status::{Status, StatusChanges};
use crate::watch::{Changes, Scope};
use crate::{Batch, Collection, Presence, Receipt, Typed};

/// A stream of a client. Cheap to clone; it keeps its client open.
///
/// Reads and edits are immediate: they look at and change what this device holds. An edit shows before the call
/// returns, is stored on the device a moment later, and is sent when there is a connection.
#[derive(Clone, Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    cell: Arc<Cell>,
}

/// An edit the server refused, kept until it is retried or discarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedEdit {
    /// The edit.
    pub edit: EditId,
    /// When it was made.
    pub at: Millis,
    /// The command that made it, where one did.
    pub command: Option<Command>,
    /// What was to be done.
    pub ops: Vec<Op>,
    /// Why it was not.
    pub refusal: Refusal,
}

impl Stream {
    pub(crate) fn new(shared: Arc<Shared>, cell: Arc<Cell>) -> Self {
        Self { shared, cell }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }

    /// Its name.
    pub fn name(&self) -> &StreamName {
        self.cell.name()
    }

    /// A collection of its objects.
    ///
    /// # Errors
    /// Where the name is none.
    pub fn collection(&self, name: impl AsRef<str>) -> Result<Collection, NameError> {
        Ok(Collection::new(self.clone(), name::Collection::new(name)?))
    }

    /// A collection whose objects are values of a type of the program.
    ///
    /// # Errors
    /// Where the name is none.
    pub fn typed<T>(&self, name: impl AsRef<str>) -> Result<Typed<T>, NameError> {
        self.collection(name).map(Typed::new)
    }

    /// The names of all collections in which something is or was shown, sorted.
    pub fn collections(&self) -> Vec<name::Collection> {
        self.cell.with(|replica| replica.collections())
    }

    /// A peer of this client on the stream, and the others there.
    pub fn presence(&self) -> Presence {
        Presence::new(self.shared.clone(), self.cell.clone())
    }

    /// An object as it is shown.
    pub fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.cell.with(|replica| replica.get(key).cloned())
    }

    pub(crate) fn all(&self, collection: &name::Collection) -> Vec<(name::ObjectId, Arc<Object>)> {
        let objects = |object: (&name::ObjectId, &Arc<Object>)| (object.0.clone(), object.1.clone());
        let mut all: Vec<_> = self.cell.with(|replica| replica.collection(collection).map(objects).collect());
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Makes an edit of several ops: all of them take effect, or none. It shows at once.
    ///
    /// # Errors
    /// Where the edit does not fit what is shown, or breaks a limit. Nothing has changed then.
    pub fn edit(&self, ops: Vec<Op>) -> Result<Receipt, EditError> {
        self.edit_unless_changed(ops, Vec::new())
    }

    /// Makes an edit that is refused as `stale` where something it depends on has changed by the time it is recorded.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub fn edit_unless_changed(&self, ops: Vec<Op>, unchanged: Vec<Read>) -> Result<Receipt, EditError> {
        self.shared.check_open()?;
        let receipt = self.cell.edit(NewEdit { ops, unchanged, ..NewEdit::default() })?;
        self.shared.attend(&self.cell);
        Ok(receipt)
    }

    /// Makes new objects that stay on this device, with every later edit of them, until they are
    /// [published](Self::publish). They are shown with all others. On a draft, and on edits of it, there is no word of the
    /// server: that comes with the receipt of what publishes it.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub fn draft(&self, ops: Vec<Op>) -> Result<Receipt, EditError> {
        self.shared.check_open()?;
        let receipt = self.cell.edit(NewEdit::draft(ops))?;
        self.shared.attend(&self.cell);
        Ok(receipt)
    }

    /// A draft becomes an object like others, and is sent.
    ///
    /// # Errors
    /// Where there is no such draft.
    pub fn publish(&self, key: &Key) -> Result<Receipt, EditError> {
        self.shared.check_open()?;
        let receipt = self.cell.publish(key)?;
        self.shared.attend(&self.cell);
        Ok(receipt)
    }

    /// Runs a registered command.
    ///
    /// # Errors
    /// Where it is not registered, refuses, breaks, or asks for what does not fit. Nothing has changed then.
    pub fn run(&self, command: &str, args: impl Serialize) -> Result<Receipt, CommandError> {
        self.shared.check_open()?;
        let command = Command { name: CommandName::new(command)?, args: command::args(&args)? };
        let receipt = self.cell.run(command)?;
        self.shared.attend(&self.cell);
        Ok(receipt)
    }

    /// Takes the last edit back that was made through this client since it was opened, as a new edit. What others have
    /// changed since is left alone. `None`: there is nothing to take back.
    ///
    /// # Errors
    /// Where the outbox is full, what it goes back to is not valid, or the client was closed. The step stays then.
    pub fn undo(&self) -> Result<Option<Receipt>, EditError> {
        self.step(Direction::Undo, false)
    }

    /// Takes the last edit back whatever others have changed since.
    ///
    /// # Errors
    /// As [`undo`](Self::undo).
    pub fn force_undo(&self) -> Result<Option<Receipt>, EditError> {
        self.step(Direction::Undo, true)
    }

    /// Makes the edit again that was last taken back.
    ///
    /// # Errors
    /// As [`undo`](Self::undo).
    pub fn redo(&self) -> Result<Option<Receipt>, EditError> {
        self.step(Direction::Redo, false)
    }

    /// Whether there is something to undo, and something to redo.
    pub fn can_undo(&self) -> (bool, bool) {
        (self.cell.can(Direction::Undo), self.cell.can(Direction::Redo))
    }

    /// All edits made meanwhile are undone and redone together. A group within another is a part of it.
    pub fn grouped<R>(&self, edits: impl FnOnce() -> R) -> R {
        let _group = self.cell.group();
        edits()
    }

    fn step(&self, direction: Direction, forced: bool) -> Result<Option<Receipt>, EditError> {
        self.shared.check_open()?;
        let receipt = self.cell.step(direction, forced)?;
        self.shared.attend(&self.cell);
        Ok(receipt)
    }

    /// Looks at what is shown and makes edits of it, with nothing coming between.
    pub(crate) fn edits(
        &self,
        plan: impl FnOnce(&Replica) -> Result<Vec<Vec<Op>>, EditError>,
    ) -> Result<Vec<Receipt>, EditError> {
        self.shared.check_open()?;
        let receipts = self.cell.edits(plan);
        self.shared.attend(&self.cell);
        receipts
    }

    pub(crate) fn look<R>(&self, look: impl FnOnce(&Replica) -> R) -> R {
        self.cell.with(|replica| look(replica))
    }

    /// Begins an edit of several ops.
    ///
    /// ```no_run
    /// # fn example(list: tapeline_client::Stream, id: tapeline_client::ObjectId) -> Result<(), Box<dyn std::error::Error>> {
    /// list.batch().update("tasks", &id, [("done", true.into())]).increment("totals", &id, "done", 1).commit()?;
    /// # Ok(()) }
    /// ```
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// All changes of the stream from now on.
    pub fn changes(&self) -> Changes {
        self.watch(Scope::Stream)
    }

    pub(crate) fn watch(&self, scope: Scope) -> Changes {
        Changes::new(self.cell.watch(scope), self.cell.connection())
    }

    /// What happens to the stream beside changes of objects, from now on: verdicts on edits, also on those from before
    /// the program was started anew, and changes of identity. Who listens too slowly is told how much was missed.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.cell.notices()
    }

    /// How the stream stands.
    pub fn status(&self) -> Status {
        Status {
            connection: self.shared.connection().borrow().clone(),
            storage: self.shared.storage().borrow().clone(),
            replica: self.cell.with(|replica| replica.status()),
        }
    }

    /// How the stream stands, now and whenever that changes.
    pub fn status_changes(&self) -> StatusChanges {
        StatusChanges {
            turned: self.cell.turned(),
            connection: self.cell.connection(),
            storage: self.shared.storage(),
            stream: self.clone(),
            last: None,
        }
    }

    /// Waits until the stream is open on a connection and all that the server was last heard to have is shown.
    ///
    /// # Errors
    /// Where the client is closed before.
    pub async fn caught_up(&self) -> Result<(), Closed> {
        self.cell.wait_for(|replica| replica.is_caught_up()).await
    }

    /// Waits until it is caught up and none of its own edits is pending any more.
    ///
    /// # Errors
    /// Where the client is closed before.
    pub async fn synced(&self) -> Result<(), Closed> {
        self.cell.wait_for(|replica| replica.is_caught_up() && replica.pending() == 0).await
    }

    /// Waits until everything shown and edited so far is on the device.
    ///
    /// # Errors
    /// Where the client is closed before.
    pub async fn stored(&self) -> Result<(), Closed> {
        self.cell.wait_for(|replica| replica.status().stored).await
    }

    /// The edits that the server refused, oldest first.
    pub fn parked(&self) -> Vec<ParkedEdit> {
        self.cell.with(|replica| {
            let parked = replica.parked().map(|(edit, parked)| ParkedEdit {
                edit,
                at: parked.body.at,
                command: parked.body.command.clone(),
                ops: parked.body.ops.clone(),
                refusal: parked.refusal.clone(),
            });
            parked.collect()
        })
    }

    /// Makes a parked edit again, on what is shown now; one that a command made by running the command again. It leaves
    /// the parked ones where that succeeds. `None`: there is no such parked edit.
    ///
    /// # Errors
    /// Where the edit does not fit what is shown, or the command refuses.
    pub fn retry(&self, parked: EditId) -> Result<Option<Receipt>, CommandError> {
        self.shared.check_open()?;
        let receipt = self.cell.retry(parked)?;
        self.shared.attend(&self.cell);
        Ok(receipt)
    }

    /// Makes another edit in place of a parked one, which is dropped where that succeeds. `None`: there is no such parked edit,
    /// and no other is made.
    ///
    /// # Errors
    /// Where the edit does not fit what is shown.
    pub fn retry_as(&self, parked: EditId, ops: Vec<Op>) -> Result<Option<Receipt>, EditError> {
        self.shared.check_open()?;
        let receipt = self.cell.retry_as(parked, ops)?;
        self.shared.attend(&self.cell);
        Ok(receipt)
    }

    /// Drops a parked edit for good. Answers whether there was one.
    pub fn discard(&self, parked: EditId) -> bool {
        let was = self.cell.with(|replica| replica.discard(parked)).is_some();
        self.shared.attend(&self.cell);
        was
    }

    /// The digest over the confirmed objects: equal wherever the same events were played.
    pub fn digest(&self) -> Digest {
        self.cell.with(|replica| replica.digest())
    }

    /// The id under which this device's copy of the stream sends.
    pub fn client(&self) -> ClientId {
        self.cell.with(|replica| replica.client())
    }
}
