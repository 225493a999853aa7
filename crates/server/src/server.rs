//! Starting and stopping.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use tapeline_core::name::StreamName;
use tapeline_log::embedded::Embedded;
use tapeline_log::memory::MemoryLog;
use tapeline_log::{EventLog, StateStore};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::accept::{Places, accept};
use crate::backend::Receivers;
use crate::config::{ServerConfig, StartError, may_listen};
use crate::door::Door;
use crate::limits;
use crate::retention;
use crate::shared::Shared;

/// A server that is being started.
pub type Starting = Pin<Box<dyn Future<Output = Result<Server, StartError>> + Send>>;

/// A running server. Dropped, it stops in the background.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a server on the runtime this is called on.
    ///
    /// # Errors
    /// Where it may not or cannot listen on the address.
    pub async fn start<L, S>(config: ServerConfig, log: Arc<L>, store: Arc<S>) -> Result<Self, StartError>
    where
        L: EventLog,
        S: StateStore,
    {
        let address = config.listen;
        may_listen(address, config.auth.is_some(), config.insecure)?;
        let cannot = |error| StartError::Listen { address, error };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let config = ServerConfig { listen: address, ..config };
        let shared = Shared::new(log, store, &config);
        shared.follow_log();
        shared.join_nodes();
        if let Some(auth) = &config.auth {
            auth.keep_up();
        }
        if let Some(tls) = &config.tls {
            tls.keep_up();
        }
        let door = Arc::new(Door::new(config.tls, config.origins));
        tokio::spawn(bring_up(shared.clone(), config.unapplied));
        tokio::spawn(shared.sessions.clone().watch());
        tokio::spawn(shared.clone().follow_auth());
        tokio::spawn(let_pins_go(Arc::downgrade(&shared)));
        tokio::spawn(retention::watch(Arc::downgrade(&shared)));
        let receivers = Receivers::start(&shared, config.backend.receivers);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(serve(shared, listener, door, receivers, stopped));
        Ok(Self { address, stop, task })
    }

    /// A server on embedded storage: [`start`](Self::start), compiled here once rather than in whatever starts one.
    ///
    /// # Errors
    /// As `start`.
    pub fn start_embedded(config: ServerConfig, log: Arc<Embedded>) -> Starting {
        log.declare(config.schema.indexes());
        Box::pin(Self::start(config, log.clone(), log))
    }

    /// A server on a log that it shares with others: [`start`](Self::start), compiled here once, too.
    ///
    /// # Errors
    /// As `start`.
    #[cfg(feature = "jetstream")]
    pub fn start_node(config: ServerConfig, node: Arc<tapeline_log::node::Node>) -> Starting {
        node.cache().declare(config.schema.indexes());
        Box::pin(Self::start(config, node.clone(), node))
    }

    /// A server in memory: [`start`](Self::start), compiled here once rather than in each test.
    ///
    /// # Errors
    /// As `start`.
    pub fn start_in_memory(config: ServerConfig, log: Arc<MemoryLog>) -> Starting {
        Box::pin(Self::start(config, log.clone(), log))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes nothing new, makes durable what was taken, answers it, closes all sockets, and gives all changes to the
    /// state store. Log and store are the caller's to close afterwards.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if self.task.await.is_err() {
            tracing::error!("the server panicked");
        }
    }
}

async fn serve<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    listener: TcpListener,
    door: Arc<Door>,
    receivers: Receivers,
    stopped: watch::Receiver<bool>,
) {
    let places = Places::default();
    accept(&shared, listener, door, &places, stopped).await;
    shared.refuse_new();
    let finish = async {
        if tokio::task::spawn_blocking(|| receivers.stop()).await.is_err() {
            tracing::error!("telling receivers did not stop");
        }
        if let Some(nodes) = &shared.nodes {
            nodes.leave().await;
        }
        let shards = shared.clone();
        let stopping = tokio::task::spawn_blocking(move || shards.shards.stop());
        if stopping.await.is_err() {
            tracing::error!("the shards did not stop");
        }
        shared.sessions.stop();
        places.all_are_free().await;
    };
    if tokio::time::timeout(limits::STOP_WITHIN, finish).await.is_err() {
        tracing::error!("stopping took too long; what was acknowledged is durable all the same");
    }
}

/// Lets states of streams go that nobody reads on, for as long as there is a server.
async fn let_pins_go<L: EventLog, S: StateStore>(shared: Weak<Shared<L, S>>) {
    let mut looks = tokio::time::interval(limits::PINS_EVERY);
    loop {
        looks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        shared.fillers.pins.let_idle_go();
        shared.metrics.pins.set(shared.fillers.pins.held() as i64);
    }
}

/// Has the state store catch up with streams that were not applied when the last server ended.
async fn bring_up<L: EventLog, S: StateStore>(shared: Arc<Shared<L, S>>, streams: Vec<StreamName>) {
    let at_once = Arc::new(Semaphore::new(limits::BRING_UP_AT_ONCE));
    for stream in streams {
        let Ok(permit) = at_once.clone().acquire_owned().await else { return };
        let shared = shared.clone();
        tokio::spawn(async move {
            if let Err(error) = shared.settle(&stream).await {
                tracing::error!(stream = stream.as_str(), %error, "a stream cannot be brought up");
            }
            drop(permit);
        });
    }
}
