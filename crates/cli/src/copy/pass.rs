//! One look at all streams of the source: what the target lacks is brought there, and then read from there.

use indicatif::ProgressBar;
use tapeline_core::codec::cbor::canonical_object;
use tapeline_core::hash::Digest;
use tapeline_core::name::StreamName;
use tapeline_log::LogError;
use tapeline_log::embedded::Carried;
use tapeline_log::snapshot::{Base, Record, until};

use super::check::cannot_follow;
use super::source::Source;
use super::target::Target;
use crate::failure::Failure;
use crate::output;

/// Streams that are listed at once.
const LISTED: usize = 1_000;
/// Bytes of events that are carried at once, but for a single one that is larger.
const CARRIED_BYTES: usize = 1 << 20;

/// What a look at all streams found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passed {
    /// All that there are.
    pub streams: u64,
    /// Those that the target lacked, or had as they were before.
    pub copied: u64,
    /// The events that it lacked.
    pub events: u64,
    /// Over the names, events and objects of all streams.
    pub digest: Digest,
}

/// Brings the target to where the source is. Where it was `unfinished`, what is there already is checked, too.
pub fn pass(source: &Source, target: &Target, unfinished: bool) -> Result<Passed, Failure> {
    let (bar, mut passed, mut after) = (output::bar(0, "events copied"), Passed::default(), None);
    loop {
        let streams = source.streams(after.as_ref(), LISTED).map_err(Failure::failed)?;
        let Some(last) = streams.last() else { break };
        after = Some(last.stream.clone());
        bar.inc_length(streams.iter().map(|info| info.head.seq.since(info.horizon)).sum());
        for info in streams {
            let Some(carried) = source.carry(&info.stream).map_err(Failure::failed)? else { continue };
            let base = *carried.base();
            passed.streams += 1;
            passed.digest = passed.digest.plus(digest_of(&info.stream, &base));
            let is_there = is_whole(target, &info.stream, &base)?;
            if is_there {
                bar.inc(base.state.head.since(base.horizon));
            } else {
                passed.copied += 1;
                passed.events += bring(source, target, &info.stream, carried, &bar)?;
            }
            if !is_there || unfinished {
                verify(target, &info.stream, &base)?;
            }
        }
    }
    bar.finish_and_clear();
    Ok(passed)
}

/// What a stream is, in one number.
fn digest_of(stream: &StreamName, base: &Base) -> Digest {
    let state = &base.state;
    Digest::of(format!("{stream} {} {} {}", state.head, state.chain, state.digest).as_bytes())
}

/// Whether the target says that it has a stream as the source has it.
fn is_whole(target: &Target, stream: &StreamName, base: &Base) -> Result<bool, Failure> {
    let reached = target.reached(stream).map_err(Failure::failed)?;
    let state = &base.state;
    Ok(reached.is_some_and(|reached| {
        (reached.head.seq, reached.head.chain, reached.whole) == (state.head, state.chain, Some(base.source))
    }))
}

/// Brings a stream to where the source has it. Answers how many events it lacked.
fn bring(
    source: &Source,
    target: &Target,
    stream: &StreamName,
    carried: Carried,
    bar: &ProgressBar,
) -> Result<u64, Failure> {
    let base = *carried.base();
    let from = target.begin_stream(stream, &base).map_err(Failure::failed)?;
    bar.inc(from.since(base.horizon));
    let mut next = from;
    while next < base.state.head {
        let block = source.read(stream, next, CARRIED_BYTES).map_err(|error| cannot_follow(stream, &error))?;
        let block = until(&block, base.state.head);
        next = block.end();
        bar.inc(block.count());
        target.bring_events(stream, &base, block).map_err(Failure::failed)?;
    }
    target.settle(stream, carried).map_err(Failure::failed)?;
    Ok(next.since(from))
}

/// Reads a stream from the target, and makes the digest of its objects anew.
fn verify(target: &Target, stream: &StreamName, expected: &Base) -> Result<(), Failure> {
    if is_whole(target, stream, expected)? && is_same(target, stream, expected).map_err(Failure::failed)? {
        return Ok(());
    }
    Err(Failure::Damaged(format!(
        "the target does not give back stream {stream} as it is at the source: remove the target, and copy anew"
    )))
}

fn is_same(target: &Target, stream: &StreamName, expected: &Base) -> Result<bool, LogError> {
    let (mut live, mut digest) = (0, Digest::EMPTY);
    target.show(stream, &mut |record| {
        if let Record::Entry(key, entry) = record
            && let Some(object) = entry.live()
        {
            live += 1;
            digest = digest.plus(Digest::of(&canonical_object(&key, object)));
        }
        Ok(())
    })?;
    Ok((live, digest) == (expected.state.live, expected.state.digest))
}
