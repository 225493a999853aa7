//! What the handles, the driver and the store's thread share: the streams, and which of them want looking after.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId};
use tapeline_core::replica::{Keeping, Replica, Start, StoreBatch};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::cell::Cell;
use crate::chance;
use crate::checks::Checks;
use crate::command::Registry;
use crate::error::{Closed, StoreError, StreamError};
use crate::status::Connection;
use crate::store::{Store, Write};

#[derive(Debug)]
pub(crate) struct Hub {
    streams: Mutex<Streams>,
    /// One stream is opened at a time, so that none is opened twice.
    opening: tokio::sync::Mutex<()>,
    attention: Mutex<Vec<Arc<Cell>>>,
    wake: Notify,
    wish: Mutex<Wish>,
    ending: AtomicBool,
    connection: watch::Sender<Connection>,
    store: Option<Store>,
    registry: Arc<Registry>,
    checks: Checks,
    no_problem: watch::Sender<Option<StoreError>>,
}

#[derive(Debug, Default)]
struct Streams {
    by_name: FxHashMap<StreamName, Channel>,
    by_channel: Vec<Arc<Cell>>,
}

/// What the app wants of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) online: bool,
    /// The connection there is, is to be given up, even where another one is wanted by now.
    pub(crate) anew: bool,
    /// An attempt is to be made at once, whatever the last one said.
    pub(crate) now: bool,
}

impl Hub {
    pub(crate) fn new(store: Option<Store>, online: bool, checks: Checks) -> Self {
        Self {
            streams: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            attention: Mutex::default(),
            wake: Notify::new(),
            wish: Mutex::new(Wish { online, anew: false, now: false }),
            ending: AtomicBool::new(false),
            connection: watch::Sender::new(if online { Connection::Connecting } else { Connection::Offline }),
            store,
            registry: Arc::default(),
            checks,
            no_problem: watch::Sender::new(None),
        }
    }

    /// The stream with this name, or a part of it; read from the store, or made, where it is not open yet.
    pub(crate) async fn stream(&self, name: StreamName, extent: Extent) -> Result<Arc<Cell>, StreamError> {
        let _opening = self.opening.lock().await;
        self.check_open()?;
        if let Some(cell) = self.open_stream(&name) {
            cell.with(|replica| extent.check(replica))?;
            return Ok(cell);
        }
        let client = ClientId(chance::random());
        let mut replica = match &self.store {
            None => Replica::new(name.clone(), client, Start::Played, Keeping::Memory),
            Some(store) => store.load(name.clone(), client).await?,
        };
        extent.check(&mut replica)?;
        replica.check_by(self.checks.of(&name));
        let cell = self.add(name, replica);
        self.attend(&cell);
        Ok(cell)
    }

    fn open_stream(&self, name: &StreamName) -> Option<Arc<Cell>> {
        let streams = lock(&self.streams);
        streams.by_name.get(name).map(|channel| streams.by_channel[channel.0 as usize].clone())
    }

    fn add(&self, name: StreamName, replica: Replica) -> Arc<Cell> {
        let mut streams = lock(&self.streams);
        let channel = Channel(streams.by_channel.len() as u32);
        let cell = Arc::new(Cell::new(replica, channel, self.connection.subscribe(), self.registry.clone()));
        streams.by_channel.push(cell.clone());
        streams.by_name.insert(name, channel);
        cell
    }

    /// The commands this client knows.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All open streams.
    pub(crate) fn streams(&self) -> Vec<Arc<Cell>> {
        lock(&self.streams).by_channel.clone()
    }

    pub(crate) fn on_channel(&self, channel: Channel) -> Option<Arc<Cell>> {
        lock(&self.streams).by_channel.get(channel.0 as usize).cloned()
    }

    /// Has the driver look after a stream. Only the first of many calls costs anything.
    pub(crate) fn attend(&self, cell: &Arc<Cell>) {
        if cell.queue() {
            lock(&self.attention).push(cell.clone());
            self.wake.notify_one();
        }
    }

