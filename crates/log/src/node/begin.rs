//! Beginning from the newest snapshot of a stream, where there is one: with an empty cache, and with one that ends before the
//! log begins. The events before the snapshot stay on the log, and are read there.

use tapeline_core::name::StreamName;
use tapeline_core::numbers::Position;

use super::Node;
use crate::contract::{EventLog, LogError, StreamInfo};
use crate::limits;
use crate::snapshot::{Base, Record, Unpacking};

impl Node {
    /// Brings a stream into the cache that is on the log, where the cache has nothing that the log goes on from, and there
    /// is a snapshot. Answers whether anything has changed.
    pub(super) async fn begin(&self, info: &StreamInfo) -> Result<bool, LogError> {
        if self.goes_on(info).await? || !self.has_snapshot(&info.stream).await? {
            return Ok(false);
        }
        let _one_at_a_time = self.beginning.lock().await;
        for _ in 1..limits::SNAPSHOT_TRIES {
            match self.try_to_begin(info).await {
                // Another snapshot may have come, and what is missing gone.
                Err(error) if !error.is_retryable() => {}
                tried => return tried,
            }
        }
        self.try_to_begin(info).await
    }

    /// Whether the log has what follows from what is in the cache.
    async fn goes_on(&self, info: &StreamInfo) -> Result<bool, LogError> {
        let position = self.cached(&info.stream).await?;
        if position == Position::FIRST || position >= info.head.position {
            return Ok(position > Position::FIRST);
        }
        Ok(self.log.gone(&info.stream).await? <= position)
    }

    /// How many batches the cache has.
    async fn cached(&self, stream: &StreamName) -> Result<Position, LogError> {
        Ok(self.cache.info(stream).await?.map_or(Position::FIRST, |cached| cached.head.position))
    }

    /// Whether there is a snapshot that goes further than the cache.
    async fn has_snapshot(&self, stream: &StreamName) -> Result<bool, LogError> {
        let newest = self.log.snapshot_end(stream).await?;
        let cached = self.cached(stream).await?;
        Ok(newest.is_some_and(|end| end.head.position > cached))
    }

    async fn try_to_begin(&self, info: &StreamInfo) -> Result<bool, LogError> {
        let stream = &info.stream;
        if self.goes_on(info).await? {
            return Ok(true);
        }
        if !self.has_snapshot(stream).await? {
            return Ok(false);
        }
        self.forget(stream).await?;
        if let Some(base) = self.bring_records(stream).await? {
            self.cache.settle(stream, &base)?;
        }
        Ok(true)
    }

    /// Lets go what is in the cache: nothing old stands beside what comes.
    async fn forget(&self, stream: &StreamName) -> Result<(), LogError> {
        match self.cache.info(stream).await? {
            Some(_) => self.cache.forget(stream),
            None => Ok(()),
        }
    }

    /// Brings what stands in the newest snapshot. Answers what that is of.
    async fn bring_records(&self, stream: &StreamName) -> Result<Option<Base>, LogError> {
        let (mut parts, mut unpacking, mut begun) = (self.log.snapshot(stream), Unpacking::default(), None);
        let mut records = Vec::new();
        while let Some(part) = parts.recv().await {
            unpacking.take(&part?, &mut |record| {
                if let Record::Base(base) = &record {
                    self.cache.begin_without_events(stream, base)?;
                    begun = Some(*base);
                }
                records.push(record);
                if records.len() < limits::SNAPSHOT_RECORDS {
                    return Ok(());
                }
                self.cache.bring_records(stream, std::mem::take(&mut records))
            })?;
        }
        if begun.is_some() {
            self.cache.bring_records(stream, records)?;
        }
        if unpacking.is_whole() { Ok(begun) } else { Err(LogError::Storage("a snapshot came in part".into())) }
    }
}
