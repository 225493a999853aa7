//! Making tokens that the server takes: for development and tests. People get theirs from whoever signs them in.

use std::time::SystemTime;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value};

use super::Authenticator;
use super::error::{AuthError, IssueError};
use super::keys::Key;

impl Authenticator {
    /// Signs claims with a private key (PKCS #8 in PEM) of one of the keys of the auth file or, without one, with its
    /// HS256 secret. Audience and issuer are those that the server asks for, unless the claims say others.
    ///
    /// # Errors
    /// Where there is nothing to sign with, or the server would not take the token.
    pub fn issue(
        &self,
        mut claims: Map<String, Value>,
        private_key: Option<&[u8]>,
        now: SystemTime,
    ) -> Result<String, IssueError> {
        let known = self.known();
        let expected = &known.settings.expected;
        for (name, wanted) in [("aud", &expected.audience), ("iss", &expected.issuer)] {
            if let Some(wanted) = wanted {
                claims.entry(name).or_insert_with(|| wanted.to_string().into());
            }
        }
        let of_algorithm = |algorithm| known.settings.keys.iter().filter(move |key| key.algorithm == algorithm);
        let (signer, candidates): (EncodingKey, Vec<&Key>) = match private_key {
            None => {
                let key = of_algorithm(Algorithm::HS256).next().ok_or(IssueError::NoSecret)?;
                (secret_of(key)?, vec![key])
            }
            Some(pem) => {
                let (algorithm, signer) = read_private_key(pem).ok_or(IssueError::NoPrivateKey)?;
                (signer, of_algorithm(algorithm).collect())
            }
        };
        // Which key it belongs to shows by who believes it.
        for key in candidates {
            let token = sign(&claims, key, &signer).ok_or(IssueError::NoPrivateKey)?;
            match self.verify(Some(&token), now) {
                Ok(_) => return Ok(token),
                Err(AuthError::BadSignature) => {}
                Err(refused) => return Err(refused.into()),
            }
        }
        Err(IssueError::NotOurs)
    }
}

fn secret_of(key: &Key) -> Result<EncodingKey, IssueError> {
    let secret = key.verifier.try_get_as_bytes().map_err(|_| IssueError::NoSecret)?;
    EncodingKey::from_secret(secret).map_err(|_| IssueError::NoSecret)
}

fn read_private_key(pem: &[u8]) -> Option<(Algorithm, EncodingKey)> {
    let ed = EncodingKey::from_ed_pem(pem).map(|key| (Algorithm::EdDSA, key));
    let ec = || EncodingKey::from_ec_pem(pem).map(|key| (Algorithm::ES256, key));
    let rsa = || EncodingKey::from_rsa_pem(pem).map(|key| (Algorithm::RS256, key));
    ed.or_else(|_| ec()).or_else(|_| rsa()).ok()
}

fn sign(claims: &Map<String, Value>, key: &Key, signer: &EncodingKey) -> Option<String> {
    let header = Header { kid: key.id.as_deref().map(Into::into), ..Header::new(key.algorithm) };
    encode(&header, claims, signer).ok()
}
