//! A word that this version does not know: a newer peer's code or reason. It is kept as it came, so that what holds it
//! can be shown, stored and written again with the same bytes.

use std::fmt::{self, Debug, Formatter};

use crate::limits;

/// A short word.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Word {
    /// Filled up with zeros, which no word has.
    bytes: [u8; limits::WORD_BYTES],
}

impl Word {
    /// The word in a text. `None` for one that is empty, too long, or has a zero.
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; limits::WORD_BYTES];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        (!text.is_empty() && !text.contains('\0')).then_some(Self { bytes })
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        let length = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(self.bytes.len());
        std::str::from_utf8(&self.bytes[..length]).unwrap_or_default()
    }
}

impl Debug for Word {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(self.as_str(), formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_what_it_was_made_of() {
        let longest = "w".repeat(limits::WORD_BYTES);
        for text in ["quota", "über", &longest] {
            assert_eq!(Word::new(text).unwrap().as_str(), text);
        }
        for text in ["", "a\0b", &format!("{longest}w")] {
            assert_eq!(Word::new(text), None, "{text:?}");
        }
    }
}
