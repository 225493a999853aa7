//! `GET /v1/streams/{name}/snapshot`: all objects as of one moment, page by page, each at an address at which nothing
//! else ever stands, so that any cache may keep it.
//!
//! Without `at`, a client is sent on to a snapshot that others have begun just now, or to a new one. A page can be made
//! for as long as somebody reads the snapshot, or nothing more is recorded. Where it cannot be made any more, the client
//! is told which snapshot to go on with, and that the delta since the old one has what changed on the pages it has.

mod page;
mod pins;

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use tapeline_core::name::{Collection, StreamName};
use tapeline_log::{EventLog, Pin, StateStore};

use super::problem::Problem;
use super::query::Query;
use super::tag::Tag;
use super::{Answer, empty, full, lines, pinned};
use crate::shared::Shared;
use page::{Page, address, read_key};
use pins::At;
pub(crate) use pins::Pins;

/// Gives one page, or sends the client on to the first one.
pub(super) async fn read<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    stream: StreamName,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Result<Answer, Problem> {
    let collection = query.name("collection", |text| Collection::new(text))?;
    let wrong = |name: &str, text: &str| Problem::bad_request(format!("{name}={text} is not of a snapshot's address"));
    let after = query.text("after").map(|text| read_key(text).ok_or_else(|| wrong("after", text))).transpose()?;
    let Some(text) = query.text("at") else {
        let at = At::of(&*begun(&shared, &stream).await?);
        return Ok(send_on(&address(at, collection.as_ref(), after.as_ref())));
    };
    let at = At::parse(text).ok_or_else(|| wrong("at", text))?;
    let tag = Tag::of(at);
    let mut answer = match tag.is_held(headers) {
        true => empty(StatusCode::NOT_MODIFIED),
        false => {
            let pin = held(&shared, &stream, at).await?;
            make(&shared, Page { pin, collection, after }).await?
        }
    };
    tag.mark(&mut answer, headers);
    Ok(answer)
}

/// A snapshot to begin with.
async fn begun<L: EventLog, S: StateStore>(
    shared: &Arc<Shared<L, S>>,
    stream: &StreamName,
) -> Result<Arc<dyn Pin>, Problem> {
    if let Some(pin) = shared.snapshots.recent(stream) {
        return Ok(pin);
    }
    let pin = pinned::pin(shared, stream).await?;
    shared.snapshots.hold(stream, &pin);
    Ok(pin)
}

/// The snapshot at a place, if it can be had.
async fn held<L: EventLog, S: StateStore>(
    shared: &Arc<Shared<L, S>>,
    stream: &StreamName,
    at: At,
) -> Result<Arc<dyn Pin>, Problem> {
    if let Some(pin) = shared.snapshots.get(stream, at) {
        return Ok(pin);
    }
    let pin = pinned::pin(shared, stream).await?;
    shared.snapshots.hold(stream, &pin);
    let now = At::of(&*pin);
    if now == at { Ok(pin) } else { Err(Problem::snapshot_gone(at.seq, now)) }
}

async fn make<L: EventLog, S: StateStore>(shared: &Shared<L, S>, page: Page) -> Result<Answer, Problem> {
    let busy = |_| Problem::busy("too many pages are being made; ask again later");
    let permit = shared.lists.clone().try_acquire_owned().map_err(busy)?;
    let head = page.pin.state().head;
    let making = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        page.lines()
    });
    let text = making.await.map_err(|_| Problem::stopping())??;
    Ok(lines(full(text.into()), head.0))
}

fn send_on(address: &str) -> Answer {
    let mut answer = empty(StatusCode::TEMPORARY_REDIRECT);
    let headers = answer.headers_mut();
    if let Ok(address) = HeaderValue::from_str(address) {
        headers.insert(header::LOCATION, address);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
