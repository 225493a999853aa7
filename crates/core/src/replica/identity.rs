//! Who the replica is, and what it does where that turns out to be somebody else too, or where the server's log turns
//! out to be another one.
//!
//! A store copied to a second device, or restored from an older copy, sends other events under numbers that are
//! taken. A server restored from a backup has forgotten events. In both cases the replica goes on under a new client
//! id. What it had sent without hearing of it may be on the log: it plays the log to the head first, recognises what
//! is there, and sends the rest.

use std::collections::VecDeque;

use super::outbox::Pending;
use super::{History, Moment, Notice, Replica};
use crate::frame::ResyncReason;
use crate::limits;
use crate::numbers::{ClientId, EditId, EventNumber, Seq};

#[derive(Debug)]
pub(super) struct Identity {
    pub(super) client: ClientId,
    /// Ids it had before, the newest last.
    pub(super) former: VecDeque<ClientId>,
    /// Verdicts up to this number are on the device.
    pub(super) settled: EventNumber,
}

impl Identity {
    pub(super) fn new(client: ClientId) -> Self {
        Self { client, former: VecDeque::new(), settled: EventNumber::default() }
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
        self.identity.former.push_back(old);
        self.identity.settled = EventNumber::default();
        if self.identity.former.len() > limits::FORMER_CLIENTS {
            self.identity.former.pop_front();
        }
        for edit in self.outbox.unseal(old) {
            self.storing.pending(edit);
        }
        self.storing.meta();
        self.notice(Notice::NewIdentity(client));
        self.reopen();
    }

    /// The server's log is not the one that was played: all is played anew. What of one's own the server has lost is
    /// queued again, before what is pending; `last` says how far it knows each of this replica's identities.
    pub(super) fn start_over(&mut self, moment: Moment, reason: ResyncReason, last: &[EventNumber]) {
        if reason == ResyncReason::Forked {
            self.requeue_forgotten(last);
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
    /// What it did record keeps its seal, and is recognised when it is played.
    fn forget_other_history(&mut self, reason: ResyncReason, last: &[EventNumber]) -> Vec<EditId> {
        let identity = &self.identity;
        let known = |client, n| identity.place(client).and_then(|place| last.get(place)).is_some_and(|&last| n <= last);
        let mut changed = Vec::new();
        for (&edit, pending) in &mut self.outbox.pending {
            let sent = pending.seal.map(|seal| (seal.client, seal.n)).or(pending.former);
            let on_log = sent.is_some_and(|(client, n)| known(client, n));
            if on_log && reason == ResyncReason::Forked {
                continue;
            }
            (pending.recorded, pending.seal, pending.former) = (None, None, None);
            pending.body.base = Seq::FIRST;
            changed.push(edit);
        }
        self.outbox.index();
        changed
    }

    fn requeue_forgotten(&mut self, last: &[EventNumber]) {
        let kept = std::mem::take(&mut self.outbox.kept);
        for kept in kept {
            let known = self.identity.place(kept.client).and_then(|place| last.get(place));
            if known.is_none_or(|&last| kept.n <= last) {
                self.outbox.kept.push_back(kept);
                continue;
            }
            for (place, op) in kept.body.ops.iter().enumerate() {
                self.view.add_in_order(&op.key, kept.edit, place);
            }
            self.storing.kept(kept.edit);
            self.storing.pending(kept.edit);
            self.outbox.pending.insert(kept.edit, Pending::new(kept.body));
        }
    }

    /// Forgets all that was played. The view keeps what is pending.
    pub(super) fn drop_confirmed(&mut self) {
        let dropped = std::mem::take(&mut self.confirmed);
        self.changed.extend(dropped.keys());
        let diverged = self.history.diverged;
        self.history = History { diverged, ..History::default() };
        self.storing.clear_objects();
        self.storing.meta();
        let touched = self.view.keys();
        self.reapply(touched);
    }
}
