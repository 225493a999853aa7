//! Taking events in: in seq order into the confirmed objects, with the view re-applied where pending edits touch them.

use std::ops::Range;

use rustc_hash::FxHashSet;

use super::connect::Link;
use super::outbox::{Kept, Pending};
use super::{History, Moment, Notice, Replica};
use crate::block::EventBlock;
use crate::codec::cbor::{self, Reader};
use crate::event::{Lost, Recorded};
use crate::frame::Events;
use crate::hash::Digest;
use crate::limits;
use crate::name::{FieldName, Key};
use crate::numbers::{ClientId, EditId, EventNumber, Seq};
use crate::op::{Action, Edit, Op};
use crate::part::could_become;
use crate::ranges::SeqRanges;

/// Digests that are waited for at once.
const DIGESTS: usize = 64;

impl History {
    /// What the replica has heard of.
    pub(super) fn heard(&self) -> SeqRanges {
        let mut heard = SeqRanges::default();
        heard.insert(Seq::FIRST..self.played);
        self.held.values().for_each(|block| heard.insert(block.range()));
        heard
    }

    /// The first range that will not come by itself.
    pub(super) fn gap(&self) -> Option<Range<Seq>> {
        let held = self.held.first().map_or(Seq::FIRST, |&(from, _)| from);
        let known = self.live.max(held);
        if known <= self.played {
            return None;
        }
        self.heard().first_gap(known)
    }
}

/// Where an edit of one's own stands on the log.
pub(super) struct Place {
    pub(super) seq: Seq,
    pub(super) client: ClientId,
    pub(super) n: EventNumber,
    /// What of it did not take effect.
    pub(super) lost: Vec<Lost>,
}

impl Replica {
    pub(super) fn events(&mut self, moment: Moment, events: Events) {
        if self.history.filling.is_some() {
            // A server that knows nothing of the pages that came: what they left is of no use to events.
            self.drop_confirmed();
            return self.reopen();
        }
        let block = events.block;
        self.history.head = self.history.head.max(events.head);
        if let Some(digest) = events.digest {
            self.expect_digest(block.end(), digest);
        }
        if block.from() <= self.history.live {
            self.history.live = self.history.live.max(block.end());
        }
        let is_end = |range: &Range<Seq>| block.from() < range.end && block.end() >= range.end;
        if self.history.fetching.as_ref().is_some_and(is_end) {
            self.history.fetching = None;
        }
        match block.from() <= self.history.played {
            true => self.play(moment, &block),
            false => self.hold(block),
        }
        while self.link.is_open()
            && self.history.held.first().is_some_and(|&(from, _)| from <= self.history.played)
            && let Some((_, block)) = self.history.held.pop_first()
        {
            self.play(moment, &block);
        }
    }

    /// Keeps a block that lies beyond a gap. What is too much is dropped and fetched later.
    fn hold(&mut self, block: EventBlock) {
        self.history.held.insert(block.from(), block);
        let mut bytes: usize = self.history.held.values().map(|block| block.bytes().len()).sum();
        while bytes > limits::HELD_BYTES
            && let Some((_, dropped)) = self.history.held.pop_last()
        {
            bytes -= dropped.bytes().len();
        }
    }

    pub(super) fn forget_held(&mut self) {
        self.history.held.clear();
        self.history.fetching = None;
    }

    fn play(&mut self, moment: Moment, block: &EventBlock) {
        if block.end() <= self.history.played {
            return;
        }
        if block.from() < self.history.played {
            return self.play(moment, &block.slice(self.history.played, usize::MAX));
        }
        if block.before() != self.history.chain {
            // The log is another one than was played. Opening it anew finds out since when.
            return self.reopen();
        }
        let from = self.history.played;
        let mut overlap = FxHashSet::default();
        let mut encoded = block.encoded();
        while self.link.is_open() {
            let mut events = Vec::with_capacity(limits::READ_AHEAD);
            for event in encoded.by_ref().take(limits::READ_AHEAD) {
                events.push(cbor::read_recorded(Reader::knowing(event, &self.names)));
            }
            if events.is_empty() {
                break;
            }
            for event in events {
                let Ok(event) = event else {
                    self.stop_at_unknown();
                    break;
                };
                self.history.played = event.seq.next();
                self.play_event(moment, &event, &mut overlap);
                if !self.link.is_open() {
                    break;
                }
            }
        }
        // Where the objects turned out to be other ones, all that was played is forgotten.
        if self.history.played > from {
            self.history.chain = block.chain_at(self.history.played);
        }
        self.reapply(overlap);
        self.storing.meta();
    }

    /// An event says something that this version does not know: to play on without it would be to diverge. What is
    /// pending is kept until a newer program goes on.
    pub(super) fn stop_at_unknown(&mut self) {
        if !self.outdated {
            self.outdated = true;
            self.notice(Notice::Outdated { seq: self.history.played });
        }
        self.link = Link::Down;
    }

