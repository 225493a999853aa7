//! Keys of each algorithm, an authenticator that knows them, and tokens made with them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tapeline_server::auth::Authenticator;

/// Now, as far as these tests are concerned: seconds since 1970.
pub const NOW: u64 = 1_800_000_000;

pub fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// What a good token says.
pub fn claims() -> Value {
    let issuer = "https://id.example.com";
    json!({ "sub": "ana", "aud": "tapeline", "iss": issuer, "exp": NOW + 60, "jti": "1", "teams": ["a"] })
}

/// A key: what signs, and what verifies.
pub struct Key {
    pub id: &'static str,
    pub algorithm: Algorithm,
    pub private: String,
    pub public: String,
    /// The public key alone, as JWKs have it; empty for RSA and secrets.
    pub raw: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

impl Key {
    pub fn signer(&self) -> EncodingKey {
        let pem = self.private.as_bytes();
        let signer = match self.algorithm {
            Algorithm::HS256 => EncodingKey::from_secret(pem),
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem),
            _ => EncodingKey::from_ed_pem(pem),
        };
        signer.unwrap()
    }

    pub fn name(&self) -> String {
        format!("{:?}", self.algorithm)
    }

    /// A token with a header as it should be.
    pub fn token(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = json!({ "typ": "JWT", "alg": self.name() });
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        self.sign(&header.to_string(), &claims.to_string())
    }

    /// A token of any header and claims.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        jwt::sign(header, claims, &self.signer(), self.algorithm)
    }

    /// Its table in an auth file, beside the file it names.
    pub fn write_to(&self, directory: &std::path::Path) -> String {
        let file = format!("{}.pem", self.id);
        let setting = match self.algorithm {
            Algorithm::HS256 => "secret_file",
            _ => "public_key_file",
        };
        std::fs::write(directory.join(&file), &self.public).unwrap();
        let (id, algorithm) = (self.id, self.name());
        format!("[[tokens.keys]]\nid = '{id}'\nalgorithm = '{algorithm}'\n{setting} = '{file}'\n")
    }

    /// It as an issuer publishes it.
    pub fn jwk(&self) -> Value {
        use jwt::encode;
        match self.algorithm {
            Algorithm::ES256 => {
                let (x, y) = self.raw[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "x": encode(x), "y": encode(y) })
            }
            Algorithm::EdDSA => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "alg": "EdDSA", "x": encode(&self.raw) })
            }
            _ => json!({ "kty": "oct", "kid": self.id, "alg": "HS256", "k": encode(self.public.as_bytes()) }),
        }
    }
}

pub fn secret(id: &'static str, secret: &str) -> Key {
    Key { id, algorithm: Algorithm::HS256, private: secret.into(), public: secret.into(), raw: Vec::new() }
}

pub fn rsa(id: &'static str) -> Key {
    let (private, public) = (include_str!("rsa-private.pem"), include_str!("rsa-public.pem"));
    Key { id, algorithm: Algorithm::RS256, private: private.into(), public: public.into(), raw: Vec::new() }
}

pub fn p256(id: &'static str) -> Key {
    made(id, Algorithm::ES256, &rcgen::PKCS_ECDSA_P256_SHA256)
}

pub fn ed25519(id: &'static str) -> Key {
    made(id, Algorithm::EdDSA, &rcgen::PKCS_ED25519)
}

fn made(id: &'static str, algorithm: Algorithm, kind: &'static rcgen::SignatureAlgorithm) -> Key {
    let pair = rcgen::KeyPair::generate_for(kind).unwrap();
    let raw = rcgen::PublicKeyData::der_bytes(&pair).to_vec();
    Key { id, algorithm, private: pair.serialize_pem(), public: pair.public_key_pem(), raw }
}

/// One key of each algorithm, and who knows them.
pub struct Keys {
    pub all: Vec<Key>,
    pub auth: Authenticator,
    _directory: tempfile::TempDir,
}

/// What an auth file of these tests says beside keys.
pub const TOKENS: &str = "[tokens]\naudience = 'tapeline'\nissuer = 'https://id.example.com'\nleeway_seconds = 30\n";

impl Keys {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let all = vec![secret("hs", "0123456789abcdef0123456789abcdef"), rsa("rs"), p256("es"), ed25519("ed")];
        let tables: String = all.iter().map(|key| key.write_to(directory.path())).collect();
        let auth = Authenticator::read(&format!("{TOKENS}{tables}"), directory.path()).unwrap();
        Self { all, auth, _directory: directory }
    }

    pub fn of(&self, algorithm: Algorithm) -> &Key {
        self.all.iter().find(|key| key.algorithm == algorithm).unwrap()
    }
}

/// Tokens, part by part.
pub mod jwt {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jsonwebtoken::{Algorithm, EncodingKey};

    pub fn encode(bytes: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    pub fn sign(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
        let message = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
        format!("{message}.{signature}")
    }

    pub fn header(token: &str) -> serde_json::Value {
        let header = token.split('.').next().unwrap();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
    }
}
