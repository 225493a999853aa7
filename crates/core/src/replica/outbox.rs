//! The outbox: edits that are not yet on the log as far as the replica has played it, and what became of the rest.

use std::ops::RangeInclusive;

use super::Replica;
use super::edit::Commanded;
use crate::codec::cbor;
use crate::event::{Authored, Body, Lost, Refusal, Sealed};
use crate::hash::ContentHash;
use crate::limits;
use crate::name::Key;
use crate::numbered::Numbered;
use crate::numbers::{ClientId, EditId, EventNumber, Millis, Seq};
use crate::op::Op;
use crate::queue::Queue;

/// Edits in the order they were made.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) pending: Numbered<EditId, Pending>,
    /// One's own events that are on the log, kept for a server that comes back from an older backup.
    pub(super) kept: Queue<Kept>,
    pub(super) parked: Numbered<EditId, Parked>,
    /// The edits sealed under the present identity, by number from `first` on; those with a verdict are `None`.
    sealed: Queue<Option<EditId>>,
    /// The number of the first of `sealed`.
    first: EventNumber,
    /// Events of one's own that are on the log, or may be, and are yet to be played.
    awaited: Numbered<(ClientId, EventNumber), EditId>,
    /// Whether some edits have a former identity under which they may be on the log.
    former: bool,
    last_edit: EditId,
    /// All pending edits before this one are sealed.
    next_to_seal: EditId,
    /// All events before this one were sent on the present connection.
    next_to_send: EventNumber,
}

/// An edit on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    /// As it was, or will be, sent.
    pub(super) body: Body,
    /// The ops as they show, where others have edited the same texts since.
    pub(super) shown: Option<Vec<Op>>,
    /// A splice of it shows no more: its text was set anew, or is held no more.
    pub(super) voided: bool,
    /// Something that came in touches the same objects.
    pub(super) met: bool,
    /// How a command made it.
    pub(super) command: Option<Commanded>,
    /// Later edits that it has taken in. Not stored: nobody waits for them after a restart.
    pub(super) also: Vec<EditId>,
    /// It was refused and is to be made again.
    pub(super) again: Option<Again>,
    /// The identity it has on the wire, given when it is about to be sent. What is sealed never changes.
    pub(super) seal: Option<Seal>,
    /// The identity under which it may be on the log already, from before the replica changed its own.
    pub(super) former: Option<(ClientId, EventNumber)>,
    /// Where it is recorded, once acknowledged.
    pub(super) recorded: Option<Seq>,
    /// What of it did not take effect then.
    pub(super) lost: Vec<Lost>,
    /// Which of its ops are in what came in pages, and show no more by themselves.
    pub(super) absorbed: Vec<usize>,
}

/// A refusal after which an edit is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Again {
    /// Not before this verdict is settled.
    pub(super) settled: EventNumber,
    /// Not before so many events are played.
    pub(super) head: Seq,
    /// How often it was refused.
    pub(super) tries: u32,
}

/// The identity of an event on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) client: ClientId,
    pub(super) n: EventNumber,
    pub(super) settled: EventNumber,
    /// The seal is on the device, so the event may be sent.
    pub(super) stored: bool,
}

/// An event of one's own that is on the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) edit: EditId,
    pub(super) client: ClientId,
    pub(super) n: EventNumber,
    /// Its place, where it was played since the program started.
    pub(super) seq: Option<Seq>,
    pub(super) body: Body,
}

/// An edit the server refused, kept until the app or the person retries, changes or discards it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// What was to be done.
    pub body: Body,
    /// Why it was not.
    pub refusal: Refusal,
}

impl Pending {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            shown: None,
            voided: false,
            met: false,
            command: None,
            also: Vec::new(),
            again: None,
            seal: None,
            former: None,
            recorded: None,
            lost: Vec::new(),
            absorbed: Vec::new(),
        }
    }

    /// The objects it touches, each once.
    pub(super) fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.body.ops.iter().map(|op| op.key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    pub(super) fn authored(&self) -> Option<Authored> {
        let Seal { client, n, settled, .. } = self.seal?;
        Some(Authored { client, n, settled, body: self.body.clone() })
    }

    pub(super) fn hash(&self) -> Option<ContentHash> {
        self.authored().map(|event| Sealed::new(event).hash)
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            pending: Numbered::default(),
            kept: Queue::default(),
            parked: Numbered::default(),
            sealed: Queue::default(),
            first: EventNumber::FIRST,
            awaited: Numbered::default(),
            former: false,
            last_edit: EditId::default(),
            next_to_seal: EditId::FIRST,
            next_to_send: EventNumber::FIRST,
        }
    }
}

