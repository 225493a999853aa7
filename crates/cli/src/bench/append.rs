//! One hot stream: eight writers, 64 events on their way each, acknowledged and seen by an observer.

use std::time::Duration;

use super::drive::{self, OUTSTANDING, WRITERS};
use super::figures::Figures;
use super::load::recorded;
use super::ours::Ours;
use super::server::Server;
use super::{Size, limit, peers};
use crate::failure::Failure;

/// Measures it.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(against).await?;
    let time = Duration::from_secs(size.seconds);
    let rate = drive::rate(&Ours::new(&server.url, "hot"), time).await?;
    figures.add("append.hot.events_per_s", rate, "1/s")?;
    drop(server);
    let payload = payload_bytes();
    figures.add("append.hot.event_bytes", payload as f64, "B")?;
    let bare = limit::journal(payload, WRITERS * OUTSTANDING, time.min(Duration::from_secs(5)))?;
    figures.add("append.hot.journal_events_per_s", bare, "1/s")?;
    figures.add("append.hot.of_journal", rate / bare, "1")?;
    match size.peers {
        true => peers::append(rate, time, figures).await,
        false => Ok(()),
    }
}

/// The mean size of an event as it is recorded.
fn payload_bytes() -> usize {
    let events = recorded(1_000);
    events.iter().map(Vec::len).sum::<usize>() / events.len()
}
