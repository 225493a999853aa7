//! Shards: threads that own the sequencers of many streams each.
//!
//! A shard takes all that waits for it, lets the sequencers decide, then gives each stream's batch to the log: what
//! arrives while one batch is made durable becomes the next one. It never waits for the log nor for a session.
//!
//! ```text
//! sessions ─▶ mailbox ─▶ decide ─▶ stage ─▶ log.append
//!                ▲                              │ durable
//!                └──────── appended ◀───────────┘  ─▶ answers, then events ─▶ hub
//!                             └─ now and then ─▶ changes ─▶ state store
//! ```
//!
//! Where others append to the log, too, streams are loaded and followed on other threads: what is said to a stream meanwhile
//! waits until it is where the log is known to be ([`following`]). Where somebody outside has a say in an event, those of its
//! client wait until they have said it ([`asking`]).

mod asking;
mod changes;
mod evict;
mod following;
mod load;
mod loading;
mod look_up;
mod mailbox;
mod packed;
mod slots;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHasher};
use tapeline_authority::Authority;
use tapeline_core::batch::Batch;
use tapeline_core::caller::Caller;
use tapeline_core::event::Sealed;
use tapeline_core::frame::Open;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Position;
use tapeline_core::schema::Schema;
use tapeline_core::sequencer::Peer;
use tapeline_log::{AppendError, EventLog, LogError, StateStore};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use crate::backend::Validators;
use crate::hub::Tape;
use crate::limits;
use crate::lock::lock;
use crate::metrics::Metrics;
use crate::trouble::Trouble;
pub(crate) use asking::Words;
use asking::{Asked, AskedFor, Told};
use loading::{Loaded, Loader};
use mailbox::Mailbox;
pub(crate) use mailbox::{Closed, Room};
use slots::Slots;

/// Hears that the state store has all of a stream. Nothing more is given to the store for as long as the pin is held.
pub(crate) type Settled = oneshot::Sender<Result<Pin, LogError>>;

/// Keeps the state store from moving on with a stream.
pub(crate) type Pin = Arc<()>;

/// What a shard is told to do.
pub(crate) enum Command {
    /// A session opens a stream.
    Open(Box<OpenStream>),
    /// A session sends events.
    Push(Push),
    /// Somebody wants the state store to have all of a stream.
    Settle {
        /// The stream.
        tape: Arc<Tape>,
        /// Hears of it.
        settled: Settled,
    },
    /// The log has more of a stream than is here, or may have.
    Heard(Arc<Tape>),
    /// A stream was loaded.
    Loaded(Box<Loaded>),
    /// What others have appended to a stream was read.
    Read {
        /// The slot of the stream.
        place: usize,
        /// Which life of it.
        life: u64,
        /// What was read.
        batches: Result<Vec<Arc<Batch>>, LogError>,
    },
    /// The log answers.
    Appended {
        /// The slot that appended.
        place: usize,
        /// Which life of it.
        life: u64,
        /// When it was given to the log.
        since: Instant,
        /// The stream's new position, or why not.
        outcome: Result<Position, AppendError>,
    },
    /// Those outside have said what they say of events, or do not.
    Told(Box<Told>),
    /// Nothing more comes: make durable and store what there is, then end.
    Stop,
}

/// A session opens a stream.
pub(crate) struct OpenStream {
    /// The stream.
    pub(crate) tape: Arc<Tape>,
    /// Whom to answer.
    pub(crate) peer: Peer,
    /// Who the session speaks for.
    pub(crate) caller: Arc<Caller>,
    /// What it holds.
    pub(crate) open: Open,
    /// Whether what it claims of the log is so.
    pub(crate) is_of_the_log: bool,
    /// Its room in the queue.
    pub(crate) _room: Room,
}

/// A session sends events.
pub(crate) struct Push {
    /// The stream.
    pub(crate) tape: Arc<Tape>,
    /// Whom to answer.
    pub(crate) peer: Peer,
    /// Who the session speaks for.
    pub(crate) caller: Arc<Caller>,
    /// The events.
    pub(crate) events: Vec<Sealed>,
    /// What those outside have said of them who have a say.
    pub(crate) words: Words,
    /// Their room in the queue.
    pub(crate) _room: Room,
}

impl Command {
    /// The stream that it is about, where it has to be in memory for it.
    fn tape(&self) -> Option<&Arc<Tape>> {
        match self {
            Self::Open(open) => Some(&open.tape),
            Self::Push(push) => Some(&push.tape),
            Self::Settle { tape, .. } | Self::Heard(tape) => Some(tape),
            Self::Loaded(_) | Self::Read { .. } | Self::Appended { .. } | Self::Told(_) | Self::Stop => None,
        }
    }
}

