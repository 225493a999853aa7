//! Playing all events of a stream to objects in memory: what catching up would cost without snapshots and deltas.

use std::time::{Duration, Instant};

use serde_json::Value;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;
use tapeline_core::objects::Objects;

use super::Size;
use super::cold::write;
use super::figures::Figures;
use super::load::stream;
use super::server::Server;
use crate::failure::Failure;
use crate::relay::Relay;
use crate::{http, past};

/// How fast a million events are played.
pub async fn rate(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(against).await?;
    let name = stream(format!("bench/replay-{:x}", fastrand::u32(..)));
    let events = 1_000_000 / size.divide;
    write(&server.url, &name, events / 10, events).await?;
    let mut rates = Vec::new();
    for _ in 0..3 {
        let (took, _) = play(&server.url, &name, 0).await?;
        rates.push(events as f64 / took.as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    figures.add("cold.replay_events_per_s", rates[1], "1/s")
}

/// Plays the events from `from` on to objects. Answers how long it took, and how many bytes came. Checks the digest where
/// all events were played.
pub async fn play(url: &str, name: &StreamName, from: u64) -> Result<(Duration, u64), Failure> {
    let status: Value = http::get_json(url, &format!("/v1/streams/{}", http::encode(name.as_str())))?;
    let head = Seq(status["head"].as_u64().unwrap_or_default());
    let (relay, mut objects) = (Relay::start(url, []).await?, Objects::default());
    let started = Instant::now();
    past::fetch(&relay.url, name, Seq(from)..head, |block| {
        block.events().try_for_each(|event| event.map(|event| objects.play(&event))).map_err(Failure::failed)
    })
    .await?;
    let digest = objects.digest();
    let took = started.elapsed();
    match from > 0 || status["digest"] == digest.to_string() {
        true => Ok((took, relay.bytes())),
        false => Err(Failure::Failed("what was played has not the server's digest".into())),
    }
}
