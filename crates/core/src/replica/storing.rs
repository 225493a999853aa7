//! What goes to the device, and how it comes back.
//!
//! One batch of rows at a time is being written, all of it or nothing. What changes meanwhile gathers for the next
//! one: a burst of events costs one row for each object they changed. An edit is sent only once its seal is on the
//! device; verdicts are settled only once they are.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use super::connect::{Link, Phase};
use super::outbox::Pending;
use super::rows::{Meta, Row, RowError, Table};
use super::{Replica, Start};
use crate::name::{Key, StreamName};
use crate::numbers::{ClientId, EditId, EventNumber};
use crate::object::Entry;

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
    /// All rows of [`Table::Objects`] go first.
    pub clear_objects: bool,
    /// The rows.
    pub rows: Vec<Row>,
}

#[derive(Debug)]
pub(super) struct Storing {
    keeping: Keeping,
    meta: bool,
    clear: bool,
    objects: FxHashSet<Key>,
    pending: BTreeSet<EditId>,
    kept: BTreeSet<EditId>,
    parked: BTreeSet<EditId>,
    on_its_way: Option<OnItsWay>,
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
    pending: BTreeSet<EditId>,
    kept: BTreeSet<EditId>,
    parked: BTreeSet<EditId>,
}

impl Storing {
    pub(super) fn new(keeping: Keeping) -> Self {
        Self {
            keeping,
            meta: true,
            clear: false,
            objects: FxHashSet::default(),
            pending: BTreeSet::new(),
            kept: BTreeSet::new(),
            parked: BTreeSet::new(),
            on_its_way: None,
            batches: 0,
            stored: EditId::default(),
        }
    }

    fn on_device(&self) -> bool {
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

    pub(super) fn clear_objects(&mut self) {
        self.objects.clear();
        self.clear = true;
    }

    pub(super) fn pending(&mut self, edit: EditId) {
        if self.on_device() {
            self.pending.insert(edit);
        }
        self.meta = true;
    }

    pub(super) fn kept(&mut self, edit: EditId) {
        if self.on_device() {
            self.kept.insert(edit);
        }
    }

    pub(super) fn parked(&mut self, edit: EditId) {
        if self.on_device() {
            self.parked.insert(edit);
        }
        self.meta = true;
    }

    /// Whether all is on the device.
    pub(super) fn is_idle(&self) -> bool {
        !self.on_device() || self.on_its_way.is_none() && !self.is_dirty()
    }

    fn is_dirty(&self) -> bool {
        let edits = [&self.pending, &self.kept, &self.parked].into_iter().any(|edits| !edits.is_empty());
        self.meta || self.clear || edits || !self.objects.is_empty()
    }
}

impl Replica {
    /// The next rows to store, where there are any and none are being stored.
    pub fn poll_store(&mut self) -> Option<StoreBatch> {
        self.seal_ready();
        if !self.storing.on_device() || self.storing.on_its_way.is_some() || !self.storing.is_dirty() {
            return None;
        }
        let rows = self.dirty_rows();
        let storing = &mut self.storing;
        storing.batches += 1;
        storing.meta = false;
        storing.on_its_way = Some(OnItsWay {
            number: storing.batches,
            client: self.identity.client,
            decided: self.outbox.decided(),
            last_edit: self.outbox.last_edit(),
            pending: std::mem::take(&mut storing.pending),
            kept: std::mem::take(&mut storing.kept),
            parked: std::mem::take(&mut storing.parked),
        });
        Some(StoreBatch { number: storing.batches, clear_objects: std::mem::take(&mut storing.clear), rows })
    }

    /// The rows of a batch are durable.
    pub fn stored(&mut self, number: u64) {
        let Some(done) = self.storing.on_its_way.take_if(|batch| batch.number == number) else { return };
        self.storing.stored = done.last_edit;
        if done.client == self.identity.client {
            self.identity.settled = done.decided;
        }
        for edit in done.pending {
            let pending = self.outbox.pending.get_mut(&edit).filter(|_| !self.storing.pending.contains(&edit));
            if let Some(seal) = pending.and_then(|pending| pending.seal.as_mut()) {
                seal.stored = true;
            }
        }
    }

