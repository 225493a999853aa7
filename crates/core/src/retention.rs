//! Which events of a stream stay: all, so many of the newest, or those of so many days. What they made stays in any case.
//!
//! A server is told by patterns of names. Of several that fit a stream the most exact one counts: its own name before
//! a pattern, a longer pattern before a shorter one.

use std::fmt;
use std::str::FromStr;

use crate::name::{NameError, StreamName};
use crate::numbers::{Millis, Seq};

/// Milliseconds of one day.
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// Which events of a stream stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retain {
    /// All of them.
    #[default]
    All,
    /// So many of the newest.
    Events(u64),
    /// Those of so many days, by the clocks of their authors.
    Days(u32),
}

/// What has to be so for events to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// Those before this one.
    Before(Seq),
    /// Those from the first one on that were all made before this time.
    Older(Millis),
}

impl Retain {
    /// What goes of a stream with so many events. `None`: nothing ever does.
    pub fn going(self, head: Seq, now: Millis) -> Option<Going> {
        match self {
            Self::All => None,
            Self::Events(count) => Some(Going::Before(Seq(head.0.saturating_sub(count)))),
            Self::Days(days) => Some(Going::Older(Millis(now.0.saturating_sub(u64::from(days) * DAY)))),
        }
    }
}

/// Names of streams: one, or with a `*` at the end all that begin with what is before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamPattern {
    begins: String,
    whole: bool,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A `*` stands elsewhere than at the end.
    #[error("a * stands at the end alone, as in \"chat/*\"")]
    Star,
    /// No stream can have such a name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl StreamPattern {
    /// Whether it fits a stream.
    pub fn fits(&self, stream: &StreamName) -> bool {
        match self.whole {
            true => stream.as_str() == self.begins,
            false => stream.as_str().starts_with(&self.begins),
        }
    }

    /// Of two patterns that fit, the greater is the more exact.
    pub fn exactness(&self) -> (bool, usize) {
        (self.whole, self.begins.len())
    }
}

impl FromStr for StreamPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (begins, whole) = text.strip_suffix('*').map_or((text, true), |begins| (begins, false));
        if begins.contains('*') {
            return Err(PatternError::Star);
        }
        // What a name can begin with becomes one with something behind it.
        let example = if whole { begins.to_owned() } else { format!("{begins}x") };
        StreamName::new(example)?;
        Ok(Self { begins: begins.to_owned(), whole })
    }
}

impl fmt::Display for StreamPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.begins)?;
        if self.whole { Ok(()) } else { f.write_str("*") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> StreamPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_is_a_name_or_its_beginning() {
        let name = |text: &str| StreamName::new(text).unwrap();
        for (text, fits, fits_not) in [
            ("chat/*", ["chat/a", "chat/a/b"], ["chat", "chats/a"]),
            ("chat/a", ["chat/a", "chat/a"], ["chat/ab", "chat"]),
            ("*", ["a", "b/c"], ["", ""]),
            ("chat*", ["chat", "chats/a"], ["cha", "a/chat"]),
        ] {
            assert_eq!(pattern(text).to_string(), text);
            assert!(fits.iter().all(|stream| pattern(text).fits(&name(stream))), "{text}");
            let not = fits_not.iter().filter(|stream| !stream.is_empty());
            assert!(not.into_iter().all(|stream| !pattern(text).fits(&name(stream))), "{text}");
        }
        for text in ["", "a*b", "**", "*/a", "a//b"] {
            assert!(text.parse::<StreamPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_goes_is_counted_from_the_head_or_from_now() {
        let (head, now) = (Seq(100), Millis(10 * DAY));
        assert_eq!(Retain::All.going(head, now), None);
        assert_eq!(Retain::Events(30).going(head, now), Some(Going::Before(Seq(70))));
        assert_eq!(Retain::Events(300).going(head, now), Some(Going::Before(Seq(0))));
        assert_eq!(Retain::Days(3).going(head, now), Some(Going::Older(Millis(7 * DAY))));
        assert_eq!(Retain::Days(30).going(head, now), Some(Going::Older(Millis(0))));
    }
}
