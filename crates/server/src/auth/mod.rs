//! Who somebody is: from the token or API key that they show to a [`Caller`].
//!
//! ```text
//! auth file ─┐
//! key files ─┤  looked at again       ┌─ verify(what is shown, now) ─▶ Verified: caller, until when
//! revoked   ─┼─▶ Known: one for all ──┤
//! issuer ────┘  fetched again         └─ check(&verified, now): is it still good?
//! ```
//!
//! Verifying waits for nothing: neither for a file nor for an issuer. Whoever holds something verified looks at it again
//! when it is over by itself ([`Verified::expires`]) and whenever what is known has changed
//! ([`changes`](Authenticator::changes)).

mod api_key;
mod claims;
mod crypto;
mod error;
mod fetch;
mod file;
mod issue;
mod jwks;
mod keep_up;
mod keys;
mod opened;
mod revoked;
mod source;
mod token;
mod values;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tapeline_core::caller::Caller;
use tapeline_core::value::Value;
use tokio::sync::watch;

pub use api_key::{NewApiKey, new_api_key};
pub use error::{AuthError, AuthFileError, IssueError, NewKeyError};

use crate::limits;
use crate::lock::lock;
use api_key::ApiKey;
use file::Settings;
use keys::{Fingerprint, Key};
use opened::Opened;
use revoked::Revoked;
use source::{Seen, Source};

/// Says who somebody is. Shared by all that a server does.
#[derive(Debug)]
pub struct Authenticator {
    source: Source,
    /// How its files were when they were last read.
    seen: Mutex<Seen>,
    known: Mutex<Arc<Known>>,
    /// How often what is known has changed.
    version: watch::Sender<u64>,
    /// Raised when somebody shows a token of a key that is not known.
    wanted: watch::Sender<u64>,
}

/// What is known at one time. Never changed: another takes its place.
#[derive(Debug)]
struct Known {
    settings: Arc<Settings>,
    /// The keys that the issuer published last.
    fetched: Arc<Vec<Key>>,
    revoked: Arc<Revoked>,
    opened: Opened,
}

/// Somebody of whom it is known who they are.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Who they are.
    pub caller: Caller,
    /// When that is over. Never for API keys.
    pub expires: Option<SystemTime>,
    shown: Shown,
}

/// What they showed.
#[derive(Clone, Debug)]
enum Shown {
    Nothing,
    Token(Fingerprint),
    ApiKey(Arc<ApiKey>),
}

impl Authenticator {
    /// Reads an auth file, what it names, and what is revoked.
    ///
    /// # Errors
    /// Where one of these files cannot be read, or says what cannot be.
    pub fn open(path: &Path) -> Result<Self, AuthFileError> {
        Self::of(Source::File(path.to_owned()))
    }

    /// Reads what an auth file would say. What it names is found from `directory`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(text: &str, directory: &Path) -> Result<Self, AuthFileError> {
        Self::of(Source::Text { text: text.into(), directory: PathBuf::from(directory) })
    }

    fn of(source: Source) -> Result<Self, AuthFileError> {
        crypto::install();
        let (seen, read) = source.read();
        let (settings, revoked) = read?;
        let known = Known::new(Arc::new(settings), Arc::default(), Arc::new(revoked));
        let (version, wanted) = (watch::Sender::default(), watch::Sender::default());
        Ok(Self { source, seen: Mutex::new(seen), known: Mutex::new(Arc::new(known)), version, wanted })
    }

    /// Who shows this, a token or an API key.
    ///
    /// # Errors
    /// Where it does not say so, or not now.
    pub fn verify(&self, shown: Option<&str>, now: SystemTime) -> Result<Verified, AuthError> {
        let Some(shown) = shown else { return self.known().verify_nobody() };
        if shown.len() > limits::TOKEN_BYTES {
            return Err(AuthError::TooLong);
        }
        let known = self.known();
        match api_key::split(shown) {
            Some((name, random)) => known.verify_api_key(name, random),
            None => known.verify_token(shown, now).map_err(|error| self.may_come(&known, error)),
        }
    }

    /// Whether what was verified is still good. Costs next to nothing: no signature is looked at again.
    ///
    /// # Errors
    /// Why it is not: it has expired, was revoked, or is nothing that the auth file as it is now would let in.
    pub fn check(&self, verified: &Verified, now: SystemTime) -> Result<(), AuthError> {
        let known = self.known();
        match &verified.shown {
            Shown::Nothing => known.verify_nobody().map(drop),
            Shown::ApiKey(key) => known.check_api_key(key),
            Shown::Token(fingerprint) => known.check_token(&verified.caller, *fingerprint, now),
        }
    }

    /// Changes whenever something verified may be good no more.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn known(&self) -> Arc<Known> {
        lock(&self.known).clone()
    }

    /// Another takes the place of what is known.
    fn know(&self, change: impl FnOnce(&Known) -> Known) {
        {
            let mut known = lock(&self.known);
            *known = Arc::new(change(&known));
        }
        self.version.send_modify(|version| *version += 1);
    }

    /// A key that is not known is asked for, where there is somebody to ask.
    fn may_come(&self, known: &Known, error: AuthError) -> AuthError {
        match (&error, &known.settings.jwks) {
            (AuthError::UnknownKey, Some(_)) => {
                self.wanted.send_modify(|wanted| *wanted += 1);
                AuthError::KeyNotFetched
            }
            _ => error,
        }
    }
}

