//! Waiting until all of a stream is here, for as long as something comes; with a bar where that takes long.

use std::time::Duration;

use indicatif::ProgressBar;
use tapeline_client::Stream;
use tapeline_core::replica::Status;
use tokio::time::{Instant, timeout_at};

use crate::failure::Failure;
use crate::output;

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take before it is shown that it does.
const LONG: Duration = Duration::from_secs(1);

/// Waits until all that the server has is here.
pub async fn all(server: &str, stream: &Stream) -> Result<(), Failure> {
    let mut changes = stream.status_changes();
    let (begun, mut bar) = (Instant::now(), None);
    let (mut known, mut deadline) = (None, begun);
    loop {
        let status = stream.status().replica;
        if status.open && status.behind == 0 {
            if let Some(bar) = bar {
                ProgressBar::finish_and_clear(&bar);
            }
            return stream.caught_up().await.map_err(Failure::failed);
        }
        if begun.elapsed() >= LONG {
            show(bar.get_or_insert_with(|| output::bar(0, "fetching")), &status);
        }
        if known.replace((status.played, status.filling)) != Some((status.played, status.filling)) {
            deadline = Instant::now() + PATIENCE;
        }
        timeout_at(deadline, changes.next()).await.map_err(|_| slow(server))?;
    }
}

/// Objects, where they come rather than the events that made them.
fn show(bar: &ProgressBar, status: &Status) {
    let (done, of) = match status.filling {
        Some(filling) => (filling.objects, filling.of),
        None => (status.played.0, status.head.0),
    };
    bar.update(|bar| {
        bar.set_len(of);
        bar.set_pos(done);
    });
}

fn slow(server: &str) -> Failure {
    Failure::Unreachable { server: server.into(), why: format!("nothing came for {} s", PATIENCE.as_secs()) }
}