impl Outbox {
    /// How many edits are not yet confirmed.
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// When the oldest edit that is not yet confirmed was made.
    pub(super) fn oldest(&self) -> Option<Millis> {
        self.pending.first().map(|(_, pending)| pending.body.at)
    }

    /// The number for the next edit.
    pub(super) fn next_edit(&mut self) -> EditId {
        self.last_edit = self.last_edit.next();
        self.last_edit
    }

    pub(super) fn last_edit(&self) -> EditId {
        self.last_edit
    }

    pub(super) fn push(&mut self, edit: EditId, body: Body, command: Option<Commanded>) {
        self.pending.insert(edit, Pending { command, ..Pending::new(body) });
    }

    /// The number of the last edit sealed under the present identity.
    pub(super) fn last_sealed(&self) -> EventNumber {
        EventNumber((self.first.0 + self.sealed.len() as u64).saturating_sub(1))
    }

    /// The last number up to which all verdicts are known.
    pub(super) fn decided(&self) -> EventNumber {
        EventNumber(self.first.0.saturating_sub(1))
    }

    /// The edit that was sealed as `n` under the present identity and has no verdict yet.
    pub(super) fn undecided(&self, n: EventNumber) -> Option<EditId> {
        let place = n.0.checked_sub(self.first.0)?;
        *self.sealed.get(usize::try_from(place).ok()?)?
    }

    /// What was sealed up to `last` under the present identity and has no verdict yet.
    pub(super) fn undecided_through(&self, last: EventNumber) -> Vec<(EventNumber, EditId)> {
        let mut undecided = Vec::new();
        let mut n = self.first;
        for edit in self.sealed.iter() {
            undecided.extend(edit.filter(|_| n <= last).map(|edit| (n, edit)));
            n = n.next();
        }
        undecided
    }

    /// The verdict on `n` is known. Answers the edit, where it was not known before.
    pub(super) fn decide(&mut self, n: EventNumber) -> Option<EditId> {
        let place = usize::try_from(n.0.checked_sub(self.first.0)?).ok()?;
        let edit = self.sealed.get_mut(place)?.take();
        while self.sealed.pop_front_if(|edit| edit.is_none()).is_some() {
            self.first = self.first.next();
        }
        edit
    }

    /// An edit is on the log, and yet to be played.
    pub(super) fn record(&mut self, edit: EditId, seq: Seq, lost: Vec<Lost>) {
        let Some(pending) = self.pending.get_mut(edit) else { return };
        (pending.recorded, pending.lost) = (Some(seq), lost);
        if let Some(seal) = pending.seal {
            self.awaited.insert((seal.client, seal.n), edit);
        }
    }

    /// The edit that is, or may be, on the log under this identity.
    pub(super) fn awaited(&self, client: ClientId, n: EventNumber) -> Option<(EditId, &Pending)> {
        let edit = *self.awaited.get((client, n))?;
        Some((edit, self.pending.get(edit)?))
    }

    /// An edit is played.
    pub(super) fn confirm(&mut self, edit: EditId, client: ClientId, n: EventNumber) -> Option<Pending> {
        self.awaited.remove((client, n));
        self.pending.remove(edit)
    }

    /// Whether some edits may be on the log under a former identity.
    pub(super) fn has_former(&self) -> bool {
        self.former
    }

    /// The log is played to where it was when the replica changed its identity: what has not shown up there is not on
    /// it, and is sent under the present one. Answers which edits.
    pub(super) fn settle_former(&mut self, played: Seq) -> Vec<EditId> {
        let mut settled = Vec::new();
        for (edit, pending) in self.pending.iter_mut() {
            if let Some(former) = pending.former.take() {
                self.awaited.remove(former);
                pending.body.forget(played);
                settled.push(edit);
            }
        }
        self.former = false;
        settled
    }