    /// The rows of a batch could not be stored: they will be given again.
    pub fn not_stored(&mut self, number: u64) {
        let Some(failed) = self.storing.on_its_way.take_if(|batch| batch.number == number) else { return };
        self.storing.pending.extend(failed.pending);
        self.storing.kept.extend(failed.kept);
        self.storing.parked.extend(failed.parked);
        // Which objects were in it is not remembered: all are written anew.
        self.storing.clear = true;
        self.storing.objects.extend(self.confirmed.keys());
        self.storing.meta = true;
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
        let stored = !self.storing.on_device();
        for edit in self.outbox.seal(self.identity.client, self.identity.settled, stored) {
            self.storing.pending(edit);
        }
    }

    fn dirty_rows(&mut self) -> Vec<Row> {
        let mut rows = vec![Row::meta(&self.meta())];
        let mut keys: Vec<Key> = std::mem::take(&mut self.storing.objects).into_iter().collect();
        keys.sort();
        for key in keys {
            let live = self.confirmed.entry(&key).filter(|entry| entry.live().is_some());
            rows.push(Row::object(&key, live));
        }
        rows.extend(self.storing.pending.iter().map(|&edit| Row::pending(edit, self.outbox.pending.get(&edit))));
        let mut forgotten = self.storing.kept.clone();
        for kept in self.outbox.kept.iter().filter(|kept| self.storing.kept.contains(&kept.edit)) {
            forgotten.remove(&kept.edit);
            rows.push(Row::kept(kept.edit, Some(kept)));
        }
        for edit in forgotten {
            rows.push(Row::kept(edit, None));
        }
        rows.extend(self.storing.parked.iter().map(|&edit| Row::parked(edit, self.outbox.parked.get(&edit))));
        rows
    }

    fn meta(&self) -> Meta {
        Meta {
            client: self.identity.client,
            former: self.identity.former.iter().copied().collect(),
            decided: self.outbox.decided(),
            incarnation: self.history.incarnation,
            played: self.history.played,
            chain: self.history.chain,
            head: self.history.head,
            last_edit: self.outbox.last_edit(),
        }
    }

    /// A replica as it was stored; a new one under `client` where nothing was.
    ///
    /// # Errors
    /// Where a row cannot be read. The store is damaged or of a newer version: keep it, and tell the person.
    pub fn restore(
        stream: StreamName,
        client: ClientId,
        start: Start,
        rows: impl IntoIterator<Item = Row>,
    ) -> Result<Self, RowError> {
        let mut replica = Self::new(stream, client, start, Keeping::Device);
        let mut meta = None;
        for row in rows {
            match row.table {
                Table::Meta => meta = Some(row.read_meta()?),
                _ => replica.restore_row(&row)?,
            }
        }
        if let Some(meta) = meta {
            replica.restore_meta(meta);
        }
        Ok(replica)
    }

    fn restore_row(&mut self, row: &Row) -> Result<(), RowError> {
        match row.table {
            Table::Meta => {}
            Table::Objects => {
                let (key, entry): (Key, Entry) = row.read_object()?;
                self.confirmed.replace(&key, Some(entry));
            }
            Table::Outbox => {
                let (edit, pending): (EditId, Pending) = row.read_pending()?;
                self.outbox.pending.insert(edit, pending);
            }
            Table::Kept => {
                let kept = row.read_kept()?;
                let place = self.outbox.kept.partition_point(|other| other.edit < kept.edit);
                self.outbox.kept.insert(place, kept);
            }
            Table::Parked => {
                let (edit, parked) = row.read_parked()?;
                self.outbox.parked.insert(edit, parked);
            }
        }
        Ok(())
    }

    fn restore_meta(&mut self, meta: Meta) {
        self.identity.client = meta.client;
        self.identity.former = meta.former.into();
        self.identity.settled = meta.decided;
        self.history.incarnation = meta.incarnation;
        (self.history.played, self.history.chain, self.history.head) = (meta.played, meta.chain, meta.head);
        self.storing.stored = meta.last_edit;
        self.storing.meta = false;
        self.outbox.restore(meta.last_edit, meta.decided, meta.client);
        let mut keys = Vec::new();
        for (&edit, pending) in &self.outbox.pending {
            for (place, op) in pending.body.ops.iter().enumerate() {
                self.view.add(&op.key, edit, place);
                keys.push(op.key.clone());
            }
        }
        self.reapply(keys);
        self.changed.clear();
    }
}
