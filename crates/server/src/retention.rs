//! Letting old events go, as the schema says: one stream after another, in the background.
//!
//! Before anything of a stream goes, its tape says so: sequencer and sessions take what is missing from then on for what
//! may have been deleted, or ask for it no more.

use std::sync::{Arc, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use rustc_hash::FxHashMap;
use tapeline_core::limits as core_limits;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Millis, Seq};
use tapeline_core::retention::{Going, Retain};
use tapeline_core::schema::Schema;
use tapeline_log::{EventLog, LogError, StateStore, StreamInfo};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::limits;
use crate::shared::Shared;

/// What is to stay.
pub(crate) struct Retention {
    schema: Arc<Schema>,
    /// Somebody wants a look at all streams now.
    wanted: Arc<Notify>,
}

impl Retention {
    pub(crate) fn new(schema: Arc<Schema>) -> Self {
        Self { schema, wanted: Arc::default() }
    }

    /// Has all streams looked at soon.
    pub(crate) fn look(&self) {
        self.wanted.notify_one();
    }
}

/// Looks at all streams now and then, and when it is asked to, for as long as there is a server.
pub(crate) async fn watch<L: EventLog, S: StateStore>(shared: Weak<Shared<L, S>>) {
    let Some(wanted) = shared.upgrade().map(|shared| shared.retention.wanted.clone()) else { return };
    let mut looks = tokio::time::interval(limits::RETENTION_EVERY);
    let mut ages = Ages::default();
    loop {
        let asked = tokio::select! {
            _ = looks.tick() => false,
            () = wanted.notified() => true,
        };
        let Some(shared) = shared.upgrade() else { return };
        let runtime = Handle::current();
        let look = move || {
            let looked = runtime.block_on(look(&shared, &mut ages));
            if asked {
                shared.log.reclaim();
            }
            looked.map_err(|error| tracing::error!(%error, "old events cannot be let go")).unwrap_or_default();
            ages
        };
        let Ok(after) = tokio::task::spawn_blocking(look).await else { return };
        ages = after;
    }
}

async fn look<L: EventLog, S: StateStore>(shared: &Shared<L, S>, ages: &mut Ages) -> Result<(), LogError> {
    let mut tape = None;
    let going = |info: &StreamInfo, before: Seq| {
        // Held until the next one goes, so that nobody makes another that does not know.
        let tape = tape.insert(shared.hub.tape(&info.stream));
        tape.trimmed(before);
        !shared.is_stopping()
    };
    let gone = compact(&*shared.log, &shared.retention.schema, ages, going).await?;
    shared.metrics.trimmed.inc_by(gone);
    Ok(())
}

/// When events of streams will be old enough to go, so that they need not be looked at before.
#[derive(Debug, Default)]
pub struct Ages(FxHashMap<StreamName, Millis>);

impl Ages {
    fn is_young(&self, stream: &StreamName, now: Millis) -> bool {
        self.0.get(stream).is_some_and(|until| now < *until)
    }

    fn stays_until(&mut self, stream: &StreamName, until: Millis) {
        if self.0.len() >= limits::YOUNG_STREAMS {
            self.0.clear();
        }
        self.0.insert(stream.clone(), until);
    }
}

/// Lets go of all streams what need not stay, and answers how many events that were. `going` hears of a stream before
/// anything of it goes, and up to where, and says whether to go on. May block, as the log does.
///
/// # Errors
/// Where the log cannot be read or written.
pub async fn compact<L: EventLog>(
    log: &L,
    schema: &Schema,
    ages: &mut Ages,
    mut going: impl FnMut(&StreamInfo, Seq) -> bool,
) -> Result<u64, LogError> {
    let (mut after, mut gone, keep) = (None, 0, schema.kept());
    if schema.retention().is_empty() {
        return Ok(gone);
    }
    loop {
        let streams = log.streams(after.as_ref(), limits::RETENTION_STREAMS).await?;
        let Some(last) = streams.last() else { return Ok(gone) };
        after = Some(last.stream.clone());
        for info in streams {
            let before = before(log, schema.retain(&info.stream), ages, &info).await?;
            let Some(before) = before.filter(|before| *before > info.horizon) else { continue };
            if !going(&info, before) {
                return Ok(gone);
            }
            gone += log.trim(&info.stream, before, &keep).await?.since(info.horizon);
            std::thread::sleep(limits::RETENTION_PAUSE);
        }
    }
}

/// Before which event those of a stream are to go.
async fn before<L: EventLog>(
    log: &L,
    retain: Retain,
    ages: &mut Ages,
    info: &StreamInfo,
) -> Result<Option<Seq>, LogError> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Millis(since_epoch.as_millis() as u64);
    match retain.going(info.head.seq, now) {
        None => Ok(None),
        Some(Going::Before(before)) => Ok(Some(before)),
        Some(Going::Older(_)) if ages.is_young(&info.stream, now) => Ok(None),
        Some(Going::Older(than)) => {
            let (before, newest) = older(log, info, than).await?;
            // It becomes old enough as much later as it is younger now.
            ages.stays_until(&info.stream, Millis(now.0 + newest.since(than).0));
            Ok(Some(before))
        }
    }
}

/// The end of the first blocks of a stream in which all events were made before a time, and when the newest of the
/// next one was made.
async fn older<L: EventLog>(log: &L, info: &StreamInfo, than: Millis) -> Result<(Seq, Millis), LogError> {
    let mut before = info.horizon;
    loop {
        let block = log.read(&info.stream, before, core_limits::READ_BYTES).await?;
        let made = block.events().filter_map(Result::ok).map(|event| event.body.at).max();
        match made {
            Some(made) if made < than => before = block.end(),
            newest => return Ok((before, newest.unwrap_or(than))),
        }
    }
}
