//! What went wrong with a request, as a problem document (RFC 9457).

use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tapeline_core::codec::json;
use tapeline_core::event::{Refusal, RefusalCode};
use tapeline_core::frame::{ErrorCode, ErrorFrame};
use tapeline_core::numbers::Seq;
use tapeline_log::LogError;

use super::{Answer, full};
use crate::websocket::UpgradeError;

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    status: StatusCode,
    /// The kind, for programs.
    code: Box<str>,
    /// The kind, for people.
    title: &'static str,
    /// What exactly, and what to do.
    detail: Box<str>,
    /// Whether the same may succeed when sent again.
    retryable: bool,
    /// Members of this kind alone.
    more: Vec<(&'static str, Value)>,
    allow: Option<&'static str>,
    /// How many bytes there are, where others were asked for.
    of_bytes: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, code: &str, title: &'static str, detail: impl Into<String>) -> Self {
        let retryable = status == StatusCode::SERVICE_UNAVAILABLE;
        Self {
            status,
            code: code.into(),
            title,
            detail: detail.into().into(),
            retryable,
            more: Vec::new(),
            allow: None,
            of_bytes: None,
        }
    }

    pub(crate) fn no_such_path(path: &str) -> Self {
        let detail = format!("{path} names nothing; streams are under /v1/streams, the live protocol is at /v1/sync");
        Self::new(StatusCode::NOT_FOUND, "no_such_path", "No such path", detail)
    }

    pub(crate) fn no_such_stream(stream: &str) -> Self {
        let detail = format!("the stream {stream} does not exist; the first event makes it");
        Self::new(StatusCode::NOT_FOUND, "no_such_stream", "No such stream", detail)
    }

    pub(crate) fn no_such_session() -> Self {
        let detail = "no such session, or it has ended; begin another one at /v1/sync";
        Self::new(StatusCode::NOT_FOUND, "no_such_session", "No such session", detail)
    }

    pub(crate) fn out_of_order() -> Self {
        let detail = "a body with a number before this one has not come; begin another session at /v1/sync";
        Self::new(StatusCode::CONFLICT, "out_of_order", "Out of order", detail)
    }

    pub(crate) fn method(allow: &'static str) -> Self {
        let detail = format!("this resource takes {allow}");
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", detail);
        Self { allow: Some(allow), ..problem }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", "The request cannot be read", detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "The token is not accepted", detail)
    }

    pub(crate) fn denied(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "denied", "Not allowed", detail)
    }

    pub(crate) fn too_large(most: usize) -> Self {
        let detail = format!("the body has more than {most} bytes; send several smaller ones");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large", detail)
    }

    pub(crate) fn past_the_head(from: Seq, head: Seq) -> Self {
        let detail = format!(
            "you ask for what comes after {from} events, and there are {head} events: this is not the stream you know; begin at 0"
        );
        Self::new(StatusCode::CONFLICT, "past_the_head", "Past the head of the stream", detail)
    }

    /// A snapshot cannot be made any more; `now` can.
    pub(crate) fn snapshot_gone(seq: Seq, now: impl std::fmt::Display) -> Self {
        let detail = format!(
            "nobody has read this snapshot for a while, and the stream has moved on: go on with at={now} and the same \
             after, and take delta?since={seq} for the pages you have; or begin again without at"
        );
        let problem = Self::new(StatusCode::GONE, "snapshot_gone", "The snapshot is gone", detail);
        Self { more: vec![("at", json!(now.to_string()))], ..problem }
    }

    pub(crate) fn no_such_bytes(of: u64) -> Self {
        let detail = format!("these events take {of} bytes: what is asked for comes after them");
        let problem = Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "no_such_bytes", "No such bytes", detail);
        Self { of_bytes: Some(of), ..problem }
    }

    pub(crate) fn upgrade(error: &UpgradeError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "no_upgrade", "Not a WebSocket handshake", error.to_string())
    }

    /// More requests came than might.
    pub(crate) fn too_many_requests(whose: &str) -> Self {
        let detail = format!("{whose} sends more than it may: go on in a moment, and then more slowly");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "later", "Too many requests", detail);
        Self { retryable: true, ..problem }
    }

    /// A page may not ask here.
    pub(crate) fn origin(origin: &HeaderValue) -> Self {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        let detail =
            format!("pages of {origin} may not use this server: it is started with --origin for those that may");
        Self::new(StatusCode::FORBIDDEN, "wrong_origin", "Not from this page", detail)
    }

    pub(crate) fn stopping() -> Self {
        let detail = "the server stops; send the request again to its successor";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "later", "Not now", detail)
    }

    pub(crate) fn broken() -> Self {
        let detail = "the server takes no events, and its log says why: start it again once that is mended";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "later", "Not now", detail)
    }

    pub(crate) fn alone() -> Self {
        let detail = "the server shares its log with nobody: it has no nodes";
        Self::new(StatusCode::NOT_FOUND, "no_cluster", "No cluster", detail)
    }

    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "later", "Not now", detail)
    }

    pub(crate) fn slow() -> Self {
        let detail = "the answer took too long; sent again with the same client and n, an event is recorded once";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "Timed out", detail)
    }

    pub(crate) fn trimmed(horizon: Seq) -> Self {
        let detail = format!("the events before {horizon} were let go: begin there, or with a snapshot");
        let problem = Self::new(StatusCode::GONE, "trimmed", "The events were let go", detail);
        Self { more: vec![("horizon", json!(horizon.0))], ..problem }
    }

    pub(crate) fn storage(error: &LogError) -> Self {
        if let LogError::Trimmed { horizon } = error {
            return Self::trimmed(*horizon);
        }
        match error.is_retryable() {
            true => Self::busy(error.to_string()),
            false => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", "Storage is damaged", error.to_string()),
        }
    }

    /// An event was refused: the request was understood, and will be answered the same again.
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        let (status, title) = match refusal.code {
            RefusalCode::Exists => (StatusCode::CONFLICT, "The object exists"),
            RefusalCode::Stale => (StatusCode::CONFLICT, "Something read has changed"),
            RefusalCode::Rebase => (StatusCode::CONFLICT, "The text has moved on"),
            RefusalCode::NotFound => (StatusCode::NOT_FOUND, "The object does not exist"),
            RefusalCode::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "The event is invalid"),
            RefusalCode::Forbidden => (StatusCode::FORBIDDEN, "The event is not allowed"),
            // Decided by a newer version of the server.
            RefusalCode::Failed | RefusalCode::Bug | RefusalCode::Other(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "The event is refused")
            }
        };
        let mut problem = Self::new(status, refusal.code.code(), title, refusal.reason.clone());
        if let Some(key) = &refusal.about {
            problem.more.push(("about", json!({ "collection": key.collection.as_str(), "id": key.id.to_string() })));
        }
        if let Some(field) = &refusal.field {
            problem.more.push(("field", json!(field.as_str())));
        }
        if let Some(Ok(current)) =
            refusal.current.as_ref().map(|value| serde_json::from_str(&json::value_to_json(value)))
        {
            problem.more.push(("current", current));
        }
        problem
    }

    /// An event was neither recorded nor refused.
    pub(crate) fn undecided(error: &ErrorFrame) -> Self {
        let (status, title) = match error.code {
            ErrorCode::Resume => (StatusCode::CONFLICT, "Events are missing before this one"),
            ErrorCode::Forked => (StatusCode::CONFLICT, "Another event has this number"),
            ErrorCode::Forbidden => (StatusCode::FORBIDDEN, "The client id belongs to somebody else"),
            ErrorCode::Later => (StatusCode::SERVICE_UNAVAILABLE, "Not now"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "The server has failed"),
        };
        let mut problem = Self::new(status, error.code.code(), title, error.message.clone());
        if let Some(n) = error.n {
            problem.more.push(("n", json!(n.0)));
        }
        problem
    }

    /// What is wrong, for people.
    pub(crate) fn detail(&self) -> String {
        self.detail.to_string()
    }

    pub(crate) fn into_response(self) -> Answer {
        let mut document = json!({
            "type": format!("urn:tapeline:problem:{}", self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "retryable": self.retryable,
        });
        for (name, value) in self.more {
            document[name] = value;
        }
        let mut answer = Response::new(full(document.to_string().into()));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(Ok(of)) = self.of_bytes.map(|of| HeaderValue::from_str(&format!("bytes */{of}"))) {
            headers.insert(header::CONTENT_RANGE, of);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.retryable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        match &error {
            LogError::Trimmed { .. } => {}
            LogError::Storage(_) => tracing::warn!(%error, "a request cannot be answered now"),
            LogError::Damaged { .. } => tracing::error!(%error, "a request cannot be answered"),
        }
        Self::storage(&error)
    }
}
