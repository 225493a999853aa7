//! From a change to everybody having seen it, and what a client costs that only listens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use tapeline_core::frame::{Live, ServerFrame};
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, Seq};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::figures::Figures;
use super::load::{Todos, Writer, opened, stream};
use super::server::Server;
use super::{Size, limit};
use crate::failure::Failure;
use crate::wire;

const EVENTS_PER_S: u64 = 50;
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
    let name = stream(format!("bench/fanout-{:x}", fastrand::u32(..)));
    let count = EVENTS_PER_S * size.seconds;
    let sent: Arc<Vec<std::sync::OnceLock<Instant>>> = Arc::new((0..count).map(|_| Default::default()).collect());
    let mut writer = Writer::open(&server.url, &name, 1).await?;
    let mut listeners: Vec<JoinHandle<Result<Histogram<u64>, Failure>>> = Vec::new();
    for place in 0..subscribers {
        let (ready, mut is_ready) = watch::channel(false);
        listeners.push(tokio::spawn(listen(server.url.clone(), name.clone(), place, sent.clone(), ready)));
        is_ready.wait_for(|ready| *ready).await.map_err(Failure::failed)?;
    }
    let before = server.processor_time();
    let (mut todos, mut made) = (Todos::new(2), Vec::new());
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / EVENTS_PER_S));
    for sent in sent.iter() {
        ticks.tick().await;
        let op = todos.next(&mut made);
        let _ = sent.set(Instant::now());
        writer.push_one(op).await?;
    }
    let mut times = limit::histogram();
    for listener in listeners {
        times.add(listener.await.map_err(Failure::failed)??).map_err(Failure::failed)?;
    }
    let milliseconds = |quantile| limit::quantile(&times, quantile).as_secs_f64() * 1e3;
    figures.add(format!("fanout.p50_ms.{subscribers}"), milliseconds(0.5), "ms")?;
    figures.add(format!("fanout.p99_ms.{subscribers}"), milliseconds(0.99), "ms")?;
    if let (Some(before), Some(after)) = (before, server.processor_time()) {
        let each = (after - before).as_secs_f64() * 1e6 / (count * subscribers) as f64;
        figures.add(format!("fanout.server_us_per_delivery.{subscribers}"), each, "us")?;
    }
    Ok(())
}

/// Takes all events of a stream as they come. Answers how long each was on its way.
async fn listen(
    url: String,
    name: StreamName,
    place: u64,
    sent: Arc<Vec<std::sync::OnceLock<Instant>>>,
    ready: watch::Sender<bool>,
) -> Result<Histogram<u64>, Failure> {
    let (mut sender, mut receiver) = wire::connect(&url).await?;
    let client = Todos::new(1_000 + place).client();
    sender.send(&wire::open(Channel(0), &name, client, Live::From(Seq::FIRST))).await?;
    opened(&mut receiver).await?;
    ready.send_replace(true);
    let mut times = limit::histogram();
    let mut next = Seq::FIRST;
    while next.0 < sent.len() as u64 {
        let ServerFrame::Events(events) = receiver.next().await? else { continue };
        let now = Instant::now();
        while next < events.block.end() {
            if let Some(sent) = sent[next.0 as usize].get() {
                limit::record(&mut times, now - *sent);
            }
            next = next.next();
        }
    }
    Ok(times)
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

async fn subscribe(url: &str, name: &StreamName, place: u64) -> Result<(wire::Sender, wire::Receiver), Failure> {
    let (mut sender, mut receiver) = wire::connect(url).await?;
    let client = Todos::new(2_000_000 + place).client();
    sender.send(&wire::open(Channel(0), name, client, Live::From(Seq::FIRST))).await?;
    opened(&mut receiver).await?;
    loop {
        if let ServerFrame::Events(_) = receiver.next().await? {
            return Ok((sender, receiver));
        }
    }
}
