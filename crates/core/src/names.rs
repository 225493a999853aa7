//! Texts that come again and again: what has them shares them.
//!
//! Names of fields and collections are under one rule, so they stand together, and none is checked twice. They are in a
//! hash table of their own: what is looked up are bytes that may not even be text. Whoever crafts names that fall on each
//! other makes at most [`limits::KNOWN_NAMES`] of them be compared. Short values are shared with the latest that fell on
//! the same place.

use std::cell::RefCell;
use std::hash::Hasher;

use rustc_hash::FxHasher;

use crate::limits;
use crate::short_text::SmolStr;

/// The names and short values that are known.
#[derive(Debug, Default)]
pub(crate) struct Names(RefCell<Known>);

#[derive(Debug, Default)]
struct Known {
    /// None yet, or [`SLOTS`]. A name stands at the place that its bytes give, or at the next empty one.
    slots: Vec<Option<SmolStr>>,
    count: usize,
    /// None yet, or [`limits::COMMON_TEXTS`].
    values: Vec<SmolStr>,
}

/// Half of them stay empty.
const SLOTS: usize = 2 * limits::KNOWN_NAMES;

impl Names {
    /// The name that is written so, where it is known.
    pub(crate) fn find(&self, text: &[u8]) -> Option<SmolStr> {
        let known = self.0.borrow();
        known.slots.get(known.place(text))?.clone()
    }

    /// Knows a name, which is checked and was not known, from now on.
    pub(crate) fn keep(&self, name: &SmolStr) {
        let mut known = self.0.borrow_mut();
        if known.count < limits::KNOWN_NAMES {
            known.count += 1;
            known.slots.resize(SLOTS, None);
            let place = known.place(name.as_bytes());
            known.slots[place] = Some(name.clone());
        }
    }

    /// A value that is a text, the same one as before where it comes again.
    pub(crate) fn shared(&self, text: &str) -> SmolStr {
        if text.len() > limits::COMMON_TEXT_BYTES {
            return SmolStr::new(text);
        }
        let mut known = self.0.borrow_mut();
        known.values.resize(limits::COMMON_TEXTS, SmolStr::default());
        let place = hash(text.as_bytes()) % limits::COMMON_TEXTS;
        let latest = &mut known.values[place];
        if latest.as_str() != text {
            *latest = SmolStr::new(text);
        }
        latest.clone()
    }
}

impl Known {
    /// Where a name stands, or would.
    fn place(&self, text: &[u8]) -> usize {
        let mut place = hash(text) % SLOTS;
        while let Some(Some(other)) = self.slots.get(place)
            && other.as_bytes() != text
        {
            place = (place + 1) % SLOTS;
        }
        place
    }
}

fn hash(text: &[u8]) -> usize {
    let mut hasher = FxHasher::default();
    hasher.write(text);
    hasher.finish() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_until_there_are_too_many() {
        let names = Names::default();
        let texts: Vec<SmolStr> = (0..2 * limits::KNOWN_NAMES).map(|number| format!("field-{number}").into()).collect();
        for text in &texts {
            assert_eq!(names.find(text.as_bytes()), None);
            names.keep(text);
        }
        for (number, text) in texts.iter().enumerate() {
            let known = (number < limits::KNOWN_NAMES).then(|| text.clone());
            assert_eq!(names.find(text.as_bytes()), known);
        }
        assert_eq!(names.find(b"\xff"), None);
    }

    #[test]
    fn values_are_what_they_were_read_as() {
        let (names, mut random) = (Names::default(), fastrand::Rng::with_seed(3));
        for _ in 0..10_000 {
            let text: String = (0..random.usize(..20)).map(|_| random.char('a'..='c')).collect();
            assert_eq!(names.shared(&text), text.as_str());
        }
    }
}
