//! Trouble that lasts, for the server's log: said when it begins, when it becomes another, and when it is over, but not each
//! time that something is tried. What comes and goes all the time is said now and then.

use std::fmt::Display;
use std::sync::Mutex;
use std::time::Instant;

use crate::limits;
use crate::lock::lock;

/// What goes wrong with one thing, if anything does.
#[derive(Debug, Default)]
pub(crate) struct Trouble(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What was said last, and when.
    said: Option<(String, Instant)>,
    lasts: bool,
    /// Whether anything was said of what lasts.
    is_told: bool,
}

impl Trouble {
    /// Something goes wrong. Answers whether that is to be said.
    pub(crate) fn is_news(&self, what: &impl Display) -> bool {
        self.is_news_at(what, Instant::now())
    }

    /// All is well. Answers whether that is to be said.
    pub(crate) fn is_over(&self) -> bool {
        let mut state = lock(&self.0);
        state.lasts = false;
        std::mem::take(&mut state.is_told)
    }

    fn is_news_at(&self, what: &impl Display, now: Instant) -> bool {
        let what = what.to_string();
        let mut state = lock(&self.0);
        let was_lasting = std::mem::replace(&mut state.lasts, true);
        let is_recent = |said: Instant| now.duration_since(said) < limits::TROUBLE_EVERY;
        if state.said.as_ref().is_some_and(|(said, at)| *said == what && (was_lasting || is_recent(*at))) {
            return false;
        }
        (state.said, state.is_told) = (Some((what, now)), true);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_news_once() {
        let (trouble, begun) = (Trouble::default(), Instant::now());
        assert!(!trouble.is_over());
        let news = ["a", "a", "b", "b", "a"].iter().zip(0..);
        let news = news.map(|(what, times)| trouble.is_news_at(what, begun + limits::TROUBLE_EVERY * times));
        assert_eq!(news.collect::<Vec<_>>(), [true, false, true, false, true]);
        assert!(trouble.is_over() && !trouble.is_over());
    }

    #[test]
    fn what_comes_and_goes_is_news_now_and_then() {
        let (trouble, begun) = (Trouble::default(), Instant::now());
        assert!(trouble.is_news_at(&"a", begun) && trouble.is_over());
        assert!(!trouble.is_news_at(&"a", begun) && !trouble.is_over());
        assert!(trouble.is_news_at(&"b", begun) && trouble.is_over());
        assert!(trouble.is_news_at(&"b", begun + limits::TROUBLE_EVERY) && trouble.is_over());
    }
}
