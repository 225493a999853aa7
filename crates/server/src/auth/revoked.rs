//! What counts no more though it has not expired: a file with a line for each subject, token or API key.
//!
//! ```text
//! # who left
//! sub ana
//! jti 8f14e45f
//! key backend
//! ```

use std::path::Path;

use rustc_hash::FxHashSet;

use super::error::AuthFileError;
use crate::files::read_file;
use crate::limits;

/// What counts no more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Revoked {
    subjects: FxHashSet<Box<str>>,
    tokens: FxHashSet<Box<str>>,
    api_keys: FxHashSet<Box<str>>,
}

impl Revoked {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self, AuthFileError> {
        let text = read_file(path, limits::REVOKED_BYTES)?;
        Self::parse(&text).map_err(|line| AuthFileError::Revoked { path: path.to_owned(), line })
    }

    /// Reads lines. An error is the number of the one that says nothing, from 1.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut revoked = Self::default();
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (kind, name) = line.split_once(char::is_whitespace).ok_or(number)?;
            let names = match kind {
                "sub" => &mut revoked.subjects,
                "jti" => &mut revoked.tokens,
                "key" => &mut revoked.api_keys,
                _ => return Err(number),
            };
            names.insert(name.trim_start().into());
        }
        Ok(revoked)
    }

    pub(super) fn has_subject(&self, subject: &str) -> bool {
        self.subjects.contains(subject)
    }

    pub(super) fn has_token(&self, id: &str) -> bool {
        self.tokens.contains(id)
    }

    pub(super) fn has_api_key(&self, name: &str) -> bool {
        self.api_keys.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_revokes_a_subject_a_token_or_a_key() {
        let revoked = Revoked::parse("# left\n\nsub ana\n  sub   Ben B.  \njti 1\nkey backend\n").unwrap();
        assert!(revoked.has_subject("ana") && revoked.has_subject("Ben B.") && !revoked.has_subject("1"));
        assert!(revoked.has_token("1") && revoked.has_api_key("backend"));
        assert_eq!(Revoked::parse("sub ana\nana"), Err(2));
        assert_eq!(Revoked::parse("subject ana"), Err(1));
    }
}
