//! Plain HTTP: what is not live, and where what is live begins. One function a resource, chosen by method and path.

mod append;
mod body;
mod cluster;
mod cors;
mod delta;
mod events;
mod listener;
mod objects;
mod parts;
mod pinned;
mod problem;
mod query;
mod rights;
mod snapshot;
mod streams;
mod sync;
mod tag;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tapeline_core::name::StreamName;
use tapeline_log::{EventLog, LogError, StateStore};

use crate::accept::Place;
use crate::limits;
use crate::pages;
use crate::shared::Shared;
use crate::sse::Secret;
pub(crate) use append::push;
pub(crate) use listener::Listener;
pub(crate) use problem::Problem;
use query::Query;
use rights::Rights;
pub(crate) use snapshot::Pins;
use sync::Said;

pub(crate) type Body = UnsyncBoxBody<Bytes, LogError>;
pub(crate) type Answer = Response<Body>;

/// Says how many events the answer is about.
const HEAD: HeaderName = HeaderName::from_static("tapeline-head");
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// Has a proxy pass on what comes as it comes.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
enum Resource {
    Sync,
    Session(Secret, Said),
    Streams,
    Stream(StreamName),
    Events(StreamName),
    Objects(StreamName),
    Delta(StreamName),
    Snapshot(StreamName),
    Cluster,
    Compact,
    Health,
    Ready,
    Metrics,
}

/// Answers one request.
pub(crate) async fn answer<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    place: Place,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let of_api = request.uri().path().starts_with("/v1/");
    let answered = tokio::time::timeout(limits::REQUEST_WITHIN, choose(shared, place, request)).await;
    let mut answer = answered.unwrap_or_else(|_| Err(Problem::slow())).unwrap_or_else(Problem::into_response);
    if of_api {
        cors::allow(answer.headers_mut());
    }
    Ok(answer)
}

async fn choose<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    place: Place,
    mut request: Request<Incoming>,
) -> Result<Answer, Problem> {
    let path = request.uri().path();
    let resource = match Resource::of(path) {
        Ok(resource) => resource,
        Err(problem) => return pages::answer(shared.pages.as_ref(), &request).ok_or(problem),
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    // Of the answer to such a request only the head is sent.
    if request.method() == Method::HEAD && resource != Resource::Sync {
        *request.method_mut() = Method::GET;
    }
    // Who begins a session says who they are in it, and who asks for a sign of life need not.
    let is_open = matches!(&resource, Resource::Sync | Resource::Session(..) | Resource::Health | Resource::Ready);
    if is_open || request.method() == Method::OPTIONS {
        return answer_anybody(resource, shared, place, request, &query).await;
    }
    let rights = Rights::of(&shared, request.headers())?;
    let query = Query::new(&query);
    if let Some(known) = resource.parameters(request.method()) {
        query.check(known)?;
    }
    match (resource, request.method()) {
        (Resource::Streams, &Method::GET) => streams::list(&shared, rights.caller(), &query).await,
        (Resource::Stream(stream), &Method::GET) => {
            rights.read_all(&stream)?;
            streams::status(&shared, &stream).await
        }
        (Resource::Events(stream), &Method::GET) => {
            rights.read_all(&stream)?;
            events::read(shared, rights, stream, &query, request.headers()).await
        }
        (Resource::Events(stream), &Method::POST) => {
            rights.write(&stream)?;
            append::append(&shared, stream, &rights, request).await
        }
        (Resource::Objects(stream), &Method::GET) => {
            let reading = rights.reading(&stream)?;
            objects::read(shared, stream, reading, &query).await
        }
        (Resource::Delta(stream), &Method::GET) => {
            rights.read_all(&stream)?;
            delta::read(shared, stream, &query).await
        }
        (Resource::Snapshot(stream), &Method::GET) => {
            rights.read_all(&stream)?;
            snapshot::read(shared, stream, &query, request.headers()).await
        }
        (Resource::Compact, &Method::POST) => {
            rights.be_trusted()?;
            shared.retention.look();
            Ok(empty(StatusCode::ACCEPTED))
        }
        (Resource::Metrics, &Method::GET) => rights.be_trusted().map(|()| metrics(&shared)),
        (Resource::Cluster, &Method::GET) => {
            rights.be_trusted()?;
            cluster::show(&shared, &query)
        }
        (Resource::Compact, _) => Err(Problem::method("POST")),
        (Resource::Events(_), _) => Err(Problem::method("GET, HEAD, POST")),
        _ => Err(Problem::method("GET, HEAD")),
    }
}

/// What needs no right: sessions, whose clients say in them who they are, and signs of life.
async fn answer_anybody<L: EventLog, S: StateStore>(
    resource: Resource,
    shared: Arc<Shared<L, S>>,
    place: Place,
    request: Request<Incoming>,
    query: &str,
) -> Result<Answer, Problem> {
    match (resource, request.method()) {
        (Resource::Sync, &Method::GET) => sync::begin(shared, place, request, query),
        (Resource::Session(secret, said), &Method::POST) => sync::speak(&shared, secret, said, request).await,
        (Resource::Health, &Method::GET) => Ok(text("ok\n")),
        (Resource::Ready, &Method::GET) if shared.is_ready() => Ok(text("ready\n")),
        (Resource::Ready, &Method::GET) if shared.is_stopping() => Err(Problem::stopping()),
        (Resource::Ready, &Method::GET) => Err(Problem::broken()),
        (Resource::Health | Resource::Ready, _) => Err(Problem::method("GET, HEAD")),
        (_, &Method::OPTIONS) => Ok(cors::preflight()),
        (Resource::Session(..), _) => Err(Problem::method("POST")),
        _ => Err(Problem::method("GET")),
    }
}

impl Resource {
    /// What may be asked of it; nothing is said of what is no part of the API.
    fn parameters(&self, method: &Method) -> Option<&'static [&'static str]> {
        Some(match self {
            Self::Streams => &["after", "limit"],
            Self::Events(_) if method == Method::GET => &["from", "to", "limit", "wait"],
            Self::Objects(_) => &["collection", "id", "where", "order_by", "limit", "with"],
            Self::Delta(_) => &["since", "collection"],
            Self::Snapshot(_) => &["at", "after", "collection"],
            Self::Cluster => &["stream"],
            Self::Stream(_) | Self::Events(_) | Self::Compact => &[],
            Self::Sync | Self::Session(..) | Self::Health | Self::Ready | Self::Metrics => return None,
        })
    }

    /// A stream's name may be written with its slashes or with them encoded: only the last part tells what is asked.
    fn of(path: &str) -> Result<Self, Problem> {
        match path {
            "/v1/sync" => return Ok(Self::Sync),
            "/v1/streams" | "/v1/streams/" => return Ok(Self::Streams),
            "/v1/cluster" => return Ok(Self::Cluster),
            "/v1/compact" => return Ok(Self::Compact),
            "/healthz" => return Ok(Self::Health),
            "/readyz" => return Ok(Self::Ready),
            "/metrics" => return Ok(Self::Metrics),
            _ => {}
        }
        if let Some((secret, said)) = path.strip_prefix("/v1/sync/").and_then(|rest| rest.split_once('/')) {
            let secret = Secret::parse(secret).ok_or_else(Problem::no_such_session)?;
            return Ok(Self::Session(secret, Said::parse(said)?));
        }
        let name = path.strip_prefix("/v1/streams/").ok_or_else(|| Problem::no_such_path(path))?;
        match name.rsplit_once('/') {
            Some((name, "events")) => Ok(Self::Events(query::stream(name)?)),
            Some((name, "objects")) => Ok(Self::Objects(query::stream(name)?)),
            Some((name, "delta")) => Ok(Self::Delta(query::stream(name)?)),
            Some((name, "snapshot")) => Ok(Self::Snapshot(query::stream(name)?)),
            _ => Ok(Self::Stream(query::stream(name)?)),
        }
    }
}

