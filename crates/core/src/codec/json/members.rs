//! The members of a JSON object, taken out one by one as they are understood.

use crate::short_text::SmolStr;

use super::CodecError;
use super::tree::Json;
use crate::value::Value;

/// What is left of an object.
pub(super) struct Members {
    what: &'static str,
    left: Vec<(SmolStr, Json)>,
}

impl Members {
    /// The members of an object that stands for `what`.
    pub(super) fn of(json: Json, what: &'static str) -> Result<Self, CodecError> {
        Ok(Self { what, left: json.map(what)? })
    }

    /// Whether a member is there.
    pub(super) fn has(&self, part: &str) -> bool {
        self.place(part).is_ok()
    }

    /// Takes a member where it is there.
    pub(super) fn take(&mut self, part: &str) -> Option<Json> {
        let place = self.place(part).ok()?;
        Some(self.left.remove(place).1)
    }

    fn place(&self, part: &str) -> Result<usize, usize> {
        self.left.binary_search_by(|(name, _)| name.as_str().cmp(part))
    }

    /// Takes a member that must be there.
    pub(super) fn need(&mut self, part: &'static str) -> Result<Json, CodecError> {
        self.take(part).ok_or(CodecError::Missing { what: self.what, part })
    }

    /// Takes and reads a member where it is there.
    pub(super) fn read_if_any<T>(
        &mut self,
        part: &str,
        read: impl FnOnce(Json) -> Result<T, CodecError>,
    ) -> Result<Option<T>, CodecError> {
        self.take(part).map(read).transpose()
    }

    pub(super) fn count(&mut self, part: &'static str) -> Result<u64, CodecError> {
        self.need(part)?.count(part)
    }

    pub(super) fn count_if_any(&mut self, part: &'static str) -> Result<Option<u64>, CodecError> {
        self.read_if_any(part, |json| json.count(part))
    }

    /// Takes whether something is so.
    pub(super) fn is_so(&mut self, part: &str) -> bool {
        self.take(part).is_some_and(|json| matches!(json, Json::Scalar(Value::Bool(true))))
    }

    pub(super) fn text(&mut self, part: &'static str) -> Result<SmolStr, CodecError> {
        self.need(part)?.text(part)
    }

    pub(super) fn text_if_any(&mut self, part: &'static str) -> Result<Option<SmolStr>, CodecError> {
        self.read_if_any(part, |json| json.text(part))
    }

    /// Takes a word that stands for something.
    pub(super) fn word<T>(
        &mut self,
        part: &'static str,
        meaning: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, CodecError> {
        let word = self.text(part)?;
        meaning(&word).ok_or_else(|| CodecError::Unknown { what: part, found: word.into() })
    }

    /// Fails where a member was not taken.
    pub(super) fn check_empty(self) -> Result<(), CodecError> {
        match self.left.into_iter().next() {
            None => Ok(()),
            Some((part, _)) => Err(CodecError::Unknown { what: "part of such an op", found: part.into() }),
        }
    }
}
