//! Playing recordings, and measuring.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tapeline_core::name::StreamName;

#[derive(Args, Debug)]
pub struct Replay {
    /// The recording: events in NDJSON, or a text in JSON; gzipped or plain.
    pub file: PathBuf,
    /// The stream to play it into.
    #[arg(long)]
    pub stream: StreamName,
    /// Draws the interleaving: another seed, another order in which replicas go online.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many replicas may be online at once, where they edit offline; people who type are online all the time.
    #[arg(long, default_value = "4", value_name = "N", value_parser = parse_count)]
    pub replicas_in_flight: usize,
}

#[derive(Args, Debug)]
pub struct Bench {
    /// What to measure; everything where nothing is named.
    pub measures: Vec<Measure>,
    /// Seconds for each measure that runs for a time.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// Smaller sizes, for a quick look: figures are not comparable then.
    #[arg(long)]
    pub quick: bool,
    /// Measure peers beside us, those that are on PATH: with append and fanout Redis, NATS and S2 lite, with text yrs, Loro
    /// and Automerge (`bench/text-peers`).
    #[arg(long)]
    pub peers: bool,
    /// With cluster: streams that the nodes have open.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub streams: u64,
    /// With text: the directory of the recordings.
    #[arg(long, default_value = "fixtures", value_name = "DIR")]
    pub recordings: PathBuf,
}

/// A group of measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Throughput and latency of acknowledged writes; restarts.
    Append,
    /// From a change to everybody having seen it; idle clients.
    Fanout,
    /// A newcomer's first sync, of a hundred thousand objects and of a million; live traffic meanwhile; disk.
    Cold,
    /// A returning client's catching up.
    Return,
    /// The first rows of a window over a million objects.
    Window,
    /// An event past ten thousand queries, each for another value.
    Route,
    /// What rules cost: writes, readers who may each read something else, and a change of what may be read.
    Rules,
    /// Three nodes that share a log on three NATS servers, beside those servers alone; needs nats-server on PATH.
    Cluster,
    /// Ten thousand edits made offline.
    Offline,
    /// Updates of registers applied by a replica.
    Apply,
    /// Tokens verified.
    Auth,
    /// A thousand events taken in over a thousand pending edits.
    Rebase,
    /// Texts typed, taken in elsewhere, and sequenced.
    Text,
}

fn parse_count(text: &str) -> Result<usize, std::num::ParseIntError> {
    text.parse().map(std::num::NonZeroUsize::get)
}
