//! One stream of a client: its replica behind a lock, and all who wait for something from it.
//!
//! Callers and the driver hold the lock for single calls into the replica, so that an edit never waits for the
//! network or the disk.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tapeline_core::event::Command;
use tapeline_core::frame::{ClientFrame, ServerFrame};
use tapeline_core::name::{Collection, Key, ObjectId, StreamName};
use tapeline_core::numbers::{Channel, EditId, Millis};
use tapeline_core::object::Object;
use tapeline_core::op::Op;
use tapeline_core::replica::{Commanded, EditError, Moved, NewEdit, Notice, Ran, Replica, Run, StoreBatch};
use tapeline_core::undo::{Direction, History};
use tokio::sync::{broadcast, watch};

use crate::chance;
use crate::command::{CommandError, Drawn, Registry};
use crate::error::Closed;
use crate::receipt::{Outcome, Receipt, Receipts};
use crate::status::{Connection, closed};
use crate::watch::{Scope, Slot, Watchers};

/// Notices kept for who listens slowly.
const NOTICES: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Cell {
    name: StreamName,
    channel: Channel,
    inner: Mutex<Inner>,
    registry: Arc<Registry>,
    /// Whether it is among those the driver will look after.
    queued: AtomicBool,
    stored: watch::Sender<EditId>,
    turned: watch::Sender<()>,
    peers: watch::Sender<()>,
    /// There once somebody listens: it has room for all of them from the start.
    notices: OnceLock<broadcast::Sender<Notice>>,
    connection: watch::Receiver<Connection>,
}

#[derive(Debug)]
struct Inner {
    replica: Replica,
    receipts: Receipts,
    watchers: Watchers,
    history: History,
    /// How many have begun to group edits, and have yet to end.
    groups: usize,
    /// The socket the replica was told of, by number.
    socket: Option<u64>,
}

impl Cell {
    pub(crate) fn new(
        replica: Replica,
        channel: Channel,
        connection: watch::Receiver<Connection>,
        registry: Arc<Registry>,
    ) -> Self {
        Self {
            registry,
            name: replica.stream().clone(),
            channel,
            queued: AtomicBool::new(false),
            stored: watch::Sender::new(replica.stored_through()),
            turned: watch::Sender::new(()),
            peers: watch::Sender::new(()),
            notices: OnceLock::new(),
            connection,
            inner: Mutex::new(Inner {
                replica,
                receipts: Receipts::default(),
                watchers: Watchers::default(),
                history: History::default(),
                groups: 0,
                socket: None,
            }),
        }
    }

    pub(crate) fn name(&self) -> &StreamName {
        &self.name
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel
    }