    /// The next edit that is to be sealed, as long as more may be on their way.
    pub(super) fn next_unsealed(&mut self) -> Option<EditId> {
        if self.sealed.len() >= limits::IN_FLIGHT_EVENTS {
            return None;
        }
        let mut unsealed = self.pending.since(self.next_to_seal);
        let next = unsealed.find(|(_, pending)| pending.seal.is_none() && pending.recorded.is_none());
        self.next_to_seal = next.map_or(self.last_edit.next(), |(edit, _)| edit);
        next.map(|(edit, _)| edit)
    }

    /// What is settled for all events on their way: the server is to judge each by the verdicts that its author did not
    /// know, so it may not forget them before. `None`: nothing is on its way.
    pub(super) fn settled_for_all(&self) -> Option<EventNumber> {
        let first = self.sealed.iter().flatten().next()?;
        Some(self.pending.get(*first)?.seal?.settled)
    }

    /// Whether a pending edit will stand after another one on the log: it is a later one, or one that was refused and is
    /// made again while the other is on its way.
    pub(super) fn comes_after(&self, edit: EditId, other: EditId) -> bool {
        let sent = |pending: &Pending| pending.seal.is_some() || pending.recorded.is_some();
        edit > other || edit != other && self.is_made_again(edit) && self.pending.get(other).is_none_or(sent)
    }

    /// Whether a pending edit was refused, and is yet to be sent again.
    pub(super) fn is_made_again(&self, edit: EditId) -> bool {
        self.pending.get(edit).is_some_and(|pending| pending.again.is_some() && pending.seal.is_none())
    }

    /// The number that the next edit gets.
    pub(super) fn next_number(&self) -> EventNumber {
        self.first.plus(self.sealed.len() as u64)
    }

    /// Gives an edit its number.
    pub(super) fn seal(&mut self, edit: EditId, client: ClientId, settled: EventNumber, stored: bool) {
        let n = self.next_number();
        if let Some(pending) = self.pending.get_mut(edit) {
            pending.seal = Some(Seal { client, n, settled, stored });
            self.sealed.push_back(Some(edit));
            self.next_to_seal = edit.next();
        }
    }

