//! Copying the directory of a server that runs, from inside it: while people write, then what is left once it has stopped.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tapeline_log::embedded::Embedded;
use tokio::task::{JoinHandle, spawn_blocking};

use super::check::check;
use super::pass::pass;
use super::source::Source;
use super::target::Target;
use super::{Copied, Place};
use crate::failure::Failure;

/// Between two looks at what came meanwhile.
const PAUSE: Duration = Duration::from_secs(2);

/// A copy that goes on beside a server.
pub struct Beside {
    stop: SyncSender<()>,
    copying: JoinHandle<Result<Copied, Failure>>,
}

impl Beside {
    /// Begins to copy a server's directory.
    pub async fn start(directory: Arc<Embedded>, to: &Place) -> Result<Self, Failure> {
        let (source, target) = (Source::of(directory), Target::open(to).await?);
        let (stop, stopped) = sync_channel(1);
        let copying = spawn_blocking(move || {
            let pause = || !matches!(stopped.recv_timeout(PAUSE), Err(RecvTimeoutError::Timeout));
            let copied = copy(&source, &target, pause);
            if copied.is_err() {
                target.leave().map_err(Failure::failed)?;
            }
            copied
        });
        Ok(Self { stop, copying })
    }

    /// The server takes nothing any more: copies what is left, and lets the target be used.
    pub async fn finish(self) -> Result<Copied, Failure> {
        // It may have failed before; then it says why.
        let _ = self.stop.try_send(());
        self.copying.await.map_err(Failure::failed)?
    }
}

/// Copies until `pause` says that the server has stopped, and once more.
fn copy(source: &Source, target: &Target, pause: impl Fn() -> bool) -> Result<Copied, Failure> {
    check(source, target)?;
    let mut unfinished = target.is_being_copied();
    target.begin().map_err(Failure::failed)?;
    let mut copied = Copied::default();
    loop {
        let has_stopped = pause();
        if has_stopped {
            source.settle().map_err(Failure::failed)?;
        }
        match pass(source, target, unfinished) {
            Ok(passed) => {
                unfinished = false;
                copied.take(passed);
            }
            Err(failure) if has_stopped => return Err(failure),
            Err(failure) => eprintln!("tapeline: the copy does not go on, and is tried again: {failure}"),
        }
        if has_stopped {
            target.end().map_err(Failure::failed)?;
            return Ok(copied);
        }
    }
}
