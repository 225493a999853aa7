//! The load on one stream, the same for us and for every peer: writers that keep events on their way, and readers that
//! see them.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::limit;
use super::load::spawned;
use crate::failure::Failure;

/// Writers of the hot stream.
pub const WRITERS: u64 = 8;
/// Events that each of them has on their way.
pub const OUTSTANDING: u64 = 64;
/// Changes a second while the time to seen is measured.
pub const CHANGES_PER_S: u64 = 50;

/// A stream under load, on a server of ours or of a peer.
pub trait Target {
    /// One of its writers.
    type Writer: Writer;
    /// One of its readers.
    type Reader: Reader;

    /// Connects a writer; another seed, other events.
    fn writer(&self, seed: u64) -> impl Future<Output = Result<Self::Writer, Failure>>;

    /// Connects a reader that sees the stream from its start, and goes on with what comes.
    fn reader(&self, seed: u64) -> impl Future<Output = Result<Self::Reader, Failure>>;
}

/// A connection that writes events.
pub trait Writer: Send + 'static {
    /// Sends so many events in as few messages as the protocol allows, without waiting for anything.
    fn send(&mut self, count: u64) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Waits for what comes next. Answers how many events it acknowledges.
    fn acknowledged(&mut self) -> impl Future<Output = Result<u64, Failure>> + Send;
}

/// A connection that reads events.
pub trait Reader: Send + 'static {
    /// Waits for what comes next. Answers how many events came with it.
    fn seen(&mut self) -> impl Future<Output = Result<u64, Failure>> + Send;
}

/// Events a second that are acknowledged and seen by an observer.
pub async fn rate(target: &impl Target, time: Duration) -> Result<f64, Failure> {
    let (sender, mut seen) = watch::channel(0);
    let observer = tokio::spawn(observe(target.reader(u64::MAX).await?, sender));
    let mut writers = Vec::new();
    for seed in 0..WRITERS {
        writers.push(target.writer(seed).await?);
    }
    let start = Instant::now();
    let pushes = writers.into_iter().map(|writer| spawned(write_until(writer, start + time, OUTSTANDING)));
    let acknowledged: u64 = try_join_all(pushes).await?.into_iter().sum();
    if seen.wait_for(|seen| *seen >= acknowledged).await.is_err() {
        return Err(observer.await.map_err(Failure::failed)?);
    }
    observer.abort();
    Ok(acknowledged as f64 / start.elapsed().as_secs_f64())
}

/// Counts what is seen. Answers why no more is.
async fn observe(mut reader: impl Reader, seen: watch::Sender<u64>) -> Failure {
    loop {
        match reader.seen().await {
            Ok(count) => seen.send_modify(|seen| *seen += count),
            Err(failure) => return failure,
        }
    }
}

/// Writes until `end` with so many events on their way, and waits for the last. Answers how many were acknowledged by `end`.
pub async fn write_until(mut writer: impl Writer, end: Instant, outstanding: u64) -> Result<u64, Failure> {
    let (mut sent, mut acknowledged) = (0, 0);
    while Instant::now() < end {
        let room = outstanding - (sent - acknowledged);
        if room > 0 {
            writer.send(room).await?;
            sent += room;
        }
        acknowledged += writer.acknowledged().await?;
    }
    let in_time = acknowledged;
    while acknowledged < sent {
        acknowledged += writer.acknowledged().await?;
    }
    Ok(in_time)
}

/// When each change was sent.
type Sent = Arc<Vec<OnceLock<Instant>>>;

/// Readers that wait for the changes of one writer.
pub struct Listeners {
    sent: Sent,
    readers: Vec<JoinHandle<Result<Histogram<u64>, Failure>>>,
}

impl Listeners {
    /// Connects them, one after another.
    pub async fn connect(target: &impl Target, readers: u64, changes: u64) -> Result<Self, Failure> {
        let sent: Sent = Arc::new((0..changes).map(|_| OnceLock::new()).collect());
        let mut listening = Vec::new();
        for place in 0..readers {
            let reader = target.reader(1_000 + place).await?;
            listening.push(tokio::spawn(listen(reader, sent.clone())));
        }
        Ok(Self { sent, readers: listening })
    }

    /// Writes the changes, evenly in time. Answers how long each took to be seen by each reader.
    pub async fn time(self, mut writer: impl Writer) -> Result<Histogram<u64>, Failure> {
        let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / CHANGES_PER_S));
        for sent in self.sent.iter() {
            ticks.tick().await;
            let _ = sent.set(Instant::now());
            writer.send(1).await?;
            while writer.acknowledged().await? == 0 {}
        }
        let mut times = limit::histogram();
        for reader in self.readers {
            times.add(reader.await.map_err(Failure::failed)??).map_err(Failure::failed)?;
        }
        Ok(times)
    }
}

/// Takes all changes as they come. Answers how long each was on its way.
async fn listen(mut reader: impl Reader, sent: Sent) -> Result<Histogram<u64>, Failure> {
    let mut times = limit::histogram();
    let mut waiting = sent.iter();
    while waiting.len() > 0 {
        let count = reader.seen().await?;
        let now = Instant::now();
        for sent in waiting.by_ref().take(count as usize).filter_map(OnceLock::get) {
            limit::record(&mut times, now - *sent);
        }
    }
    Ok(times)
}
