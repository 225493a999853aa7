//! The server's log: lines on stderr, as text, or with `--json` as JSON.

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

/// From where on something is worth a line.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What somebody has to look at.
    Error,
    /// Also what somebody may have to.
    Warn,
    /// Also what happens now and then, as files that are read again.
    #[default]
    Info,
    /// All of it, also of the libraries underneath.
    Debug,
}

/// Has what the server says of itself written from now on.
pub fn start(level: Level, json: bool) {
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = if json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    registry().with(lines.with_filter(wanted(level))).init();
}

/// Of the libraries underneath only what is wrong, unless all is wanted.
fn wanted(level: Level) -> Targets {
    let (ours, theirs) = match level {
        Level::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        Level::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        Level::Info => (LevelFilter::INFO, LevelFilter::WARN),
        Level::Debug => (LevelFilter::DEBUG, LevelFilter::DEBUG),
    };
    Targets::new().with_target("tapeline", ours).with_default(theirs)
}