    fn play_event(&mut self, moment: Moment, event: &Recorded, overlap: &mut FxHashSet<Key>) {
        let own = self.own(event);
        match own {
            Some(edit) => self.play_own(moment, edit, event, overlap),
            None => {
                self.report_overwritten(event);
                let meets = event.body.ops.iter().any(|op| self.view.shown(&op.key).is_some());
                let assigned = if meets { self.assigned_by(event) } else { Vec::new() };
                self.move_past(event, &assigned);
                self.confirmed.play(event);
                self.void_along(assigned);
                self.take_in(event, meets.then_some(overlap));
            }
        }
        for op in &event.body.ops {
            self.storing.object(&op.key);
        }
        if own.is_none() && self.is_foreign_use(event) {
            self.take_new_identity(moment);
        }
        self.check_digest(moment);
    }

    /// Notes what somebody else's event changes, and where pending edits touch the same. `overlap`: `None` where none does.
    fn take_in(&mut self, event: &Recorded, mut overlap: Option<&mut FxHashSet<Key>>) {
        for op in &event.body.ops {
            match &mut overlap {
                Some(overlap) if self.view.shown(&op.key).is_some() => {
                    overlap.insert(op.key.clone());
                    self.note_met(op);
                }
                _ if self.changed.contains(&op.key) => {}
                _ => {
                    self.changed.insert(op.key.clone());
                }
            }
            self.disturb(&op.key, EditId::default());
        }
    }

    /// The pending edits of an object that somebody else has changed take in no later ones, apart from those of texts,
    /// which were moved.
    fn note_met(&mut self, op: &Op) {
        let splices = |action: &Action| match action {
            Action::Update(edits) => edits.iter().all(|(_, edit)| matches!(edit, Edit::Splice(_))),
            _ => false,
        };
        for (edit, place) in self.view.ops(&op.key).to_vec() {
            if let Some(pending) = self.outbox.pending.get_mut(edit)
                && !(splices(&op.action) && splices(&pending.ops()[place].action))
            {
                pending.met = true;
            }
        }
    }

    /// Tells the app where somebody who had not seen it has written over what is one's own.
    fn report_overwritten(&mut self, event: &Recorded) {
        for op in &event.body.ops {
            let Some(object) = self.confirmed.get(&op.key) else { continue };
            let base = op.seen.unwrap_or(event.body.base);
            if object.seq() < base {
                continue;
            }
            let ours = |client| self.identity.place(client).is_some();
            let unseen = |version: &crate::object::Version| ours(version.last.client) && version.last.seq >= base;
            let mut fields = Vec::new();
            let mut written = |name: &FieldName| {
                if let Some(field) = object.field(name.as_str()).filter(|field| unseen(&field.version)) {
                    fields.push((name.clone(), field.value.clone()));
                }
            };
            match &op.action {
                Action::Insert(set) | Action::Upsert(set) => set.iter().for_each(|(name, _)| written(name)),
                Action::Update(edits) => {
                    let set =
                        edits.iter().filter(|(name, edit)| self.outbox.is_written_over(&op.key, name, edit, base));
                    set.for_each(|(name, _)| written(name));
                }
                Action::Delete if unseen(&object.version()) => {
                    fields = object.values().map(|(name, value)| (name.clone(), value.clone())).collect();
                }
                Action::Delete => {}
            }
            if !fields.is_empty() {
                let overwritten = Notice::Overwritten {
                    seq: event.seq,
                    key: op.key.clone(),
                    fields,
                    by: event.client,
                    actor: event.actor.clone(),
                };
                self.notices.push_back(overwritten);
            }
        }
    }

    /// The pending edit that an event is the recording of.
    fn own(&self, event: &Recorded) -> Option<EditId> {
        let awaited = self.outbox.awaited(event.client, event.n);
        // A copy of the store may have sent the very same event: its acknowledgement went there.
        let (edit, pending) = awaited.or_else(|| {
            let edit = self.outbox.undecided(event.n).filter(|_| event.client == self.identity.client)?;
            Some((edit, self.outbox.pending.get(edit)?))
        })?;
        (pending.recorded.is_some() || pending.is(event)).then_some(edit)
    }

    /// Whether somebody else sent an event under this replica's present client id: acknowledgements come before the
    /// events, so one's own are known by now.
    fn is_foreign_use(&self, event: &Recorded) -> bool {
        event.client == self.identity.client
            && (event.n > self.outbox.last_sealed() || self.outbox.undecided(event.n).is_some())
    }

