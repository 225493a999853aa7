//! What a token must say, and whom it then speaks for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tapeline_core::name::Subject;
use tapeline_core::value::{Entries, Value};

use super::error::AuthError;

/// What a token must say beside who it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) audience: Option<Box<str>>,
    pub(super) issuer: Option<Box<str>>,
    /// How far clocks may be apart.
    pub(super) leeway: Duration,
}

/// The last second of the year 9999: what is valid for longer is valid until then.
const END_OF_TIME: i64 = 253_402_300_799;

impl Expected {
    /// Checks claims at a time. Answers when they stop being good.
    pub(super) fn check(&self, claims: &Entries, now: SystemTime) -> Result<SystemTime, AuthError> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
        let leeway = self.leeway.as_secs() as i64;
        let end = seconds(claims, "exp")?.ok_or(AuthError::NoExpiry)?.saturating_add(leeway);
        if now >= end {
            return Err(AuthError::Expired);
        }
        if seconds(claims, "nbf")?.is_some_and(|begin| now.saturating_add(leeway) < begin) {
            return Err(AuthError::NotYetValid);
        }
        if self.audience.as_deref().is_some_and(|audience| !is_among(claims.get("aud"), audience)) {
            return Err(AuthError::WrongAudience);
        }
        let issuer = claims.get("iss").and_then(Value::as_text);
        if self.issuer.is_some() && self.issuer.as_deref() != issuer {
            return Err(AuthError::WrongIssuer);
        }
        Ok(UNIX_EPOCH + Duration::from_secs(end.min(END_OF_TIME).unsigned_abs()))
    }
}

/// Whom claims speak for.
pub(super) fn subject(claims: &Entries) -> Result<Subject, AuthError> {
    let subject = claims.get("sub").and_then(Value::as_text).ok_or(AuthError::NoSubject)?;
    Subject::new(subject).map_err(|_| AuthError::NoSubject)
}

/// Seconds since 1970; parts of one are left off.
fn seconds(claims: &Entries, name: &str) -> Result<Option<i64>, AuthError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Int(seconds)) => Ok(Some(*seconds)),
        Some(Value::Float(seconds)) => Ok(Some(seconds.get().floor() as i64)),
        Some(_) => Err(AuthError::Malformed("exp and nbf are numbers: seconds since 1970")),
    }
}

/// An audience is a text, or a list of them.
fn is_among(audiences: Option<&Value>, wanted: &str) -> bool {
    match audiences {
        Some(Value::List(audiences)) => audiences.iter().any(|audience| audience.as_text() == Some(wanted)),
        Some(audience) => audience.as_text() == Some(wanted),
        None => false,
    }
}
