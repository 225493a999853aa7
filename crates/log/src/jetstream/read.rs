//! Reading streams: where they end, and their batches from any place on.
//!
//! The leader says where a stream ends, since what it has is never old. What stands before that never changes, so any
//! replica may give it, many messages for one request; one that does not have them yet is passed over.

use std::sync::Arc;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind, Stream};
use bytes::BytesMut;
use futures_util::StreamExt;
use tapeline_core::batch::Batch;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Position, Seq};

use super::message::{End, Message, Payload, damaged};
use super::{JetStream, Sequence, Shared, failed};
use crate::contract::LogError;
use crate::limits;

/// From where on to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The batches after a position.
    After(Position),
    /// The batches that have events from here on.
    At(Seq),
}

/// Batches that were read.
#[derive(Debug)]
pub struct Batches {
    /// Where the stream ends. `None` where there is no such stream.
    pub end: Option<End>,
    /// How many batches there are before the first of them.
    pub before: Position,
    /// The batches, in order. None where nothing is there.
    pub batches: Vec<Arc<Batch>>,
}

impl Start {
    /// Whether a message that ends there has something of it.
    pub(crate) fn is_in(self, end: &End) -> bool {
        match self {
            Self::After(position) => end.head.position > position,
            Self::At(seq) => end.head.seq > seq,
        }
    }
}

impl JetStream {
    /// Where a stream ends, as the leader says. `None` where there is no such stream.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn end(&self, stream: &StreamName) -> Result<Option<End>, LogError> {
        let (shared, stream) = (self.shared.clone(), stream.clone());
        self.run(async move { Ok(shared.last(&stream).await?.and_then(|last| there(last.end))) }).await
    }

    /// The batches of a stream from somewhere on, as many as `most_bytes` take but at least one where there is one.
    ///
    /// # Errors
    /// Where the cluster does not answer, what it has is no log, or the first of them was let go, or removed.
    pub async fn read(&self, stream: &StreamName, from: Start, most_bytes: usize) -> Result<Batches, LogError> {
        let (shared, stream) = (self.shared.clone(), stream.clone());
        self.run(async move { shared.read(&stream, from, most_bytes).await }).await
    }
}

/// A stream whose first batch did not get through is not there.
fn there(end: End) -> Option<End> {
    (end.head.position > Position::FIRST).then_some(end)
}

impl Shared {
    /// The last message of a stream, as the leader has it.
    pub(super) async fn last(&self, stream: &StreamName) -> Result<Option<Message>, LogError> {
        self.last_of(self.home(stream), &self.subject(stream)).await
    }

