//! Taking pages in: what is different at one place of the stream, key by key, shown at once.
//!
//! While it is filled, a replica holds one state of the keys up to its cursor and another one of those past it. Rows
//! and cursor are stored together, so it goes on there after a cut or a crash. `played` stays where it was until the
//! last page.
//!
//! ```text
//!                 cursor
//! confirmed  ───────┼────────────   what came │ what was there
//! pending    recorded below `to`:    in what came: shows no more │ shows
//!            all others:             show on top                 │ show on top
//! ```
//!
//! An edit of one's own that is in what came is *absorbed* there: it leaves the view of that key, or an `inc` would
//! count twice. It is confirmed with the last page, when all of it has come.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::outbox::Pending;
use super::part::Part;
use super::play::Place;
use super::trail::Trail;
use super::{Moment, Replica};
use crate::catchup::KeyOrder;
use crate::codec::CodecError;
use crate::codec::cbor::{self, Reader};
use crate::frame::{End, Filling, Item, Page, Progress};
use crate::hash::KeyHash;
use crate::name::{Collection, Key};
use crate::numbers::{EditId, Seq};
use crate::object::{Entry, Object};
use crate::op::Op;

/// A filling under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filled {
    /// Where it stands, as far as one cursor can say: where it was cut off and goes over the same keys again, some of
    /// them are further.
    pub(super) at: Filling,
    /// In which order keys come.
    pub(super) order: KeyOrder,
    pub(super) progress: Progress,
}

impl Filled {
    fn has(&self, key: &Key) -> bool {
        self.order.compare(key, &self.at.after).is_le()
    }
}

impl Replica {
    /// Asks for the objects of these collections before all others, where much is to come. At most
    /// [`FIRST_COLLECTIONS`](crate::limits::FIRST_COLLECTIONS) count.
    pub fn want_first(&mut self, mut collections: Vec<Collection>) {
        collections.truncate(crate::limits::FIRST_COLLECTIONS);
        self.first = KeyOrder::new(collections);
    }

    pub(super) fn page(&mut self, moment: Moment, page: Page) {
        if page.fresh {
            self.begin_anew(page.to);
        }
        if page.from > self.history.played {
            // It is meant for somebody who holds more.
            return self.reopen();
        }
        self.history.head = self.history.head.max(page.head);
        self.note_query(&page);
        for item in &page.items {
            let Ok(entry) = self.entry_of(item) else { return self.stop_at_unknown() };
            match entry.filter(|object| self.wants(&item.key, object)) {
                Some(object) => {
                    self.note_entered(&item.key, &object);
                    self.arrive(&item.key, page.to, Some(Entry::Live(object)));
                }
                None if self.confirmed.get(&item.key).is_some() => self.arrive(&item.key, page.to, None),
                None => {}
            }
        }
        for key in page.gone.iter().chain(&self.named(&page.gone_unnamed)) {
            self.arrive(key, page.to, None);
        }
        self.let_void_go(&page);
        match (page.query, page.end, &page.after) {
            (None, Some(end), _) => self.filled(moment, &page, &end),
            (None, None, Some(after)) => self.advance(Filling::after(&page, after.clone()), page.progress),
            _ => {}
        }
        if let Some(number) = page.query.filter(|_| page.after.is_none()) {
            self.query_came(number);
        }
        if page.end.is_some_and(|end| end.purge) {
            self.purge_windows();
        }
        if page.after.is_none() {
            self.drop_behind_windows();
        }
        self.follow_all(false);
        self.storing.meta();
    }

    /// Those of what is held that were not named.
    fn named(&self, unnamed: &[KeyHash]) -> Vec<Key> {
        if unnamed.is_empty() {
            return Vec::new();
        }
        let mut unnamed = unnamed.to_vec();
        unnamed.sort_unstable();
        let mut named: Vec<Key> = self.confirmed.keys().collect();
        named.retain(|key| unnamed.binary_search(&KeyHash::of(key)).is_ok());
        named
    }

    /// All that is confirmed is void, as nobody can tell any more what has changed since. It shows until what is there
    /// now has come: pending edits were made on it. Those that are in it stay in it, where they are in what comes, too.
    fn begin_anew(&mut self, to: Seq) {
        let (incarnation, head) = (self.history.incarnation, self.history.head);
        match self.part {
            Some(_) => self.drop_part(),
            None => {
                self.release_absorbed(to);
                self.confirmed = self.forget_played();
            }
        }
        (self.history.incarnation, self.history.head) = (incarnation, head);
        self.index_void(self.first_sent.clone());
        self.reapply(self.view.keys());
    }

