//! Fetching what an issuer publishes: bounded in bytes and time, encrypted unless it is on this machine, and never while
//! somebody waits to be let in.

use super::jwks;
use super::keys::Key;
use crate::address::Address;
use crate::limits;

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

/// Fetches the keys. Blocks for as long as the issuer takes, within limits.
pub(super) fn fetch(address: &Address) -> Result<Vec<Key>, FetchError> {
    let mut answer = address.agent(limits::JWKS_WITHIN).get(address.uri()).call()?;
    let text = answer.body_mut().with_config().limit(limits::JWKS_BYTES as u64).read_to_vec()?;
    let keys = jwks::read(&text)?;
    match keys.is_empty() {
        true => Err(FetchError::Empty),
        false => Ok(keys),
    }
}
