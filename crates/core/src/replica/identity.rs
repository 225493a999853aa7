//! Who the replica is, and what it does where that turns out to be somebody else too, or where the server's log turns
//! out to be another one.
//!
//! A store copied to a second device, or restored from an older copy, sends other events under numbers that are
//! taken. A server restored from a backup has forgotten events. In both cases the replica goes on under a new client
//! id. What it had sent without hearing of it may be on the log: it plays the log to the head first, recognises what
//! is there, and sends the rest.

use super::outbox::Pending;
use super::part::Part;
use super::{History, Moment, Notice, Replica};
use crate::frame::ResyncReason;
use crate::limits;
use crate::numbers::{ClientId, EditId, EventNumber, Seq};
use crate::objects::Objects;

#[derive(Debug)]
pub(super) struct Identity {
    pub(super) client: ClientId,
    /// Ids it had before, the newest last.
    pub(super) former: Vec<ClientId>,
    /// Verdicts up to this number are on the device.
    pub(super) settled: EventNumber,
}

impl Identity {
    pub(super) fn new(client: ClientId) -> Self {
        Self { client, former: Vec::new(), settled: EventNumber::default() }
    }

    /// Where a client stands in the answers to an open: the present one first, then the former ones.
    pub(super) fn place(&self, client: ClientId) -> Option<usize> {
        if client == self.client {
            return Some(0);
        }
        self.former.iter().position(|&former| former == client).map(|place| place + 1)
    }
}

impl Replica {
    /// Goes on under a new client id, with everything that has no verdict.
    pub(super) fn take_new_identity(&mut self, moment: Moment) {
        let client = ClientId(moment.random);
        let old = std::mem::replace(&mut self.identity.client, client);
        self.identity.former.push(old);
        self.identity.settled = EventNumber::default();
        if self.identity.former.len() > limits::FORMER_CLIENTS {
            self.identity.former.remove(0);
        }
        for edit in self.outbox.unseal(old) {
            self.storing.pending(edit);
        }
        // What is shown says by whom it was written.
        self.reapply(self.view.keys());
        self.storing.meta();
        self.notice(Notice::NewIdentity(client));
        self.reopen();
    }

    /// The server's log is not the one that was played: all is played anew, and sent again under a new identity is
    /// what does not show up there. Of one's own events on the other log, that is found out by their content alone: a
    /// copy of the store may have sent others under the same numbers since.
    pub(super) fn start_over(&mut self, moment: Moment, reason: ResyncReason, last: &[EventNumber]) {
        if reason != ResyncReason::Recreated {
            self.requeue_kept();
        }
        for edit in self.forget_other_history(reason, last) {
            self.storing.pending(edit);
        }
        self.take_new_identity(moment);
        self.drop_confirmed();
        self.notice(Notice::StartedOver(reason));
    }

    /// Takes off pending edits what they knew of the other log. Answers which edits changed.
    ///
    /// What the server never heard of is sent as if it were made on an empty stream: the lowest base is always true.
    /// What it may have recorded is as it was sent, so that it is recognised when it is played.
    fn forget_other_history(&mut self, reason: ResyncReason, last: &[EventNumber]) -> Vec<EditId> {
        let identity = &self.identity;
        let known = |client, n| identity.place(client).and_then(|place| last.get(place)).is_none_or(|&last| n <= last);
        for (_, pending) in self.outbox.pending.iter_mut() {
            let sent = pending.seal.map(|seal| (seal.client, seal.n)).or(pending.former);
            let sent = sent.filter(|&(client, n)| reason != ResyncReason::Recreated && known(client, n));
            (pending.recorded, pending.seal, pending.former) = (None, None, sent);
            pending.lost.clear();
            pending.again = None;
            if sent.is_none() {
                (pending.body.base, pending.body.on) = (Seq::FIRST, None);
            }
        }
        self.outbox.index();
        self.outbox.pending.keys().collect()
    }

    /// One's own events that were on the other log are pending again, before what is pending.
    fn requeue_kept(&mut self) {
        let mut later = std::mem::take(&mut self.outbox.pending);
        while let Some(kept) = self.outbox.kept.pop_front() {
            for (place, op) in kept.body.ops.iter().enumerate() {
                self.view.add_in_order(&op.key, kept.edit, place);
            }
            self.storing.kept(kept.edit);
            let former = Some((kept.client, kept.n));
            self.outbox.pending.insert(kept.edit, Pending { former, ..Pending::new(kept.body) });
        }
        while let Some((edit, pending)) = later.pop_first() {
            self.outbox.pending.insert(edit, pending);
        }
    }

    /// Forgets all that was played. The view keeps what is pending.
    pub(super) fn drop_confirmed(&mut self) {
        let trails = self.trails(&self.view.keys());
        self.release_absorbed(Seq::FIRST);
        let dropped = self.forget_played();
        self.changed.extend(dropped.keys());
        self.move_along(trails);
        self.reapply(self.view.keys());
        self.disturb_all();
    }

    /// Forgets what was played. Answers what is void with it.
    pub(super) fn forget_played(&mut self) -> Objects {
        self.part.iter_mut().for_each(Part::forget);
        self.void.clear();
        let diverged = self.history.diverged;
        self.history = History { diverged, ..History::default() };
        self.storing.whole();
        self.storing.meta();
        std::mem::take(&mut self.confirmed)
    }
}