    /// The next events to send, in the order of their numbers, as many as fit the limits of a push.
    pub(super) fn next_push(&mut self) -> Vec<Authored> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        self.next_to_send = self.next_to_send.max(self.first);
        let sent = usize::try_from(self.next_to_send.since(self.first)).unwrap_or(usize::MAX);
        for edit in self.sealed.since(sent) {
            let pending = edit.and_then(|edit| self.pending.get(edit));
            if let Some(pending) = pending {
                let Some(event) = pending.authored().filter(|_| pending.seal.is_some_and(|seal| seal.stored)) else {
                    break;
                };
                bytes += cbor::encode_body(&event.body).len();
                if !events.is_empty() && bytes > limits::PUSH_BYTES || events.len() == limits::PUSH_EVENTS {
                    break;
                }
                events.push(event);
            }
            self.next_to_send = self.next_to_send.next();
        }
        events
    }

    /// Sends again from the first event without a verdict.
    pub(super) fn send_again(&mut self) {
        self.next_to_send = self.first;
    }

    /// Takes all seals that have no verdict off again: the replica is somebody else than `client` now.
    ///
    /// What has no seal may be on the log as well: another copy of the store gives numbers in the same order.
    pub(super) fn unseal(&mut self, client: ClientId) -> Vec<EditId> {
        let mut unsealed = Vec::new();
        let mut next = self.first.plus(self.sealed.len() as u64);
        for (edit, pending) in self.pending.iter_mut().filter(|(_, pending)| pending.recorded.is_none()) {
            let former = match (pending.seal.take(), pending.former) {
                (Some(seal), _) => (seal.client, seal.n),
                (None, Some(former)) => former,
                (None, None) => {
                    let n = next;
                    next = n.next();
                    (client, n)
                }
            };
            (pending.former, pending.again) = (Some(former), None);
            self.awaited.insert(former, edit);
            self.former = true;
            unsealed.push(edit);
        }
        self.sealed.clear();
        (self.first, self.next_to_send) = (EventNumber::FIRST, EventNumber::FIRST);
        self.start_sealing();
        unsealed
    }

    /// Looks anew for what is to be sealed and sent.
    pub(super) fn start_sealing(&mut self) {
        let unsealed = self.pending.iter().find(|(_, pending)| pending.seal.is_none() && pending.recorded.is_none());
        self.next_to_seal = unsealed.map_or(self.last_edit.next(), |(edit, _)| edit);
    }

    /// Remembers an event of one's own that is on the log. Answers those that are remembered no longer.
    pub(super) fn keep(&mut self, kept: Kept, now: Millis) -> Vec<EditId> {
        self.kept.push_back(kept);
        let mut forgotten = Vec::new();
        let (kept_for, most) = (limits::KEPT_FOR, limits::KEPT_EVENTS);
        while self.kept.len() > most || self.kept.front().is_some_and(|kept| now.since(kept.body.at) > kept_for) {
            forgotten.extend(self.kept.pop_front().map(|kept| kept.edit));
        }
        forgotten
    }

    /// Takes an event of one's own back that was remembered.
    pub(super) fn restore_kept(&mut self, kept: Kept) {
        let place = self.kept.partition_point(|other| other.edit < kept.edit);
        match self.kept.get_mut(place).filter(|other| other.edit == kept.edit) {
            Some(there) => *there = kept,
            None => self.kept.insert(place, kept),
        }
    }

    /// An event of one's own is remembered no longer.
    pub(super) fn forget_kept(&mut self, edit: EditId) {
        let place = self.kept.partition_point(|kept| kept.edit < edit);
        if self.kept.get(place).is_some_and(|kept| kept.edit == edit) {
            self.kept.remove(place);
        }
    }

    /// Finds anew which events of one's own are yet to be played.
    pub(super) fn index(&mut self) {
        self.awaited.clear();
        self.former = false;
        for (edit, pending) in self.pending.iter() {
            let recorded = pending.seal.filter(|_| pending.recorded.is_some()).map(|seal| (seal.client, seal.n));
            pending.former.into_iter().chain(recorded).for_each(|id| self.awaited.insert(id, edit));
            self.former |= pending.former.is_some();
        }
    }

    /// Takes back what was stored. `numbers`: from the last one up to which all have their verdict, to the last one given,
    /// under the present identity.
    pub(super) fn restore(&mut self, last_edit: EditId, numbers: RangeInclusive<EventNumber>, client: ClientId) {
        let (decided, last) = numbers.into_inner();
        self.last_edit = last_edit;
        self.first = decided.next();
        self.sealed.clear();
        let mut ours = Vec::new();
        for (edit, pending) in self.pending.iter() {
            if let Some(seal) = pending.seal.filter(|seal| seal.client == client && seal.n > decided) {
                ours.push((seal.n, pending.recorded.is_none().then_some(edit)));
            }
        }
        ours.sort_unstable_by_key(|(n, _)| *n);
        for (n, edit) in ours {
            // Numbers between two that are pending have their verdict.
            while self.last_sealed().next() < n {
                self.sealed.push_back(None);
            }
            self.sealed.push_back(edit);
        }
        while self.last_sealed() < last {
            self.sealed.push_back(None);
        }
        while self.sealed.pop_front_if(|edit| edit.is_none()).is_some() {
            self.first = self.first.next();
        }
        self.next_to_send = self.first;
        self.index();
        self.start_sealing();
    }
}

impl Body {
    /// Without what it says of events that are on another log: past what is played of this one.
    pub(super) fn forget(&mut self, played: Seq) {
        if self.base > played {
            self.base = Seq::FIRST;
        }
        self.on = self.on.filter(|&on| on <= played);
    }
}

impl Replica {
    /// The edits that are not yet confirmed, oldest first.
    pub fn outbox(&self) -> impl ExactSizeIterator<Item = (EditId, &Body)> {
        self.outbox.pending.iter().map(|(edit, pending)| (edit, &pending.body))
    }

    /// Where a pending edit is recorded, once that is known.
    pub fn recorded_at(&self, edit: EditId) -> Option<Seq> {
        self.outbox.pending.get(edit)?.recorded
    }

    /// The ops of a pending edit as they show: its splices moved past what others have done since.
    pub fn shown_ops(&self, edit: EditId) -> Option<&[Op]> {
        self.outbox.pending.get(edit).map(Pending::ops)
    }
}
