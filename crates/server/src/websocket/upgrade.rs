//! From an HTTP request to a WebSocket.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::upgrade::{Parts, Upgraded};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tapeline_core::codec::Codec;

use crate::transport::Transport;

/// The handshake of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    /// How frames are to be spelled.
    pub(crate) codec: Codec,
    accept: String,
}

/// Why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpgradeError {
    /// It does not ask to.
    #[error("ask for an upgrade to a WebSocket, version 13, with a key; or accept text/event-stream")]
    NotAsked,
    /// It offers no subprotocol that the server speaks.
    #[error("offer the WebSocket subprotocol tapeline.v1.cbor or tapeline.v1.json")]
    Subprotocol,
}

/// What the key is joined with before it is hashed (RFC 6455, section 1.3).
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

impl Upgrade {
    /// Reads a handshake.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, UpgradeError> {
        let asked =
            has_word(headers, &header::UPGRADE, "websocket") && has_word(headers, &header::CONNECTION, "upgrade");
        let version = headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asked && version).ok_or(UpgradeError::NotAsked)?;
        let codec = words(headers, &header::SEC_WEBSOCKET_PROTOCOL)
            .find_map(|word| Codec::ALL.into_iter().find(|codec| codec.subprotocol() == word))
            .ok_or(UpgradeError::Subprotocol)?;
        let accept = BASE64_STANDARD.encode(Sha1::new().chain_update(key).chain_update(MAGIC).finalize());
        Ok(Self { codec, accept })
    }

    /// The answer that agrees.
    pub(crate) fn response<B: Default>(&self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(self.codec.subprotocol()));
        let accept = HeaderValue::from_str(&self.accept).expect("base 64 fits a header");
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        response
    }
}

/// The stream beneath an upgraded connection, and what of it was read already.
pub(crate) fn downcast(upgraded: Upgraded) -> Option<(Transport, Vec<u8>)> {
    let Parts { io, read_buf, .. } = upgraded.downcast::<TokioIo<Transport>>().ok()?;
    Some((io.into_inner(), read_buf.to_vec()))
}

fn words<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    words(headers, name).any(|found| found.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(protocols: &'static str) -> HeaderMap {
        let all = [
            (header::UPGRADE, "WebSocket"),
            (header::CONNECTION, "keep-alive, Upgrade"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
            (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
            (header::SEC_WEBSOCKET_PROTOCOL, protocols),
        ];
        all.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_client_chooses_among_what_both_speak() {
        let upgrade = Upgrade::of(&headers("tapeline.v9, tapeline.v1.json, tapeline.v1.cbor")).unwrap();
        assert_eq!(upgrade, Upgrade { codec: Codec::Json, accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into() });
        assert_eq!(Upgrade::of(&headers("chat")), Err(UpgradeError::Subprotocol));
        assert_eq!(Upgrade::of(&HeaderMap::new()), Err(UpgradeError::NotAsked));
    }
}
