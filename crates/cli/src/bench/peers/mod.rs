//! Peers beside us: programs that keep or play streams, given the same events by the same load in the same run.
//!
//! Each is started here, on a free loopback port and in a directory of its own, and ended again. What is missing on
//! this machine, or does not do its work, is said in place of its figure.

mod nats;
mod process;
mod redis;
mod s2_lite;
mod s2_session;

use std::time::Duration;

use hdrhistogram::Histogram;

use super::drive::{self, Listeners, Target};
use super::fanout;
use super::figures::Figures;
use super::load::recorded;
use crate::failure::Failure;
pub use nats::Nats;
pub use process::is_on_path;
use redis::Redis;
use s2_lite::S2Lite;

/// How much longer than the time that is measured a peer may take in all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures the hot stream of each peer; `ours` is our own rate.
pub async fn append(ours: f64, time: Duration, figures: &mut Figures) -> Result<(), Failure> {
    add_rate("s2_lite", rate(S2Lite::start(), time).await, ours, figures)?;
    add_rate("redis", rate(Redis::start("always"), time).await, ours, figures)?;
    add_rate("redis_everysec", rate(Redis::start("everysec"), time).await, ours, figures)?;
    add_rate("nats", rate(Nats::start("always"), time).await, ours, figures)?;
    add_rate("nats_two_minutes", rate(Nats::start("2m"), time).await, ours, figures)
}

async fn rate<T: Target>(peer: impl Future<Output = Result<T, Failure>>, time: Duration) -> Result<f64, Failure> {
    in_time(time, async { drive::rate(&peer.await?, time).await }).await
}

fn add_rate(peer: &str, rate: Result<f64, Failure>, ours: f64, figures: &mut Figures) -> Result<(), Failure> {
    match rate {
        Ok(rate) => {
            figures.add(format!("append.hot.{peer}_events_per_s"), rate, "1/s")?;
            figures.add(format!("append.hot.of_{peer}"), ours / rate, "1")
        }
        Err(failure) => figures.miss(format!("append.hot.{peer}_events_per_s"), &failure.to_string()),
    }
}

/// Measures the time from a change to seen of each peer, each syncing before it acknowledges, as we do.
pub async fn fanout(subscribers: u64, changes: u64, figures: &mut Figures) -> Result<(), Failure> {
    add_times("redis", times(Redis::start("always"), subscribers, changes).await, subscribers, figures)?;
    add_times("nats", times(Nats::start("always"), subscribers, changes).await, subscribers, figures)?;
    add_times("s2_lite", times(S2Lite::start(), subscribers, changes).await, subscribers, figures)
}

async fn times<T: Target>(
    peer: impl Future<Output = Result<T, Failure>>,
    subscribers: u64,
    changes: u64,
) -> Result<Histogram<u64>, Failure> {
    let times = async {
        let peer = peer.await?;
        let writer = peer.writer(1).await?;
        Listeners::connect(&peer, subscribers, changes).await?.time(writer).await
    };
    in_time(Duration::from_secs(changes / drive::CHANGES_PER_S), times).await
}

/// A peer that does not get done keeps nobody waiting.
async fn in_time<T>(time: Duration, measure: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let measured = tokio::time::timeout(time + PATIENCE, measure).await;
    measured.map_err(|_| Failure::Failed("it does not get done".into()))?
}

fn add_times(
    peer: &str,
    times: Result<Histogram<u64>, Failure>,
    subscribers: u64,
    figures: &mut Figures,
) -> Result<(), Failure> {
    match times {
        Ok(times) => fanout::add(figures, &format!("{peer}_"), subscribers, &times),
        Err(failure) => figures.miss(format!("fanout.{peer}_p50_ms.{subscribers}"), &failure.to_string()),
    }
}

/// The events that are given to a peer, again and again.
struct Events {
    encoded: Vec<Vec<u8>>,
    next: usize,
}

impl Events {
    fn new() -> Self {
        Self { encoded: recorded(1_000), next: 0 }
    }

    fn next(&mut self) -> &[u8] {
        let event = &self.encoded[self.next];
        self.next = (self.next + 1) % self.encoded.len();
        event
    }
}
