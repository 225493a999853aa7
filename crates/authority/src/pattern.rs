//! A pattern: what all of a text must look like, as a regular expression that takes time in proportion to the text.

use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::limits;

/// What all of a text must look like.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    whole: Regex,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no regular expression.
    #[error("this is no pattern: {0}")]
    Syntax(String),
    /// It is too large.
    #[error("the pattern is too large; it has at most {} bytes, and repeats not too much", limits::PATTERN_BYTES)]
    TooLarge,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > limits::PATTERN_BYTES {
            return Err(PatternError::TooLarge);
        }
        // By itself first: what closes more brackets than it opens is none, whatever stands around it.
        Regex::new(text).map_err(|error| why(&error))?;
        let whole = RegexBuilder::new(&format!("^(?:{text})$")).size_limit(limits::PATTERN_READY_BYTES).build();
        Ok(Self { text: text.into(), whole: whole.map_err(|error| why(&error))? })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether all of a text looks so.
    pub fn fits(&self, text: &str) -> bool {
        text.len() <= limits::PATTERN_TEXT_BYTES && self.whole.is_match(text)
    }
}

/// The last line of an error says what is wrong, those before show where.
fn why(error: &regex::Error) -> PatternError {
    match error {
        regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
        other => {
            let told = other.to_string();
            let last = told.lines().last().unwrap_or_default();
            PatternError::Syntax(last.strip_prefix("error: ").unwrap_or(last).into())
        }
    }
}

/// As it was written.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_text_looks_so_or_it_does_not_fit() {
        let fits = |pattern: &str, text: &str| Pattern::parse(pattern).unwrap().fits(text);
        assert!(fits("[A-Z]{3}-[0-9]+", "ABC-1") && fits("^[a-z]+$", "abc"));
        assert!(!fits("[A-Z]{3}-[0-9]+", "xABC-1") && !fits("[a-z]+", "abc\n"));
        // Each way of an `or` is the whole, too.
        assert!(fits("a|bc", "bc") && !fits("a|bc", "ac"));
        assert!(!fits(".*", &"a".repeat(limits::PATTERN_TEXT_BYTES + 1)));
    }

    #[test]
    fn what_is_none_or_too_large_is_told() {
        let wrong = |pattern: &str| Pattern::parse(pattern).unwrap_err();
        assert_eq!(wrong("[a-"), PatternError::Syntax("unclosed character class".into()));
        assert!(matches!(wrong("a)(b"), PatternError::Syntax(_)));
        assert_eq!(wrong("\\pL{1000}"), PatternError::TooLarge);
        assert_eq!(wrong(&"a".repeat(limits::PATTERN_BYTES + 1)), PatternError::TooLarge);
    }
}
