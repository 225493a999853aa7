//! Starting again with ten million events on disk, after a clean stop and after a kill.

use futures_util::future::try_join_all;

use super::Size;
use super::figures::Figures;
use super::load::{Writer, stream};
use super::server::Server;
use crate::failure::Failure;
use crate::output;

/// Measures it.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    if against.is_some() {
        return Ok(());
    }
    const STREAMS: u64 = 8;
    const OUTSTANDING: u64 = 4_096;
    let each = 10_000_000 / size.divide / STREAMS;
    let mut server = Server::start(None).await?;
    let bar = output::bar(each * STREAMS, "writing ten million events");
    let mut writers = Vec::new();
    for place in 0..STREAMS {
        writers.push(Writer::open(&server.url, &stream(format!("bench/restart-{place}")), place).await?);
    }
    let pushes = writers.iter_mut().map(|writer| async {
        let mut made = Vec::new();
        for _ in 0..100 {
            writer.push(each / 100, OUTSTANDING, &mut |todos| todos.next(&mut made)).await?;
            bar.inc(each / 100);
        }
        Ok::<(), Failure>(())
    });
    try_join_all(pushes).await?;
    bar.finish_and_clear();
    drop(writers);
    let killed = server.kill_and_restart().await?;
    figures.add("append.restart_after_kill_ms", killed.as_secs_f64() * 1e3, "ms")?;
    let stopped = server.stop_and_restart().await?;
    figures.add("append.restart_ms", stopped.as_secs_f64() * 1e3, "ms")
}