/// What shards go by.
#[derive(Clone, Default)]
pub(crate) struct Charter {
    /// What the apps say of their data.
    pub(crate) schema: Arc<Schema>,
    /// Who may do what.
    pub(crate) authority: Arc<Authority>,
    /// Who else has a say.
    pub(crate) validators: Arc<Validators>,
}

/// All shards, from outside.
pub(crate) struct Shards {
    mailboxes: Vec<Arc<Mailbox<Command>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Shards {
    /// Starts the threads.
    pub(crate) fn start<L: EventLog, S: StateStore>(
        log: &Arc<L>,
        store: &Arc<S>,
        metrics: &Arc<Metrics>,
        charter: &Charter,
    ) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let count = (processors / 2).clamp(1, limits::SHARDS);
        let mailboxes: Vec<_> = (0..count).map(|_| Arc::new(Mailbox::new())).collect();
        let threads = mailboxes.iter().enumerate().map(|(number, mailbox)| {
            let bounds = Bounds::share(count);
            let shard =
                Shard::new(log.clone(), store.clone(), metrics.clone(), charter.clone(), mailbox.clone(), bounds);
            let thread = thread::Builder::new().name(format!("shard-{number}"));
            thread.spawn(move || shard.run()).expect("a thread can be started")
        });
        let threads = Mutex::new(threads.collect());
        Self { mailboxes, threads }
    }

    /// Waits for room for a command with so many bytes.
    pub(crate) async fn room(&self, stream: &StreamName, bytes: usize) -> Result<Room, Closed> {
        self.of(stream).room(bytes).await
    }

    /// Gives a command to the shard of its stream.
    pub(crate) fn send(&self, stream: &StreamName, command: Command) {
        self.of(stream).post(command);
    }

    /// So many batches of a stream are on the log.
    pub(crate) fn hear(&self, tape: &Arc<Tape>, position: Position) {
        if tape.hears(position) {
            self.send(tape.stream(), Command::Heard(tape.clone()));
        }
    }

    /// Has the state store get all of a stream.
    pub(crate) async fn settle(&self, tape: Arc<Tape>) -> Result<Pin, LogError> {
        let (settled, hears) = oneshot::channel();
        let mailbox = self.of(tape.stream()).clone();
        let gone = || LogError::Storage("the stream is being made anew from its log".into());
        let _room = mailbox.room(0).await.map_err(|Closed| gone())?;
        mailbox.post(Command::Settle { tape, settled });
        hears.await.map_err(|_| gone())?
    }

    /// Lets the shards finish what they have, and waits for them to end.
    pub(crate) fn stop(&self) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.post(Command::Stop));
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a shard panicked");
            }
        }
    }

    /// Whether all of them run.
    pub(crate) fn are_up(&self) -> bool {
        lock(&self.threads).iter().all(|thread| !thread.is_finished())
    }

    fn of(&self, stream: &StreamName) -> &Arc<Mailbox<Command>> {
        use std::hash::{Hash, Hasher};
        let mut hasher = FxHasher::default();
        stream.hash(&mut hasher);
        &self.mailboxes[(hasher.finish() >> 32) as usize % self.mailboxes.len()]
    }
}

/// One shard.
struct Shard<L, S> {
    log: Arc<L>,
    store: Arc<S>,
    loader: Arc<Loader<L, S>>,
    runtime: Handle,
    metrics: Arc<Metrics>,
    mailbox: Arc<Mailbox<Command>>,
    slots: Slots,
    /// Permits to load streams on other threads.
    loads: Arc<Semaphore>,
    /// What waits for streams that are being loaded.
    loading: FxHashMap<StreamName, VecDeque<Command>>,
    validators: Arc<Validators>,
    /// What waits for what those outside say.
    asked: FxHashMap<AskedFor, Asked>,
    asked_room: Arc<Semaphore>,
    /// Slots with something to stage at the end of this turn.
    touched: Vec<usize>,
    /// Slots with changes to store, and their lives, those that have waited longest first.
    dirty: VecDeque<(usize, u64, Instant)>,
    /// All slots and their lives, in the order in which they are looked at when memory is short.
    ring: VecDeque<(usize, u64)>,
    /// The blocks that tapes keep in memory, oldest first.
    tails: VecDeque<(Weak<Tape>, usize)>,
    tail_bytes: usize,
    /// Bytes of all slots, estimated.
    resident: usize,
    bounds: Bounds,
    lives: u64,
    /// Appends that the log has not answered.
    on_their_way: usize,
    /// What goes wrong with the log or the store, for the server's log.
    trouble: Trouble,
    stopping: bool,
}

