//! Catching up: whether somebody gets the events that it has missed, or what they came to; and what a filling says of
//! one object.
//!
//! ```text
//! keys in order  ──────────────▶
//! receiver has   │ as of cut.to │ as of from                │
//!                               cut.after
//! a filling brings all of it to where the server is, key by key
//! ```
//!
//! A filling that is cut off, or of which the server no longer has the state, goes on as a new one from the first key:
//! of the keys up to the cursor it sends only what has changed since. All of it is a function of an object's present
//! entry and of what the receiver has: nothing need be remembered of anybody.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::codec::cbor;
use crate::frame::{Filling, Item, Open};
use crate::limits;
use crate::name::{Collection, Key};
use crate::numbers::Seq;
use crate::object::{Entry, Object};

/// How somebody who opens a stream gets to where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// By the events from [`Open::played`] on.
    Events,
    /// By pages; after them by events, or by further pages where it holds a part.
    Fill(Fill),
    /// Not at all: the events that it asks for are no longer there, and it takes no pages.
    Trimmed,
}

/// What a filling starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The state that the receiver has of keys past those of an earlier filling; 0 where it has nothing.
    pub from: Seq,
    /// An earlier filling, which was cut off.
    pub cut: Option<Filling>,
    /// What the receiver has is void.
    pub fresh: bool,
    /// In which order keys come.
    pub order: KeyOrder,
}

/// How somebody who opens a stream is to get to its `head`. Events below `horizon` are no longer there, and what was
/// deleted below it is forgotten. That the log is the one that was played has been found out.
pub fn plan(open: &Open, head: Seq, horizon: Seq) -> Plan {
    let (from, partial) = (open.played, open.queries.is_some());
    if !open.pages && !partial {
        return if from < horizon { Plan::Trimmed } else { Plan::Events };
    }
    let order = KeyOrder::new(open.first.clone());
    let anew = |fresh| Plan::Fill(Fill { from: Seq::FIRST, cut: None, fresh, order: order.clone() });
    let reaches = |base: Seq| base >= horizon && base <= head;
    match &open.filling {
        // Where it holds nothing past the cursor, nothing can have been deleted there.
        Some(cut) if reaches(cut.to) && (from == Seq::FIRST || reaches(from)) => {
            Plan::Fill(Fill { from, cut: Some(cut.clone()), fresh: false, order })
        }
        Some(_) => anew(true),
        None if from < horizon => anew(from > Seq::FIRST || partial),
        None if partial => Plan::Fill(Fill { from, cut: None, fresh: false, order }),
        None if head.since(from) <= limits::EVENTS_RATHER => Plan::Events,
        None => Plan::Fill(Fill { from, cut: None, fresh: false, order }),
    }
}

/// The order of keys in a filling: collections that were asked for first, as they were named; then all others by name.
/// Within a collection by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyOrder(Vec<Collection>);

impl KeyOrder {
    /// The order with these collections first.
    pub const fn new(first: Vec<Collection>) -> Self {
        Self(first)
    }

    /// The collections that come first.
    pub fn first(&self) -> &[Collection] {
        &self.0
    }

    /// How two collections stand to each other.
    pub fn compare_collections(&self, a: &Collection, b: &Collection) -> Ordering {
        self.place(a).cmp(&self.place(b)).then_with(|| a.cmp(b))
    }

    /// How two keys stand to each other.
    pub fn compare(&self, a: &Key, b: &Key) -> Ordering {
        self.compare_collections(&a.collection, &b.collection).then_with(|| a.id.cmp(&b.id))
    }

    /// Where a filling stands that has come to `at`, after it had been cut off at `there`: it goes over the same keys
    /// again, and is no further before it is past them all.
    pub fn further(&self, there: Option<&Filling>, at: Filling) -> Filling {
        match there.filter(|there| self.compare(&at.after, &there.after).is_le()) {
            Some(there) => Filling { to: there.to, after: there.after.clone(), ..at },
            None => at,
        }
    }

    fn place(&self, collection: &Collection) -> usize {
        self.0.iter().position(|first| first == collection).unwrap_or(self.0.len())
    }
}

/// What a filling says of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The object, or what has changed of it.
    Item(Item),
    /// It is no longer there.
    Gone(Key),
}

impl Fill {
    /// The state that the receiver has of a key.
    pub fn base(&self, key: &Key) -> Seq {
        match &self.cut {
            Some(cut) if self.order.compare(key, &cut.after).is_le() => cut.to,
            _ => self.from,
        }
    }

    /// What is to be said of what is under a key. `None`: nothing, the receiver has it.
    pub fn say(&self, key: &Key, entry: &Entry) -> Option<Said> {
        said(key, entry, self.base(key))
    }
}

