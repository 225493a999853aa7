//! Telling one receiver: a thread that reads where it is, posts, and moves it on once that is answered.
//!
//! One post at a time, of many streams together. Where one fails, streams are told one by one until one succeeds, so that
//! a stream that the receiver does not take holds up no other for longer than a pause.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;
use tapeline_log::{EventLog, LogError, StateStore};
use tokio::runtime::Handle;

use super::cursors::Cursors;
use super::queue::{Queue, Waiting};
use super::told::{Part, spell};
use super::{Begin, Receiver};
use crate::limits;
use crate::shared::Shared;
use crate::trouble::Trouble;

/// Tells one receiver.
pub(super) struct Deliverer<L, S> {
    shared: Weak<Shared<L, S>>,
    runtime: Handle,
    receiver: Receiver,
    queue: Arc<Queue>,
    cursors: Cursors,
    /// How many streams it is told of together.
    together: usize,
    /// How long to wait when the next post fails.
    pause: Duration,
    /// When all streams were last looked at.
    looked: Option<Instant>,
    trouble: Trouble,
}

/// Why a receiver could not be told. What it was told it may be told again.
#[derive(Debug, thiserror::Error)]
enum NotTold {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Post(#[from] crate::backend::NotAsked),
    #[error("it cannot be kept how far it is: {0}")]
    Cursor(String),
    #[error("an event cannot be read: {0}")]
    Damaged(#[from] tapeline_core::codec::CodecError),
}

impl<L: EventLog, S: StateStore> Deliverer<L, S> {
    pub(super) fn new(shared: &Arc<Shared<L, S>>, receiver: Receiver, queue: Arc<Queue>) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            runtime: Handle::current(),
            cursors: Cursors::new(&receiver.name),
            receiver,
            queue,
            together: limits::RECEIVER_STREAMS_TOGETHER,
            pause: limits::RECEIVER_PAUSE,
            looked: None,
            trouble: Trouble::default(),
        }
    }