/// How much a shard may hold, and for how long.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Bytes of recent blocks.
    tails: usize,
    /// Bytes of streams.
    resident: usize,
    /// Bytes of one stream.
    stream: usize,
    /// Bytes of a stream that is packed rather than forgotten.
    packed: usize,
    /// Bytes of a stream that is worth resting.
    large: usize,
    /// How long changes are gathered.
    store_after: Duration,
}

impl Bounds {
    /// One shard's share.
    fn share(shards: usize) -> Self {
        Self {
            tails: limits::TAIL_BYTES / shards,
            resident: limits::RESIDENT_BYTES / shards,
            stream: limits::STREAM_MOST_BYTES,
            packed: limits::PACKED_STREAM_BYTES,
            large: limits::STREAM_LARGE_BYTES,
            store_after: limits::STORE_AFTER,
        }
    }
}

impl<L: EventLog, S: StateStore> Shard<L, S> {
    /// A shard that is to run on a thread of its own, besides the runtime this is called on.
    fn new(
        log: Arc<L>,
        store: Arc<S>,
        metrics: Arc<Metrics>,
        charter: Charter,
        mailbox: Arc<Mailbox<Command>>,
        bounds: Bounds,
    ) -> Self {
        let validators = charter.validators.clone();
        let loader = Arc::new(Loader::new(log.clone(), store.clone(), charter));
        Self {
            log,
            store,
            loader,
            runtime: Handle::current(),
            metrics,
            mailbox,
            slots: Slots::default(),
            loads: Arc::new(Semaphore::new(limits::LOADS_AT_ONCE)),
            loading: FxHashMap::default(),
            validators,
            asked: FxHashMap::default(),
            asked_room: Arc::new(Semaphore::new(limits::ASKED_BYTES / limits::COMMAND_BYTES)),
            touched: Vec::new(),
            dirty: VecDeque::new(),
            ring: VecDeque::new(),
            tails: VecDeque::new(),
            tail_bytes: 0,
            resident: 0,
            bounds,
            lives: 0,
            on_their_way: 0,
            trouble: Trouble::default(),
            stopping: false,
        }
    }

    fn run(mut self) {
        let mut commands = Vec::new();
        while !(self.stopping && self.has_finished()) {
            self.mailbox.take(&mut commands, self.patience());
            self.turn(&mut commands);
        }
    }

    /// Does what there is to do.
    fn turn(&mut self, commands: &mut Vec<Command>) {
        self.metrics.queued.set(commands.len() as i64);
        // What follows from commands must keep up with them.
        let streams = commands.len() + limits::STREAMS_A_TURN;
        for command in commands.drain(..) {
            self.take(command);
        }
        self.stage_touched();
        self.store_due(streams);
        self.let_go(streams);
    }

    fn take(&mut self, command: Command) {
        let Some(command) = self.wait_behind(command).and_then(|command| self.hold_back(command)) else { return };
        match command {
            Command::Open(open) => self.open(open),
            Command::Push(push) => self.push(push),
            Command::Settle { tape, settled } => self.settle(&tape, settled),
            // It is brought up to where the log is before anything is done to it.
            Command::Heard(_) => {}
            Command::Loaded(loaded) => self.loaded(*loaded),
            Command::Read { place, life, batches } => self.has_read(place, life, batches),
            Command::Appended { place, life, since, outcome } => self.appended(place, life, since, outcome),
            Command::Told(told) => self.told(*told),
            Command::Stop => {
                self.stopping = true;
                self.give_up_asking();
            }
        }
    }

    /// How long there is nothing to do by itself.
    fn patience(&self) -> Option<Duration> {
        const WHILE_STOPPING: Duration = Duration::from_millis(5);
        if !self.touched.is_empty() {
            return Some(Duration::ZERO);
        }
        if self.stopping {
            return Some(WHILE_STOPPING);
        }
        let (.., since) = self.dirty.front()?;
        Some(self.bounds.store_after.saturating_sub(since.elapsed()))
    }

    fn has_finished(&self) -> bool {
        self.on_their_way == 0 && self.loading.is_empty() && self.touched.is_empty() && self.dirty.is_empty()
    }
}

impl<L, S> Drop for Shard<L, S> {
    /// Also where the thread panics: sessions are told rather than left waiting.
    fn drop(&mut self) {
        self.mailbox.close();
    }
}
