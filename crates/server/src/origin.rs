//! Which web pages may use a server from a browser.

use std::str::FromStr;

use hyper::Uri;
use hyper::header::HeaderValue;

/// Where a page is from, as browsers say it: a scheme, a host, and a port where it is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// Why a text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an origin is a scheme, a host and perhaps a port, as in https://app.example.com")]
pub struct OriginError;

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let text = text.to_ascii_lowercase();
        let uri: Uri = text.parse().map_err(|_| OriginError)?;
        let is_one = uri.scheme().is_some() && uri.authority().is_some_and(|named| !named.as_str().contains('@'));
        // Parsed, an origin has the path `/`; browsers write none.
        let is_bare = uri.path_and_query().is_none_or(|path| path == "/") && !text.ends_with('/');
        match is_one && is_bare {
            true => HeaderValue::from_str(&text).map(Self).map_err(|_| OriginError),
            false => Err(OriginError),
        }
    }
}

impl Origin {
    /// As browsers say it.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_neither_path_nor_name() {
        for good in ["https://app.example.com", "HTTP://localhost:5173", "app://shell"] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for wrong in
            ["", "*", "null", "app.example.com", "https://a.b/", "https://a.b/c", "https://a.b?c", "https://u@a.b"]
        {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}
