//! What all parts of a running server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use tapeline_authority::Authority;
use tapeline_core::name::StreamName;
use tapeline_core::schema::Schema;
use tapeline_log::{EventLog, LogError, StateStore};

use crate::auth::{AuthError, Authenticator, Verified};
use crate::backend::{Validators, receivers};
use crate::budget::Budget;
use crate::callers::Callers;
use crate::cluster::Nodes;
use crate::config::ServerConfig;
use crate::filling::Fillers;
use crate::http::Pins;
use crate::hub::{Hub, Tape};
use crate::limits;
use crate::metrics::{Metrics, Readings};
use crate::pages::Pages;
use crate::reader::Reader;
use crate::retention::Retention;
use crate::sessions::Sessions;
use crate::shard::{Charter, Pin, Shards};
use crate::sse::Doors;
use crate::views::Views;

/// What all parts of a running server share.
pub(crate) struct Shared<L, S> {
    pub(crate) log: Arc<L>,
    pub(crate) store: Arc<S>,
    /// Says who somebody is, where the server asks.
    auth: Option<Arc<Authenticator>>,
    /// Who may do what.
    pub(crate) authority: Arc<Authority>,
    /// What each caller may do at once.
    pub(crate) callers: Callers,
    /// What could be read lately.
    pub(crate) views: Views,
    pub(crate) hub: Arc<Hub>,
    pub(crate) shards: Shards,
    /// The others on the same log, where it is shared.
    pub(crate) nodes: Option<Nodes>,
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
    /// How many lists of objects or streams are under way.
    pub(crate) lists: Arc<tokio::sync::Semaphore>,
    /// The snapshots that are read over plain HTTP.
    pub(crate) snapshots: Arc<Pins>,
    pub(crate) retention: Retention,
    pub(crate) schema: Arc<Schema>,
    stopping: AtomicBool,
}

impl<L: EventLog, S: StateStore> Shared<L, S> {
    pub(crate) fn new(log: Arc<L>, store: Arc<S>, config: &ServerConfig) -> Arc<Self> {
        let ServerConfig { schema, authority, auth, readings, pages, .. } = config.clone();
        let metrics = Arc::new(Metrics::new());
        let validators = Arc::new(Validators::start(config.backend.validators.clone(), &metrics));
        let retained = match config.backend.receivers.is_empty() {
            true => schema.clone(),
            false => Arc::new(receivers::retaining(&schema)),
        };
        let charter = Charter { schema: schema.clone(), authority: authority.clone(), validators };
        Arc::new(Self {
            shards: Shards::start(&log, &store, &metrics, &charter),
            nodes: config.cluster.clone().map(|cluster| Nodes::new(cluster, config.listen, !config.read_only)),
            reader: Reader::new(log.clone(), metrics.clone()),
            log,
            store,
            auth,
            callers: Callers::default(),
            views: Views::default(),
            authority,
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
            retention: Retention::new(retained),
            schema,
            stopping: AtomicBool::new(false),
        })
    }

    /// Whether the server asks who somebody is.
    pub(crate) fn asks_who(&self) -> bool {
        self.auth.is_some()
    }

    /// Who shows a token; nobody in particular where the server does not ask.
    pub(crate) fn verify(&self, shown: Option<&str>) -> Result<Option<Verified>, AuthError> {
        self.auth.as_ref().map(|auth| auth.verify(shown, SystemTime::now())).transpose()
    }

    /// Whether what was verified is still good.
    pub(crate) fn check(&self, verified: &Verified) -> Result<(), AuthError> {
        self.auth.as_ref().map_or(Ok(()), |auth| auth.check(verified, SystemTime::now()))
    }

    /// Has sessions look again at who they speak for whenever that may have changed.
    pub(crate) async fn follow_auth(self: Arc<Self>) {
        let Some(mut changes) = self.auth.as_ref().map(|auth| auth.changes()) else { return };
        let sessions = self.sessions.clone();
        drop(self);
        while changes.changed().await.is_ok() {
            sessions.look();
        }
    }

    /// Has streams that are active go on whenever somebody else has appended to them.
    pub(crate) fn follow_log(self: &Arc<Self>) {
        let shared = Arc::downgrade(self);
        self.log.watch(Arc::new(move |stream, position| {
            let Some(shared) = shared.upgrade() else { return };
            if let Some(tape) = shared.hub.active(stream) {
                shared.shards.hear(&tape, position);
            }
        }));
    }

    /// Sees to it that what others have appended to a stream so far is known before it is next looked at.
    pub(crate) async fn look_at_log(&self, tape: &Arc<Tape>) -> Result<(), LogError> {
        if self.log.is_shared() {
            let head = self.log.head(tape.stream()).await?;
            head.into_iter().for_each(|head| self.shards.hear(tape, head.position));
        }
        Ok(())
    }

    /// Has the state store get all that was decided on a stream so far.
    pub(crate) async fn settle(&self, stream: &StreamName) -> Result<Pin, LogError> {
        let tape = self.hub.tape(stream);
        // Where the log cannot be reached, what is here can be read.
        let _ = tokio::time::timeout(limits::LOOK_WITHIN, self.look_at_log(&tape)).await;
        self.shards.settle(tape).await
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
        !self.is_stopping() && self.shards.are_up() && self.store.takes_changes().is_ok()
    }
}
