//! The two contracts, executable: every backend passes [`run_all`].
//!
//! A case is a story about one fresh log. The last ones play random stories against a plain model; a failing one
//! prints its seed, and `TAPELINE_SEED=…` plays it again.

mod log_cases;
mod model;
mod pin_cases;
mod state_cases;
mod trim_cases;
mod writer;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tapeline_core::numbers::Position;

use crate::contract::{Append, AppendError, EventLog, StateStore};
pub use writer::{Writer, count, delete, key};

/// A fresh log for a case.
pub struct Fresh<B> {
    /// The log.
    pub log: Arc<B>,
    /// Stops the log and opens it again, for backends that can.
    pub reopen: Option<Reopen<B>>,
}

/// Stops a log and opens it again.
pub type Reopen<B> = Box<dyn FnMut(Arc<B>) -> Arc<B>>;

/// Runs every case, each on a log of its own.
///
/// # Panics
/// Where the backend breaks a contract, saying which case of which backend it was.
pub fn run_all<B: EventLog + StateStore>(name: &str, mut fresh: impl FnMut() -> Fresh<B>) {
    let cases: Cases<B> =
        [log_cases::all(), state_cases::all(), pin_cases::all(), trim_cases::all(), model::all()].concat();
    for (case, run) in cases {
        println!("{name}: {case}");
        run(fresh());
    }
}

type Cases<B> = Vec<(&'static str, fn(Fresh<B>))>;

/// Randomness from a seed that is printed, or that `TAPELINE_SEED` says.
fn seeded() -> fastrand::Rng {
    let seed =
        std::env::var("TAPELINE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("  TAPELINE_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Appends and hears of the outcome later.
pub fn start_append(log: &impl EventLog, append: Append) -> Receiver<Result<Position, AppendError>> {
    let (tell, hear) = sync_channel(1);
    log.append(append, Box::new(move |outcome| drop(tell.send(outcome))));
    hear
}

/// Appends and waits for the outcome.
///
/// # Errors
/// Where nothing was appended, or that is not known.
///
/// # Panics
/// Where the log never says.
pub fn append(log: &impl EventLog, append: Append) -> Result<Position, AppendError> {
    start_append(log, append).recv().expect("every append is answered")
}

/// Waits for a future on this thread.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