    /// Looks at the replica, or changes what nobody waits for.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut Replica) -> R) -> R {
        look(&mut self.lock().replica)
    }

    pub(crate) fn edit(self: &Arc<Self>, new: NewEdit) -> Result<Receipt, EditError> {
        let inner = &mut *self.lock();
        inner.commit(chance::now(), new, None).map(|edit| self.receipt(inner, edit))
    }

    pub(crate) fn publish(self: &Arc<Self>, key: &Key) -> Result<Receipt, EditError> {
        let inner = &mut *self.lock();
        let edit = inner.replica.publish(chance::now(), key)?;
        Ok(self.receipt(inner, edit))
    }

    /// Runs a command on what is shown, and makes the edit it asks for.
    pub(crate) fn run(self: &Arc<Self>, command: Command) -> Result<Receipt, CommandError> {
        self.run_in(&mut self.lock(), command)
    }

    fn run_in(self: &Arc<Self>, inner: &mut Inner, command: Command) -> Result<Receipt, CommandError> {
        let known = self.registry.find(&command.name)?;
        // The edit keeps the time for when the command is run again: it is the one that the command is told.
        let (now, seed) = (chance::now(), chance::random() as u64);
        let shown = |key: &Key| inner.replica.get(key).cloned();
        let all = |collection: &Collection| shown_of(&inner.replica, collection);
        let made = known.run(&command, Drawn { at: now, seed }, &shown, &all)?;
        let serializable = known.is_serializable();
        let commanded = Commanded { command, seed, reads: made.reads, serializable };
        let new = NewEdit { ops: made.ops, command: Some(commanded), ..NewEdit::default() };
        let edit = inner.commit(now, new, None).map_err(CommandError::Edit)?;
        Ok(self.receipt(inner, edit))
    }

    /// Takes the last step back, or makes it again. `None` where there is none.
    pub(crate) fn step(self: &Arc<Self>, direction: Direction, forced: bool) -> Result<Option<Receipt>, EditError> {
        let inner = &mut *self.lock();
        inner.tell_history();
        let Inner { replica, history, .. } = inner;
        let Some(new) = history.next(direction, forced, &|key: &Key| replica.get(key).cloned()) else {
            return Ok(None);
        };
        let edit = inner.commit(chance::now(), new, Some(direction))?;
        Ok(Some(self.receipt(inner, edit)))
    }

    /// Whether there is a step to go.
    pub(crate) fn can(&self, direction: Direction) -> bool {
        self.lock().history.can(direction)
    }

    /// All edits are one step until what this answers is dropped; a group within another is a part of it.
    pub(crate) fn group(&self) -> Group<'_> {
        let inner = &mut *self.lock();
        if inner.groups == 0 {
            inner.history.begin_group();
        }
        inner.groups += 1;
        Group(self)
    }

    /// Makes several edits of what was seen, with nothing coming between. Those before one that is not taken stay.
    pub(crate) fn edits<E: From<EditError>>(
        self: &Arc<Self>,
        plan: impl FnOnce(&Replica) -> Result<Vec<Vec<Op>>, E>,
    ) -> Result<Vec<Receipt>, E> {
        let inner = &mut *self.lock();
        let mut receipts = Vec::new();
        for ops in plan(&inner.replica)? {
            let edit = inner.commit(chance::now(), ops.into(), None)?;
            receipts.push(self.receipt(inner, edit));
        }
        Ok(receipts)
    }

    /// Makes a parked edit again, and drops it where that succeeds. `None`: there is none.
    pub(crate) fn retry(self: &Arc<Self>, parked: EditId) -> Result<Option<Receipt>, CommandError> {
        let inner = &mut *self.lock();
        let Some(command) = self.command_of(inner, parked) else {
            let again = inner.replica.retry(chance::now(), parked).transpose()?;
            return Ok(again.map(|edit| self.receipt(inner, edit)));
        };
        let receipt = self.run_in(inner, command)?;
        inner.replica.discard(parked);
        Ok(Some(receipt))
    }

    /// Makes another edit in place of a parked one, and drops that where it succeeds. `None`: there is none.
    pub(crate) fn retry_as(self: &Arc<Self>, parked: EditId, ops: Vec<Op>) -> Result<Option<Receipt>, EditError> {
        let inner = &mut *self.lock();
        if !inner.replica.parked().any(|(edit, _)| edit == parked) {
            return Ok(None);
        }
        let edit = inner.commit(chance::now(), ops.into(), None)?;
        inner.replica.discard(parked);
        Ok(Some(self.receipt(inner, edit)))
    }

    /// The command that made a parked edit, where it is known here.
    fn command_of(&self, inner: &Inner, parked: EditId) -> Option<Command> {
        let (_, parked) = inner.replica.parked().find(|(edit, _)| *edit == parked)?;
        parked.body.command.clone().filter(|command| self.registry.find(&command.name).is_ok())
    }

    fn receipt(self: &Arc<Self>, inner: &mut Inner, edit: EditId) -> Receipt {
        Receipt::new(edit, inner.receipts.give(edit), self.clone())
    }

    pub(crate) fn watch(&self, scope: Scope) -> Arc<Slot> {
        self.lock().watchers.watch(scope)
    }

    pub(crate) fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.get_or_init(|| broadcast::Sender::new(NOTICES)).subscribe()
    }

    pub(crate) fn stored_through(&self) -> watch::Receiver<EditId> {
        self.stored.subscribe()
    }

    /// Changes whenever the driver has looked after the stream.
    pub(crate) fn turned(&self) -> watch::Receiver<()> {
        self.turned.subscribe()
    }

    /// Changes whenever somebody came, went or said something of themselves.
    pub(crate) fn peers_changed(&self) -> watch::Receiver<()> {
        self.peers.subscribe()
    }

    pub(crate) fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.clone()
    }

    /// Waits for `future`, or until the client is closed.
    pub(crate) async fn unless_closed<T>(&self, future: impl Future<Output = T>) -> Result<T, Closed> {
        let mut connection = self.connection();
        tokio::select! {
            biased;
            done = future => Ok(done),
            () = closed(&mut connection) => Err(Closed),
        }
    }

    /// Waits until the replica is as wished, or the client is closed.
    pub(crate) async fn wait_for(&self, wish: impl Fn(&Replica) -> bool) -> Result<(), Closed> {
        let mut turned = self.turned();
        let waiting = async {
            while !self.with(|replica| wish(replica)) {
                turned.changed().await.map_err(|_| Closed)?;
            }
            Ok(())
        };
        self.unless_closed(waiting).await?
    }

    // What the driver does.

    /// Marks it as to be looked after. Answers whether it was not already.
    pub(crate) fn queue(&self) -> bool {
        !self.queued.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn receive(&self, frame: ServerFrame) {
        self.with(|replica| replica.receive(chance::moment(), frame));
    }

    /// The rows of a batch are on the device.
    pub(crate) fn stored(&self, number: u64) {
        self.with(|replica| replica.stored(number));
    }

    /// Tells the replica which socket there is, and everybody what happened. Answers what is to be stored.
    pub(crate) fn settle(&self, socket: Option<u64>) -> Option<StoreBatch> {
        self.queued.store(false, Ordering::Release);
        let inner = &mut *self.lock();
        if inner.socket != socket {
            inner.socket = socket;
            match socket {
                Some(_) => inner.replica.connected(self.channel),
                None => inner.replica.disconnected(),
            }
        }
        self.run_again(inner);
        let batch = inner.replica.poll_store();
        self.announce(inner);
        batch
    }

    /// All that is not stored, though the driver is gone. Where somebody has panicked within, what is there is nobody's to keep.
    pub(crate) fn flush(&self) -> Option<StoreBatch> {
        self.inner.lock().ok()?.replica.flush_store()
    }

    /// Runs the commands again whose ground has changed.
    fn run_again(&self, inner: &mut Inner) {
        while let Some(Run { edit, command, at, seed }) = inner.replica.poll_run() {
            let shown = |key: &Key| inner.replica.get_before(edit, key);
            let all = |collection: &Collection| inner.replica.collection_before(edit, collection);
            let ran = match self.registry.find(&command.name) {
                Err(_) => Ran::Unknown,
                Ok(known) => match known.run(&command, Drawn { at, seed }, &shown, &all) {
                    Ok(made) => Ran::Ops(made.ops, made.reads),
                    Err(CommandError::Bug(why)) => Ran::Bug(why),
                    Err(error) => Ran::Failed(error.to_string()),
                },
            };
            inner.replica.ran(edit, ran);
        }
    }

    /// The next frame to send.
    pub(crate) fn next_frame(&self) -> Option<ClientFrame> {
        self.with(|replica| replica.poll_frame(chance::now()))
    }

    /// How long the server asked for nothing to be sent; none where the pause ended since a frame was asked for.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let until = self.with(|replica| replica.poll_timeout())?;
        Some(Duration::from_millis(until.since(chance::now()).0))
    }

    fn announce(&self, inner: &mut Inner) {
        inner.tell_history();
        let changed: Vec<Key> = inner.replica.take_changed().collect();
        for key in &changed {
            inner.history.changed(key, inner.replica.get(key));
        }
        inner.watchers.tell(changed.into_iter());
        while let Some(notice) = inner.replica.poll_notice() {
            match &notice {
                Notice::Recorded { edit, seq, lost } => {
                    inner.receipts.settle(*edit, || Outcome::Recorded { seq: *seq, lost: lost.clone() });
                }
                Notice::Refused { edit, refusal } => {
                    inner.receipts.settle(*edit, || Outcome::Refused(refusal.clone()));
                }
                Notice::Cancelled { edit } => inner.receipts.settle(*edit, || Outcome::Cancelled),
                _ => {}
            }
            // Where nobody listens, the receipts and the status still say it.
            if let Some(listeners) = self.notices.get() {
                listeners.send(notice).unwrap_or_default();
            }
        }
        if inner.replica.take_peers_changed() {
            self.peers.send_replace(());
        }
        let through = inner.replica.stored_through();
        self.stored.send_if_modified(|stored| std::mem::replace(stored, through) != through);
        self.turned.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no caller panics inside the replica")
    }
}

