//! Gives batches to JetStream as one message, in parts where they are too large.

use std::error::Error;

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use bytes::Bytes;
use tapeline_core::batch::Batch;
use tapeline_core::name::StreamName;

use super::lanes::{Place, Waiting};
use super::message::{self, End, Payload};
use super::{Sequence, Shared, words};
use crate::limits;

/// Why batches were not, or may not have been, appended.
pub(super) enum Failed {
    /// The subject's last message is another. Nothing was appended.
    Elsewhere,
    /// They may have been appended, or may be later.
    Unknown(String),
}

/// Batches on their way, and where the stream is before and after them.
pub(super) struct Outgoing {
    before: End,
    after: End,
    payload: Payload,
}

impl Outgoing {
    /// Batches that follow from where a stream ends, of which there is at least one.
    pub(super) fn new(end: Option<End>, group: &[Waiting]) -> Self {
        let before = end.unwrap_or(End::nothing(group[0].append.incarnation));
        let after = group.iter().fold(before, |end, waiting| end.with(&waiting.append.batch));
        let mut payload = Vec::with_capacity(group.iter().map(|waiting| message::size(&waiting.encoded)).sum());
        group.iter().for_each(|waiting| message::put(&mut payload, &waiting.encoded));
        Self { before, after, payload: Payload::pack(payload) }
    }

    /// A batch that comes from another log.
    pub(super) fn of(before: End, batch: &Batch) -> Self {
        let mut payload = Vec::new();
        message::put(&mut payload, &batch.encode());
        Self { before, after: before.with(batch), payload: Payload::pack(payload) }
    }

    /// Where the stream is after them.
    pub(super) const fn after(&self) -> End {
        self.after
    }
}

impl Shared {
    /// Appends batches where the last message of a stream is `last`. Answers the place after them.
    pub(super) async fn publish(
        &self,
        stream: &StreamName,
        mut last: Sequence,
        outgoing: &Outgoing,
    ) -> Result<Place, Failed> {
        let Outgoing { before, after, payload } = outgoing;
        let (subject, mut rest, mut begins) = (self.subject(stream), payload.bytes.clone(), None);
        loop {
            let part = rest.split_to(rest.len().min(limits::PART_BYTES));
            let goes_on = !rest.is_empty();
            let headers = payload.headers(if goes_on { before } else { after }, begins, goes_on);
            last = self.publish_part(&subject, last, headers, part).await?;
            begins.get_or_insert(last);
            if !goes_on {
                return Ok(Place { end: Some(*after), last, is_read: true });
            }
        }
    }

    pub(super) async fn publish_part(
        &self,
        subject: &str,
        last: Sequence,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Sequence, Failed> {
        let message = PublishMessage::build().headers(headers).payload(payload).expected_last_subject_sequence(last.0);
        let sent = self.context.send_publish(subject.to_owned(), message).await.map_err(failed)?;
        Ok(Sequence(sent.await.map_err(failed)?.sequence))
    }
}

fn failed(error: PublishError) -> Failed {
    let code =
        error.source().and_then(|source| source.downcast_ref::<jetstream::Error>()).map(jetstream::Error::error_code);
    let is_elsewhere = error.kind() == PublishErrorKind::WrongLastSequence
        || code == Some(ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT);
    if is_elsewhere { Failed::Elsewhere } else { Failed::Unknown(format!("JetStream: {}", words(&error))) }
}
