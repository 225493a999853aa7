//! Answers that never change: each has a strong tag, and any cache may keep it; where they were asked for with a token, that of
//! whoever asked alone, and for that token.

use hyper::header::{self, HeaderMap, HeaderValue};

use super::Answer;

/// The tag of an answer that never changes.
pub(super) struct Tag(String);

impl Tag {
    /// The tag of what `name` names, as this version spells it: another one may spell the same in other bytes.
    pub(super) fn of(name: impl std::fmt::Display) -> Self {
        Self(format!("\"{name}-{}\"", env!("CARGO_PKG_VERSION")))
    }

    /// Whether the client has it.
    pub(super) fn is_held(&self, headers: &HeaderMap) -> bool {
        let held = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
        let held = held.flat_map(|tags| tags.split(',')).map(str::trim);
        held.map(|tag| tag.strip_prefix("W/").unwrap_or(tag)).any(|tag| tag == "*" || tag == self.0)
    }

    /// Whether the rest of it may be given to a client that has the beginning.
    pub(super) fn goes_on(&self, headers: &HeaderMap) -> bool {
        headers.get(header::IF_RANGE).is_none_or(|tag| tag == self.0.as_str())
    }

    /// Says of an answer to a request with these headers that it may be kept.
    pub(super) fn mark(&self, answer: &mut Answer, asked: &HeaderMap) {
        let headers = answer.headers_mut();
        if let Ok(tag) = HeaderValue::from_str(&self.0) {
            headers.insert(header::ETAG, tag);
        }
        headers.insert(header::VARY, HeaderValue::from_static("authorization"));
        let kept = match asked.contains_key(header::AUTHORIZATION) {
            true => "private, max-age=31536000, immutable",
            false => "max-age=31536000, immutable",
        };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    }
}
