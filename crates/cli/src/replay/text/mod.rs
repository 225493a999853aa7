//! Texts that people typed at once, played by replicas that see what those people saw and nothing else.

mod recording;
mod typist;

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use serde_json::json;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{ClientId, Millis};
use tapeline_core::replica::Moment;

pub use recording::{TextRecording, Transaction};
pub use typist::{Counts, Typist, edit, insert, text_of};

use crate::arguments::Replay;
use crate::failure::Failure;
use crate::{http, output, wire};

/// How long the server may say nothing before the replay counts as failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// The most that is typed before it is sent.
const BURST: usize = 16;

/// Plays a text and checks that everybody ends with the recorded one.
pub async fn run(recording: &TextRecording, server: &str, arguments: &Replay, json: bool) -> Result<(), Failure> {
    http::check(server)?;
    make(recording, server, &arguments.stream).await?;
    let mut random = fastrand::Rng::with_seed(arguments.seed);
    let clients: Vec<_> = (0..recording.people).map(|_| ClientId(fastrand::u128(..))).collect();
    let mut typists: Vec<_> =
        (0..recording.people).map(|person| Typist::new(recording, person, &clients, &arguments.stream)).collect();
    let bar = output::bar(recording.transactions.len() as u64, "typing");
    let started = Instant::now();
    let typing = typists.iter_mut().map(|typist| at_work(typist, server, random.fork(), &bar));
    try_join_all(typing).await?;
    bar.finish_and_clear();
    let took = started.elapsed();
    let status: serde_json::Value =
        http::get_json(server, &format!("/v1/streams/{}", http::encode(arguments.stream.as_str())))?;
    let end = End::of(&mut typists, recording, status["digest"].as_str().unwrap_or_default());
    end.report(recording, took, json)?;
    match (end.exact, end.equal) {
        (true, true) => Ok(()),
        (false, _) => Err(Failure::Failed("the text is not the recorded one".into())),
        (true, false) => Err(Failure::Failed("the replicas and the server do not hold the same objects".into())),
    }
}

/// Makes the object to be typed in.
async fn make(recording: &TextRecording, server: &str, stream: &StreamName) -> Result<(), Failure> {
    let tapeline = http::client(server).open().await.map_err(Failure::failed)?;
    let replica = tapeline.stream(stream.as_str()).await.map_err(Failure::failed)?;
    tokio::time::timeout(PATIENCE, replica.caught_up()).await.map_err(Failure::failed)?.map_err(Failure::failed)?;
    let made = replica.edit(vec![insert(&recording.start)?]);
    let made = made.map_err(|_| Failure::Usage(format!("{stream} has this text already: name a new stream")))?;
    made.recorded().await.map_err(Failure::failed)?;
    tapeline.close().await.map_err(Failure::failed)
}

/// Lets one person type all there is to type, over a socket of its own.
async fn at_work(
    typist: &mut Typist<'_>,
    server: &str,
    mut random: fastrand::Rng,
    bar: &indicatif::ProgressBar,
) -> Result<(), Failure> {
    let (mut sender, mut receiver) = wire::connect(server).await?;
    while !typist.is_done() {
        typist.play(moment(&mut random))?;
        let typed = typist.type_on(now(), random.usize(1..=BURST))?;
        bar.inc(typed as u64);
        let mut quiet = typed == 0;
        while let Some(frame) = typist.next_frame(now()) {
            sender.send(&frame).await?;
            quiet = false;
        }
        if quiet && !typist.is_done() {
            let frame = tokio::time::timeout(PATIENCE, receiver.next()).await;
            let frame = frame.map_err(|_| Failure::Failed(format!("nothing came for {} s", PATIENCE.as_secs())))??;
            typist.take(moment(&mut random), frame);
        }
        // What has come meanwhile, without waiting for more.
        while let Some(frame) = receiver.next().now_or_never() {
            typist.take(moment(&mut random), frame?);
        }
    }
    Ok(())
}

fn moment(random: &mut fastrand::Rng) -> Moment {
    Moment { now: now(), random: random.u128(..) }
}

fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Millis(since.as_millis() as u64)
}

/// How a replay ended.
struct End {
    counts: Counts,
    /// The digests of all replicas and the server are equal.
    equal: bool,
    /// All texts are the recorded one.
    exact: bool,
    digest: String,
}

impl End {
    fn of(typists: &mut [Typist<'_>], recording: &TextRecording, server_digest: &str) -> Self {
        let counts = typists.iter().fold(Counts::default(), |all, typist| all.plus(typist.counts()));
        let exact = typists.iter().all(|typist| typist.text() == recording.end);
        let equal = typists.iter_mut().all(|typist| typist.digest().to_string() == server_digest);
        Self { counts, equal, exact, digest: server_digest.to_owned() }
    }

    fn report(&self, recording: &TextRecording, took: Duration, json: bool) -> Result<(), Failure> {
        let (count, seconds) = (recording.transactions.len(), took.as_secs_f64());
        let Counts { recorded, refused, lost } = self.counts;
        if json {
            return output::line(json!({
                "transactions": count, "people": recording.people, "recorded": recorded, "refused": refused,
                "lost": lost, "seconds": seconds, "events_per_s": count as f64 / seconds,
                "server_digest": self.digest, "equal": self.equal, "exact": self.exact,
            }));
        }
        output::line(format!(
            "{count} transactions of {} people in {seconds:.1} s, {:.0} a second: {recorded} recorded, {refused} \
             refused, {lost} lost",
            recording.people,
            count as f64 / seconds,
        ))?;
        output::line(if self.exact { "the text is the recorded one" } else { "THE TEXT IS NOT THE RECORDED ONE" })?;
        output::line(if self.equal { "all digests are equal" } else { "THE DIGESTS DIFFER" })
    }
}

impl Counts {
    fn plus(self, other: &Self) -> Self {
        Self {
            recorded: self.recorded + other.recorded,
            refused: self.refused + other.refused,
            lost: self.lost + other.lost,
        }
    }
}
