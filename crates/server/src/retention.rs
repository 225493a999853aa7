//! Letting old events go, as the schema says: one stream after another, in the background.
//!
//! Before anything of a stream goes, its tape says so: sequencer and sessions take what is missing from then on for what
//! may have been deleted, or ask for it no more.

use std::sync::{Arc, Mutex, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use rustc_hash::FxHashMap;
use tapeline_core::limits as core_limits;
use tapeline_core::name::{Collection, StreamName};
use tapeline_core::numbers::{Millis, Seq};
use tapeline_core::retention::Going;
use tapeline_core::schema::Schema;
use tapeline_log::{EventLog, LogError, StateStore, StreamInfo};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::limits;
use crate::lock::lock;
use crate::shared::Shared;

/// What is to stay, and what is known of what goes.
pub(crate) struct Retention {
    schema: Arc<Schema>,
    keep: Vec<Collection>,
    /// Somebody wants a look at all streams now.
    wanted: Arc<Notify>,
    /// Streams of which nothing is old enough to go before this time.
    young: Mutex<FxHashMap<StreamName, Millis>>,
}

impl Retention {
    pub(crate) fn new(schema: Arc<Schema>) -> Self {
        let (wanted, young) = Default::default();
        Self { keep: schema.kept(), schema, wanted, young }
    }

    /// Has all streams looked at soon.
    pub(crate) fn look(&self) {
        self.wanted.notify_one();
    }

    fn is_young(&self, stream: &StreamName, now: Millis) -> bool {
        lock(&self.young).get(stream).is_some_and(|until| now < *until)
    }

    fn stays_until(&self, stream: &StreamName, until: Millis) {
        let mut young = lock(&self.young);
        if young.len() >= limits::YOUNG_STREAMS {
            young.clear();
        }
        young.insert(stream.clone(), until);
    }
}

/// Looks at all streams now and then, and when it is asked to, for as long as there is a server.
pub(crate) async fn watch<L: EventLog, S: StateStore>(shared: Weak<Shared<L, S>>) {
    let Some(wanted) = shared.upgrade().map(|shared| shared.retention.wanted.clone()) else { return };
    let mut looks = tokio::time::interval(limits::RETENTION_EVERY);
    loop {
        let asked = tokio::select! {
            _ = looks.tick() => false,
            () = wanted.notified() => true,
        };
        let Some(shared) = shared.upgrade() else { return };
        let runtime = Handle::current();
        let pass = move || {
            let passed = if shared.retention.schema.retention().is_empty() { Ok(()) } else { pass(&shared, &runtime) };
            if asked {
                shared.log.reclaim();
            }
            passed
        };
        match tokio::task::spawn_blocking(pass).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "old events cannot be let go"),
            Err(error) => tracing::error!(%error, "letting old events go ended"),
        }
    }
}

fn pass<L: EventLog, S: StateStore>(shared: &Shared<L, S>, runtime: &Handle) -> Result<(), LogError> {
    let mut after = None;
    loop {
        let streams = runtime.block_on(shared.log.streams(after.as_ref(), limits::RETENTION_STREAMS))?;
        let Some(last) = streams.last() else { return Ok(()) };
        after = Some(last.stream.clone());
        for info in streams {
            if shared.is_stopping() {
                return Ok(());
            }
            let Some(before) = before(shared, runtime, &info)?.filter(|before| *before > info.horizon) else {
                continue;
            };
            let_go(shared, runtime, &info, before)?;
            runtime.block_on(tokio::time::sleep(limits::RETENTION_PAUSE));
        }
    }
}

fn let_go<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    runtime: &Handle,
    info: &StreamInfo,
    before: Seq,
) -> Result<(), LogError> {
    let tape = shared.hub.tape(&info.stream);
    tape.trimmed(before);
    let horizon = runtime.block_on(shared.log.trim(&info.stream, before, &shared.retention.keep))?;
    shared.metrics.trimmed.inc_by(horizon.since(info.horizon));
    Ok(())
}

/// Before which event those of a stream are to go.
fn before<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    runtime: &Handle,
    info: &StreamInfo,
) -> Result<Option<Seq>, LogError> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Millis(since_epoch.as_millis() as u64);
    match shared.retention.schema.retain(&info.stream).going(info.head.seq, now) {
        None => Ok(None),
        Some(Going::Before(before)) => Ok(Some(before)),
        Some(Going::Older(_)) if shared.retention.is_young(&info.stream, now) => Ok(None),
        Some(Going::Older(than)) => {
            let (before, oldest) = older(shared, runtime, info, than)?;
            // It becomes old enough as much later as it is younger now.
            let until = Millis(now.0 + oldest.0.saturating_sub(than.0));
            shared.retention.stays_until(&info.stream, until);
            Ok(Some(before))
        }
    }
}

/// The end of the first blocks of a stream in which all events were made before a time, and when the newest of the
/// next one was made.
fn older<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    runtime: &Handle,
    info: &StreamInfo,
    than: Millis,
) -> Result<(Seq, Millis), LogError> {
    let mut before = info.horizon;
    loop {
        let block = runtime.block_on(shared.log.read(&info.stream, before, core_limits::READ_BYTES))?;
        let made = block.events().filter_map(Result::ok).map(|event| event.body.at).max();
        match made {
            Some(made) if made < than => before = block.end(),
            newest => return Ok((before, newest.unwrap_or(than))),
        }
    }
}