fn metrics<L: EventLog, S: StateStore>(shared: &Shared<L, S>) -> Answer {
    let readings = shared.readings.as_ref().map(|readings| readings()).unwrap_or_default();
    let mut answer = text(shared.metrics.encode(&readings));
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

fn text(text: impl Into<Bytes>) -> Answer {
    with_type(HeaderValue::from_static("text/plain; charset=utf-8"), text.into())
}

fn json(value: &serde_json::Value) -> Answer {
    with_type(JSON, value.to_string().into())
}

fn with_type(kind: HeaderValue, bytes: Bytes) -> Answer {
    let mut answer = Response::new(full(bytes));
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(full(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

pub(crate) fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// Whether a request names a kind of answer among those it takes.
fn accepts(headers: &HeaderMap, kind: &HeaderValue) -> bool {
    kind.to_str().is_ok_and(|kind| takes(headers, &header::ACCEPT, kind))
}

/// Whether a request takes what has this name in a header of what it takes: not where that has no weight (`gzip;q=0`).
pub(crate) fn takes(headers: &HeaderMap, header: &HeaderName, name: &str) -> bool {
    let taken = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    taken.flat_map(|value| value.split(',')).any(|taken| {
        let mut parts = taken.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|taken| taken.eq_ignore_ascii_case(name));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        is_named && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// An answer that comes in parts, one JSON a line.
fn lines(body: impl hyper::body::Body<Data = Bytes, Error = LogError> + Send + 'static, head: u64) -> Answer {
    let mut answer = Response::new(body.boxed_unsync());
    answer.headers_mut().insert(header::CONTENT_TYPE, NDJSON);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(HEAD, HeaderValue::from(head));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_with_and_without_their_slashes_encoded() {
        let name = |text: &str| StreamName::new(text).unwrap();
        let of = |path: &str| Resource::of(path).ok();
        assert_eq!(of("/v1/streams/a"), Some(Resource::Stream(name("a"))));
        assert_eq!(of("/v1/streams/lists/groceries"), Some(Resource::Stream(name("lists/groceries"))));
        assert_eq!(of("/v1/streams/lists%2Fgroceries/events"), Some(Resource::Events(name("lists/groceries"))));
        assert_eq!(of("/v1/streams/lists/groceries/objects"), Some(Resource::Objects(name("lists/groceries"))));
        assert_eq!(of("/v1/streams/a/delta"), Some(Resource::Delta(name("a"))));
        assert_eq!(of("/v1/streams/a/snapshot"), Some(Resource::Snapshot(name("a"))));
        assert_eq!(of("/v1/streams/lists%2Fevents"), Some(Resource::Stream(name("lists/events"))));
        assert_eq!(of("/v1/streams/events"), Some(Resource::Stream(name("events"))));
        assert_eq!(of("/v1/streams/a//events"), None);
        assert_eq!(of("/v1/streams/%ff"), None);
        assert_eq!(of("/v1/streams/a%20b"), None);
        assert_eq!(of("/v2"), None);
    }
}