    /// The last message of a subject, as the leader has it.
    pub(super) async fn last_of(&self, home: &Stream, subject: &str) -> Result<Option<Message>, LogError> {
        match home.get_last_raw_message_by_subject(subject).await {
            Ok(found) => Message::read(found).map(Some),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn read(&self, stream: &StreamName, from: Start, most_bytes: usize) -> Result<Batches, LogError> {
        let nothing = |end| Batches { end, before: Position::FIRST, batches: Vec::new() };
        let known = self.known(stream).filter(|known| from == Start::After(known.position()));
        let last = self.last(stream).await?;
        if matches!(from, Start::After(_)) {
            self.is_read(stream, last.as_ref());
        }
        let Some(last) = last else { return Ok(nothing(None)) };
        let end = there(last.end);
        if !from.is_in(&last.end) {
            return Ok(nothing(end));
        }
        let last_sequence = last.sequence;
        let start = match (from, known) {
            (Start::After(Position::FIRST), _) => Sequence::FIRST,
            (_, Some(known)) => known.last.next(),
            _ => self.locate(stream, last, from).await?,
        };
        let mut reading = Reading { subject: self.subject(stream), from, most_bytes, ..Reading::default() };
        self.gather(stream, &mut reading, start, last_sequence).await?;
        if !reading.begins_well() {
            let first = reading.batches.first().map(|first| LogError::Trimmed { horizon: first.block.from() });
            return Err(first.unwrap_or_else(|| damaged(&reading.subject, start, "batches are missing from here on")));
        }
        Ok(Batches { end, before: reading.before, batches: reading.batches })
    }

    /// Where the first message begins that has something of what is looked for, which `last` has.
    pub(super) async fn locate(&self, stream: &StreamName, last: Message, from: Start) -> Result<Sequence, LogError> {
        let (mut low, mut found) = (Sequence::FIRST, last);
        let mut high = found.sequence;
        // The first such message is `found`, or it is in `low..high`.
        while low < high {
            let middle = Sequence(low.0 + (high.0 - low.0) / 2);
            let next = self.next(stream, middle).await?;
            if from.is_in(&next.end) {
                (found, high) = (next, middle);
            } else {
                low = next.sequence.next();
            }
        }
        Ok(found.begins)
    }

    /// The first message of a stream from a place on, as the leader has it. There is one.
    pub(super) async fn next(&self, stream: &StreamName, from: Sequence) -> Result<Message, LogError> {
        let (home, subject) = (self.home(stream), self.subject(stream));
        let found = home.raw_message_builder().sequence(from.0).next_by_subject(subject.clone()).send().await;
        match found {
            Ok(found) => Message::read(found),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                Err(damaged(&subject, from, "messages are missing from here on"))
            }
            Err(error) => Err(failed(&error)),
        }
    }

    /// Reads messages up to the last one, or until there is enough.
    async fn gather(
        &self,
        stream: &StreamName,
        reading: &mut Reading,
        start: Sequence,
        last: Sequence,
    ) -> Result<(), LogError> {
        let mut next = start;
        while next <= last && !reading.is_full() {
            let mut messages = self.several(self.home(stream), &reading.subject, next).await?;
            if messages.is_empty() {
                messages.push(self.next(stream, next).await?);
            }
            if messages.first().is_some_and(|first| first.sequence > last) {
                return Err(LogError::Storage("what is read was let go meanwhile".into()));
            }
            for message in messages.into_iter().take_while(|message| message.sequence <= last) {
                next = message.sequence.next();
                if reading.take(message)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Some messages of a subject from a place on, as a replica has them: none where it does not have the first yet.
    pub(super) async fn several(&self, home: &Stream, subject: &str, from: Sequence) -> Result<Vec<Message>, LogError> {
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(|error| failed(&error))?;
        let request = format!(
            r#"{{"seq":{},"next_by_subj":"{}","batch":{},"max_bytes":{}}}"#,
            from.0,
            subject,
            limits::READ_MESSAGES,
            limits::READ_MESSAGES_BYTES
        );
        let api = format!("$JS.API.DIRECT.GET.{}", home.cached_info().config.name);
        self.client.publish_with_reply(api, inbox, request.into()).await.map_err(|error| failed(&error))?;
        let mut messages = Vec::new();
        loop {
            let answer = tokio::time::timeout(limits::ANSWER_WITHIN, answers.next()).await;
            let Ok(Some(answer)) = answer else {
                return Err(LogError::Storage("JetStream does not answer".into()));
            };
            // A status ends it: there are no more, or no messages at all.
            if answer.status.is_some() {
                return Ok(messages);
            }
            messages.push(Message::read(StreamMessage::try_from(answer).map_err(|error| failed(&error))?)?);
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    subject: String,
    from: Start,
    most_bytes: usize,
    before: Position,
    batches: Vec<Arc<Batch>>,
    bytes: usize,
    /// The parts of a message that goes on, and where they begin.
    parts: Option<(Sequence, BytesMut)>,
    /// Where the stream is after the batches that were read.
    end: Option<End>,
}

impl Default for Start {
    fn default() -> Self {
        Self::After(Position::FIRST)
    }
}

impl Reading {
    fn is_full(&self) -> bool {
        self.bytes >= self.most_bytes && !self.batches.is_empty()
    }

    /// Whether the first batch is there that was looked for.
    fn begins_well(&self) -> bool {
        let Some(first) = self.batches.first() else { return false };
        match self.from {
            Start::After(after) => self.before == after,
            Start::At(seq) => first.block.from() <= seq,
        }
    }

    /// Takes a message. Answers whether there is enough.
    fn take(&mut self, message: Message) -> Result<bool, LogError> {
        let Some(payload) = self.join(&message) else { return Ok(false) };
        let wrong = |what| Err(damaged(&self.subject, message.sequence, what));
        let Some(batches) = payload.batches() else { return wrong("it has something else than batches") };
        let after = message.end.head.position;
        let Some(before) = after.0.checked_sub(batches.len() as u64).map(Position) else {
            return wrong("it has more batches than the stream");
        };
        if self.end.is_some_and(|end| end.head.position != before) {
            return wrong("batches are missing before it");
        }
        for (place, batch) in batches.into_iter().enumerate() {
            let position = before.plus(place as u64);
            if self.end.is_some_and(|end| !end.is_before(&batch)) {
                return Err(damaged(&self.subject, message.sequence, "it does not follow from the one before"));
            }
            let end = self.end.unwrap_or(End { head: crate::Head { position, ..message.end.head }, ..message.end });
            self.end = Some(end.with(&batch));
            if self.is_wanted(position, &batch) && !self.add(position, batch) {
                return Ok(true);
            }
        }
        if self.end.is_some_and(|end| end.head != message.end.head) {
            return Err(damaged(&self.subject, message.sequence, "its batches do not end where it says"));
        }
        self.end = Some(message.end);
        Ok(self.is_full())
    }

    fn is_wanted(&self, position: Position, batch: &Batch) -> bool {
        match self.from {
            Start::After(after) => position >= after,
            Start::At(seq) => batch.block.end() > seq,
        }
    }

    /// Adds a batch, unless that would be too much.
    fn add(&mut self, position: Position, batch: Arc<Batch>) -> bool {
        let bytes = batch.block.bytes().len();
        if !self.batches.is_empty() && self.bytes + bytes > self.most_bytes {
            return false;
        }
        if self.batches.is_empty() {
            self.before = position;
        }
        self.bytes += bytes;
        self.batches.push(batch);
        true
    }

    /// The whole payload of a message, once its last part is there.
    fn join(&mut self, message: &Message) -> Option<Payload> {
        let parts = self.parts.take().filter(|(begins, _)| *begins == message.begins);
        let payload = match parts {
            Some((_, mut parts)) => {
                parts.extend_from_slice(&message.payload.bytes);
                parts
            }
            // What came before was left unfinished; of what began before, nothing can be made.
            None if message.begins != message.sequence => return None,
            None if !message.goes_on => return Some(message.payload.clone()),
            None => BytesMut::from(&message.payload.bytes[..]),
        };
        if message.goes_on {
            self.parts = Some((message.begins, payload));
            return None;
        }
        Some(message.payload.with(payload.freeze()))
    }
}