    pub(super) fn run(mut self) {
        loop {
            let Some(shared) = self.shared.upgrade() else { return };
            let told = self.turn(&shared);
            self.measure(&shared);
            let goes_on = match told {
                Ok(true) => self.queue.wait(Duration::ZERO),
                Ok(false) => {
                    drop(shared);
                    self.queue.wait(limits::RECEIVER_LOOKS_EVERY)
                }
                Err(error) => {
                    if self.trouble.is_news(&error) {
                        tracing::warn!(receiver = self.receiver.name, %error, "a receiver is not told");
                    }
                    shared.metrics.receiver_failures.get_or_create(&self.labels()).inc();
                    drop(shared);
                    let pause = self.pause;
                    self.pause = (pause * 2).min(limits::RECEIVER_PAUSE_MOST);
                    self.queue.pause(pause.mul_f64(0.75 + fastrand::f64() / 2.0))
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Tells something. Answers whether there was anything to tell.
    fn turn(&mut self, shared: &Arc<Shared<L, S>>) -> Result<bool, NotTold> {
        if self.is_to_look(shared) {
            self.looked = None;
            self.look(shared)?;
            self.looked = Some(Instant::now());
        }
        let taken = self.queue.take(self.together);
        if taken.is_empty() {
            return Ok(false);
        }
        match self.tell(shared, &taken) {
            Ok(news) => {
                self.queue.put(news);
                self.together = (self.together * 2).min(limits::RECEIVER_STREAMS_TOGETHER);
                self.pause = limits::RECEIVER_PAUSE;
                if self.trouble.is_over() {
                    tracing::info!(receiver = self.receiver.name, "a receiver is told again");
                }
                Ok(true)
            }
            Err(error) => {
                self.queue.put(taken);
                self.together = 1;
                Err(error)
            }
        }
    }

    /// Whether there may be news of streams that nobody has told of: at the start, where there were too many, and
    /// where other nodes record as well.
    fn is_to_look(&self, shared: &Shared<L, S>) -> bool {
        let is_old = |looked: Instant| looked.elapsed() >= limits::RECEIVER_SCANS_EVERY;
        self.looked.is_none_or(|looked| shared.log.is_shared() && is_old(looked)) || self.queue.is_lacking()
    }

    /// Looks at all streams for those with news.
    fn look(&mut self, shared: &Arc<Shared<L, S>>) -> Result<(), NotTold> {
        self.cursors.forget();
        let begins = self.receiver.begin == Begin::Now && !self.cursors.has_begun(shared)?;
        let mut after = None;
        loop {
            let infos = self.runtime.block_on(shared.log.streams(after.as_ref(), limits::RETENTION_STREAMS))?;
            let Some(last) = infos.last() else { break };
            after = Some(last.stream.clone());
            let infos: Vec<_> = infos.into_iter().filter(|info| self.queue.fits(&info.stream)).collect();
            let names: Vec<_> = infos.iter().map(|info| info.stream.clone()).collect();
            let at = self.cursors.read(shared, &names)?;
            let all = infos.iter().zip(at);
            if begins {
                let new = all.filter(|(_, at)| at.is_none()).map(|(info, _)| (info.stream.clone(), info.head.seq));
                self.cursors.write(shared, new.collect()).map_err(NotTold::Cursor)?;
            } else {
                let news = all.filter(|(info, at)| at.unwrap_or(Seq::FIRST) != info.head.seq);
                news.for_each(|(info, _)| self.queue.hear(&info.stream));
            }
        }
        if begins { self.cursors.begin(shared).map_err(NotTold::Cursor) } else { Ok(()) }
    }

    /// Tells what there is of some streams, as much as goes into one post. Answers which of them may have more.
    fn tell(&mut self, shared: &Arc<Shared<L, S>>, taken: &[Waiting]) -> Result<Vec<Waiting>, NotTold> {
        let is_here = |stream: &StreamName| shared.nodes.as_ref().is_none_or(|nodes| nodes.holds(stream));
        let here: Vec<&Waiting> = taken.iter().filter(|(stream, _)| is_here(stream)).collect();
        let names: Vec<StreamName> = here.iter().map(|(stream, _)| stream.clone()).collect();
        let at = self.cursors.read(shared, &names)?;
        let (mut parts, mut more, mut bytes) = (Vec::new(), Vec::new(), 0);
        for ((stream, since), at) in here.into_iter().zip(at) {
            if bytes >= limits::RECEIVER_READ_BYTES {
                more.push((stream.clone(), *since));
                continue;
            }
            let part = self.read(shared, stream, at.unwrap_or(Seq::FIRST))?;
            if !part.is_empty() {
                bytes += part.bytes();
                parts.push(part);
                more.push((stream.clone(), Instant::now()));
            }
        }
        if !parts.is_empty() {
            self.post(shared, &parts)?;
            let moved = parts.into_iter().map(|part| (part.stream, part.end)).collect();
            self.cursors.write(shared, moved).map_err(NotTold::Cursor)?;
        }
        Ok(more)
    }

    fn post(&self, shared: &Shared<L, S>, parts: &[Part]) -> Result<(), NotTold> {
        let body = spell(&self.receiver.name, parts);
        let hash = digest(&SHA256, body.as_bytes());
        // The same for the same, so that a receiver knows what it is told again.
        let id: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.receiver.endpoint.post(&format!("msg_{id}"), &body)?;
        let told = parts.iter().map(Part::count).sum();
        shared.metrics.received.get_or_create(&self.labels()).inc_by(told);
        Ok(())
    }

    /// What there is of a stream for who is at `from`.
    fn read(&self, shared: &Shared<L, S>, stream: &StreamName, from: Seq) -> Result<Part, NotTold> {
        let read = |at| self.runtime.block_on(shared.log.read(stream, at, limits::RECEIVER_READ_BYTES));
        let block = match read(from) {
            Err(LogError::Trimmed { horizon }) => read(horizon),
            block => block,
        }?;
        let head = match block.is_empty() {
            true => self.runtime.block_on(shared.log.head(stream))?.map(|head| head.seq),
            false => None,
        };
        if head.is_some_and(|head| head < from) {
            tracing::warn!(receiver = self.receiver.name, %stream, "a stream ends before what was told of it: it is told anew");
            return Ok(Part::new(stream.clone(), Seq::FIRST, &read(Seq::FIRST)?)?);
        }
        Ok(Part::new(stream.clone(), from, &block)?)
    }

    fn measure(&self, shared: &Shared<L, S>) {
        let (waiting, since) = self.queue.waiting();
        let lag = since.map_or(0.0, |since| since.elapsed().as_secs_f64());
        shared.metrics.receiver_waiting.get_or_create(&self.labels()).set(waiting as i64);
        shared.metrics.receiver_lag.get_or_create(&self.labels()).set(lag);
    }

    fn labels(&self) -> Vec<(String, String)> {
        vec![("receiver".into(), self.receiver.name.clone())]
    }
}
