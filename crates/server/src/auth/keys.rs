//! The keys that tokens are verified with. A key is used with its own algorithm and no other, whatever a token says.

use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::error::AuthError;

/// What a key verifies.
pub(super) const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("HS256", Algorithm::HS256),
    ("RS256", Algorithm::RS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
];
/// Bytes of an HS256 secret at least: fewer could be guessed from a token.
pub(super) const SECRET_BYTES: usize = 32;
/// Bytes of a point on P-256, uncompressed.
const P256_BYTES: usize = 65;

/// A key that tokens are verified with.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// What a token names it by.
    pub(super) id: Option<Box<str>>,
    pub(super) algorithm: Algorithm,
    pub(super) verifier: DecodingKey,
    /// Says whether this is still the same key after its file was read again.
    pub(super) fingerprint: Fingerprint,
}

/// The hash of what makes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; SHA256_OUTPUT_LEN]);

impl Key {
    /// A key, where it is one of its algorithm.
    pub(super) fn new(id: Option<&str>, algorithm: Algorithm, verifier: DecodingKey) -> Option<Self> {
        let fits = verifier.family() == algorithm.family()
            && match algorithm {
                Algorithm::ES256 => verifier.try_get_as_bytes().is_ok_and(|point| point.len() == P256_BYTES),
                Algorithm::HS256 => verifier.try_get_as_bytes().is_ok_and(|secret| secret.len() >= SECRET_BYTES),
                Algorithm::RS256 | Algorithm::EdDSA => true,
                _ => false,
            };
        let fingerprint = Fingerprint::of(algorithm, &verifier);
        fits.then(|| Self { id: id.map(Into::into), algorithm, verifier, fingerprint })
    }

    /// A public key as PEM, or a secret as it is.
    pub(super) fn read(id: &str, algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        let verifier = match algorithm {
            Algorithm::HS256 => DecodingKey::from_secret(bytes),
            Algorithm::RS256 => DecodingKey::from_rsa_pem(bytes),
            Algorithm::ES256 => DecodingKey::from_ec_pem(bytes),
            _ => DecodingKey::from_ed_pem(bytes),
        };
        Self::new(Some(id), algorithm, verifier.ok()?)
    }
}

impl Fingerprint {
    fn of(algorithm: Algorithm, verifier: &DecodingKey) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(&[algorithm as u8]);
        match verifier.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => hash.update(bytes),
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                [&n.len().to_be_bytes()[..], n, e].into_iter().for_each(|part| hash.update(part));
            }
        }
        let mut fingerprint = [0; SHA256_OUTPUT_LEN];
        fingerprint.copy_from_slice(hash.finish().as_ref());
        Self(fingerprint)
    }
}

/// The keys that may have made a token: those it names or, where it names none, those of its algorithm.
pub(super) fn candidates<'k>(
    keys: impl Iterator<Item = &'k Key>,
    id: Option<&str>,
    algorithm: Algorithm,
) -> Result<Vec<&'k Key>, AuthError> {
    let named: Vec<&Key> = keys.filter(|key| id.is_none() || key.id.as_deref() == id).collect();
    if named.is_empty() {
        return Err(AuthError::UnknownKey);
    }
    let fitting: Vec<&Key> = named.into_iter().filter(|key| key.algorithm == algorithm).collect();
    match fitting.is_empty() {
        true => Err(AuthError::WrongAlgorithm),
        false => Ok(fitting),
    }
}
