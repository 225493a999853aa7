//! Looks before anything is copied: what the target has must be what the source has, too.

use tapeline_core::name::StreamName;
use tapeline_log::LogError;

use super::source::Source;
use super::target::Target;
use crate::failure::Failure;
use crate::output;

/// Streams that are listed at once.
const LISTED: usize = 1_000;

/// Checks that nobody uses a target, and that it has nothing, or an earlier copy of the source.
pub fn check(source: &Source, target: &Target) -> Result<(), Failure> {
    if target.is_served().map_err(Failure::failed)? {
        let message = "servers use the target: stop them, wait some seconds, and run this again";
        return Err(Failure::Failed(message.into()));
    }
    let (spinner, mut after) = (output::spinner("streams of the target checked"), None);
    loop {
        let names = target.names(after.as_ref(), LISTED).map_err(Failure::failed)?;
        let Some(last) = names.last() else { break };
        after = Some(last.clone());
        for stream in names {
            check_stream(source, target, &stream)?;
            spinner.inc(1);
        }
    }
    spinner.finish_and_clear();
    Ok(())
}

fn check_stream(source: &Source, target: &Target, stream: &StreamName) -> Result<(), Failure> {
    let Some(there) = target.reached(stream).map_err(Failure::failed)?.map(|reached| reached.head) else {
        return Ok(());
    };
    let info = source.info(stream).map_err(Failure::failed)?;
    let info = info.filter(|info| info.head.incarnation == there.incarnation && info.head.seq >= there.seq);
    let Some(info) = info else { return Err(other(stream)) };
    match source.chain_at(&info, there.seq) {
        Ok(chain) if chain == there.chain => Ok(()),
        Ok(_) => Err(other(stream)),
        Err(error) => Err(cannot_follow(stream, &error)),
    }
}

fn other(stream: &StreamName) -> Failure {
    Failure::Failed(format!(
        "the target has a stream {stream} that is not the source's: nothing was copied; choose a target that has nothing, or \
         an earlier copy that nobody has written to"
    ))
}

/// Why the events of a stream cannot be read from where the target is.
pub fn cannot_follow(stream: &StreamName, error: &LogError) -> Failure {
    match error {
        LogError::Trimmed { horizon } => Failure::Failed(format!(
            "the source has let go of the events before {horizon} of stream {stream}, and the target does not have all of \
             them: remove the target, and copy anew"
        )),
        other => Failure::failed(other),
    }
}
