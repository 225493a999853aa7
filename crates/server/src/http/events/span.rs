//! A span of recorded events, read and spelled part by part, each event one line of JSON.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::channel::Sender;
use tapeline_core::codec::json;
use tapeline_core::event::Recorded;
use tapeline_core::numbers::Seq;
use tapeline_log::{EventLog, LogError, StateStore};

use crate::hub::Tape;
use crate::limits;
use crate::shared::Shared;

/// An event as JSON, and its seq.
pub(super) type Spelled = (Seq, String);

/// Events that are to be read.
pub(super) struct Span {
    pub(super) tape: Arc<Tape>,
    pub(super) from: Seq,
    pub(super) to: Seq,
}

impl Span {
    /// The next events as JSON with their seqs, as many as fit one part; none at the end.
    pub(super) async fn next<L: EventLog, S: StateStore>(
        &mut self,
        shared: &Shared<L, S>,
    ) -> Result<Vec<Spelled>, LogError> {
        if self.from >= self.to {
            return Ok(Vec::new());
        }
        let run = match shared.reader.read(&self.tape, self.from).await {
            Err(LogError::Trimmed { horizon }) => return self.kept(shared, horizon).await,
            run => run?.before(self.to),
        };
        let events = run.block().events().map(|event| event.map(|event| spell(&event)));
        let damaged = |error| {
            let place = format!("log of stream {}, events from {}", self.tape.stream(), self.from);
            LogError::Damaged { place, what: format!("{error}") }
        };
        let events = events.collect::<Result<_, _>>().map_err(damaged)?;
        self.from = run.block().end();
        Ok(events)
    }

    /// The next of the events before `horizon` that were kept when the others were let go; after them those that follow.
    async fn kept<L: EventLog, S: StateStore>(
        &mut self,
        shared: &Shared<L, S>,
        horizon: Seq,
    ) -> Result<Vec<Spelled>, LogError> {
        let kept = shared.reader.kept(&self.tape, self.from).await?;
        self.from = kept.last().map_or(horizon, |last| last.seq.next());
        let events: Vec<_> = kept.iter().filter(|event| event.seq < self.to).map(spell).collect();
        if events.is_empty() { Box::pin(self.next(shared)).await } else { Ok(events) }
    }

    /// The next lines; none at the end.
    async fn lines<L: EventLog, S: StateStore>(&mut self, shared: &Shared<L, S>) -> Result<String, LogError> {
        let events = self.next(shared).await?;
        Ok(events.into_iter().flat_map(|(_, event)| [event, "\n".into()]).collect())
    }

    /// How many bytes all of its lines take.
    pub(super) async fn bytes<L: EventLog, S: StateStore>(mut self, shared: &Shared<L, S>) -> Result<u64, LogError> {
        let mut bytes = 0;
        loop {
            match self.lines(shared).await?.len() as u64 {
                0 => return Ok(bytes),
                more => bytes += more,
            }
        }
    }

    /// Sends the bytes of its lines that are in `window`, as fast as the client takes them.
    pub(super) async fn send<L: EventLog, S: StateStore>(
        mut self,
        shared: Arc<Shared<L, S>>,
        window: std::ops::Range<u64>,
        mut sender: Sender<Bytes, LogError>,
    ) {
        let mut at = 0;
        while at < window.end {
            let lines = match self.lines(&shared).await {
                Ok(lines) if lines.is_empty() => return,
                Ok(lines) => Bytes::from(lines),
                Err(error) => {
                    tracing::error!(%error, "a list of events breaks off");
                    return sender.abort(error);
                }
            };
            let within = |place: u64| (place.clamp(at, at + lines.len() as u64) - at) as usize;
            let part = lines.slice(within(window.start)..within(window.end));
            at += lines.len() as u64;
            if !part.is_empty() && !send(&mut sender, part).await {
                return;
            }
        }
    }
}

fn spell(event: &Recorded) -> Spelled {
    (event.seq, json::recorded_to_json(event))
}

/// Sends a part once the client has taken those before it. Answers whether it was taken in time.
pub(super) async fn send(sender: &mut Sender<Bytes, LogError>, part: Bytes) -> bool {
    matches!(tokio::time::timeout(limits::REQUEST_WITHIN, sender.send_data(part)).await, Ok(Ok(())))
}
