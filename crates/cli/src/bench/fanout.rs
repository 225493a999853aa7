//! From a change to everybody having seen it, and what a client costs that only listens.

use std::time::Duration;

use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use tapeline_core::name::StreamName;

use super::drive::{CHANGES_PER_S, Listeners, Reader, Target};
use super::figures::Figures;
use super::load::{Writer, stream};
use super::ours::{Ours, Subscriber};
use super::server::Server;
use super::{Size, limit, peers};
use crate::failure::Failure;

const IDLE: u64 = 10_000;

/// Measures both.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    for subscribers in [1, 100, 500, 1_000] {
        latency(against, size, (subscribers / size.divide).max(1), figures).await?;
    }
    idle(against, size, figures).await
}

async fn latency(against: Option<&str>, size: Size, subscribers: u64, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(against).await?;
    let stream = Ours::new(&server.url, "fanout");
    let changes = CHANGES_PER_S * size.seconds;
    let writer = stream.writer(1).await?;
    let listeners = Listeners::connect(&stream, subscribers, changes).await?;
    let before = server.processor_time();
    let times = listeners.time(writer).await?;
    add(figures, "", subscribers, &times)?;
    if let (Some(before), Some(after)) = (before, server.processor_time()) {
        let each = (after - before).as_secs_f64() * 1e6 / (changes * subscribers) as f64;
        figures.add(format!("fanout.server_us_per_delivery.{subscribers}"), each, "us")?;
    }
    drop(server);
    match size.peers {
        true => peers::fanout(subscribers, changes, figures).await,
        false => Ok(()),
    }
}

/// Adds the times from a change to seen; `whose` names a peer, with an underscore behind it.
pub fn add(figures: &mut Figures, whose: &str, subscribers: u64, times: &Histogram<u64>) -> Result<(), Failure> {
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
        let milliseconds = limit::quantile(times, quantile).as_secs_f64() * 1e3;
        figures.add(format!("fanout.{whose}{name}_ms.{subscribers}"), milliseconds, "ms")?;
    }
    Ok(())
}

async fn idle(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    const AT_ONCE: u64 = 100;
    let server = Server::start(against).await?;
    if !server.is_ours() {
        return Ok(());
    }
    let name = stream("bench/idle");
    Writer::open(&server.url, &name, 1)
        .await?
        .push(100, 10, &mut |todos| {
            let id = todos.id();
            todos.insert(id)
        })
        .await?;
    let before = server.resident_bytes();
    let mut sockets = Vec::new();
    let count = IDLE / size.divide;
    for batch in 0..count / AT_ONCE {
        let opening = (0..AT_ONCE).map(|place| subscribe(&server.url, &name, batch * AT_ONCE + place));
        sockets.extend(try_join_all(opening).await?);
    }
    if let (Some(before), Some(after)) = (before, server.resident_bytes()) {
        let each = after.saturating_sub(before) as f64 / sockets.len() as f64;
        figures.add("fanout.idle_bytes_per_client", each, "B")?;
    }
    let before = server.processor_time();
    let watched = Duration::from_secs(size.seconds.min(5));
    tokio::time::sleep(watched).await;
    if let (Some(before), Some(after)) = (before, server.processor_time()) {
        figures.add("fanout.idle_cores", (after - before).as_secs_f64() / watched.as_secs_f64(), "cores")?;
    }
    Ok(())
}

async fn subscribe(url: &str, name: &StreamName, place: u64) -> Result<Subscriber, Failure> {
    let mut subscriber = Subscriber::open(url, name, 2_000_000 + place).await?;
    subscriber.seen().await?;
    Ok(subscriber)
}
