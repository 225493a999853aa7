//! Fetching what an issuer publishes: bounded in bytes and time, encrypted unless it is on this machine, and never while
//! somebody waits to be let in.

use std::net::IpAddr;

use hyper::Uri;

use super::jwks;
use super::keys::Key;
use crate::limits;

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address(Uri);

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the issuer cannot be asked: {0}")]
    Http(#[from] ureq::Error),
    #[error("what the issuer answers is no set of keys: {0}")]
    NoSet(#[from] serde_json::Error),
    #[error("the issuer's set has no key for HS256, RS256, ES256 or EdDSA")]
    Empty,
}

impl Address {
    /// An address that can be believed: by https or on this machine.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let address = Self(text.parse().ok()?);
        match address.0.scheme_str()? {
            "https" => Some(address),
            "http" if address.is_here() => Some(address),
            _ => None,
        }
    }

    fn is_here(&self) -> bool {
        let host = self.0.host().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Fetches the keys. Blocks for as long as the issuer takes, within limits.
pub(super) fn fetch(address: &Address) -> Result<Vec<Key>, FetchError> {
    // Sent elsewhere, it might be to where nothing is encrypted.
    let config = ureq::Agent::config_builder().timeout_global(Some(limits::JWKS_WITHIN)).max_redirects(0);
    let config = match address.is_here() {
        true => config.proxy(None),
        false => config,
    };
    let agent: ureq::Agent = config.build().into();
    let mut answer = agent.get(&address.0).call()?;
    let text = answer.body_mut().with_config().limit(limits::JWKS_BYTES as u64).read_to_vec()?;
    let keys = jwks::read(&text)?;
    match keys.is_empty() {
        true => Err(FetchError::Empty),
        false => Ok(keys),
    }
}
