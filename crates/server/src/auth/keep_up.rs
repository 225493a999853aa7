//! Keeping up with what changes: files are looked at every second, an issuer is asked now and then, and at once where a
//! token names a key that is not known.

use std::sync::{Arc, Weak};

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::error::AuthFileError;
use super::fetch::fetch;
use super::keys::Key;
use super::{Authenticator, Known};
use crate::address::Address;
use crate::limits;
use crate::lock::lock;
use crate::trouble::Trouble;

impl Authenticator {
    /// Keeps up with files and issuer for as long as there is an authenticator, on the runtime this is called on.
    pub fn keep_up(self: &Arc<Self>) {
        tokio::spawn(look(Arc::downgrade(self)));
        tokio::spawn(ask(Arc::downgrade(self), self.wanted.subscribe()));
    }

    /// Reads the files again where one of them has changed. Answers whether one had.
    ///
    /// # Errors
    /// Where one cannot be read or says what cannot be: what was known stays so.
    pub fn look_again(&self) -> Result<bool, AuthFileError> {
        if lock(&self.seen).is_so_still() {
            return Ok(false);
        }
        let (seen, read) = self.source.read();
        *lock(&self.seen) = seen;
        let (settings, revoked) = read?;
        let another_issuer = settings.jwks != self.known().settings.jwks;
        self.know(|known| {
            let fetched = if another_issuer { Arc::default() } else { known.fetched.clone() };
            Known::new(Arc::new(settings), fetched, Arc::new(revoked))
        });
        if another_issuer {
            self.wanted.send_modify(|wanted| *wanted += 1);
        }
        Ok(true)
    }

    fn issuer(&self) -> Option<Address> {
        self.known().settings.jwks.clone()
    }

    /// Takes the keys that an issuer published, unless another one is believed by now.
    fn take_fetched(&self, issuer: &Address, keys: Vec<Key>) {
        if self.issuer().as_ref() == Some(issuer) {
            self.know(|known| Known::new(known.settings.clone(), Arc::new(keys), known.revoked.clone()));
        }
    }
}

/// Looks at the files now and then.
async fn look(auth: Weak<Authenticator>) {
    loop {
        tokio::time::sleep(limits::AUTH_LOOKS_EVERY).await;
        let Some(auth) = auth.upgrade() else { return };
        match spawn_blocking(move || auth.look_again()).await {
            Ok(Ok(true)) => tracing::info!("who may connect was read again"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::error!(%error, "who may connect cannot be read again and stays as it was"),
            Err(error) => tracing::error!(%error, "reading who may connect panicked"),
        }
    }
}

/// Asks the issuer at the start, now and then, and when a key is wanted, but not all the time.
async fn ask(auth: Weak<Authenticator>, mut wanted: watch::Receiver<u64>) {
    let trouble = Trouble::default();
    loop {
        wanted.borrow_and_update();
        let Some(issuer) = auth.upgrade().map(|auth| auth.issuer()) else { return };
        let Some(issuer) = issuer else {
            match wanted.changed().await {
                Ok(()) => continue,
                Err(_) => return,
            }
        };
        let again = match ask_once(&auth, issuer, &trouble).await {
            true => limits::JWKS_EVERY,
            false => limits::JWKS_PAUSE,
        };
        tokio::time::sleep(limits::JWKS_PAUSE).await;
        if let Ok(Err(_)) = tokio::time::timeout(again - limits::JWKS_PAUSE, wanted.changed()).await {
            return;
        }
    }
}

/// Answers whether the issuer answered.
async fn ask_once(auth: &Weak<Authenticator>, issuer: Address, trouble: &Trouble) -> bool {
    let asked = issuer.clone();
    match spawn_blocking(move || fetch(&asked)).await {
        Ok(Ok(keys)) => {
            if trouble.is_over() {
                tracing::info!("the issuer's keys can be fetched again");
            }
            if let Some(auth) = auth.upgrade() {
                auth.take_fetched(&issuer, keys);
            }
            true
        }
        Ok(Err(error)) => {
            if trouble.is_news(&error) {
                tracing::warn!(%error, "the issuer's keys stay those that were fetched last");
            }
            false
        }
        Err(error) => {
            tracing::error!(%error, "asking the issuer panicked");
            false
        }
    }
}
