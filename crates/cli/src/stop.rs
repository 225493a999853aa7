//! Being told to stop.

use crate::failure::Failure;

/// Waits for Ctrl-C or SIGTERM, of which none is missed from this call on.
#[cfg(unix)]
pub fn told() -> impl Future<Output = Result<(), Failure>> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    async move {
        let [terminate, interrupt] = signals;
        let (mut terminate, mut interrupt) =
            (terminate.map_err(Failure::Runtime)?, interrupt.map_err(Failure::Runtime)?);
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub async fn told() -> Result<(), Failure> {
    tokio::signal::ctrl_c().await.map_err(Failure::Runtime)
}
