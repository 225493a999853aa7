//! Events that are all recorded: their bytes never change, so that any cache may keep them, and whoever was cut off asks
//! for the rest of the bytes.
//!
//! The tag has the chain after the last of them, which stands for every recorded byte before it: another stream of the
//! same name, or a server that was restored and went on otherwise, has another tag.

use std::ops::Range;

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use tapeline_log::{EventLog, Head, LogError, StateStore};

use super::span::Span;
use crate::http::Answer;
use crate::http::problem::Problem;
use crate::http::tag::Tag;
use crate::limits;
use crate::shared::Shared;

/// A span that never changes.
pub(super) struct Sealed {
    tag: Tag,
    /// Whether parts of its bytes can be had: they are counted first.
    has_parts: bool,
}

impl Sealed {
    /// The tag of a span that is wholly recorded, on a stream that ends so.
    pub(super) async fn of<L: EventLog, S: StateStore>(
        shared: &Shared<L, S>,
        span: &Span,
        end: &Head,
    ) -> Result<Self, LogError> {
        let chain = match span.to == end.seq {
            true => end.chain,
            false => shared.reader.read_log(&span.tape, span.to, 1).await?.before(),
        };
        let tag = Tag::of(format_args!("{chain}-{}-{}", span.from, span.to));
        Ok(Self { tag, has_parts: span.to.since(span.from) <= limits::EVENTS_IN_PARTS })
    }

    /// Whether the client has it.
    pub(super) fn is_held(&self, headers: &HeaderMap) -> bool {
        self.tag.is_held(headers)
    }

    /// The part of its bytes that is asked for, of how many. `None`: all of them.
    pub(super) async fn part<L: EventLog, S: StateStore>(
        &self,
        shared: &Shared<L, S>,
        span: &Span,
        headers: &HeaderMap,
    ) -> Result<Option<Part>, Problem> {
        let asked = headers.get(header::RANGE).and_then(|range| Asked::parse(range.to_str().ok()?));
        let Some(asked) = asked.filter(|_| self.has_parts && self.tag.goes_on(headers)) else { return Ok(None) };
        let busy = |_| Problem::busy("too many parts are being counted; ask again later");
        let _permit = shared.lists.clone().try_acquire_owned().map_err(busy)?;
        let of = Span { tape: span.tape.clone(), ..*span }.bytes(shared).await?;
        let window = asked.within(of).ok_or_else(|| Problem::no_such_bytes(of))?;
        Ok(Some(Part { window, of }))
    }

    /// Says of an answer that it may be kept.
    pub(super) fn mark(&self, answer: &mut Answer, asked: &HeaderMap) {
        self.tag.mark(answer, asked);
        let headers = answer.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("accept, authorization"));
        if self.has_parts {
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
    }
}

/// A part of some bytes.
pub(super) struct Part {
    pub(super) window: Range<u64>,
    of: u64,
}

impl Part {
    /// Says of an answer that it is this part.
    pub(super) fn mark(&self, answer: &mut Answer) {
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        let Range { start, end } = self.window;
        let place = format!("bytes {start}-{}/{}", end - 1, self.of);
        if let Ok(place) = HeaderValue::from_str(&place) {
            answer.headers_mut().insert(header::CONTENT_RANGE, place);
        }
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    }
}

/// One range of bytes, as a request spells it. What is spelled otherwise counts as not asked for (RFC 9110, 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

impl Asked {
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        match text.strip_prefix("bytes=")?.split_once('-')? {
            ("", count) => Some(Self::Last(number(count)?)),
            (first, "") => Some(Self::From(number(first)?)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// Which of so many bytes it means. `None` where it means none.
    fn within(self, of: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first) => first..of,
            Self::Between(first, last) => first..of.min(last.saturating_add(1)),
            Self::Last(count) => of.saturating_sub(count)..of,
        };
        (range.start < range.end).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::Asked;

    #[test]
    fn a_range_of_bytes_is_read_as_it_is_meant() {
        let of = |text: &str| Asked::parse(text).map(|asked| asked.within(10));
        assert_eq!(of("bytes=0-"), Some(Some(0..10)));
        assert_eq!(of("bytes=3-3"), Some(Some(3..4)));
        assert_eq!(of("bytes=3-99"), Some(Some(3..10)));
        assert_eq!(of("bytes=-4"), Some(Some(6..10)));
        assert_eq!(of("bytes=-99"), Some(Some(0..10)));
        assert_eq!(of("bytes=10-"), Some(None));
        assert_eq!(of("bytes=-0"), Some(None));
        assert_eq!(of(&format!("bytes=0-{}", u64::MAX)), Some(Some(0..10)));
        for text in
            ["", "bytes", "bytes=", "bytes=-", "bytes=4-3", "bytes=1-2,4-5", "bytes=+1-2", "lines=0-1", "bytes=x-"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