    /// Finds out which of what is confirmed is void: all that is past the cursor of a filling from nothing.
    pub(super) fn index_void(&mut self, order: KeyOrder) {
        let filled = self.history.filling.as_ref();
        let is_void = |key: &Key| filled.is_none_or(|filled| !filled.has(key));
        let mut void: Vec<Key> = self.confirmed.keys().collect();
        void.retain(is_void);
        void.sort_unstable_by(|a, b| order.compare(b, a));
        self.void = void;
    }

    /// What is void and did not come again with a page that is past it is gone.
    fn let_void_go(&mut self, page: &Page) {
        if self.void.is_empty() || page.query.is_some() {
            return;
        }
        let came: FxHashSet<Key> = page.items.iter().map(|item| item.key.clone()).collect();
        let is_past = |key: &mut Key| match (&page.end, &page.after) {
            (None, Some(after)) => self.first_sent.compare(key, after).is_le(),
            (end, _) => end.is_some(),
        };
        let mut gone = Vec::new();
        while let Some(key) = self.void.pop_if(is_past) {
            gone.extend(Some(key).filter(|key| !came.contains(key)));
        }
        gone.iter().for_each(|key| self.arrive(key, page.to, None));
    }

    /// What an item makes of what is there. `None`: what it tells a part of is not there, as it was let go of meanwhile.
    ///
    /// # Errors
    /// Where it says what this version does not know.
    fn entry_of(&self, item: &Item) -> Result<Option<Arc<Object>>, Box<CodecError>> {
        let entry = cbor::read_entry(Reader::knowing(&item.entry, &self.names))?;
        let Entry::Live(object) = entry else { return Ok(None) };
        match item.whole {
            true => Ok(Some(object)),
            false => Ok(self.confirmed.get(&item.key).map(|there| there.merged(&object).into())),
        }
    }

    /// What is under a key is this, as of `to`.
    fn arrive(&mut self, key: &Key, to: Seq, entry: Option<Entry>) {
        self.storing.object(key);
        if self.view.shown(key).is_none() {
            self.confirmed.replace(key, entry);
            self.disturb(key, EditId::default());
            self.changed.insert(key.clone());
            return;
        }
        if entry.is_none() && self.part.is_some() {
            self.leave_texts(key);
        }
        let trails = self.trails(std::slice::from_ref(key));
        let (expected, in_order) = self.absorb(key, to);
        let same = in_order
            && match (expected.as_ref().and_then(Entry::live), entry.as_ref().and_then(Entry::live)) {
                (Some(expected), Some(arrived)) => expected.has_fields_of(arrived),
                (expected, arrived) => expected.is_none() && arrived.is_none(),
            };
        self.confirmed.replace(key, entry);
        if !same {
            self.move_along(trails);
            self.meet_all(key);
            self.disturb(key, EditId::default());
        }
        self.reapply([key.clone()]);
    }

    /// Takes the edits that are in what comes off the view of a key. Answers what was there with them, and whether they
    /// stood there before all others: one that was refused and is made again comes after them now.
    fn absorb(&mut self, key: &Key, to: Seq) -> (Option<Entry>, bool) {
        let mut entry = self.confirmed.entry(key).cloned();
        let (mut others, mut in_order) = (false, true);
        for (edit, place) in self.view.ops(key).to_vec() {
            if self.outbox.pending.get(edit).is_some_and(|pending| pending.is_recorded_below(to)) {
                self.apply_pending(&mut entry, edit, place);
                self.view.remove_one(key, edit, place);
                if let Some(pending) = self.outbox.pending.get_mut(edit) {
                    pending.absorbed.push(place);
                }
                self.storing.pending(edit);
                in_order &= !others;
            } else {
                others = true;
            }
        }
        (entry, in_order)
    }

    /// The pending edits of a key take in no later ones: something else came under them.
    fn meet_all(&mut self, key: &Key) {
        for (edit, _) in self.view.ops(key).to_vec() {
            if let Some(pending) = self.outbox.pending.get_mut(edit) {
                pending.met = true;
            }
        }
    }

    /// Everything up to a key has come. A filling that goes over the same keys again stands where it stood until it is
    /// past that.
    fn advance(&mut self, at: Filling, progress: Option<Progress>) {
        let order = self.first_sent.clone();
        let at = order.further(self.history.filling.as_ref().map(|filled| &filled.at), at);
        self.history.filling = Some(Filled { at, order, progress: progress.unwrap_or_default() });
    }

    /// All has come.
    fn filled(&mut self, moment: Moment, page: &Page, end: &End) {
        let to = page.to;
        self.confirm_recorded(moment, to);
        let history = &mut self.history;
        history.filling = None;
        (history.played, history.chain) = (to, page.chain);
        (history.live, history.head) = (history.live.max(to), history.head.max(to));
        self.trimmed = false;
        self.part.iter_mut().for_each(Part::has_changed);
        if let Some(digest) = end.digest {
            self.expect_digest(to, digest);
        }
        self.check_digest(moment);
    }

