//! Holding no more than may be read: what the server says of it when the stream is opened, and what follows.

use super::Replica;
use super::part::Part;
use crate::frame::Readable;
use crate::limits;
use crate::numbers::Millis;
use crate::query::Query;

impl Replica {
    /// The server says what can be read, where that is not all of the stream. Answers whether the stream was opened as
    /// that wants it; otherwise it is to be opened again.
    pub(super) fn may_read(&mut self, readable: Option<Readable>) -> bool {
        let is_whole = self.is_whole();
        match (&mut self.part, readable) {
            (None, None) => {}
            (Some(_), None) if is_whole => {
                self.part = None;
                self.drop_part();
                return false;
            }
            (Some(part), readable) => {
                let view = readable.as_ref().map(|readable| readable.view).unwrap_or_default();
                if part.sees(view, readable.as_ref().is_some_and(|readable| readable.continues)) {
                    self.storing.meta();
                }
                if let Some(readable) = readable.filter(|_| is_whole) {
                    self.hold_readable(&readable);
                }
            }
            (None, Some(readable)) => {
                self.drop_part();
                self.part = Some(Part::by_right(readable.view));
                self.hold_readable(&readable);
                return false;
            }
        }
        true
    }

    /// Holds all of the collections of which something can be read, and nothing else.
    fn hold_readable(&mut self, readable: &Readable) {
        let wanted = readable.collections.iter().map(|collection| Query::all(collection.clone()));
        let wanted: Vec<Query> = wanted.collect();
        let held = self.part.as_ref().map(|part| part.unlike(&wanted)).unwrap_or_default();
        self.drop_queries(&held);
        for query in wanted {
            // They are no more than a replica may have: the server said so in one frame.
            let _ = self.hold_query(query);
        }
    }

    /// Nothing of the stream may be read: what is held of it goes, and what is pending stays. It is asked for again
    /// after a while.
    pub(super) fn is_denied(&mut self, now: Millis, why: String) {
        self.denied = Some(why.into());
        if self.confirmed.resident() > 0 {
            self.drop_part();
        }
        self.reopen();
        self.pause(now, limits::DENIED_PAUSE);
    }
}
