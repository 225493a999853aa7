//! What comes from another log, and what is let go of this one: both behind the back of those who append.

use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Position, Seq};

use super::message::{End, damaged};
use super::publish::{Failed, Outgoing};
use super::read::Start;
use super::{JetStream, Sequence, Shared};
use crate::contract::{Head, LogError};
use crate::snapshot::Base;

impl JetStream {
    /// Puts events of another log behind those of a stream, or begins it with them: as a batch without verdicts, which
    /// the snapshot has. Answers where the stream ends then.
    ///
    /// # Errors
    /// Where they do not follow, or the cluster does not answer.
    pub async fn bring_events(&self, stream: &StreamName, base: &Base, block: EventBlock) -> Result<End, LogError> {
        let (shared, stream, base) = (self.shared.clone(), stream.clone(), *base);
        self.run(async move { shared.bring(&stream, &base, block).await }).await
    }

    /// Lets go of what a stream begins with: events before a horizon, and batches that the state at a position has, but never
    /// the last message. A snapshot at that position, or later, is there.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn shorten(&self, stream: &StreamName, horizon: Seq, position: Position) -> Result<(), LogError> {
        let (shared, stream) = (self.shared.clone(), stream.clone());
        self.run(async move { shared.shorten(&stream, horizon, position).await }).await
    }

    /// How far the first message goes that is there of a stream. `None` where there is no such stream.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn first(&self, stream: &StreamName) -> Result<Option<End>, LogError> {
        let (shared, stream) = (self.shared.clone(), stream.clone());
        self.run(async move {
            if shared.last(&stream).await?.is_none() {
                return Ok(None);
            }
            shared.next(&stream, Sequence::FIRST).await.map(|first| Some(first.end))
        })
        .await
    }
}

impl JetStream {
    /// How many batches of a stream, from its first one on, the log does not have any more.
    ///
    /// # Errors
    /// Where the cluster does not answer, or what it has is no log.
    pub async fn gone(&self, stream: &StreamName) -> Result<Position, LogError> {
        let (shared, stream) = (self.shared.clone(), stream.clone());
        self.run(async move {
            let first = shared.next(&stream, Sequence::FIRST).await?;
            // A part that goes on says where the stream was before it.
            let batches = if first.goes_on { Some(0) } else { first.payload.batches().map(|them| them.len()) };
            let before = batches.and_then(|count| first.end.head.position.0.checked_sub(count as u64));
            let wrong = || damaged(&shared.subject(&stream), first.sequence, "it has something else than batches");
            before.map(Position).ok_or_else(wrong)
        })
        .await
    }
}

impl Shared {
    async fn bring(&self, stream: &StreamName, base: &Base, block: EventBlock) -> Result<End, LogError> {
        let last = self.last(stream).await?;
        let (incarnation, seq, chain) = (base.state.incarnation, base.horizon, base.before);
        let begins = End { head: Head { incarnation, position: Position::FIRST, seq, chain }, bytes: 0 };
        let before = last.as_ref().map_or(begins, |last| last.end);
        let batch = Batch { block, verdicts: Vec::new() };
        if !before.is_before(&batch) {
            return Err(LogError::Storage(format!("stream {stream} is elsewhere: does somebody else write to it?")));
        }
        let outgoing = Outgoing::of(before, &batch);
        let sequence = last.map_or(Sequence::default(), |last| last.sequence);
        self.publish(stream, sequence, &outgoing).await.map_err(|failed| {
            LogError::Storage(match failed {
                Failed::Elsewhere => format!("somebody else writes to stream {stream}"),
                Failed::Unknown(why) => why,
            })
        })?;
        Ok(outgoing.after())
    }

    async fn shorten(&self, stream: &StreamName, horizon: Seq, position: Position) -> Result<(), LogError> {
        let (mut stays, starts) = (Sequence(u64::MAX), [Start::At(horizon), Start::After(position)]);
        for start in starts {
            let Some(last) = self.last(stream).await? else { return Ok(()) };
            let begins = if start.is_in(&last.end) { self.locate(stream, last, start).await? } else { last.begins };
            stays = stays.min(begins);
        }
        let purged = self.home(stream).purge().filter(self.subject(stream)).sequence(stays.0).await;
        purged.map(drop).map_err(|error| super::failed(&error))
    }
}
