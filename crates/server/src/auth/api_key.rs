//! API keys for an app's own servers: `tapeline_NAME_RANDOM`. The server knows the hash of the random part alone; as that
//! has 256 bits, nobody finds it by trying, and the hash may be a fast one.

use std::fmt::Write;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::ConstantTimeEq;
use tapeline_core::caller::Caller;

use super::error::NewKeyError;

/// What all keys begin with, so that people and scanners of code know one when they see it.
const BEGINNING: &str = "tapeline_";
/// Random bytes of a key.
const RANDOM_BYTES: usize = 32;
/// How a hash is spelled.
const HASHED: &str = "sha256:";
/// Bytes of a name at most.
const NAME_BYTES: usize = 64;

/// An API key as the server knows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ApiKey {
    pub(super) name: Box<str>,
    pub(super) hash: Hash,
    /// Whom it speaks for.
    pub(super) caller: Caller,
}

/// The hash of a key's random part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hash([u8; SHA256_OUTPUT_LEN]);

impl ApiKey {
    /// Whether a key with this random part is this one. Takes the same time whatever differs.
    pub(super) fn is(&self, random: &str) -> bool {
        self.hash.0.ct_eq(&Hash::of(random).0).into()
    }
}

impl Hash {
    fn of(random: &str) -> Self {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, random.as_bytes()).as_ref());
        Self(hash)
    }

    /// Reads one from an auth file.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(HASHED)?.as_bytes();
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let bytes = pairs.iter().map(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?));
        Some(Self(bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()?))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|nibble| nibble as u8)
}

/// The name and the random part of what looks like an API key.
pub(super) fn split(shown: &str) -> Option<(&str, &str)> {
    shown.strip_prefix(BEGINNING)?.rsplit_once('_')
}

/// Whether a key may be named so.
pub(super) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A key that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// What the server that is to use it shows. It is nowhere else.
    pub key: String,
    /// What the auth file has of it.
    pub hash: String,
}

/// Makes an API key.
///
/// # Errors
/// Where the name is none, or the system gives no randomness.
pub fn new_api_key(name: &str) -> Result<NewApiKey, NewKeyError> {
    if !is_name(name) {
        return Err(NewKeyError::Name(name.to_owned()));
    }
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(NewKeyError::Randomness)?;
    let random = hex(&random);
    let hash = format!("{HASHED}{}", hex(&Hash::of(&random).0));
    Ok(NewApiKey { key: format!("{BEGINNING}{name}_{random}"), hash })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_known_by_its_hash() {
        let NewApiKey { key, hash } = new_api_key("back-end").unwrap();
        let (name, random) = split(&key).unwrap();
        assert_eq!((name, random.len()), ("back-end", 64));
        let known = ApiKey { name: name.into(), hash: Hash::parse(&hash).unwrap(), caller: Caller::default() };
        assert!(known.is(random) && !known.is(&random[1..]) && !known.is(""));
        assert_ne!(new_api_key("back-end").unwrap().key, key);
    }

    #[test]
    fn what_is_no_hash_and_no_name_is_none() {
        let hash = format!("sha256:{}", "0f".repeat(32));
        assert!(Hash::parse(&hash).is_some());
        for wrong in [&hash[7..], &hash[..70], "sha256:", &format!("{hash}00"), &hash.replace("0f", "0g")] {
            assert!(Hash::parse(wrong).is_none(), "{wrong}");
        }
        for wrong in ["", "a_b", "a b", "é", &"a".repeat(65)] {
            assert!(new_api_key(wrong).is_err(), "{wrong}");
        }
    }
}
