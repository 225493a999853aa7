//! A newcomer: what a stream takes on disk, and how long, how many bytes and how much of the server's memory it takes to
//! have all its objects, beside playing all its events.

use std::time::{Duration, Instant};

use tapeline_client::Tapeline;
use tapeline_core::name::{ObjectId, StreamName};

use super::figures::Figures;
use super::load::{Todos, Writer, stream};
use super::server::Server;
use super::{Size, crowd, log};
use crate::failure::Failure;
use crate::output;
use crate::relay::Relay;

const OUTSTANDING: u64 = 4_096;

/// Measures all of it.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    hundred_thousand(against, size, figures).await?;
    million(against, size, figures).await?;
    log::rate(against, size, figures).await
}

/// 300,000 events of 100,000 to-dos.
async fn hundred_thousand(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let mut server = Server::start(against).await?;
    let name = stream(format!("bench/cold-{:x}", fastrand::u32(..)));
    let (objects, events) = (100_000 / size.divide, 300_000 / size.divide);
    write(&server.url, &name, objects, events).await?;
    if let Some(bytes) = settled(&server).await {
        figures.add("cold.disk_bytes", bytes as f64, "B")?;
    }
    let sync = syncs(&server.url, &name).await?;
    figures.add("cold.ms", milliseconds(sync), "ms")?;
    let relay = Relay::start(&server.url, []).await?;
    sync_anew(&relay.url, &name).await?;
    figures.add("cold.wire_bytes", relay.bytes() as f64, "B")?;
    let (played, bytes) = log::play(&server.url, &name, 0).await?;
    figures.add("cold.replay_ms", milliseconds(played), "ms")?;
    figures.add("cold.replay_wire_bytes", bytes as f64, "B")?;
    figures.add("cold.of_replay", sync.as_secs_f64() / played.as_secs_f64(), "1")?;
    crowd::live(&server.url, &name, relay.bytes(), size, figures).await?;
    if server.is_ours() {
        // After a restart nothing is in memory: what a newcomer costs then is all that it costs.
        server.stop_and_restart().await?;
        let memory = server.watch_memory();
        figures.add("cold.restarted_ms", milliseconds(sync_anew(&server.url, &name).await?), "ms")?;
        figures.add("cold.server_rss_delta_bytes", memory.risen() as f64, "B")?;
    }
    Ok(())
}

/// A million to-dos, each as it was made; also by a client that is cut off five times.
async fn million(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    const CUTS: u64 = 5;
    let mut server = Server::start(against).await?;
    let name = stream(format!("bench/million-{:x}", fastrand::u32(..)));
    let objects = 1_000_000 / size.divide;
    write(&server.url, &name, objects, objects).await?;
    if server.is_ours() {
        server.stop_and_restart().await?;
    }
    let memory = server.watch_memory();
    let sync = sync_anew(&server.url, &name).await?;
    figures.add("cold.million_ms", milliseconds(sync), "ms")?;
    if server.is_ours() {
        figures.add("cold.million_server_rss_delta_bytes", memory.risen() as f64, "B")?;
    }
    let whole = Relay::start(&server.url, []).await?;
    sync_anew(&whole.url, &name).await?;
    figures.add("cold.million_wire_bytes", whole.bytes() as f64, "B")?;
    let cuts = (1..=CUTS).map(|cut| whole.bytes() * cut / (CUTS + 1));
    let relay = Relay::start(&server.url, cuts).await?;
    let cut = sync_anew(&relay.url, &name).await?;
    figures.add("cold.million_cut_ms", milliseconds(cut), "ms")?;
    figures.add("cold.million_cut_wire_bytes", relay.bytes() as f64, "B")
}

/// The median of some first syncs.
async fn syncs(url: &str, name: &StreamName) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(sync_anew(url, name).await?);
    }
    times.sort();
    Ok(times[times.len() / 2])
}

/// Brings a new replica up to date and checks its digest. Answers how long it took.
async fn sync_anew(url: &str, name: &StreamName) -> Result<Duration, Failure> {
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

/// The disk taken once it stays the same for some seconds.
async fn settled(server: &Server) -> Option<u64> {
    let mut last = (server.disk_bytes()?, Instant::now());
    let started = Instant::now();
    while last.1.elapsed() < Duration::from_secs(5) && started.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let bytes = server.disk_bytes().unwrap_or_default();
        if bytes != last.0 {
            last = (bytes, Instant::now());
        }
    }
    Some(last.0)
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

/// A time in milliseconds.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
