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
/// Where the log cannot be read or written. Where a stream is damaged, that stays as it is, and the others go on.
pub async fn compact<L: EventLog>(
    log: &L,
    schema: &Schema,
    ages: &mut Ages,
    mut going: impl FnMut(&StreamInfo, Seq) -> bool,
) -> Result<u64, LogError> {
    let (mut after, mut gone, mut damaged, keep) = (None, 0, None, schema.kept());
    if schema.retention().is_empty() {
        return Ok(gone);
    }
    loop {
        let streams = log.streams(after.as_ref(), limits::RETENTION_STREAMS).await?;
        let Some(last) = streams.last() else { return damaged.map_or(Ok(gone), Err) };
        after = Some(last.stream.clone());
        for info in streams {
            let trimmed = async {
                let before = before(log, schema.retain(&info.stream), ages, &info).await?;
                let Some(before) = before.filter(|before| *before > info.horizon) else { return Ok(Some(0)) };
                if !going(&info, before) {
                    return Ok(None);
                }
                let horizon = log.trim(&info.stream, before, &keep).await?;
                std::thread::sleep(limits::RETENTION_PAUSE);
                Ok(Some(horizon.since(info.horizon)))
            };
            match trimmed.await {
                Ok(Some(events)) => gone += events,
                Ok(None) => return Ok(gone),
                Err(error @ LogError::Storage(_)) => return Err(error),
                Err(error) => drop(damaged.get_or_insert(error)),
            }
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
            let (before, newest) = older(log, info, than, now).await?;
            // It becomes old enough as much later as it is younger now.
            ages.stays_until(&info.stream, Millis(now.0 + newest.since(than).0));
            Ok(Some(before))
        }
    }
}

/// The end of the first blocks of a stream in which all events were made before a time, and when the newest of the
/// next one was made. What was made by a clock that is ahead is as old as what is around it.
async fn older<L: EventLog>(log: &L, info: &StreamInfo, than: Millis, now: Millis) -> Result<(Seq, Millis), LogError> {
    let (mut before, mut from) = (info.horizon, info.horizon);
    loop {
        let block = log.read(&info.stream, from, core_limits::READ_BYTES).await?;
        if block.is_empty() {
            return Ok((before, than));
        }
        from = block.end();
        let made = block.events().filter_map(Result::ok).map(|event| event.body.at);
        match made.filter(|made| *made <= now).max() {
            None => {}
            Some(newest) if newest < than => before = from,
            Some(newest) => return Ok((before, newest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tapeline_core::batch::Batch;
    use tapeline_core::block::EventBlock;
    use tapeline_core::event::Recorded;
    use tapeline_core::name::Collection;
    use tapeline_core::numbers::Position;
    use tapeline_core::retention::StreamPattern;
    use tapeline_log::memory::MemoryLog;
    use tapeline_log::suite::{Writer, append, wait};
    use tapeline_log::{Append, Done};

    use super::*;

    /// A log of which one stream is damaged.
    struct Damaged(MemoryLog, StreamName);

    impl Damaged {
        fn check(&self, stream: &StreamName) -> Result<(), LogError> {
            let damaged = || LogError::Damaged { place: "a test".into(), what: "it is damaged".into() };
            if *stream == self.1 { Err(damaged()) } else { Ok(()) }
        }
    }

    impl EventLog for Damaged {
        fn append(&self, append: Append, done: Done) {
            self.0.append(append, done);
        }

        async fn info(&self, stream: &StreamName) -> Result<Option<StreamInfo>, LogError> {
            self.0.info(stream).await
        }

        async fn read(&self, stream: &StreamName, from: Seq, most_bytes: usize) -> Result<EventBlock, LogError> {
            self.check(stream)?;
            self.0.read(stream, from, most_bytes).await
        }

        async fn replay(
            &self,
            stream: &StreamName,
            after: Position,
            most_bytes: usize,
        ) -> Result<Vec<Arc<Batch>>, LogError> {
            self.0.replay(stream, after, most_bytes).await
        }

        async fn trim(&self, stream: &StreamName, before: Seq, keep: &[Collection]) -> Result<Seq, LogError> {
            self.check(stream)?;
            self.0.trim(stream, before, keep).await
        }

        async fn kept(&self, stream: &StreamName, from: Seq, most_bytes: usize) -> Result<Vec<Recorded>, LogError> {
            self.0.kept(stream, from, most_bytes).await
        }

        async fn streams(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<StreamInfo>, LogError> {
            self.0.streams(after, limit).await
        }
    }

    #[test]
    fn a_stream_that_is_damaged_is_in_no_other_ones_way() {
        for retain in [Retain::Events(1), Retain::Days(1)] {
            let log = Damaged(MemoryLog::new(), StreamName::new("a").unwrap());
            for name in ["a", "b"] {
                let mut writer = Writer::new(name);
                for _ in 0..3 {
                    let next = writer.upserts(&[1, 2, 3], "a");
                    append(&log, next.clone()).unwrap();
                    let changes = writer.play(&next.batch);
                    log.0.apply(&writer.stream, changes).unwrap();
                }
            }
            let all: StreamPattern = "*".parse().unwrap();
            let schema = Schema::new([]).retaining([(all, retain)]);
            let compacted = wait(compact(&log, &schema, &mut Ages::default(), |_, _| true));
            assert!(matches!(compacted, Err(LogError::Damaged { .. })), "{compacted:?}");
            let horizon = |name: &str| wait(log.info(&StreamName::new(name).unwrap())).unwrap().unwrap().horizon;
            assert!(horizon("a") == Seq::FIRST && horizon("b") > Seq::FIRST, "{retain:?}");
        }
    }
}
