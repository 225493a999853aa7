//! The log's side of the contract: appends go to JetStream, reads to the cache as far as it goes.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::event::Recorded;
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, StreamName};
use tapeline_core::numbers::{Incarnation, Position, Seq};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::Node;
use crate::contract::{Append, Done, EventLog, Head, Heard, LogError, StateStore, StreamInfo, first_of};
use crate::jetstream::{Batches, End, Start};
use crate::limits;
use crate::snapshot::until;

impl EventLog for Node {
    fn append(&self, append: Append, done: Done) {
        let (cache, appended) = (self.cache.clone(), append.clone());
        let received = move |outcome: Result<Position, _>| {
            if outcome.is_ok() {
                // Where the cache is further behind, or broken, it is told of the batch, or tells why, when it is needed.
                let _ = cache.receive(appended);
            }
            done(outcome);
        };
        self.log.append(append, Box::new(received));
    }

    async fn info(&self, stream: &StreamName) -> Result<Option<StreamInfo>, LogError> {
        let Some(info) = self.listed(stream).await? else { return Ok(None) };
        if self.begin(&info).await? { self.listed(stream).await } else { Ok(Some(info)) }
    }

    async fn head(&self, stream: &StreamName) -> Result<Option<Head>, LogError> {
        Ok(self.log.end(stream).await?.map(|end| end.head))
    }

    async fn read(&self, stream: &StreamName, from: Seq, most_bytes: usize) -> Result<EventBlock, LogError> {
        let cached = self.cache.info(stream).await?;
        if cached.is_some_and(|cached| from < cached.head.seq)
            && let Some(found) = self.cache.read_here(stream, from, most_bytes)?
        {
            return Ok(found);
        }
        let found = self.look(stream, Start::At(from), most_bytes).await?;
        Ok(joined(&found, from, most_bytes))
    }

    async fn replay(
        &self,
        stream: &StreamName,
        after: Position,
        most_bytes: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        let mut batches = self.waiting(stream, after, most_bytes).await?;
        let bytes: usize = batches.iter().map(|batch| batch.block.bytes().len()).sum();
        if batches.is_empty() || bytes < most_bytes {
            let after = after.plus(batches.len() as u64);
            match self.fetch(stream, after, most_bytes.saturating_sub(bytes)).await {
                Err(error) if error.is_retryable() && self.cache.info(stream).await?.is_some() => {}
                fetched => batches.extend(fetched?),
            }
        }
        Ok(first_of(&batches, most_bytes))
    }

    async fn trim(&self, stream: &StreamName, before: Seq, keep: &[Collection]) -> Result<Seq, LogError> {
        self.pass(stream, before, keep).await?;
        let horizon = self.cache.trim(stream, before, keep).await?;
        if let Err(error) = self.shorten(stream, horizon).await {
            // The next look at it tries again.
            eprintln!("tapeline: the log of stream {stream} cannot be shortened: {error}");
        }
        Ok(horizon)
    }

    fn reclaim(&self) {
        self.cache.reclaim();
    }

    async fn kept(&self, stream: &StreamName, from: Seq, most_bytes: usize) -> Result<Vec<Recorded>, LogError> {
        self.cache.kept(stream, from, most_bytes).await
    }

