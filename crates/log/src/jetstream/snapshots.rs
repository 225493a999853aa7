//! Snapshots of streams, for whoever begins with an empty disk on a log that does not have all events any more.
//!
//! ```text
//! JetStream stream "PREFIX-snapshots", subject "PREFIX-snapshots.NAME", message = a part of the newest snapshot
//! ```
//!
//! Parts say in their headers what those of a large batch say, and the horizon. A snapshot is there once its last part is; then
//! the one before it goes. Each part is stored only behind the one before, so that of several nodes that make a snapshot one
//! gets through; and none behind a snapshot of a later position or horizon, so that what was let go for that is not missed.

use bytes::Bytes;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::message::{self, End, Message, damaged};
use super::publish::Failed;
use super::{JetStream, Sequence, Shared, failed, subject};
use crate::contract::{Head, LogError};
use crate::limits;
use crate::snapshot::{Base, Packing, Record, Visit};

/// Parts of a snapshot as they come, or why no more come.
pub type Parts = Receiver<Result<Bytes, LogError>>;

impl JetStream {
    /// Makes a snapshot of a stream the one that counts. `records` shows what stands in it.
    ///
    /// # Errors
    /// Where the cluster does not answer, somebody else makes one at the same time, or a newer one is there.
    pub async fn put_snapshot(
        &self,
        stream: &StreamName,
        base: Base,
        records: impl FnOnce(&mut Visit<'_>) -> Result<(), LogError> + Send + 'static,
    ) -> Result<(), LogError> {
        let (shared, stream) = (self.shared.clone(), stream.clone());
        self.run(async move {
            let _one_at_a_time = shared.making.lock().await;
            let (tell, parts) = channel(limits::SNAPSHOT_PARTS);
            let packing = shared.runtime.spawn_blocking(move || pack(base, records, &tell));
            let last = shared.put(&stream, &base, parts).await?;
            packing.await.map_err(|_| LogError::Storage("the server stops".into()))??;
            last.publish(&shared).await
        })
        .await
    }

    /// Where the newest snapshot of a stream is with it. `None` where there is none.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn snapshot_end(&self, stream: &StreamName) -> Result<Option<End>, LogError> {
        let (shared, stream) = (self.shared.clone(), stream.clone());
        self.run(async move { Ok(shared.newest(&stream).await?.map(|last| last.end)) }).await
    }

    /// The newest snapshot of a stream, part after part. None where there is none.
    pub fn snapshot(&self, stream: &StreamName) -> Parts {
        let (tell, parts) = channel(limits::SNAPSHOT_PARTS);
        let (shared, stream) = (self.shared.clone(), stream.clone());
        self.shared.runtime.spawn(async move {
            if let Err(error) = shared.give(&stream, &tell).await {
                // Whoever asked may have gone.
                let _ = tell.send(Err(error)).await;
            }
        });
        parts
    }
}

fn end_of(base: &Base) -> End {
    let state = &base.state;
    let (incarnation, position, seq, chain) = (state.incarnation, state.position, state.head, state.chain);
    End { head: Head { incarnation, position, seq, chain }, bytes: base.bytes }
}

