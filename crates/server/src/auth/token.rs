//! From the bytes of a token (a signed JWT, RFC 7519) to its claims, where one of our keys has signed them.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::value::RawValue;
use tapeline_core::codec::json;
use tapeline_core::value::{Entries, Value};

use super::error::AuthError;
use super::keys::{Key, candidates};

/// The claims of a token, and the key that signed them. What they say is not looked at.
pub(super) fn open<'k>(token: &str, keys: impl Iterator<Item = &'k Key>) -> Result<(Entries, &'k Key), AuthError> {
    let not_signed = AuthError::Malformed("it is no JWT signed with HS256, RS256, ES256 or EdDSA");
    let header = decode_header(token).map_err(|_| not_signed)?;
    let mut refused = AuthError::UnknownKey;
    for key in candidates(keys, header.kid.as_deref(), header.alg)? {
        match decode::<Box<RawValue>>(token, &key.verifier, &signature_alone(key.algorithm)) {
            Ok(opened) => return Ok((read_claims(opened.claims.get())?, key)),
            Err(error) => refused = refusal(error.kind()),
        }
    }
    Err(refused)
}

/// Claims are checked elsewhere: by a time that is given, and again when it is asked whether a token is still good.
fn signature_alone(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn refusal(error: &ErrorKind) -> AuthError {
    match error {
        ErrorKind::InvalidSignature => AuthError::BadSignature,
        _ => AuthError::Malformed("it is broken"),
    }
}

/// Strictly: a name that stands twice would be one thing to us and another to somebody else.
fn read_claims(text: &str) -> Result<Entries, AuthError> {
    match json::value_from_json(text) {
        Ok(Value::Map(claims)) => Ok(claims),
        _ => Err(AuthError::Malformed(
            "its claims are no object, have a name twice, a number past 2^53, or nest too deep",
        )),
    }
}