    /// Confirms all edits that are recorded below `to`, in the order in which they are.
    fn confirm_recorded(&mut self, moment: Moment, to: Seq) {
        let recorded = self.outbox.pending.iter().filter(|(_, pending)| pending.is_recorded_below(to));
        let mut recorded: Vec<_> = recorded.map(|(edit, pending)| (pending.recorded, edit)).collect();
        recorded.sort_unstable();
        recorded.into_iter().for_each(|(_, edit)| self.confirm_absorbed(moment, edit));
    }

    /// Confirms an edit that is in what came.
    fn confirm_absorbed(&mut self, moment: Moment, edit: EditId) {
        let Some(pending) = self.outbox.pending.get(edit) else { return };
        let (Some(seal), Some(seq)) = (pending.seal, pending.recorded) else { return };
        let place = Place { seq, client: seal.client, n: seal.n, lost: pending.lost.clone() };
        // What has not come under a key was lost there.
        let keys = pending.unabsorbed().map(|op| op.key.clone()).collect::<Vec<_>>();
        let trails = self.trails(&keys);
        let mut overlap = FxHashSet::default();
        self.confirm(moment, edit, &place, &mut overlap, false);
        self.turned_out(edit, trails, &keys);
        self.reapply(overlap);
    }

    /// An edit is recorded at a place. Where that was not known as pages came, it is in what came already.
    pub(super) fn came_already(&mut self, moment: Moment, edit: EditId, seq: Seq) {
        if seq < self.history.played {
            return self.confirm_absorbed(moment, edit);
        }
        let Some(filled) = &self.history.filling else { return };
        let Some(pending) = self.outbox.pending.get(edit) else { return };
        let has_come = |key: &Key| match self.confirmed.get(key) {
            Some(object) if object.seq() >= seq => true,
            _ => filled.has(key) && seq < filled.at.to,
        };
        let ops = pending.body.ops.iter().enumerate().filter(|(_, op)| has_come(&op.key));
        let came: Vec<(usize, Key)> = ops.map(|(place, op)| (place, op.key.clone())).collect();
        let keys: Vec<Key> = came.iter().map(|(_, key)| key.clone()).collect();
        let trails = self.trails(&keys);
        for (place, key) in came {
            self.view.remove_one(&key, edit, place);
            if let Some(pending) = self.outbox.pending.get_mut(edit) {
                pending.absorbed.push(place);
            }
        }
        self.turned_out(edit, trails, &keys);
        self.reapply(keys);
    }

    /// What an edit left under keys is not what was expected: the edits after it meet what is there.
    fn turned_out(&mut self, edit: EditId, trails: Vec<Trail>, keys: &[Key]) {
        self.move_along(trails);
        keys.iter().for_each(|key| self.disturb(key, edit));
    }

    /// What was absorbed shows again, unless it is recorded below `to`: what came is dropped.
    pub(super) fn release_absorbed(&mut self, to: Seq) {
        let goes = |pending: &Pending| !pending.absorbed.is_empty() && !pending.is_recorded_below(to);
        for (edit, pending) in self.outbox.pending.iter_mut().filter(|(_, pending)| goes(pending)) {
            for place in std::mem::take(&mut pending.absorbed) {
                if let Some(op) = pending.body.ops.get(place) {
                    self.view.add_in_order(&op.key, edit, place);
                }
            }
            self.storing.pending(edit);
        }
    }

    /// Ops on objects that have come say what of them was seen: more than was played.
    pub(super) fn say_seen(&self, ops: &mut [Op]) {
        let Some(filled) = &self.history.filling else { return };
        for op in ops.iter_mut().filter(|op| op.seen.is_none() && filled.has(&op.key)) {
            op.seen = Some(filled.at.to);
        }
    }

    /// Whether an edit waits until all has come: a splice says which one state of the stream it refers to.
    pub(super) fn waits_for_filling(&self, edit: EditId) -> bool {
        self.history.filling.is_some() && self.outbox.pending.get(edit).is_some_and(Pending::has_splices)
    }

    /// How far the replica is with being filled, where it is; or with the result of a query, where that is known.
    pub fn filling(&self) -> Option<Progress> {
        let filled = self.history.filling.as_ref().map(|filled| filled.progress);
        filled.or_else(|| self.part.as_ref()?.coming)
    }
}

impl Pending {
    fn is_recorded_below(&self, to: Seq) -> bool {
        self.recorded.is_some_and(|seq| seq < to)
    }

    /// Its ops on keys for which it has not come.
    pub(super) fn unabsorbed(&self) -> impl Iterator<Item = &Op> {
        let ops = self.body.ops.iter().enumerate();
        ops.filter(|(place, _)| !self.absorbed.contains(place)).map(|(_, op)| op)
    }
}
