//! An answer of lines that is made on a thread that may wait for the disk, part by part, as fast as the client takes it.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use tapeline_log::{EventLog, LogError, StateStore};
use tokio::runtime::Handle;

use super::problem::Problem;
use super::{Answer, lines};
use crate::limits;
use crate::shared::Shared;

/// Answers with what `write` writes.
pub(super) fn answer<L: EventLog, S: StateStore>(
    shared: &Arc<Shared<L, S>>,
    head: u64,
    write: impl FnOnce(&mut Parts) -> Result<(), LogError> + Send + 'static,
) -> Result<Answer, Problem> {
    let busy = |_| Problem::busy("too many lists are under way; ask again later");
    let permit = shared.lists.clone().try_acquire_owned().map_err(busy)?;
    let (sender, body) = Channel::new(limits::PARTS);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut parts = Parts { sender, runtime, part: String::new() };
        let written = write(&mut parts);
        parts.finish(written);
        drop(permit);
    });
    Ok(lines(body, head))
}

/// Lines on their way to a client.
pub(super) struct Parts {
    sender: Sender<Bytes, LogError>,
    runtime: Handle,
    part: String,
}

impl Parts {
    /// Writes a line. Breaks where the client takes nothing any more.
    pub(super) fn push(&mut self, line: &str) -> ControlFlow<()> {
        self.part.push_str(line);
        if self.part.len() < limits::PART_BYTES {
            return ControlFlow::Continue(());
        }
        self.send()
    }

    /// Sends a part once the client has taken those before it. Breaks where it takes too long.
    fn send(&mut self) -> ControlFlow<()> {
        let part = std::mem::take(&mut self.part);
        let sent = async { tokio::time::timeout(limits::REQUEST_WITHIN, self.sender.send_data(part.into())).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    fn finish(mut self, written: Result<(), LogError>) {
        match written {
            Ok(()) => drop(self.send()),
            Err(error) => {
                tracing::error!(%error, "a list breaks off");
                self.sender.abort(error);
            }
        }
    }
}
