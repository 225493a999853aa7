//! What all parts of a running server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tapeline_core::schema::Schema;

use crate::budget::Budget;
use crate::filling::Fillers;
use crate::http::Pins;
use crate::hub::Hub;
use crate::limits;
use crate::metrics::{Metrics, Readings};
use crate::pages::Pages;
use crate::reader::Reader;
use crate::retention::Retention;
use crate::sessions::Sessions;
use crate::shard::Shards;
use crate::sse::Doors;

/// What all parts of a running server share.
pub(crate) struct Shared<L, S> {
    pub(crate) log: Arc<L>,
    pub(crate) store: Arc<S>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) shards: Shards,
    pub(crate) reader: Reader<L>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readings: Option<Readings>,
    pub(crate) pages: Option<Pages>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) fillers: Arc<Fillers>,
    /// Where what is posted finds its session.
    pub(crate) doors: Arc<Doors>,
    /// Bytes of messages that have not come whole.
    pub(crate) unfinished: Arc<Budget>,
    /// How many lists of objects are under way.
    pub(crate) lists: Arc<tokio::sync::Semaphore>,
    /// The snapshots that are read over plain HTTP.
    pub(crate) snapshots: Arc<Pins>,
    pub(crate) retention: Retention,
    pub(crate) schema: Arc<Schema>,
    stopping: AtomicBool,
}

impl<L: tapeline_log::EventLog, S: tapeline_log::StateStore> Shared<L, S> {
    pub(crate) fn new(
        log: Arc<L>,
        store: Arc<S>,
        schema: &Arc<Schema>,
        readings: Option<Readings>,
        pages: Option<Pages>,
    ) -> Arc<Self> {
        let metrics = Arc::new(Metrics::new());
        Arc::new(Self {
            shards: Shards::start(&log, &store, &metrics, schema),
            reader: Reader::new(log.clone(), metrics.clone()),
            log,
            store,
            hub: Arc::default(),
            metrics,
            readings,
            pages,
            sessions: Arc::default(),
            fillers: Arc::default(),
            doors: Arc::default(),
            unfinished: Budget::new(limits::UNFINISHED_BYTES),
            lists: Arc::new(tokio::sync::Semaphore::new(limits::OBJECT_LISTS)),
            snapshots: Arc::default(),
            retention: Retention::new(schema.clone()),
            schema: schema.clone(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Whether nothing new is taken any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// From now on nothing new is taken.
    pub(crate) fn refuse_new(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether events can be taken.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_stopping() && self.shards.are_up()
    }
}