/// Packs records into parts of messages.
fn pack(
    base: Base,
    records: impl FnOnce(&mut Visit<'_>) -> Result<(), LogError>,
    tell: &Sender<Bytes>,
) -> Result<(), LogError> {
    let mut packing = Packing::default();
    let send = |page: Vec<u8>| {
        let mut page = Bytes::from(page);
        while !page.is_empty() {
            let part = page.split_to(page.len().min(limits::PART_BYTES));
            tell.blocking_send(part).map_err(|_| LogError::Storage("the snapshot is not wanted any more".into()))?;
        }
        Ok(())
    };
    let mut put = |record| packing.put(&record)?.map_or(Ok(()), &send);
    put(Record::Base(base))?;
    records(&mut put)?;
    send(packing.take()?)
}

/// The last part of a snapshot, which makes it one.
struct Last {
    subject: String,
    end: End,
    horizon: Seq,
    before: Sequence,
    begins: Option<Sequence>,
    part: Bytes,
}

impl Last {
    async fn publish(self, shared: &Shared) -> Result<(), LogError> {
        let headers = message::snapshot_headers(&self.end, self.horizon, self.begins, false);
        let last = shared.publish_part(&self.subject, self.before, headers, self.part).await.map_err(not_put)?;
        let older = shared.snapshots.purge().filter(self.subject).sequence(self.begins.unwrap_or(last).0);
        older.await.map(drop).map_err(|error| failed(&error))
    }
}

fn not_put(failed: Failed) -> LogError {
    LogError::Storage(match failed {
        Failed::Elsewhere => "another node makes a snapshot, too".into(),
        Failed::Unknown(why) => why,
    })
}

impl Shared {
    fn snapshots_of(&self, stream: &StreamName) -> String {
        subject::of_snapshots(&self.prefix, stream)
    }

    /// Gives all parts but the last one to JetStream.
    async fn put(&self, stream: &StreamName, base: &Base, mut parts: Receiver<Bytes>) -> Result<Last, LogError> {
        let (subject, end, horizon) = (self.snapshots_of(stream), end_of(base), base.horizon);
        let last = self.last_of(&self.snapshots, &subject).await?;
        let mut before = last.as_ref().map_or(Sequence::default(), |last| last.sequence);
        let newest = self.newest_of(&subject, last).await?;
        if newest.is_some_and(|newest| newest.end.head.position > end.head.position || newest.horizon > horizon) {
            return Err(LogError::Storage("a newer snapshot is there".into()));
        }
        let (mut begins, mut held) = (None, Bytes::new());
        while let Some(part) = parts.recv().await {
            let ready = std::mem::replace(&mut held, part);
            if !ready.is_empty() {
                let headers = message::snapshot_headers(&end, horizon, begins, true);
                before = self.publish_part(&subject, before, headers, ready).await.map_err(not_put)?;
                begins.get_or_insert(before);
            }
        }
        Ok(Last { subject, end, horizon, before, begins, part: held })
    }

    /// The last part of the newest snapshot.
    async fn newest(&self, stream: &StreamName) -> Result<Option<Message>, LogError> {
        let subject = self.snapshots_of(stream);
        self.newest_of(&subject, self.last_of(&self.snapshots, &subject).await?).await
    }

    /// The same, where the last message is known. There may be the first parts there of one whose maker did not get further.
    async fn newest_of(&self, subject: &str, last: Option<Message>) -> Result<Option<Message>, LogError> {
        match last {
            Some(last) if last.goes_on => {
                let (mut newest, mut next) = (None, Sequence::FIRST);
                while next <= last.sequence {
                    let parts = self.several(&self.snapshots, subject, next).await?;
                    let Some(end) = parts.last().map(|part| part.sequence) else {
                        return Err(LogError::Storage("JetStream does not have all parts of a snapshot yet".into()));
                    };
                    next = end.next();
                    newest = parts.into_iter().rfind(|part| !part.goes_on).or(newest);
                }
                Ok(newest)
            }
            last => Ok(last),
        }
    }

    /// Gives the parts of the newest snapshot.
    async fn give(&self, stream: &StreamName, tell: &Sender<Result<Bytes, LogError>>) -> Result<(), LogError> {
        let Some(last) = self.newest(stream).await? else { return Ok(()) };
        let (subject, mut next) = (self.snapshots_of(stream), last.begins);
        while next <= last.sequence {
            let parts = self.several(&self.snapshots, &subject, next).await?;
            match parts.first() {
                None => return Err(LogError::Storage("JetStream does not have all parts of a snapshot yet".into())),
                // Another one came meanwhile, and this one went.
                Some(first) if first.begins != last.begins => {
                    return Err(damaged(&subject, first.sequence, "it is no part of the snapshot"));
                }
                Some(_) => {}
            }
            for part in parts.into_iter().take_while(|part| part.begins == last.begins) {
                next = part.sequence.next();
                if tell.send(Ok(part.payload.bytes)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
