//! `copy`: moves all that a log has to another place, which is the same log afterwards.
//!
//! ```text
//! check ─▶ mark ─▶ pass ─▶ pass, what came meanwhile ─▶ … ─▶ unmark
//!                   └ each stream: events from where the target is, a snapshot of the rest, a look at what is there then
//! ```
//!
//! A stream that is at the target as the source has it costs a look. So whoever is interrupted begins again and goes on, and
//! after a first copy of a log that is in use another one, once nobody writes there, takes a moment.

mod beside;
mod check;
mod pass;
mod place;
mod play;
mod source;
mod target;

use serde_json::json;

use crate::arguments::Copy;
use crate::failure::Failure;
use crate::output;
use check::check;
use pass::{Passed, pass};
use source::Source;
use target::Target;

pub use beside::Beside;
pub use place::Place;

/// How often what came meanwhile is copied, where it does not end.
const PASSES: usize = 8;

/// What was copied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Copied {
    /// Streams that were brought to where the source has them, as often as that was needed.
    streams: u64,
    /// Events that were copied.
    events: u64,
    /// The last look at all streams.
    last: Passed,
}

/// Copies a log.
pub async fn run(arguments: Copy, json: bool) -> Result<(), Failure> {
    let Copy { from, to } = arguments;
    if from == to {
        return Err(Failure::Usage("--from and --to are the same".into()));
    }
    let cache = tempfile::tempdir();
    let cache = cache.map_err(|error| Failure::File { place: "a directory for temporary files".into(), error })?;
    let source = Source::open(&from, cache.path()).await?;
    let target = Target::open(&to).await?;
    let copying = move || {
        let copied = copy(&source, &target);
        if copied.is_err() {
            target.leave().map_err(Failure::failed)?;
        }
        source.close().and(copied)
    };
    let copied = tokio::task::spawn_blocking(copying).await.map_err(Failure::failed)??;
    copied.print(json)
}

/// Copies all streams until nothing new comes, and lets the target be used.
fn copy(source: &Source, target: &Target) -> Result<Copied, Failure> {
    source.settle().map_err(Failure::failed)?;
    check(source, target)?;
    let unfinished = target.is_being_copied();
    target.begin().map_err(Failure::failed)?;
    let mut copied = Copied::default();
    for round in 0..PASSES {
        copied.take(pass(source, target, unfinished && round == 0)?);
        if copied.last.copied == 0 || !source.is_shared() {
            break;
        }
    }
    target.end().map_err(Failure::failed)?;
    Ok(copied)
}

impl Copied {
    fn take(&mut self, passed: Passed) {
        self.streams += passed.copied;
        self.events += passed.events;
        self.last = passed;
    }

    /// Says what was copied.
    pub fn print(&self, json: bool) -> Result<(), Failure> {
        let Self { streams: copied, events, last: Passed { streams, digest, .. } } = self;
        match json {
            true => output::line(json!({
                "streams": streams, "copied": copied, "events": events, "digest": digest.to_string(),
            })),
            false => output::line(format!(
                "{streams} streams are there as they are at the source, {copied} of them copied now, with {events} events; \
                 digest {digest}"
            )),
        }
    }
}
