//! Documents served beside the API, where whoever starts the server has any: the demonstration's pages.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderName, HeaderValue, VARY};
use hyper::{Method, Request, Response};

use crate::http::{Answer, full, takes};

/// Finds the document at a path, which starts with a slash. Paths of the API are not asked for.
pub type Pages = Arc<dyn Fn(&str) -> Option<Page> + Send + Sync>;

/// A document.
pub struct Page {
    /// What there is to be sent.
    pub body: Cow<'static, [u8]>,
    /// The same by gzip, for browsers that take it so.
    pub gzipped: Option<Cow<'static, [u8]>>,
    /// The headers to send with it, names in lower case.
    pub headers: Vec<(&'static str, &'static str)>,
}

/// Answers a request with a page, where there is one.
pub(crate) fn answer(pages: Option<&Pages>, request: &Request<Incoming>) -> Option<Answer> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let page = pages?(request.uri().path())?;
    let has_both = page.gzipped.is_some();
    let gzipped = page.gzipped.filter(|_| takes(request.headers(), &ACCEPT_ENCODING, "gzip"));
    let is_gzipped = gzipped.is_some();
    let body = match gzipped.unwrap_or(page.body) {
        Cow::Borrowed(bytes) => bytes.into(),
        Cow::Owned(bytes) => bytes.into(),
    };
    let mut answer = Response::new(full(body));
    let headers = answer.headers_mut();
    for (name, value) in page.headers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if has_both {
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if is_gzipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(answer)
}