/// Edits that are one step. It ends when this is dropped, however that comes.
pub(crate) struct Group<'a>(&'a Cell);

impl Drop for Group<'_> {
    fn drop(&mut self) {
        let Ok(mut inner) = self.0.inner.lock() else { return };
        inner.groups -= 1;
        if inner.groups == 0 {
            inner.history.end_group();
        }
    }
}

impl Inner {
    /// Makes an edit that can be undone. `way`: it takes the last step back, or makes it again.
    fn commit(&mut self, now: Millis, new: NewEdit, way: Option<Direction>) -> Result<EditId, EditError> {
        self.tell_history();
        let (ops, before) = (new.ops.clone(), objects(&self.replica, &new.ops));
        let edit = self.replica.edit(now, new)?;
        let Self { replica, history, .. } = self;
        history.committed(&ops, way, &look(before), &|key: &Key| replica.get(key).cloned());
        Ok(edit)
    }

    /// Tells what others have done to texts that can be undone here.
    fn tell_history(&mut self) {
        for Moved { key, field, splices, .. } in self.replica.take_moved() {
            self.history.spliced(&key, &field, &splices);
        }
    }
}

/// The objects that ops touch, as they are shown.
fn objects(replica: &Replica, ops: &[Op]) -> FxHashMap<Key, Arc<Object>> {
    ops.iter().filter_map(|op| Some((op.key.clone(), replica.get(&op.key)?.clone()))).collect()
}

fn look(objects: FxHashMap<Key, Arc<Object>>) -> impl Fn(&Key) -> Option<Arc<Object>> {
    move |key| objects.get(key).cloned()
}

fn shown_of(replica: &Replica, collection: &Collection) -> Vec<(ObjectId, Arc<Object>)> {
    replica.collection(collection).map(|(id, object)| (id.clone(), object.clone())).collect()
}