impl Known {
    fn new(settings: Arc<Settings>, fetched: Arc<Vec<Key>>, revoked: Arc<Revoked>) -> Self {
        Self { settings, fetched, revoked, opened: Opened::default() }
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        self.settings.keys.iter().chain(&*self.fetched)
    }

    fn verify_nobody(&self) -> Result<Verified, AuthError> {
        let nobody = || Verified { caller: Caller::default(), expires: None, shown: Shown::Nothing };
        self.settings.optional.then(nobody).ok_or(AuthError::Missing)
    }

    fn verify_token(&self, token: &str, now: SystemTime) -> Result<Verified, AuthError> {
        let open = || token::open(token, self.keys()).map(|(claims, key)| (claims, key.fingerprint));
        let (claims, fingerprint) = self.opened.find_or(token, open)?;
        let subject = claims::subject(&claims)?;
        let caller = Caller { subject: Some(subject), claims, is_trusted: false };
        let expires = self.check_claims(&caller, now)?;
        Ok(Verified { caller, expires: Some(expires), shown: Shown::Token(fingerprint) })
    }

    fn check_token(&self, caller: &Caller, fingerprint: Fingerprint, now: SystemTime) -> Result<(), AuthError> {
        match self.keys().any(|key| key.fingerprint == fingerprint) {
            true => self.check_claims(caller, now).map(drop),
            false => Err(AuthError::UnknownKey),
        }
    }

    /// Answers when they stop being good.
    fn check_claims(&self, caller: &Caller, now: SystemTime) -> Result<SystemTime, AuthError> {
        let expires = self.settings.expected.check(&caller.claims, now)?;
        let id = caller.claims.get("jti").and_then(Value::as_text);
        let is_revoked = id.is_some_and(|id| self.revoked.has_token(id))
            || caller.subject.as_ref().is_some_and(|subject| self.revoked.has_subject(subject.as_str()));
        match is_revoked {
            true => Err(AuthError::Revoked),
            false => Ok(expires),
        }
    }

    fn verify_api_key(&self, name: &str, random: &str) -> Result<Verified, AuthError> {
        let named = self.settings.api_keys.iter().find(|key| &*key.name == name);
        let key = named.filter(|key| key.is(random)).ok_or(AuthError::UnknownApiKey)?;
        self.check_api_key(key)?;
        Ok(Verified { caller: key.caller.clone(), expires: None, shown: Shown::ApiKey(key.clone()) })
    }

    fn check_api_key(&self, key: &Arc<ApiKey>) -> Result<(), AuthError> {
        if !self.settings.api_keys.contains(key) {
            return Err(AuthError::UnknownApiKey);
        }
        let subject = key.caller.subject.as_ref();
        match self.revoked.has_api_key(&key.name) || subject.is_some_and(|is| self.revoked.has_subject(is.as_str())) {
            true => Err(AuthError::Revoked),
            false => Ok(()),
        }
    }
}