    /// An edit of one's own has come back on the log.
    fn play_own(&mut self, moment: Moment, edit: EditId, event: &Recorded, overlap: &mut FxHashSet<Key>) {
        if event.client == self.identity.client {
            self.outbox.decide(event.n);
        }
        let Some(pending) = self.outbox.pending.get(edit) else { return self.confirmed.play(event) };
        let as_edited = event.lost.is_empty() && event.body.ops == pending.ops();
        let mut keys = pending.keys();
        if !as_edited {
            // What it deletes may have taken others with it.
            keys.extend(event.body.ops.iter().map(|op| op.key.clone()));
            keys.sort_unstable();
            keys.dedup();
        }
        // Earlier edits may still be pending: refused, and made again.
        let leaves_all = as_edited && keys.iter().all(|key| self.view.first(key) == Some(edit));
        let trails = if leaves_all { Vec::new() } else { self.trails(&keys) };
        self.confirmed.play(event);
        let place = Place { seq: event.seq, client: event.client, n: event.n, lost: event.lost.clone() };
        self.confirm(moment, edit, &place, overlap, as_edited);
        self.move_along(trails);
        if !as_edited {
            keys.iter().for_each(|key| self.disturb(key, edit));
            overlap.extend(keys);
        }
    }

    /// An edit of one's own is on the log, and played.
    pub(super) fn confirm(
        &mut self,
        moment: Moment,
        edit: EditId,
        event: &Place,
        overlap: &mut FxHashSet<Key>,
        as_edited: bool,
    ) {
        let Some(pending) = self.outbox.confirm(edit, event.client, event.n) else { return };
        self.forget_command(edit, &pending);
        self.storing.pending(edit);
        for op in pending.unabsorbed() {
            // The first edit on a key, recorded as it was made, leaves the key as it is shown.
            let first = self.view.remove(&op.key, edit);
            if !(first && as_edited) {
                overlap.insert(op.key.clone());
            }
        }
        self.storing.kept(edit);
        let kept = Kept { edit, client: event.client, n: event.n, seq: Some(event.seq), body: pending.body };
        for forgotten in self.outbox.keep(kept, moment.now) {
            self.storing.kept(forgotten);
        }
        for edit in std::iter::once(edit).chain(pending.also) {
            self.notice(Notice::Recorded { edit, seq: event.seq, lost: event.lost.clone() });
        }
    }

    /// Rolls touched keys back to what is confirmed and applies what is pending on them again.
    pub(super) fn reapply(&mut self, keys: impl IntoIterator<Item = Key>) {
        keys.into_iter().for_each(|key| self.reapply_one(key));
    }

    fn reapply_one(&mut self, key: Key) {
        if self.view.shown(&key).is_some() {
            let mut entry = self.confirmed.entry(&key).cloned();
            for &(edit, place) in self.view.ops(&key) {
                self.apply_pending(&mut entry, edit, place);
            }
            self.view.show(&key, entry);
        }
        self.changed.insert(key);
    }

    pub(super) fn expect_digest(&mut self, at: Seq, digest: Digest) {
        if at >= self.history.played && self.history.digests.len() < DIGESTS {
            let place = self.history.digests.partition_point(|&(seq, _)| seq <= at);
            self.history.digests.insert(place, (at, digest));
        }
    }

    /// Compares the digest where the server named one for just this many events.
    pub(super) fn check_digest(&mut self, moment: Moment) {
        let played = self.history.played;
        while let Some((seq, digest)) = self.history.digests.pop_front_if(|&(seq, _)| seq <= played) {
            if seq < played {
                continue;
            }
            if self.confirmed.digest() == digest {
                self.history.agreed = Some((seq, moment.now));
                continue;
            }
            self.history.diverged += 1;
            self.notice(Notice::Diverged { seq });
            self.drop_confirmed();
            self.reopen();
        }
    }
}

impl Pending {
    /// Whether an event on the log has the content of this edit, as far as that can be told from what took effect.
    fn is(&self, event: &Recorded) -> bool {
        let (ours, theirs) = (&self.body, &event.body);
        ours.at == theirs.at
            && ours.base == theirs.base
            && ours.command == theirs.command
            && is_what_became_of(&ours.ops, event)
    }
}

/// Whether ops could have been recorded like this: each as it took effect, as lost, or not at all where it was a delete.
fn is_what_became_of(authored: &[Op], event: &Recorded) -> bool {
    let recorded = &event.body.ops;
    let became = |op: &Op| recorded.iter().any(|other| other.key == op.key && could_become(&op.action, &other.action));
    let lost =
        |op: &Op| event.lost.iter().any(|lost| lost.op.key == op.key && could_become(&op.action, &lost.op.action));
    authored.iter().all(|op| matches!(op.action, Action::Delete) || became(op) || lost(op))
        // What an event deletes may have taken others with it, or out of their fields.
        && recorded.iter().all(|op| {
            matches!(op.action, Action::Delete | Action::Update(_)) || authored.iter().any(|other| other.key == op.key)
        })
}
