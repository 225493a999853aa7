//! The keys that an issuer publishes (a JSON Web Key Set, RFC 7517): those of them that verify tokens.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::keys::Key;
use crate::limits;

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// Reads a set. Keys of other kinds and for other purposes are passed over.
pub(super) fn read(text: &[u8]) -> Result<Vec<Key>, serde_json::Error> {
    let set: Set = serde_json::from_slice(text)?;
    let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
    Ok(keys.filter_map(|key| read_key(&key)).take(limits::TOKEN_KEYS).collect())
}

fn read_key(jwk: &Jwk) -> Option<Key> {
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = algorithm(jwk)?;
    let named = jwk.common.key_algorithm.map(|named| named.to_string());
    if named.is_some_and(|named| named.parse() != Ok(algorithm)) {
        return None;
    }
    Key::new(jwk.common.key_id.as_deref(), algorithm, DecodingKey::from_jwk(jwk).ok()?)
}

/// What a key verifies. Secrets do not count: one that is published is none.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(Algorithm::ES256),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Some(Algorithm::EdDSA),
        _ => None,
    }
}
