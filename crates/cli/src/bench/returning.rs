//! A client that was away while a thousand of its hundred thousand objects changed two hundred thousand times.

use std::time::{Duration, Instant};

use tapeline_client::{Stream, Tapeline};
use tapeline_core::name::StreamName;

use super::cold::{milliseconds, write};
use super::figures::Figures;
use super::load::{Todos, Writer, stream};
use super::server::Server;
use super::{Size, log};
use crate::failure::Failure;
use crate::output;
use crate::relay::Relay;

/// Measures its return, beside playing the events that it missed.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(against).await?;
    let name = stream(format!("bench/return-{:x}", fastrand::u32(..)));
    let (objects, events, updates) = (100_000 / size.divide, 300_000 / size.divide, 200_000 / size.divide);
    let ids = write(&server.url, &name, objects, events).await?;
    let relay = Relay::start(&server.url, []).await?;
    let mut clients = Vec::new();
    for url in [&server.url, &server.url, &server.url, &relay.url] {
        clients.push(Away::leave(url, &name).await?);
    }
    let bar = output::bar(updates, "updating");
    let mut writer = Writer::open(&server.url, &name, 2).await?;
    // Somebody else made these to-dos: an upsert edits them whoever did.
    let changed = &ids[..ids.len() / 100];
    let mut next = |todos: &mut Todos| {
        let place = todos.pick(changed.len());
        todos.insert(changed[place].clone())
    };
    for _ in 0..100 {
        writer.push(updates / 100, 4_096, &mut next).await?;
        bar.inc(updates / 100);
    }
    bar.finish_and_clear();
    let before = relay.bytes();
    let mut times = Vec::new();
    for client in clients {
        times.push(client.come_back().await?);
    }
    let bytes = relay.bytes() - before;
    // The last one came through the relay.
    times.pop();
    times.sort();
    figures.add("return.ms", milliseconds(times[1]), "ms")?;
    figures.add("return.wire_bytes", bytes as f64, "B")?;
    let (played, replayed) = log::play(&server.url, &name, events).await?;
    figures.add("return.replay_ms", milliseconds(played), "ms")?;
    figures.add("return.replay_wire_bytes", replayed as f64, "B")?;
    figures.add("return.of_replay", times[1].as_secs_f64() / played.as_secs_f64(), "1")
}

/// A client that holds the stream as it was.
struct Away {
    tapeline: Tapeline,
    replica: Stream,
}

impl Away {
    async fn leave(url: &str, name: &StreamName) -> Result<Self, Failure> {
        let tapeline = Tapeline::builder(url).open().await.map_err(Failure::failed)?;
        let replica = tapeline.stream(name.as_str()).await.map_err(Failure::failed)?;
        replica.caught_up().await.map_err(Failure::failed)?;
        tapeline.go_offline();
        Ok(Self { tapeline, replica })
    }

    /// Comes back and ends. Answers how long it took to be up to date.
    async fn come_back(self) -> Result<Duration, Failure> {
        let started = Instant::now();
        self.tapeline.go_online();
        self.replica.caught_up().await.map_err(Failure::failed)?;
        let took = started.elapsed();
        self.tapeline.close().await.map_err(Failure::failed)?;
        Ok(took)
    }
}