    /// The streams to be looked after.
    pub(crate) fn take_attention(&self) -> Vec<Arc<Cell>> {
        std::mem::take(&mut lock(&self.attention))
    }

    /// Waits until something wants the driver.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn wish(&self, online: bool) {
        let mut wish = lock(&self.wish);
        *wish = Wish { online, anew: wish.anew || !online, now: online };
        drop(wish);
        self.wake.notify_one();
    }

    pub(crate) fn take_wish(&self) -> Wish {
        let mut wish = lock(&self.wish);
        let taken = *wish;
        (wish.anew, wish.now) = (false, false);
        taken
    }

    pub(crate) fn connection(&self) -> &watch::Sender<Connection> {
        &self.connection
    }

    pub(crate) fn storage(&self) -> watch::Receiver<Option<StoreError>> {
        self.store.as_ref().map_or_else(|| self.no_problem.subscribe(), Store::problem)
    }

    /// Has what changed in a stream written, and the stream looked after again when it is.
    pub(crate) fn save(self: &Arc<Self>, cell: &Arc<Cell>, batch: StoreBatch) {
        let Some(store) = &self.store else { return };
        let (hub, saved, number) = (self.clone(), cell.clone(), batch.number);
        let done = move || {
            saved.stored(number);
            hub.attend(&saved);
        };
        store.write(Write { stream: cell.name().clone(), batch, done: Box::new(done) });
    }

    pub(crate) async fn close_store(&self) -> Result<(), StoreError> {
        match &self.store {
            Some(store) => store.close().await,
            None => Ok(()),
        }
    }

    /// No edits are taken any more, and the driver comes to its end.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// The driver is gone, in its time or with its runtime: what there is goes to the store, and nobody waits for more.
    pub(crate) fn abandon(self: &Arc<Self>) {
        self.end();
        for cell in self.streams() {
            if let Some(batch) = cell.flush() {
                self.save(&cell, batch);
            }
        }
        self.connection.send_replace(Connection::Closed);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    pub(crate) fn check_open(&self) -> Result<(), Closed> {
        if self.is_ending() { Err(Closed) } else { Ok(()) }
    }
}

/// How much of a stream is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    Part,
}

impl Extent {
    /// Whether a replica holds so much, or may from now on.
    fn check(self, replica: &mut Replica) -> Result<(), StreamError> {
        match self {
            Self::Whole if !replica.is_whole() => Err(StreamError::Part(replica.stream().clone())),
            Self::Part if !replica.hold_part() => Err(StreamError::Whole(replica.stream().clone())),
            Self::Whole | Self::Part => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The hub as handles hold it: when the last handle goes, the client ends.
#[derive(Debug)]
pub(crate) struct Shared {
    hub: Arc<Hub>,
    driver: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
}

impl Shared {
    pub(crate) fn new(hub: Arc<Hub>, driver: JoinHandle<Result<(), StoreError>>) -> Self {
        Self { hub, driver: Mutex::new(Some(driver)) }
    }

    /// Ends the client in good order: all that can be stored is stored.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let driver = lock(&self.driver).take();
        let Some(driver) = driver else {
            // Somebody else is closing it.
            crate::status::closed(&mut self.hub.connection.subscribe()).await;
            return self.hub.storage().borrow().clone().map_or(Ok(()), Err);
        };
        self.hub.end();
        match driver.await {
            Ok(closed) => closed,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Its runtime has ended. What it left to the store is written all the same.
            Err(_) => self.hub.close_store().await,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The driver stores what there is, and ends by itself.
        self.hub.end();
        self.hub.connection.send_replace(Connection::Closed);
    }
}

impl Deref for Shared {
    type Target = Arc<Hub>;

    fn deref(&self) -> &Arc<Hub> {
        &self.hub
    }
}
