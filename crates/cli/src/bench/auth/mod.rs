//! Tokens verified: by a server's authenticator, and their signatures alone by the library that both use. The keys beside
//! this file protect nothing.

use std::hint::black_box;
use std::path::Path;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Map, Value, json};
use tapeline_server::auth::Authenticator;

use super::Size;
use super::figures::Figures;
use super::stopwatch::Stopwatch;
use crate::failure::Failure;

/// How a token is signed, and where in a public key file what verifies begins: behind what says which kind it is.
struct Kind {
    name: &'static str,
    private: Option<&'static str>,
    public: &'static str,
    begins: usize,
    bare: Option<&'static dyn VerificationAlgorithm>,
}

const SECRET: &str = "a secret that protects nothing at all";

const KINDS: [Kind; 4] = [
    Kind { name: "HS256", private: None, public: SECRET, begins: 0, bare: None },
    Kind {
        name: "RS256",
        private: Some(include_str!("RS256-private.pem")),
        public: include_str!("RS256-public.pem"),
        begins: 24,
        bare: Some(&RSA_PKCS1_2048_8192_SHA256),
    },
    Kind {
        name: "ES256",
        private: Some(include_str!("ES256-private.pem")),
        public: include_str!("ES256-public.pem"),
        begins: 26,
        bare: Some(&ECDSA_P256_SHA256_FIXED),
    },
    Kind {
        name: "EdDSA",
        private: Some(include_str!("EdDSA-private.pem")),
        public: include_str!("EdDSA-public.pem"),
        begins: 12,
        bare: Some(&ED25519),
    },
];

/// Measures them.
pub fn run(size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let count = 4_000 / size.divide as u32;
    let directory = tempfile::tempdir()?;
    let now = SystemTime::now();
    for kind in &KINDS {
        let auth = authenticator(kind, directory.path())?;
        let tokens = tokens(&authenticator(kind, directory.path())?, kind, now, count)?;
        let mut next = tokens.iter();
        let verified = timed(count, || next.next().is_some_and(|token| auth.verify(Some(token), now).is_ok()))?;
        figures.add(format!("auth.{}_us", kind.name), verified, "µs")?;
        let again = timed(count, || auth.verify(Some(&tokens[0]), now).is_ok())?;
        figures.add(format!("auth.{}_again_us", kind.name), again, "µs")?;
        let bare = bare(kind, &tokens[0], count)?;
        figures.add(format!("auth.{}_signature_alone_us", kind.name), bare, "µs")?;
    }
    Ok(())
}

fn authenticator(kind: &Kind, directory: &Path) -> Result<Authenticator, Failure> {
    let Kind { name, public, .. } = kind;
    let setting = if kind.private.is_some() { "public_key_file" } else { "secret_file" };
    std::fs::write(directory.join(name), public)?;
    let tokens = "[tokens]\naudience = 'tapeline'\nissuer = 'https://id.example.com'\n";
    let text = format!("{tokens}[[tokens.keys]]\nid = '{name}'\nalgorithm = '{name}'\n{setting} = '{name}'\n");
    Authenticator::read(&text, directory).map_err(Failure::failed)
}

/// As many as are verified: each is another one, so that none was seen before.
fn tokens(auth: &Authenticator, kind: &Kind, now: SystemTime, count: u32) -> Result<Vec<String>, Failure> {
    // Making one verifies it, with an authenticator that is not measured.
    let tokens = (0..count).map(|number| auth.issue(claims(now, number), kind.private.map(str::as_bytes), now));
    tokens.collect::<Result<_, _>>().map_err(Failure::failed)
}

/// As many as an issuer gives.
fn claims(now: SystemTime, number: u32) -> Map<String, Value> {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let claims = json!({
        "sub": "8f14e45f-ceea-467f-a8d2-3b1c5f0e9d11", "exp": seconds + 3_600, "iat": seconds, "jti": format!("b6589fc6ab0d{number}"),
        "email": "ana@example.com", "name": "Ana", "teams": ["blue", "green"], "roles": ["editor"],
    });
    claims.as_object().cloned().unwrap_or_default()
}

fn bare(kind: &Kind, token: &str, count: u32) -> Result<f64, Failure> {
    let broken = || Failure::Failed("a token that was just made is broken".into());
    let (message, signature) = token.rsplit_once('.').ok_or_else(broken)?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(Failure::failed)?;
    let message = message.as_bytes();
    match kind.bare {
        None => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
            timed(count, || hmac::verify(&key, message, &signature).is_ok())
        }
        Some(algorithm) => {
            let lines: String = kind.public.lines().filter(|line| !line.starts_with('-')).collect();
            let key = BASE64_STANDARD.decode(lines).map_err(Failure::failed)?;
            let key = UnparsedPublicKey::new(algorithm, &key[kind.begins..]);
            timed(count, || key.verify(message, &signature).is_ok())
        }
    }
}

/// Microseconds that each took, of which none may fail.
fn timed(count: u32, mut verify: impl FnMut() -> bool) -> Result<f64, Failure> {
    let started = Stopwatch::start();
    let all_are_good = (0..count).all(|_| black_box(verify()));
    let took = started.seconds() * 1e6 / f64::from(count);
    match all_are_good {
        true => Ok(took),
        false => Err(Failure::Failed("a good token was refused".into())),
    }
}
