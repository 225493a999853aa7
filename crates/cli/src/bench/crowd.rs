//! Live traffic while a hundred newcomers come at once, again and again: how much longer a change takes to be seen.

use tapeline_core::frame::{ClientFrame, Hello, Live, Open, PROTOCOL};
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId, Seq};
use tokio::task::JoinSet;

use super::drive::{CHANGES_PER_S, Listeners, Target};
use super::figures::Figures;
use super::load::Writer;
use super::ours::Subscriber;
use super::{Size, limit};
use crate::failure::Failure;
use crate::{past, wire};

const NEWCOMERS: u64 = 100;
const LISTENERS: u64 = 10;

/// Measures it on a stream of which a newcomer gets so many bytes.
pub async fn live(url: &str, name: &StreamName, bytes: u64, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let stream = FromNowOn { url, name };
    let changes = CHANGES_PER_S * size.seconds;
    let quiet = Listeners::connect(&stream, LISTENERS, changes).await?.time(stream.writer(3).await?).await?;
    let listeners = Listeners::connect(&stream, LISTENERS, changes).await?;
    let writer = stream.writer(4).await?;
    let mut crowd = JoinSet::new();
    for _ in 0..NEWCOMERS {
        crowd.spawn(come_again_and_again(url.to_owned(), name.clone(), bytes));
    }
    let busy = tokio::select! {
        busy = listeners.time(writer) => busy?,
        Some(ended) = crowd.join_next() => return Err(ended.unwrap_or_else(Failure::failed)),
    };
    let p99 = |times| limit::quantile(times, 0.99).as_secs_f64() * 1e3;
    figures.add("cold.live_quiet_p99_ms", p99(&quiet), "ms")?;
    figures.add("cold.live_p99_ms", p99(&busy), "ms")?;
    figures.add("cold.live_p99_ratio", p99(&busy) / p99(&quiet), "1")
}

/// Takes what a newcomer is given, as bytes, and begins anew. Answers why it cannot.
async fn come_again_and_again(url: String, name: StreamName, bytes: u64) -> Failure {
    loop {
        if let Err(failure) = come(&url, &name, bytes).await {
            return failure;
        }
    }
}

async fn come(url: &str, name: &StreamName, bytes: u64) -> Result<(), Failure> {
    // What a newcomer does with what it gets is not what is measured: it looks at nothing.
    const ENOUGH: f64 = 0.98;
    let hello = Hello { protocol: PROTOCOL, agent: "newcomer".into(), token: None, deflate: true, schema: None };
    let (mut sender, mut receiver) = wire::connect_as(url, hello).await?;
    let newcomer = ClientId(fastrand::u128(..));
    let open = Open::new(Channel(0), name.clone(), newcomer, Live::From(Seq::FIRST));
    sender.send(&ClientFrame::Open(Open { pages: true, ..open })).await?;
    let mut taken = 0;
    while (taken as f64) < bytes as f64 * ENOUGH {
        taken += receiver.next_bytes().await?.as_ref().len() as u64;
    }
    Ok(())
}

/// A stream as a target of the load, from its head on.
struct FromNowOn<'s> {
    url: &'s str,
    name: &'s StreamName,
}

impl Target for FromNowOn<'_> {
    type Writer = Writer;
    type Reader = Subscriber;

    async fn writer(&self, seed: u64) -> Result<Writer, Failure> {
        Writer::open(self.url, self.name, seed).await
    }

    async fn reader(&self, seed: u64) -> Result<Subscriber, Failure> {
        let head = past::head(self.url, self.name)?;
        Subscriber::open_at(self.url, self.name, seed, head).await
    }
}