    async fn streams(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<StreamInfo>, LogError> {
        let names = self.log.names(after, limit).await?;
        let infos =
            stream::iter(names).map(|name| async move { self.listed(&name).await }).buffered(limits::ENDS_AT_ONCE);
        infos.try_filter_map(async |info| Ok(info)).try_collect().await
    }

    fn unapplied_streams(&self) -> Vec<StreamName> {
        self.cache.unapplied_streams()
    }

    /// It follows from the log and the name: a stream of a log is never made again.
    fn incarnation(&self, stream: &StreamName) -> Incarnation {
        let of_the_log = xxh3_64(self.log.id().as_bytes());
        Incarnation(xxh3_64_with_seed(stream.as_str().as_bytes(), of_the_log) >> (u64::BITS - Self::INCARNATION_BITS))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn watch(&self, heard: Heard) {
        self.log.watch(heard);
    }
}

impl Node {
    /// A stream as it is known here, without bringing anything.
    async fn listed(&self, stream: &StreamName) -> Result<Option<StreamInfo>, LogError> {
        let cached = self.cache.info(stream).await?;
        let end = match self.log.end(stream).await {
            Err(error) if error.is_retryable() && cached.is_some() => return Ok(cached),
            end => end?,
        };
        check(stream, cached.as_ref(), end.as_ref())?;
        let horizon = cached.map_or(Seq::FIRST, |cached| cached.horizon);
        Ok(end.map(|end| StreamInfo { stream: stream.clone(), head: end.head, horizon, bytes: end.bytes }))
    }

    /// Has the cache let go of what it has never had.
    async fn pass(&self, stream: &StreamName, before: Seq, keep: &[Collection]) -> Result<(), LogError> {
        let lacks = self.cache.lacks(stream)?;
        let (mut next, end) = (lacks.start, lacks.end.min(before));
        while next < end {
            let found = self.look(stream, Start::At(next), limits::READ_MESSAGES_BYTES).await?;
            let block = until(&joined(&found, next, usize::MAX), end);
            if block.is_empty() {
                return Err(LogError::Storage(format!("the log does not show the events of stream {stream} yet")));
            }
            next = block.end();
            self.cache.pass(stream, &block, keep)?;
        }
        Ok(())
    }

    /// The batches after a position that the cache has received and not applied.
    async fn waiting(
        &self,
        stream: &StreamName,
        after: Position,
        most_bytes: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        let applied = self.cache.stream(stream)?.map_or(Position::FIRST, |state| state.position);
        match after >= applied {
            true => self.cache.replay(stream, after, most_bytes).await,
            false => Ok(Vec::new()),
        }
    }

    /// The batches after a position from JetStream. The cache receives them, too.
    async fn fetch(
        &self,
        stream: &StreamName,
        after: Position,
        most_bytes: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        let cached = self.cache.info(stream).await?;
        let found = self.look(stream, Start::After(after), most_bytes).await?;
        check(stream, cached.as_ref(), found.end.as_ref())?;
        check_follows(stream, cached.as_ref(), after, &found)?;
        let incarnation = found.end.map_or(Incarnation::default(), |end| end.head.incarnation);
        for (place, batch) in found.batches.iter().enumerate() {
            let expected = found.before.plus(place as u64);
            let append = Append { stream: stream.clone(), incarnation, expected, batch: batch.clone() };
            // It may have received it from elsewhere meanwhile.
            let _ = self.cache.receive(append);
        }
        Ok(found.batches)
    }

    /// Reads the log. What it does not have was let go only where a snapshot has what it did.
    async fn look(&self, stream: &StreamName, from: Start, most_bytes: usize) -> Result<Batches, LogError> {
        let trimmed = match self.log.read(stream, from, most_bytes).await {
            Err(error @ LogError::Trimmed { .. }) => error,
            found => return found,
        };
        Err(match self.log.snapshot_end(stream).await? {
            Some(end) if from.is_in(&end) => trimmed,
            _ => LogError::Damaged {
                place: format!("log of stream {stream}"),
                what: "batches are missing, and there is no snapshot that has what they did: were messages removed?"
                    .into(),
            },
        })
    }
}

/// Checks that the cache is one of the log, and not ahead of it.
fn check(stream: &StreamName, cached: Option<&StreamInfo>, end: Option<&End>) -> Result<(), LogError> {
    let Some(cached) = cached.map(|cached| &cached.head) else { return Ok(()) };
    let Some(Head { incarnation, position, chain, .. }) = end.map(|end| end.head) else {
        return Err(ahead(stream, cached, Position::FIRST));
    };
    if position < cached.position {
        return Err(ahead(stream, cached, position));
    }
    if incarnation != cached.incarnation || position == cached.position && chain != cached.chain {
        return Err(not_of_the_log(stream));
    }
    Ok(())
}

/// Checks that what the log has past the cache follows from what the cache has: a log may have been restored from before,
/// and have gone on otherwise past where the cache ends.
fn check_follows(
    stream: &StreamName,
    cached: Option<&StreamInfo>,
    after: Position,
    found: &Batches,
) -> Result<(), LogError> {
    let (Some(cached), Some(first)) = (cached.map(|cached| cached.head), found.batches.first()) else { return Ok(()) };
    let is_next = after == cached.position && after > Position::FIRST;
    match is_next && (first.block.from(), first.block.before()) != (cached.seq, cached.chain) {
        true => Err(not_of_the_log(stream)),
        false => Ok(()),
    }
}

fn not_of_the_log(stream: &StreamName) -> LogError {
    LogError::Damaged {
        place: format!("cache of stream {stream}"),
        what: "it is not that of the log: stop the server and remove its directory; it is made again".into(),
    }
}

/// It may be that the server asked does not know of all yet, so that trying again helps.
fn ahead(stream: &StreamName, cached: &Head, position: Position) -> LogError {
    LogError::Storage(format!(
        "the log has {position} batches of stream {stream} and the cache {}: if that stays so, the log was restored from \
         before; stop the server and remove its directory, which is made again",
        cached.position
    ))
}

/// Events of batches that were read, from one of them on.
pub(super) fn joined(found: &Batches, from: Seq, most_bytes: usize) -> EventBlock {
    let mut blocks = found.batches.iter().map(|batch| &batch.block);
    let Some(mut all) = blocks.next().cloned() else {
        let (seq, chain) = found.end.map_or((Seq::FIRST, Chain::EMPTY), |end| (end.head.seq, end.head.chain));
        return EventBlock::empty(seq, chain);
    };
    blocks.for_each(|block| all.append(block));
    all.slice(from, most_bytes)
}
