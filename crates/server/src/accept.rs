//! Taking connections, as many as there may be, and serving HTTP on them until they become WebSockets.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tapeline_log::{EventLog, StateStore};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::addresses::Visitor;
use crate::door::Door;
use crate::http::{self, Answer};
use crate::limits;
use crate::shared::Shared;
use crate::transport::Transport;
use crate::trouble::Trouble;

/// The places of the connections there may be.
pub(crate) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(limits::CONNECTIONS)))
    }
}

impl Places {
    fn take(&self) -> Option<Place> {
        let permit = self.0.clone().try_acquire_owned().ok()?;
        Some(Place { _permit: Arc::new(permit), connection: Arc::default() })
    }

    /// Waits until all connections have ended.
    pub(crate) async fn all_are_free(&self) {
        // It is never closed.
        let _ = self.0.acquire_many(limits::CONNECTIONS as u32).await;
    }
}

/// A connection's place. Given back when dropped.
#[derive(Clone)]
pub(crate) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
    connection: Arc<Connection>,
}

impl Place {
    /// The connection carries a session in one of its answers, and lives as long as that.
    pub(crate) fn carries_session(&self) -> Arc<Connection> {
        self.connection.carries_session.store(true, Ordering::Relaxed);
        self.connection.clone()
    }
}

/// A connection that answers requests.
#[derive(Default)]
pub(crate) struct Connection {
    carries_session: AtomicBool,
    hung_up: Notify,
}

impl Connection {
    /// Ends it, after a while for what is on its way.
    pub(crate) async fn hang_up_soon(&self) {
        tokio::time::sleep(limits::GOODBYE_WITHIN).await;
        self.hung_up.notify_one();
    }

    /// How long it may go on when the server stops.
    fn goodbye_within(&self) -> Duration {
        match self.carries_session.load(Ordering::Relaxed) {
            true => limits::STOP_WITHIN,
            false => limits::GOODBYE_WITHIN,
        }
    }
}

/// How long to wait where the system gives no connection, for want of files most likely.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes connections until the server stops.
pub(crate) async fn accept<L: EventLog, S: StateStore>(
    shared: &Arc<Shared<L, S>>,
    listener: TcpListener,
    door: Arc<Door>,
    places: &Places,
    mut stopped: watch::Receiver<bool>,
) {
    let trouble = Trouble::default();
    loop {
        let accepted = tokio::select! {
            () = has_stopped(&mut stopped) => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => {
                if trouble.is_over() {
                    tracing::info!("connections are taken again");
                }
                accepted
            }
            Err(error) => {
                if trouble.is_news(&error) {
                    tracing::warn!(%error, "no connection can be taken");
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // One too many is closed at once; the client sees it and backs off.
        let Ok(guest) = door.let_in(address.ip()) else { continue };
        let Some(place) = places.take() else { continue };
        tokio::spawn(greet(shared.clone(), stream, door.clone(), guest, place, stopped.clone()));
    }
}

/// Greets one connection and serves it.
async fn greet<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    stream: TcpStream,
    door: Arc<Door>,
    guest: Option<Visitor>,
    place: Place,
    mut stopped: watch::Receiver<bool>,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let greeted = tokio::select! {
        () = has_stopped(&mut stopped) => return,
        greeted = door.greet(stream, guest.clone()) => greeted,
    };
    if let Some(stream) = greeted {
        shared.metrics.connections.inc();
        serve(&shared, stream, (door, guest), place, stopped).await;
        shared.metrics.connections.dec();
    }
}

/// Serves HTTP on one connection.
async fn serve<L: EventLog, S: StateStore>(
    shared: &Arc<Shared<L, S>>,
    stream: Transport,
    (door, guest): (Arc<Door>, Option<Visitor>),
    place: Place,
    mut stopped: watch::Receiver<bool>,
) {
    let state = place.connection.clone();
    let service = service_fn({
        let shared = shared.clone();
        move |request| answer(shared.clone(), door.clone(), guest.clone(), place.clone(), request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits::REQUEST_HEAD_WITHIN);
    builder.max_buf_size(limits::REQUEST_HEAD_BYTES);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        // A connection that fails is a client that is gone, or never spoke HTTP.
        _ = connection.as_mut() => {}
        () = state.hung_up.notified() => {}
        () = has_stopped(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                _ = tokio::time::timeout(state.goodbye_within(), connection) => {}
                () = state.hung_up.notified() => {}
            }
        }
    }
}

/// Answers one request, where it may be asked.
async fn answer<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    door: Arc<Door>,
    guest: Option<Visitor>,
    place: Place,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    if let Err(problem) = door.ask(guest.as_ref(), request.headers()) {
        return Ok(problem.into_response());
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut answer = http::answer(shared, place, request).await?;
    door.show_to(origin, &mut answer);
    Ok(answer)
}

/// Waits until the server is told to stop, or dropped.
async fn has_stopped(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
