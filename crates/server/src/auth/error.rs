//! Why somebody is not let in, and why an auth file is none.

use std::path::PathBuf;

use crate::files::FileError;
use crate::limits;

/// Why what a caller showed does not say who they are. Nothing was done for them; with something better to show they may
/// try again at any time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Nothing was shown.
    #[error("this server asks who connects: show a token or an API key")]
    Missing,
    /// It is no token.
    #[error("the token cannot be read: {0}")]
    Malformed(&'static str),
    /// It is larger than any token.
    #[error("the token has more than {most} bytes: put less into it", most = limits::TOKEN_BYTES)]
    TooLong,
    /// It names a key that the server does not have.
    #[error("the token was made with a key that this server does not know: sign in again")]
    UnknownKey,
    /// It names a key that the server does not have yet, and is asking its issuer for.
    #[error("the token was made with a key that this server is just asking its issuer for: try again in a moment")]
    KeyNotFetched,
    /// It is signed in another way than its key is for.
    #[error("the token is not signed with the algorithm of its key: have it made with that one")]
    WrongAlgorithm,
    /// It was not signed with that key, or changed afterwards.
    #[error("the token's signature is not that of its key: sign in again")]
    BadSignature,
    /// No API key of the server's is this one.
    #[error("the API key is none of this server's: take one whose hash is in its auth file")]
    UnknownApiKey,
    /// Its time is over.
    #[error("the token has expired: show a new one")]
    Expired,
    /// It says no time at which it is over.
    #[error("the token says no time at which it expires: have it made with exp")]
    NoExpiry,
    /// Its time has not come.
    #[error("the token is not valid yet: check the clocks of this server and of its issuer")]
    NotYetValid,
    /// It is meant for somebody else.
    #[error("the token is meant for another audience: have it made with the aud that this server asks for")]
    WrongAudience,
    /// Somebody else made it.
    #[error("the token is from another issuer than this server believes: sign in there")]
    WrongIssuer,
    /// It does not say whom it speaks for.
    #[error("the token does not say whom it is for: have it made with a sub of 1 to 128 bytes")]
    NoSubject,
    /// It counts no more.
    #[error("this was revoked: sign in again")]
    Revoked,
    /// It speaks for somebody else than what was shown before on this connection.
    #[error("this speaks for somebody else than before: connect again")]
    OtherSubject,
}

impl AuthError {
    /// Whether the same may be good a moment later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::KeyNotFetched)
    }
}

/// What is wrong with an auth file or a file that it names.
#[derive(Debug, thiserror::Error)]
pub enum AuthFileError {
    /// It cannot be read, or says something that cannot be.
    #[error(transparent)]
    File(#[from] FileError),
    /// The list of what is revoked has a line that says nothing.
    #[error("{}, line {line}: a line is sub NAME, jti ID or key NAME, or begins with #", path.display())]
    Revoked {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
}

/// Why an API key cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewKeyError {
    /// Its name is none.
    #[error("{0:?} is no name for an API key: use up to 64 letters, digits and -")]
    Name(String),
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// Why no token can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// There is nothing to sign it with.
    #[error("the auth file has no secret for HS256: name the private key of one of its keys with --key-file")]
    NoSecret,
    /// What should sign it is no key.
    #[error("this is no private key: it is a PEM file (PKCS #8) with an Ed25519, P-256 or RSA key")]
    NoPrivateKey,
    /// What should sign it belongs to no key of the auth file.
    #[error("no key of the auth file belongs to this private key: name its public key there, under [[tokens.keys]]")]
    NotOurs,
    /// The server would not take it.
    #[error("the server would not take this token: {0}")]
    Refused(#[from] AuthError),
}
