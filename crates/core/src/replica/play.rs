//! Taking events in: in seq order into the confirmed objects, with the view re-applied where pending edits touch them.

use std::ops::Range;

use rustc_hash::FxHashSet;

use super::outbox::{Kept, Pending};
use super::{History, Moment, Notice, Replica};
use crate::block::EventBlock;
use crate::codec::cbor;
use crate::event::Recorded;
use crate::frame::Events;
use crate::hash::Digest;
use crate::limits;
use crate::name::Key;
use crate::numbers::{EditId, Seq};
use crate::object::{Stamp, apply};
use crate::op::{Action, Op};
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

impl Replica {
    pub(super) fn events(&mut self, moment: Moment, events: Events) {
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
        let mut overlap = FxHashSet::default();
        for encoded in block.encoded() {
            // What cannot be read is from a newer server; the client is told when it opens.
            let Ok(event) = cbor::decode_recorded(encoded) else {
                self.reopen();
                break;
            };
            self.history.played = event.seq.next();
            self.history.chain = self.history.chain.extend(encoded);
            self.play_event(moment, &event, &mut overlap);
            if !self.link.is_open() {
                break;
            }
        }
        self.reapply(overlap);
        self.storing.meta();
    }

    fn play_event(&mut self, moment: Moment, event: &Recorded, overlap: &mut FxHashSet<Key>) {
        self.confirmed.play(event);
        for op in &event.body.ops {
            self.storing.object(&op.key);
        }
        match self.own(event) {
            Some(edit) => self.confirm(moment, edit, event, overlap),
            None => {
                self.meet(event, overlap);
                if self.is_foreign_use(event) {
                    self.take_new_identity(moment);
                }
            }
        }
        self.check_digest(moment);
    }

    /// Notes what somebody else's event changes, and where pending edits touch the same.
    fn meet(&mut self, event: &Recorded, overlap: &mut FxHashSet<Key>) {
        for op in &event.body.ops {
            match self.view.shown(&op.key).is_some() {
                true => overlap.insert(op.key.clone()),
                false => self.changed.insert(op.key.clone()),
            };
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
    fn confirm(&mut self, moment: Moment, edit: EditId, event: &Recorded, overlap: &mut FxHashSet<Key>) {
        if event.client == self.identity.client {
            self.outbox.decide(event.n);
        }
        let Some(pending) = self.outbox.confirm(edit, event.client, event.n) else { return };
        self.storing.pending(edit);
        let as_edited = event.lost.is_empty() && event.body.ops == pending.body.ops;
        for op in &pending.body.ops {
            // The first edit on a key, recorded as it was made, leaves the key as it is shown.
            let first = self.view.remove(&op.key, edit);
            if !(first && as_edited) {
                overlap.insert(op.key.clone());
            }
        }
        self.storing.kept(edit);
        let kept = Kept { edit, client: event.client, n: event.n, body: pending.body };
        for forgotten in self.outbox.keep(kept, moment.now) {
            self.storing.kept(forgotten);
        }
        self.notice(Notice::Recorded { edit, seq: event.seq, lost: event.lost.clone() });
    }

    /// Rolls touched keys back to what is confirmed and applies what is pending on them again.
    pub(super) fn reapply(&mut self, keys: impl IntoIterator<Item = Key>) {
        let stamp = Stamp::pending(self.identity.client);
        for key in keys {
            if self.view.shown(&key).is_some() {
                let mut entry = self.confirmed.entry(&key).cloned();
                for (edit, place) in self.view.ops(&key) {
                    if let Some(pending) = self.outbox.pending.get(edit) {
                        apply(&mut entry, &pending.body.ops[place], stamp);
                    }
                }
                self.view.show(&key, entry);
            }
            self.changed.insert(key);
        }
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
        while let Some((seq, digest)) = self.history.digests.pop_front_if(|&mut (seq, _)| seq <= played) {
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

/// Whether ops could have been recorded like this: each as it is, as an upsert where it was an insert, as lost, or not
/// at all where it was a delete.
fn is_what_became_of(authored: &[Op], event: &Recorded) -> bool {
    let mut recorded = event.body.ops.iter().peekable();
    let mut lost = event.lost.iter().peekable();
    authored.iter().all(|op| {
        recorded.next_if(|other| is_recording_of(other, op)).is_some()
            || lost.next_if(|other| other.op == *op).is_some()
            || matches!(op.action, Action::Delete)
    }) && recorded.next().is_none()
        && lost.next().is_none()
}

fn is_recording_of(recorded: &Op, authored: &Op) -> bool {
    recorded == authored
        || recorded.key == authored.key
            && matches!((&recorded.action, &authored.action), (Action::Upsert(a), Action::Insert(b)) if a == b)
}
