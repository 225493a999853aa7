//! Tokens that were opened before: who shows the same one with each request has its signature looked at once. What a token
//! says is checked each time.

use std::sync::Mutex;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use rustc_hash::FxHashMap;
use tapeline_core::value::Entries;

use super::error::AuthError;
use super::keys::Fingerprint;
use crate::limits;
use crate::lock::lock;

/// Good tokens by their hash: of the tokens themselves nothing is kept. As long as the keys stay the same, so do they.
#[derive(Debug, Default)]
pub(super) struct Opened(Mutex<FxHashMap<[u8; SHA256_OUTPUT_LEN], (Entries, Fingerprint)>>);

impl Opened {
    /// The claims of a token and the key that signed them, opened where that was not done yet.
    pub(super) fn find_or(
        &self,
        token: &str,
        open: impl FnOnce() -> Result<(Entries, Fingerprint), AuthError>,
    ) -> Result<(Entries, Fingerprint), AuthError> {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        if let Some(opened) = lock(&self.0).get(&hash) {
            return Ok(opened.clone());
        }
        let opened = open()?;
        let mut all = lock(&self.0);
        // Now and then all begin anew, rather than that each is remembered with its age.
        if all.len() >= limits::OPENED_TOKENS {
            all.clear();
        }
        all.insert(hash, opened.clone());
        Ok(opened)
    }
}