/// What is to be said of what is under a key to somebody who has it as of `base`. `None`: nothing.
pub fn said(key: &Key, entry: &Entry, base: Seq) -> Option<Said> {
    if entry.version().last.seq < base {
        return None;
    }
    match entry {
        Entry::Live(object) => Some(Said::Item(item(key, object, base))),
        Entry::Tombstone(_) => (base > Seq::FIRST).then(|| Said::Gone(key.clone())),
    }
}

/// An object for somebody who has it as of `base`: all of it without its history where that is nothing, all of it where
/// it is newer, and otherwise what has changed since.
pub fn item(key: &Key, object: &Arc<Object>, base: Seq) -> Item {
    let known = base > Seq::FIRST && object.created().seq < base;
    let said = match known {
        true => Arc::new(object.changed_since(base)),
        false if base == Seq::FIRST => Arc::new(object.collapsed()),
        false => object.clone(),
    };
    Item { key: key.clone(), whole: !known, entry: cbor::encode_entry(&Entry::Live(said)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Live;
    use crate::hash::Chain;
    use crate::name::{ObjectId, StreamName};
    use crate::numbers::{Channel, ClientId};

    fn key(collection: &str, id: &str) -> Key {
        Key { collection: Collection::new(collection).unwrap(), id: ObjectId::new(id).unwrap() }
    }

    fn open(played: u64, pages: bool, cut: Option<u64>) -> Open {
        let open = Open::new(Channel(1), StreamName::new("s").unwrap(), ClientId(1), Live::From(Seq(played)));
        let filling =
            cut.map(|to| Filling { to: Seq(to), latest: Seq(to), chain: Chain::EMPTY, after: key("tasks", "m") });
        Open { played: Seq(played), pages, filling, ..open }
    }

    fn fill(from: u64, cut: Option<u64>, fresh: bool) -> Plan {
        let cut = cut.map(|to| Filling { to: Seq(to), latest: Seq(to), chain: Chain::EMPTY, after: key("tasks", "m") });
        Plan::Fill(Fill { from: Seq(from), cut, fresh, order: KeyOrder::default() })
    }

    #[test]
    fn whoever_is_near_gets_events_and_whoever_is_far_what_they_came_to() {
        assert_eq!(plan(&open(0, true, None), Seq(1_024), Seq(0)), Plan::Events);
        assert_eq!(plan(&open(0, true, None), Seq(1_025), Seq(0)), fill(0, None, false));
        assert_eq!(plan(&open(10_000, true, None), Seq(10_500), Seq(0)), Plan::Events);
        assert_eq!(plan(&open(10_000, true, None), Seq(20_000), Seq(0)), fill(10_000, None, false));
        assert_eq!(plan(&open(0, false, None), Seq(9_999), Seq(0)), Plan::Events);
    }

    #[test]
    fn below_the_horizon_all_comes_anew() {
        assert_eq!(plan(&open(99, true, None), Seq(200), Seq(100)), fill(0, None, true));
        assert_eq!(plan(&open(0, true, None), Seq(200), Seq(100)), fill(0, None, false));
        assert_eq!(plan(&open(99, false, None), Seq(200), Seq(100)), Plan::Trimmed);
        assert_eq!(plan(&open(100, false, None), Seq(200), Seq(100)), Plan::Events);
    }

    #[test]
    fn what_was_cut_off_goes_on_unless_what_is_held_cannot_be_brought_up() {
        assert_eq!(plan(&open(0, true, Some(150)), Seq(200), Seq(100)), fill(0, Some(150), false));
        assert_eq!(plan(&open(120, true, Some(150)), Seq(200), Seq(100)), fill(120, Some(150), false));
        assert_eq!(plan(&open(0, true, Some(99)), Seq(200), Seq(100)), fill(0, None, true));
        assert_eq!(plan(&open(50, true, Some(150)), Seq(200), Seq(100)), fill(0, None, true));
        assert_eq!(plan(&open(0, true, Some(201)), Seq(200), Seq(0)), fill(0, None, true));
    }

    #[test]
    fn collections_asked_for_come_first() {
        let order = KeyOrder::new(vec![Collection::new("z").unwrap(), Collection::new("m").unwrap()]);
        let mut keys = [key("a", "1"), key("m", "2"), key("z", "9"), key("m", "1"), key("b", "1")];
        keys.sort_by(|a, b| order.compare(a, b));
        assert_eq!(keys, [key("z", "9"), key("m", "1"), key("m", "2"), key("a", "1"), key("b", "1")]);
    }
}
