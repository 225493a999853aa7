//! One hot stream: eight writers, 64 events on their way each, acknowledged and seen by an observer.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tapeline_core::frame::{Live, ServerFrame};
use tapeline_core::numbers::{Channel, Seq};
use tokio::sync::watch;

use super::figures::Figures;
use super::load::{Todos, Writer, opened, spawned, stream};
use super::server::Server;
use super::{Size, limit};
use crate::failure::Failure;
use crate::wire;

const WRITERS: u64 = 8;
const OUTSTANDING: u64 = 64;

/// Measures it.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(against).await?;
    let name = stream(format!("bench/hot-{:x}", fastrand::u32(..)));
    let (sender, mut seen) = watch::channel(Seq::FIRST);
    let observer = tokio::spawn(observe(server.url.clone(), name.clone(), sender));
    let mut writers = Vec::new();
    for seed in 0..WRITERS {
        writers.push(Writer::open(&server.url, &name, seed).await?);
    }
    let time = Duration::from_secs(size.seconds);
    let (start, first) = (Instant::now(), *seen.borrow());
    let pushes = writers.into_iter().map(|mut writer| {
        spawned(async move {
            let mut made = Vec::new();
            writer.push_until(start + time, OUTSTANDING, &mut |todos| todos.next(&mut made)).await
        })
    });
    let acknowledged: u64 = try_join_all(pushes).await?.into_iter().sum();
    seen.wait_for(|seen| seen.since(first) >= acknowledged).await.map_err(Failure::failed)?;
    let rate = acknowledged as f64 / start.elapsed().as_secs_f64();
    observer.abort();
    figures.add("append.hot.events_per_s", rate, "1/s")?;
    drop(server);
    let payload = payload_bytes();
    figures.add("append.hot.event_bytes", payload as f64, "B")?;
    let bare = limit::journal(payload, WRITERS * OUTSTANDING, time.min(Duration::from_secs(5)))?;
    figures.add("append.hot.journal_events_per_s", bare, "1/s")?;
    figures.add("append.hot.of_journal", rate / bare, "1")
}

/// Counts what is played to a subscriber.
async fn observe(url: String, name: tapeline_core::name::StreamName, seen: watch::Sender<Seq>) -> Result<(), Failure> {
    let (mut sender, mut receiver) = wire::connect(&url).await?;
    let client = Todos::new(u64::MAX).client();
    sender.send(&wire::open(Channel(0), &name, client, Live::From(Seq::FIRST))).await?;
    opened(&mut receiver).await?;
    loop {
        if let ServerFrame::Events(events) = receiver.next().await? {
            seen.send_replace(events.block.end());
        }
    }
}

/// The mean size of an event as it is recorded.
fn payload_bytes() -> usize {
    use tapeline_core::codec::cbor;
    use tapeline_core::event::{Body, Recorded};
    use tapeline_core::numbers::EventNumber;
    const COUNT: usize = 1_000;
    let (mut todos, mut made) = (Todos::new(0), Vec::new());
    let sizes = (0..COUNT).map(|place| {
        let body = Body { at: super::load::now(), ops: vec![todos.next(&mut made)], ..Body::default() };
        let (client, n) = (todos.client(), EventNumber(place as u64 + 1));
        cbor::encode_recorded(&Recorded { seq: Seq(100_000), client, n, actor: None, body, lost: Vec::new() }).len()
    });
    sizes.sum::<usize>() / COUNT
}
