//! Documents served beside the API, where whoever starts the server has any: the demonstration's pages.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Response};

use crate::http::{Answer, full};

/// Finds the document at a path, which starts with a slash. Paths of the API are not asked for.
pub type Pages = Arc<dyn Fn(&str) -> Option<Page> + Send + Sync>;

/// A document.
pub struct Page {
    /// What there is to be sent.
    pub body: Cow<'static, [u8]>,
    /// The headers to send with it, names in lower case.
    pub headers: Vec<(&'static str, &'static str)>,
}

/// Answers a request with a page, where there is one.
pub(crate) fn answer(pages: Option<&Pages>, method: &Method, path: &str) -> Option<Answer> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let page = pages?(path)?;
    let body = match page.body {
        Cow::Borrowed(bytes) => bytes.into(),
        Cow::Owned(bytes) => bytes.into(),
    };
    let mut answer = Response::new(full(body));
    for (name, value) in page.headers {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Some(answer)
}
