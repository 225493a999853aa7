//! Waiting for the server, for as long as it gets on.

use std::time::Duration;

use tapeline_client::{Outcome, Receipt};
use tokio::time::timeout;

use crate::failure::Failure;
use crate::output;

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for the server's word on each edit. Answers how many changes did not take effect.
pub async fn settle(server: &str, receipts: &[Receipt]) -> Result<usize, Failure> {
    let bar = output::bar(receipts.len() as u64, "importing");
    let (mut lost_ops, mut refusals) = (0, Vec::new());
    for receipt in receipts {
        match word(server, receipt).await? {
            Outcome::Recorded { lost, .. } => lost_ops += lost.len(),
            Outcome::Cancelled => {}
            Outcome::Refused(refusal) => refusals.push(refusal.reason),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    match refusals.first() {
        None => Ok(lost_ops),
        Some(first) => {
            let (count, all) = (refusals.len(), receipts.len());
            Err(Failure::Refused(format!(
                "{count} of {all} events, the first because {first}\nImport again for the rest"
            )))
        }
    }
}

/// The server's word on an edit.
pub async fn word(server: &str, receipt: &Receipt) -> Result<Outcome, Failure> {
    let why = || format!("nothing came for {} s; to do it again is safe", PATIENCE.as_secs());
    let slow = |_| Failure::Unreachable { server: server.into(), why: why() };
    timeout(PATIENCE, receipt.recorded()).await.map_err(slow)?.map_err(Failure::failed)
}
