//! What goes to the device, and how it comes back.
//!
//! One batch of rows at a time is being written, all of it or nothing. What changes meanwhile gathers for the next
//! one: a burst of events costs one row for each object they changed. An edit is sent only once its seal is on the
//! device; verdicts are settled only once they are.

use rustc_hash::FxHashSet;

use super::Replica;
use super::connect::{Link, Phase};
use super::part::Part;
use super::rows::{Meta, Row};
use crate::limits;
use crate::name::Key;
use crate::numbered::Numbered;
use crate::numbers::{ClientId, EditId, EventNumber, TabId};
use crate::queue::Queue;

/// Where a replica keeps itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// On a device, through [`Replica::poll_store`].
    Device,
    /// Nowhere: it ends with the process.
    Memory,
}

/// Rows to be stored in one transaction, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreBatch {
    /// To be given to [`Replica::stored`] when they are durable.
    pub number: u64,
    /// The rows are all there is: those that were stored before go first.
    pub whole: bool,
    /// The rows.
    pub rows: Vec<Row>,
}

#[derive(Debug)]
pub(super) struct Storing {
    keeping: Keeping,
    meta: bool,
    whole: bool,
    objects: FxHashSet<Key>,
    pending: Numbered<EditId, ()>,
    kept: Numbered<EditId, ()>,
    parked: Numbered<EditId, ()>,
    on_its_way: Queue<OnItsWay>,
    batches: u64,
    /// All edits up to here are on the device.
    stored: EditId,
}

/// What is true once the batch being written is durable.
#[derive(Debug)]
struct OnItsWay {
    number: u64,
    client: ClientId,
    decided: EventNumber,
    last_edit: EditId,
    pending: Numbered<EditId, ()>,
    tabs: Vec<(TabId, EditId)>,
}

impl Storing {
    pub(super) fn new(keeping: Keeping) -> Self {
        Self {
            keeping,
            meta: true,
            whole: false,
            objects: FxHashSet::default(),
            pending: Numbered::default(),
            kept: Numbered::default(),
            parked: Numbered::default(),
            on_its_way: Queue::default(),
            batches: 0,
            stored: EditId::default(),
        }
    }

    pub(super) fn on_device(&self) -> bool {
        self.keeping == Keeping::Device
    }

    pub(super) fn meta(&mut self) {
        self.meta = true;
    }

    pub(super) fn object(&mut self, key: &Key) {
        if self.on_device() && !self.objects.contains(key) {
            self.objects.insert(key.clone());
        }
    }

    pub(super) fn whole(&mut self) {
        self.whole = true;
    }

    pub(super) fn pending(&mut self, edit: EditId) {
        if self.on_device() {
            self.pending.insert(edit, ());
        }
        self.meta = true;
    }

    pub(super) fn kept(&mut self, edit: EditId) {
        if self.on_device() {
            self.kept.insert(edit, ());
        }
    }

    pub(super) fn parked(&mut self, edit: EditId) {
        if self.on_device() {
            self.parked.insert(edit, ());
        }
        self.meta = true;
    }

    /// All edits up to `last` were on the device already.
    pub(super) fn restored(&mut self, last: EditId) {
        (self.stored, self.meta) = (last, false);
    }

    /// Whether all is on the device.
    pub(super) fn is_idle(&self) -> bool {
        !self.on_device() || self.on_its_way.is_empty() && !self.is_dirty()
    }

    fn is_dirty(&self) -> bool {
        let edits = [&self.pending, &self.kept, &self.parked].into_iter().any(|edits| !edits.is_empty());
        self.meta || self.whole || edits || !self.objects.is_empty()
    }
}

impl Replica {
    /// The next rows to store, where there are any and none are being stored.
    pub fn poll_store(&mut self) -> Option<StoreBatch> {
        if self.storing.on_its_way.is_empty() { self.flush_store() } else { None }
    }

    /// The next rows to store, though others are being stored: the device is about to be taken away. Batches have to
    /// be stored in order.
    pub fn flush_store(&mut self) -> Option<StoreBatch> {
        self.seal_ready();
        if !self.storing.on_device() || !self.storing.is_dirty() && !self.drafts.is_dirty() {
            return None;
        }
        let whole = self.storing.whole;
        if whole {
            self.mark_all();
        }
        let rows = self.dirty_rows();
        let storing = &mut self.storing;
        storing.batches += 1;
        (storing.meta, storing.whole) = (false, false);
        storing.kept.clear();
        storing.parked.clear();
        storing.on_its_way.push_back(OnItsWay {
            number: storing.batches,
            client: self.identity.client,
            decided: self.outbox.decided(),
            last_edit: self.outbox.last_edit(),
            pending: std::mem::take(&mut storing.pending),
            tabs: self.tabs.taken(),
        });
        Some(StoreBatch { number: storing.batches, whole, rows })
    }

    /// Goes on with what it has in memory alone where the device cannot be used, and back to the device when it can.
    pub fn keep(&mut self, keeping: Keeping) {
        self.storing.keeping = keeping;
        self.storing.on_its_way.clear();
        match keeping {
            Keeping::Device => self.store_whole(),
            Keeping::Memory => {
                let seals = self.outbox.pending.iter_mut().filter_map(|(_, pending)| pending.seal.as_mut());
                seals.for_each(|seal| seal.stored = true);
                self.tabs.all_untold();
                self.drafts.clean();
            }
        }
    }

