//! Ten thousand edits made offline: on the screen, on the device, and elsewhere.

use std::time::{Duration, Instant};

use tapeline_client::Tapeline;
use tapeline_core::name::ObjectId;

use super::Size;
use super::figures::Figures;
use super::load::Todos;
use super::server::Server;
use crate::failure::Failure;

/// Measures them.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    const ROUNDS: usize = 5;
    let server = Server::start(against).await?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(round(&server.url, 10_000 / size.divide).await?);
    }
    let mut median = |name: &str, of: fn(&Round) -> Duration| {
        let mut times: Vec<_> = rounds.iter().map(of).collect();
        times.sort();
        figures.add(name, times[ROUNDS / 2].as_secs_f64() * 1e3, "ms")
    };
    median("offline.local_ms", |round| round.local)?;
    median("offline.stored_ms", |round| round.stored)?;
    median("offline.visible_ms", |round| round.visible)
}

struct Round {
    local: Duration,
    stored: Duration,
    visible: Duration,
}

async fn round(url: &str, count: u64) -> Result<Round, Failure> {
    let directory = tempfile::tempdir_in(".").map_err(Failure::failed)?;
    let name = format!("bench/offline-{:x}", fastrand::u32(..));
    let author = Tapeline::builder(url).store(directory.path().join("device")).offline().open().await;
    let author = author.map_err(Failure::failed)?;
    let reader = Tapeline::builder(url).open().await.map_err(Failure::failed)?;
    let replica = author.stream(&name).await.map_err(Failure::failed)?;
    let elsewhere = reader.stream(&name).await.map_err(Failure::failed)?;
    elsewhere.caught_up().await.map_err(Failure::failed)?;

    let (mut todos, mut made): (_, Vec<ObjectId>) = (Todos::new(1), Vec::new());
    let ops: Vec<_> = (0..count).map(|_| todos.next(&mut made)).collect();
    let started = Instant::now();
    let mut receipts = Vec::new();
    for op in ops {
        receipts.push(replica.edit(vec![op]).map_err(Failure::failed)?);
    }
    let local = started.elapsed();
    let last = receipts.pop().ok_or_else(|| Failure::Failed("no edits".into()))?;
    last.stored().await.map_err(Failure::failed)?;
    let stored = started.elapsed();

    let connected = Instant::now();
    author.go_online();
    let mut status = elsewhere.status_changes();
    while status.next().await.is_some_and(|status| status.replica.played.0 < count) {}
    let visible = connected.elapsed();
    author.close().await.map_err(Failure::failed)?;
    reader.close().await.map_err(Failure::failed)?;
    Ok(Round { local, stored, visible })
}
