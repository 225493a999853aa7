//! `replay`: plays a recording of people working together through real replicas over real sockets.
//!
//! Objects edited by many, often offline, are played here; texts that were typed at once in `text`.

mod player;
mod recording;
mod schedule;
pub mod text;
mod visitor;

use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::json;
use tapeline_core::hash::Digest;

use crate::arguments::Replay;
use crate::failure::Failure;
use crate::{http, output};
use player::{Counts, Player};
use recording::Recording;
use schedule::{Schedule, Step};
pub use text::TextRecording;
use visitor::{Visit, Visitor};

/// How often a server is asked that cannot be reached, and the pause between.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// Plays a recording and checks that everybody ends the same.
pub async fn run(server: &str, arguments: Replay, json: bool) -> Result<(), Failure> {
    if let Some(text) = TextRecording::read(&arguments.file)? {
        return text::run(&text, server, &arguments, json).await;
    }
    let recording = Recording::read(&arguments.file)?;
    http::check(server)?;
    let started = Instant::now();
    let bar = output::bar(recording.len() as u64, "playing");
    let mut players = Vec::new();
    for _ in &recording.replicas {
        players.push(Player::new(server, &arguments.stream).await?);
    }
    let mut visitor = Visitor::new(server, &arguments.stream).await?;
    play(&recording, &mut players, visitor.as_mut(), &arguments, &bar).await?;
    bar.finish_and_clear();
    let took = started.elapsed();
    let digests = settle(&mut players).await?;
    let visit = match visitor {
        Some(visitor) => Some(visitor.come_back(&arguments.stream).await?),
        None => None,
    };
    let path = format!("/v1/streams/{}", http::encode(arguments.stream.as_str()));
    let status: serde_json::Value = patiently(async || http::get_json(server, &path)).await?;
    let server_digest = status["digest"].as_str().unwrap_or_default().to_owned();
    let counts = players.iter().fold(Counts::default(), |all, player| all.plus(player.counts()));
    let ending = Ending { counts, took, digests, server_digest, visit };
    ending.report(&recording, json)?;
    for player in players {
        player.close().await;
    }
    match ending.is_equal() {
        true => Ok(()),
        false => Err(Failure::Failed("the replicas and the server do not hold the same objects".into())),
    }
}

/// Asks again where a server cannot be reached: it may be one of several that come and go while a recording is played.
async fn patiently<T>(ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    for _ in 1..TRIES {
        if let Ok(answer) = ask().await {
            return Ok(answer);
        }
        tokio::time::sleep(PAUSE).await;
    }
    ask().await
}

async fn play(
    recording: &Recording,
    players: &mut Vec<Player>,
    mut visitor: Option<&mut Visitor>,
    arguments: &Replay,
    bar: &indicatif::ProgressBar,
) -> Result<(), Failure> {
    let mut schedule = Schedule::new(recording, arguments.seed);
    let mut under_way = FuturesUnordered::new();
    let mut resting: Vec<Option<Player>> = players.drain(..).map(Some).collect();
    loop {
        while under_way.len() < arguments.replicas_in_flight
            && let Some(step) = schedule.next()
        {
            let replica = step.replica();
            let Some(mut player) = resting[replica].take() else { continue };
            let (made, count, on_log) = (schedule.made(replica), schedule.can_make(replica), schedule.on_log());
            under_way.push(async move {
                let outcome = match step {
                    Step::Edit(_) => player.edit(&recording.events[replica][made..made + count]),
                    Step::Sync(_) => player.sync().await,
                };
                (step, count, on_log, player, outcome)
            });
        }
        let Some((step, count, on_log, player, outcome)) = under_way.next().await else { break };
        outcome?;
        resting[step.replica()] = Some(player);
        match step {
            Step::Edit(replica) => {
                schedule.edited(replica, count);
                bar.inc(count as u64);
            }
            Step::Sync(replica) => schedule.synced(replica, on_log),
        }
        if let Some(visitor) = &mut visitor {
            visitor.look(schedule.on_log().iter().sum(), recording.len()).await?;
        }
    }
    players.extend(resting.into_iter().flatten());
    match schedule.is_done() {
        true => Ok(()),
        false => {
            Err(Failure::Failed("the recording cannot be played to its end: some event saw what never was".into()))
        }
    }
}

/// Brings every replica to the end of the stream. Answers their digests.
async fn settle(players: &mut [Player]) -> Result<Vec<Digest>, Failure> {
    let mut digests = Vec::new();
    for player in players.iter_mut() {
        player.sync().await?;
    }
    // The first ones may have gone offline before the last ones were done.
    for player in players {
        player.sync().await?;
        digests.push(player.digest());
    }
    Ok(digests)
}

/// How it ended.
struct Ending {
    counts: Counts,
    took: Duration,
    digests: Vec<Digest>,
    server_digest: String,
    visit: Option<Visit>,
}

impl Ending {
    /// Whether all hold the same.
    fn is_equal(&self) -> bool {
        let mut held = self.digests.iter().chain(self.visit.as_ref().map(|visit| &visit.digest));
        held.all(|digest| digest.to_string() == self.server_digest)
    }

    fn report(&self, recording: &Recording, json: bool) -> Result<(), Failure> {
        if json { output::line(self.to_json(recording)) } else { self.print(recording) }
    }

    fn to_json(&self, recording: &Recording) -> serde_json::Value {
        let Self { counts, took, digests, server_digest, visit } = self;
        let digests =
            recording.replicas.iter().zip(digests).map(|(name, digest)| (name.clone(), json!(digest.to_string())));
        json!({
            "events": recording.len(), "replicas": recording.replicas.len(), "recorded": counts.recorded,
            "refused": counts.refused, "lost": counts.lost, "upserts": counts.upserts, "skipped": counts.skipped,
            "seconds": took.as_secs_f64(), "events_per_s": self.rate(), "server_digest": server_digest,
            "equal": self.is_equal(), "returned_bytes": visit.as_ref().map(|visit| visit.bytes),
            "all_bytes": visit.as_ref().map(|visit| visit.all_bytes),
            "digests": serde_json::Map::from_iter(digests),
        })
    }

    fn print(&self, recording: &Recording) -> Result<(), Failure> {
        let Self { counts, took, digests, server_digest, visit } = self;
        for (name, digest) in recording.replicas.iter().zip(digests) {
            output::line(format!("{name:12} {digest}"))?;
        }
        output::line(format!("{:12} {server_digest}", "server"))?;
        output::line(format!(
            "{} events of {} replicas in {:.1} s, {:.0} events/s: {} recorded, {} refused, {} writes lost, \
             {} edits made as upserts, {} with nothing left to do",
            recording.len(),
            recording.replicas.len(),
            took.as_secs_f64(),
            self.rate(),
            counts.recorded,
            counts.refused,
            counts.lost,
            counts.upserts,
            counts.skipped,
        ))?;
        if let Some(Visit { bytes, all_bytes, .. }) = visit {
            let [bytes, all] = [*bytes, *all_bytes].map(output::bytes);
            output::line(format!("a replica that left at 30 % came back with {bytes}; all events take {all}"))?;
        }
        output::line(if self.is_equal() { "all digests are equal" } else { "THE DIGESTS DIFFER" })
    }

    fn rate(&self) -> f64 {
        self.counts.recorded as f64 / self.took.as_secs_f64()
    }
}