    /// The next rows to store are to be all there are, in place of those that were stored one after the other.
    pub fn store_whole(&mut self) {
        self.storing.whole();
        self.storing.meta();
    }

    /// The rows of a batch are durable, and so are those of the batches before it.
    pub fn stored(&mut self, number: u64) {
        while let Some(done) = self.storing.on_its_way.pop_front_if(|batch| batch.number <= number) {
            self.batch_stored(done);
        }
    }

    fn batch_stored(&mut self, done: OnItsWay) {
        self.storing.stored = done.last_edit;
        self.tabs.stored(&done.tabs);
        if done.client == self.identity.client {
            self.identity.settled = done.decided;
        }
        let storing = &self.storing;
        let changed_since = |edit: EditId| {
            storing.pending.contains(edit) || storing.on_its_way.iter().any(|later| later.pending.contains(edit))
        };
        for edit in done.pending.keys() {
            let unchanged = !changed_since(edit);
            let pending = self.outbox.pending.get_mut(edit).filter(|_| unchanged);
            if let Some(seal) = pending.and_then(|pending| pending.seal.as_mut()) {
                seal.stored = true;
            }
        }
    }

    /// The rows of a batch could not be stored, nor those of any after it: all there is will be given again.
    pub fn not_stored(&mut self, number: u64) {
        if self.storing.on_its_way.iter().any(|batch| batch.number == number) {
            self.storing.on_its_way.retain(|batch| batch.number < number);
            self.store_whole();
        }
    }

    fn mark_all(&mut self) {
        self.drafts.mark_all();
        self.storing.objects.extend(self.confirmed.keys());
        self.outbox.pending.keys().for_each(|edit| self.storing.pending.insert(edit, ()));
        self.outbox.kept.iter().for_each(|kept| self.storing.kept.insert(kept.edit, ()));
        self.outbox.parked.keys().for_each(|edit| self.storing.parked.insert(edit, ()));
    }

    /// All edits up to this one are on the device.
    pub fn stored_through(&self) -> EditId {
        if self.storing.on_device() { self.storing.stored } else { self.outbox.last_edit() }
    }

    /// Gives the next edits their numbers, as soon as the stream is open.
    pub(super) fn seal_ready(&mut self) {
        let Link::Up { phase: Phase::Open { head }, .. } = self.link else { return };
        if self.outbox.has_former() {
            if self.history.played < head {
                return;
            }
            for edit in self.outbox.settle_former(self.history.played) {
                self.storing.pending(edit);
            }
        }
        if !self.storing.on_device() {
            self.identity.settled = self.outbox.decided();
        }
        let (client, settled, stored) = (self.identity.client, self.identity.settled, !self.storing.on_device());
        // An event that says of too few verdicts that they are settled would not be taken, and says so for ever.
        let last = settled.plus(limits::UNSETTLED_EVENTS as u64);
        while self.outbox.next_number() <= last
            && let Some(edit) = self.outbox.next_unsealed().filter(|&edit| self.may_seal(edit))
        {
            if self.is_torn(edit) {
                self.park_torn(edit);
                continue;
            }
            self.outbox.seal(edit, client, settled, stored);
            self.storing.pending(edit);
        }
    }

    /// Whether the next edit may be sealed: those behind it wait until it is.
    fn may_seal(&mut self, edit: EditId) -> bool {
        let again = self.outbox.pending.get(edit).and_then(|pending| pending.again);
        let ready =
            again.is_none_or(|again| self.identity.settled >= again.settled && self.history.played >= again.head);
        ready
            && !self.commands.is_due(edit)
            && !self.waits_for_command(edit)
            && !self.waits_for_filling(edit)
            && self.settle_texts(edit)
    }

    fn dirty_rows(&mut self) -> Vec<Row> {
        let mut rows = vec![Row::meta(&self.meta())];
        rows.extend(self.drafts.take_rows());
        let mut keys: Vec<Key> = std::mem::take(&mut self.storing.objects).into_iter().collect();
        keys.sort_unstable();
        for key in keys {
            let live = self.confirmed.entry(&key).filter(|entry| entry.live().is_some());
            rows.push(Row::object(&key, live));
        }
        for edit in self.storing.pending.keys() {
            rows.push(Row::pending(edit, self.outbox.pending.get(edit)));
        }
        let mut forgotten = self.storing.kept.clone();
        for kept in self.outbox.kept.iter().filter(|kept| self.storing.kept.contains(kept.edit)) {
            forgotten.remove(kept.edit);
            rows.push(Row::kept(kept.edit, Some(kept)));
        }
        for edit in forgotten.keys() {
            rows.push(Row::kept(edit, None));
        }
        for edit in self.storing.parked.keys() {
            rows.push(Row::parked(edit, self.outbox.parked.get(edit)));
        }
        rows
    }

    fn meta(&self) -> Meta {
        Meta {
            client: self.identity.client,
            former: self.identity.former.clone(),
            decided: self.outbox.decided(),
            sealed: self.outbox.last_sealed(),
            incarnation: self.history.incarnation,
            played: self.history.played,
            chain: self.history.chain,
            head: self.history.head,
            last_edit: self.outbox.last_edit(),
            tabs: self.tabs.taken(),
            filling: self.history.filling.clone(),
            part: self.part.as_ref().map(Part::stored),
        }
    }
}
