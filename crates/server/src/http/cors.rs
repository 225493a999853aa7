//! Pages of any origin may ask: what counts is the token that a client shows, and cookies are not looked at.

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};

use super::{Answer, empty};

/// What a page may say beside what it always may.
const ASKED: &str = "accept, authorization, content-type, if-none-match, if-range, last-event-id, range";
/// What of an answer it sees.
const EXPOSED: &str = "tapeline-head, tapeline-horizon, retry-after, etag, content-range, accept-ranges";

/// Lets a page of another origin see an answer of the API.
pub(super) fn allow(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

/// Answers a browser that asks whether a page may send a request.
pub(super) fn preflight() -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ASKED));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    answer
}
