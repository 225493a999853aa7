//! A stream as it is at one moment, for requests that read it.

use std::sync::Arc;

use tapeline_core::name::StreamName;
use tapeline_log::{EventLog, Pin, StateStore};

use super::problem::Problem;
use super::streams;
use crate::shared::Shared;

/// Holds the state of a stream as of all that was decided when this was asked.
pub(super) async fn pin<L: EventLog, S: StateStore>(
    shared: &Arc<Shared<L, S>>,
    stream: &StreamName,
) -> Result<Arc<dyn Pin>, Problem> {
    if shared.store.stream(stream)?.is_none() {
        streams::info(shared, stream).await?;
    }
    let settled = shared.settle(stream).await?;
    let (store, name) = (shared.store.clone(), stream.clone());
    let pinning = tokio::task::spawn_blocking(move || {
        let pin = store.pin(&name);
        drop(settled);
        pin
    });
    let pin = pinning.await.map_err(|_| Problem::stopping())??;
    pin.ok_or_else(|| Problem::no_such_stream(stream.as_str()))
}
