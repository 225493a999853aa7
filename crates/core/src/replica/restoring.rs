//! Reading a replica back from the device, row by row in the order they were written.

use super::outbox::Pending;
use super::part::Part;
use super::rows::{Meta, Row, RowError, StoredRow, Table};
use super::{Keeping, Replica, Start};
use crate::mirror::ViewChange;
use crate::name::{Key, StreamName};
use crate::numbers::{ClientId, EditId, Seq};
use crate::object::Entry;

/// A replica of which some rows were read. A later row under the same key takes the place of an earlier one.
#[derive(Debug)]
pub struct Restoring {
    replica: Replica,
    meta: Option<Meta>,
    /// Mirrors were told what was read so far: of the rest they are told when all is read.
    told: bool,
}

impl Restoring {
    /// Nothing was read yet. Where nothing will be, it is a new replica under `client`.
    pub fn new(stream: StreamName, client: ClientId, start: Start) -> Self {
        Self { replica: Replica::new(stream, client, start, Keeping::Device), meta: None, told: false }
    }

    /// Takes a row.
    ///
    /// # Errors
    /// Where the row cannot be read. The store is damaged or of a newer version: keep it, and tell the person.
    pub fn row(&mut self, row: StoredRow<'_>) -> Result<(), RowError> {
        let (replica, there) = (&mut self.replica, row.value.is_some());
        let outbox = &mut replica.outbox;
        match row.table {
            Table::Meta => self.meta = Some(row.read_meta()?),
            Table::Objects if there => {
                let (key, entry): (Key, Entry) = row.read_object(&replica.names)?;
                replica.confirmed.replace(&key, Some(entry));
            }
            Table::Objects => {
                let key = row.read_key(&replica.names)?;
                replica.confirmed.replace(&key, None);
                replica.confirmed.evict(&key);
            }
            Table::Outbox if there => {
                let (edit, pending): (EditId, Pending) = row.read_pending()?;
                outbox.pending.insert(edit, pending);
            }
            Table::Outbox => drop(outbox.pending.remove(row.edit()?)),
            Table::Kept if there => outbox.restore_kept(row.read_kept()?),
            Table::Kept => outbox.forget_kept(row.edit()?),
            Table::Parked if there => {
                let (edit, parked) = row.read_parked()?;
                outbox.parked.insert(edit, parked);
            }
            Table::Parked => drop(outbox.parked.remove(row.edit()?)),
            Table::Drafts => {
                let key = row.read_key(&replica.names)?;
                let draft = if there { row.read_object(&replica.names)?.1.live().cloned() } else { None };
                replica.drafts.restore(key, draft);
            }
        }
        Ok(())
    }

    /// What was read so far, for mirrors to show early, once: the confirmed objects, without what is pending.
    pub fn view_change(&mut self) -> Option<ViewChange> {
        if self.told {
            return None;
        }
        let change = self.replica.view_so_far();
        self.told = !change.objects.is_empty();
        self.told.then_some(change)
    }

    /// All rows were read.
    pub fn done(mut self) -> Replica {
        if let Some(meta) = self.meta.take() {
            self.replica.restore_meta(meta);
        }
        self.replica.changed.clear();
        self.replica
    }
}

impl Replica {
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
        let mut restoring = Restoring::new(stream, client, start);
        rows.into_iter().try_for_each(|row| restoring.row(row.stored()))?;
        Ok(restoring.done())
    }

    fn restore_meta(&mut self, meta: Meta) {
        self.identity.client = meta.client;
        self.identity.former = meta.former;
        self.identity.settled = meta.decided;
        self.history.incarnation = meta.incarnation;
        (self.history.played, self.history.chain, self.history.head) = (meta.played, meta.chain, meta.head);
        self.history.filling = meta.filling;
        self.part = meta.part.map(Part::restored);
        self.storing.restored(meta.last_edit);
        self.tabs.restore(meta.tabs);
        self.outbox.restore(meta.last_edit, meta.decided..=meta.sealed, meta.client);
        if self.history.played == Seq::FIRST
            && let Some(filled) = &self.history.filling
        {
            self.index_void(filled.order.clone());
        }
        let mut keys = Vec::new();
        for (edit, pending) in self.outbox.pending.iter() {
            let shows = |(place, _): &(usize, _)| !pending.absorbed.contains(place);
            for (place, op) in pending.body.ops.iter().enumerate().filter(shows) {
                self.view.add(&op.key, edit, place);
                keys.push(op.key.clone());
            }
            if let Some(commanded) = &pending.command {
                self.commands.watch(edit, &commanded.reads);
            }
        }
        self.reapply(keys);
    }
}
