//! `/v1/sync`: from requests to sessions. As a WebSocket or, where those are blocked, as Server-Sent Events and POSTs.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tapeline_core::limits as core_limits;
use tapeline_log::{EventLog, StateStore};

use super::body::take_body;
use super::problem::Problem;
use super::query::Query;
use super::{Answer, EVENT_STREAM, UNBUFFERED, accepts, empty};
use crate::accept::Place;
use crate::session::Session;
use crate::shared::Shared;
use crate::sse::{Line, PostError, Secret};
use crate::websocket::{Socket, Upgrade, downcast};
use crate::wire::Wire;

/// Bytes of a body beside the frame that it has at least room for: that frame's length.
const LENGTH_BYTES: usize = 4;

/// What is said in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Frames, and which body of them this is.
    Frames(u64),
    Goodbye,
}

impl Said {
    /// Reads the rest of a path, after the secret.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "goodbye" => Ok(Self::Goodbye),
            number => match number.parse() {
                Ok(number @ 1..) => Ok(Self::Frames(number)),
                _ => Err(Problem::bad_request(format!("{number} is no number of a body: the first is 1"))),
            },
        }
    }
}

/// Starts a session, carried as the request asks for.
pub(super) fn begin<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    place: Place,
    request: Request<Incoming>,
    query: &str,
) -> Result<Answer, Problem> {
    if shared.is_stopping() {
        return Err(Problem::stopping());
    }
    match accepts(request.headers(), &EVENT_STREAM) {
        true => begin_with_events(shared, place, query),
        false => upgrade(shared, place, request),
    }
}

/// Takes what is said in a session that came by Server-Sent Events.
pub(super) async fn speak<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    secret: Secret,
    said: Said,
    request: Request<Incoming>,
) -> Result<Answer, Problem> {
    let taken = match said {
        Said::Goodbye => shared.doors.say_goodbye(secret).await,
        Said::Frames(number) => {
            let (bytes, held) =
                take_body(&shared.unfinished, request.into_body(), core_limits::FRAME_BYTES + LENGTH_BYTES).await?;
            shared.doors.post(secret, number, bytes, held).await
        }
    };
    taken.map(|()| empty(StatusCode::NO_CONTENT)).map_err(|error| match error {
        PostError::NoSession => Problem::no_such_session(),
        PostError::OutOfOrder => Problem::out_of_order(),
    })
}

/// Makes a connection a WebSocket and starts its session.
fn upgrade<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    place: Place,
    request: Request<Incoming>,
) -> Result<Answer, Problem> {
    let upgrade = Upgrade::of(request.headers()).map_err(|error| Problem::upgrade(&error))?;
    let (response, codec) = (upgrade.response(), upgrade.codec);
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let Some((stream, read)) = downcast(upgraded) else { return };
        let session = Session::new(shared, Wire::WebSocket(Socket::new(stream, &read)), codec);
        drop(read);
        tokio::spawn(async move {
            session.run().await;
            drop(place);
        });
    });
    Ok(response)
}

/// Answers with events for as long as the session lives that it starts.
fn begin_with_events<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    place: Place,
    query: &str,
) -> Result<Answer, Problem> {
    let codec = Query::new(query).protocol()?;
    let (line, parts) = Line::new(codec, &shared.doors);
    let session = Session::new(shared, Wire::Sse(line), codec);
    let connection = place.carries_session();
    tokio::spawn(async move {
        session.run().await;
        drop(place);
        connection.hang_up_soon().await;
    });
    let mut answer = Response::new(parts.boxed_unsync());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    Ok(answer)
}
