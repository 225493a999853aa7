//! Beginning with an empty cache: from the newest snapshot of a stream, where there is one, rather than from its first event.

use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Position, Seq};

use super::Node;
use super::log::joined;
use crate::contract::{EventLog, LogError};
use crate::jetstream::Start;
use crate::limits;
use crate::snapshot::{Base, Record, Unpacking, until};

impl Node {
    /// Brings a stream into the cache, where that has nothing of it and there is a snapshot.
    pub(super) async fn begin(&self, stream: &StreamName) -> Result<(), LogError> {
        if self.has(stream).await? {
            return Ok(());
        }
        let _one_at_a_time = self.beginning.lock().await;
        for _ in 1..limits::SNAPSHOT_TRIES {
            match self.try_to_begin(stream).await {
                // Another snapshot may have come, and what is missing gone.
                Err(error) if !error.is_retryable() => {}
                tried => return tried,
            }
        }
        self.try_to_begin(stream).await
    }

    async fn has(&self, stream: &StreamName) -> Result<bool, LogError> {
        Ok(self.cache.info(stream).await?.is_some_and(|cached| cached.head.position > Position::FIRST))
    }

    async fn try_to_begin(&self, stream: &StreamName) -> Result<(), LogError> {
        if self.has(stream).await? {
            return Ok(());
        }
        let Some((base, from)) = self.bring_records(stream).await? else { return Ok(()) };
        self.bring_events(stream, &base, from).await?;
        self.cache.settle(stream, &base)
    }

    /// Brings what stands in the newest snapshot. Answers what that is of, and from where on events are missing.
    async fn bring_records(&self, stream: &StreamName) -> Result<Option<(Base, Seq)>, LogError> {
        let (mut parts, mut unpacking, mut begun) = (self.log.snapshot(stream), Unpacking::default(), None);
        let mut records = Vec::new();
        while let Some(part) = parts.recv().await {
            unpacking.take(&part?, &mut |record| {
                if let Record::Base(base) = &record {
                    begun = Some((*base, self.cache.begin(stream, base)?));
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

    /// Brings the events that are there up to the snapshot.
    async fn bring_events(&self, stream: &StreamName, base: &Base, mut from: Seq) -> Result<(), LogError> {
        while from < base.state.head {
            let found = self.log.read(stream, Start::At(from), limits::READ_MESSAGES_BYTES).await?;
            let block = until(&joined(&found, from, usize::MAX), base.state.head);
            if block.is_empty() {
                return Err(LogError::Storage(format!("the log does not show the events of stream {stream} yet")));
            }
            from = block.end();
            self.cache.bring_events(stream, block)?;
        }
        Ok(())
    }
}
