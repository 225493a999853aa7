//! A stream as it was: its log is played up to some event.

use std::ops::Range;

use serde::Deserialize;
use tapeline_core::block::EventBlock;
use tapeline_core::event::Recorded;
use tapeline_core::frame::{ClientFrame, Live, ServerFrame};
use tapeline_core::limits;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId, Seq};

use crate::failure::Failure;
use crate::{http, output, wire};

/// What is known of a stream's log.
#[derive(Deserialize)]
struct Status {
    head: u64,
    /// The first event that is still there.
    #[serde(default)]
    horizon: u64,
}

/// Shows `visit` all events of a stream before `to`, in their order.
pub async fn play(server: &str, stream: &StreamName, to: Seq, mut visit: impl FnMut(&Recorded)) -> Result<(), Failure> {
    check(server, stream, to)?;
    let bar = output::bar(to.0, "playing");
    let played = fetch(server, stream, Seq::FIRST..to, |block| {
        bar.set_position(block.end().0);
        block.events().try_for_each(|event| event.map(|event| visit(&event))).map_err(Failure::failed)
    });
    played.await?;
    bar.finish_and_clear();
    Ok(())
}

/// Fetches a range of events, which is there, in as many goes as it takes.
pub async fn fetch(
    server: &str,
    stream: &StreamName,
    range: Range<Seq>,
    mut take: impl FnMut(&EventBlock) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut sender, mut receiver) = wire::connect(server).await?;
    let (channel, nobody) = (Channel(0), ClientId(fastrand::u128(..)));
    sender.send(&wire::open(channel, stream, nobody, Live::No)).await?;
    receiver.opened().await?;
    let (mut asked, mut next) = (range.start, range.start);
    while next < range.end {
        if next == asked {
            asked = range.end.min(next.plus(limits::FETCH_EVENTS));
            sender.send(&ClientFrame::Fetch { channel, from: next, to: asked }).await?;
        }
        match receiver.next().await? {
            ServerFrame::Events(events) if events.block.is_empty() => {
                return Err(Failure::Failed(format!("{stream} ends at {next}, before {}", range.end)));
            }
            ServerFrame::Events(events) => {
                take(&events.block)?;
                next = events.block.end();
            }
            ServerFrame::Error(error) => return Err(Failure::Refused(error.message)),
            _ => {}
        }
    }
    Ok(())
}

/// How many events a stream has.
pub fn head(server: &str, stream: &StreamName) -> Result<Seq, Failure> {
    Ok(Seq(status(server, stream)?.head))
}

fn status(server: &str, stream: &StreamName) -> Result<Status, Failure> {
    http::get_json(server, &format!("/v1/streams/{}", http::encode(stream.as_str())))
}

/// Whether what was before `to` can be known.
fn check(server: &str, stream: &StreamName, to: Seq) -> Result<(), Failure> {
    let Status { head, horizon } = status(server, stream)?;
    if to.0 > head {
        return Err(Failure::Usage(format!("{to} is past the end: {stream} has {head} events")));
    }
    if horizon > 0 {
        return Err(Failure::Failed(format!(
            "the log of {stream} was trimmed: the events before {horizon} are gone, and with them how things were; \
             what is left: tapeline tail {stream} --from {horizon}"
        )));
    }
    Ok(())
}
