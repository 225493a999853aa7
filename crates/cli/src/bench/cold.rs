//! A newcomer: what a stream takes on disk, and how fast all of it is played to a replica.

use std::time::{Duration, Instant};

use tapeline_client::Tapeline;
use tapeline_core::name::{ObjectId, StreamName};

use super::Size;
use super::figures::Figures;
use super::load::{Todos, Writer, stream};
use super::server::Server;
use crate::failure::Failure;
use crate::output;

const OUTSTANDING: u64 = 4_096;

/// Measures both.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    disk(against, size, figures).await?;
    replay(against, size, figures).await
}

/// 300,000 events of 100,000 to-dos.
async fn disk(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(against).await?;
    if !server.is_ours() {
        return Ok(());
    }
    let objects = 100_000 / size.divide;
    write(&server.url, &stream("bench/disk"), objects, 3 * objects).await?;
    let bytes = settled(&server).await;
    figures.add("cold.disk_bytes", bytes as f64, "B")
}

/// The disk taken once it stays the same for some seconds.
async fn settled(server: &Server) -> u64 {
    let mut last = (server.disk_bytes().unwrap_or_default(), Instant::now());
    let started = Instant::now();
    while last.1.elapsed() < Duration::from_secs(5) && started.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let bytes = server.disk_bytes().unwrap_or_default();
        if bytes != last.0 {
            last = (bytes, Instant::now());
        }
    }
    last.0
}

/// A million events played to a replica in memory.
async fn replay(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(against).await?;
    let name = stream(format!("bench/replay-{:x}", fastrand::u32(..)));
    let events = 1_000_000 / size.divide;
    write(&server.url, &name, events / 10, events).await?;
    let mut rates = Vec::new();
    for _ in 0..3 {
        rates.push(events as f64 / play(&server.url, &name).await?.as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    figures.add("cold.replay_events_per_s", rates[1], "1/s")
}

/// Plays a stream to a new replica and checks its digest. Answers how long it took.
async fn play(url: &str, name: &StreamName) -> Result<Duration, Failure> {
    let started = Instant::now();
    let tapeline = Tapeline::builder(url).open().await.map_err(Failure::failed)?;
    let replica = tapeline.stream(name.as_str()).await.map_err(Failure::failed)?;
    replica.caught_up().await.map_err(Failure::failed)?;
    let took = started.elapsed();
    let agreed = replica.status().replica.agreed.is_some();
    tapeline.close().await.map_err(Failure::failed)?;
    match agreed {
        true => Ok(took),
        false => Err(Failure::Failed("the replica's digest is not the server's".into())),
    }
}

/// Writes `events` events of `objects` to-dos, the inserts first.
pub async fn write(url: &str, name: &StreamName, objects: u64, events: u64) -> Result<Vec<ObjectId>, Failure> {
    let bar = output::bar(events, "writing");
    let mut writer = Writer::open(url, name, 1).await?;
    let mut ids = Vec::new();
    let mut next = |todos: &mut Todos| {
        if (ids.len() as u64) < objects {
            let id = todos.id();
            ids.push(id.clone());
            return todos.insert(id);
        }
        let place = todos.pick(ids.len());
        todos.update(ids[place].clone())
    };
    for step in 0..100 {
        let count = events * (step + 1) / 100 - events * step / 100;
        writer.push(count, OUTSTANDING, &mut next).await?;
        bar.inc(count);
    }
    bar.finish_and_clear();
    Ok(ids)
}
