//! The rows of a replica's store: six tables of bytes, the same on every device.

use std::sync::Arc;

use super::filling::Filled;
use super::outbox::{Again, Kept, Parked, Pending, Seal};
use super::part::StoredPart;
use crate::catchup::KeyOrder;
use crate::codec::CodecError;
use crate::codec::cbor::{self, Reader, Writer, check_end};
use crate::event::{Authored, Body, Lost};
use crate::hash::Chain;
use crate::limits;
use crate::name::Key;
use crate::names::Names;
use crate::numbers::{ClientId, EditId, EventNumber, Incarnation, Seq, TabId, View};
use crate::object::{Entry, Object};

/// The version of these rows. A store of a newer one is left alone.
const VERSION: u64 = 3;

/// A table of a replica's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// One row: who the replica is and how far it has played.
    Meta,
    /// Confirmed objects, by collection and id.
    Objects,
    /// Edits not yet confirmed, by edit.
    Outbox,
    /// One's own events that are on the log, by edit.
    Kept,
    /// Refused edits, by edit.
    Parked,
    /// Drafts, by collection and id.
    Drafts,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 6] = [Self::Meta, Self::Objects, Self::Outbox, Self::Kept, Self::Parked, Self::Drafts];

    /// The table's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Objects => "objects",
            Self::Outbox => "outbox",
            Self::Kept => "kept",
            Self::Parked => "parked",
            Self::Drafts => "drafts",
        }
    }
}

/// One row to be written, or to be removed where it has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// In which table.
    pub table: Table,
    /// Under which key. Edits sort as they were made.
    pub key: Vec<u8>,
    /// The value.
    pub value: Option<Vec<u8>>,
}

/// A row as it is read back, where it stands.
#[derive(Clone, Copy, Debug)]
pub struct StoredRow<'b> {
    /// In which table.
    pub table: Table,
    /// Under which key.
    pub key: &'b [u8],
    /// The value; `None` where the row was removed.
    pub value: Option<&'b [u8]>,
}

/// Why a row could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The store was written by a newer version.
    #[error(
        "the store has version {found}, this program reads up to {VERSION}: use a newer program, the store is kept"
    )]
    Newer {
        /// Its version.
        found: u64,
    },
    /// The row is damaged.
    #[error("a row of table {table} is damaged: {error}")]
    Damaged {
        /// In which table.
        table: &'static str,
        /// What is wrong.
        error: Box<CodecError>,
    },
}

#[derive(Debug)]
pub(super) struct Meta {
    pub(super) client: ClientId,
    pub(super) former: Vec<ClientId>,
    pub(super) decided: EventNumber,
    /// The last number given: those of edits that are long on the log count as well.
    pub(super) sealed: EventNumber,
    pub(super) incarnation: Option<Incarnation>,
    pub(super) played: Seq,
    pub(super) chain: Chain,
    pub(super) head: Seq,
    pub(super) last_edit: EditId,
    pub(super) tabs: Vec<(TabId, EditId)>,
    pub(super) filling: Option<Filled>,
    /// The queries, where it holds only what they find.
    pub(super) part: Option<StoredPart>,
}

impl Row {
    /// `[version, client, former, decided, incarnation | null, played, chain, head, last edit, [[tab, taken], …],
    /// filling | null, [subscription, …] | null, sealed, [view, all that may be read] | null]`; a filling is `[[to, latest, chain, [collection, id]], [collection, …], [objects, of, bytes]]`
    pub(super) fn meta(meta: &Meta) -> Self {
        let mut writer = Writer::new();
        writer.array(14).uint(VERSION).client(meta.client).array(meta.former.len() as u64);
        for &client in &meta.former {
            writer.client(client);
        }
        writer.uint(meta.decided.0).maybe(meta.incarnation.map(|incarnation| incarnation.0));
        writer
            .uint(meta.played.0)
            .uint(meta.chain.0)
            .uint(meta.head.0)
            .uint(meta.last_edit.0)
            .array(meta.tabs.len() as u64);
        for (tab, taken) in &meta.tabs {
            writer.array(2).bits(tab.0).uint(taken.0);
        }
        writer.filled(meta.filling.as_ref());
        match &meta.part {
            None => writer.null(),
            Some(part) => {
                let all = &part.subscriptions;
                all.iter().fold(writer.array(all.len() as u64), Writer::subscription)
            }
        };
        writer.uint(meta.sealed.0);
        match &meta.part {
            None => writer.null(),
            Some(part) => writer.array(2).uint(part.view.0).uint(part.by_right.into()),
        };
        Self { table: Table::Meta, key: Vec::new(), value: Some(writer.finish()) }
    }

    pub(super) fn object(key: &Key, entry: Option<&Entry>) -> Self {
        Self::of_key(Table::Objects, key, entry)
    }

    pub(super) fn draft(key: &Key, draft: Option<&Arc<Object>>) -> Self {
        Self::of_key(Table::Drafts, key, draft.cloned().map(Entry::Live).as_ref())
    }

    fn of_key(table: Table, key: &Key, entry: Option<&Entry>) -> Self {
        let mut writer = Writer::new();
        writer.array(2).key(key);
        Self { table, key: writer.finish(), value: entry.map(cbor::encode_entry) }
    }

    /// `[settled, former client | null, former n, recorded seq | null, sealed, authored, shown ops | null, flags,
    /// commanded | null, [settled, head, tries] | null, lost, [absorbed op, …]]`
    pub(super) fn pending(edit: EditId, pending: Option<&Pending>) -> Self {
        Self::of_edit(
            Table::Outbox,
            edit,
            pending.map(|pending| {
                let seal = pending.seal.map_or(Seal::NONE, |seal| seal);
                let mut writer = Writer::new();
                writer.array(12).uint(seal.settled.0);
                writer.maybe_client(pending.former.map(|(client, _)| client));
                writer.uint(pending.former.map_or(0, |(_, n)| n.0)).maybe(pending.recorded.map(|seq| seq.0));
                writer.uint(u64::from(pending.seal.is_some()));
                writer.raw(&authored(seal.client, seal.n, &pending.body));
                match &pending.shown {
                    Some(ops) => ops.iter().fold(writer.array(ops.len() as u64), Writer::op),
                    None => writer.null(),
                };
                writer.uint(u64::from(pending.voided) | u64::from(pending.met) << 1);
                writer.commanded(pending.command.as_ref());
                match pending.again {
                    Some(Again { settled, head, tries }) => {
                        writer.array(3).uint(settled.0).uint(head.0).uint(tries.into())
                    }
                    None => writer.null(),
                };
                writer.lost(&pending.lost).places(&pending.absorbed);
                writer.finish()
            }),
        )
    }

    pub(super) fn kept(edit: EditId, kept: Option<&Kept>) -> Self {
        Self::of_edit(Table::Kept, edit, kept.map(|kept| authored(kept.client, kept.n, &kept.body)))
    }

    /// `[refusal, authored]`
    pub(super) fn parked(edit: EditId, parked: Option<&Parked>) -> Self {
        Self::of_edit(
            Table::Parked,
            edit,
            parked.map(|parked| {
                let mut writer = Writer::new();
                writer.array(2).refusal(&parked.refusal);
                writer.raw(&authored(ClientId::default(), EventNumber::default(), &parked.body));
                writer.finish()
            }),
        )
    }

    fn of_edit(table: Table, edit: EditId, value: Option<Vec<u8>>) -> Self {
        Self { table, key: edit.0.to_be_bytes().into(), value }
    }

    /// The row as it would be read back.
    pub fn stored(&self) -> StoredRow<'_> {
        StoredRow { table: self.table, key: &self.key, value: self.value.as_deref() }
    }
}

impl StoredRow<'_> {
    pub(super) fn read_meta(&self) -> Result<Meta, RowError> {
        let version = self.read(|reader| {
            let (_, version) = (cbor::array_len(reader)?, reader.u64()?);
            reader.set_position(reader.input().len());
            Ok(version)
        })?;
        if version > VERSION {
            return Err(RowError::Newer { found: version });
        }
        self.read(|reader| {
            let parts = cbor::array_len(reader)?;
            reader.u64()?;
            let mut meta = Meta {
                client: cbor::read_client(reader)?,
                former: cbor::read_array(reader, "former clients", limits::FORMER_CLIENTS, cbor::read_client)?,
                decided: EventNumber(reader.u64()?),
                sealed: EventNumber::default(),
                incarnation: maybe(reader)?.map(Incarnation),
                played: Seq(reader.u64()?),
                chain: Chain(reader.u64()?),
                head: Seq(reader.u64()?),
                last_edit: EditId(reader.u64()?),
                tabs: cbor::read_array(reader, "tabs", limits::TABS, read_tab)?,
                // Version 2 knew of no fillings.
                filling: if parts > 10 { read_filled(reader)? } else { None },
                part: if parts > 10 { read_part(reader)? } else { None },
            };
            meta.sealed = if parts > 12 { EventNumber(reader.u64()?) } else { meta.decided };
            if parts > 13
                && !cbor::read_null(reader)?
                && let Some(part) = &mut meta.part
            {
                cbor::read_tuple(reader, 2, "what may be read")?;
                (part.view, part.by_right) = (View(reader.u64()?), reader.u64()? == 1);
            }
            Ok(meta)
        })
    }

    pub(super) fn read_key(&self, names: &Names) -> Result<Key, RowError> {
        self.read_from(Reader::knowing(self.key, names), |reader| {
            cbor::read_tuple(reader, 2, "a key")?;
            cbor::read_key(reader)
        })
    }

    pub(super) fn read_object(&self, names: &Names) -> Result<(Key, Entry), RowError> {
        let key = self.read_key(names)?;
        let entry = cbor::read_entry(Reader::knowing(self.value.unwrap_or_default(), names));
        Ok((key, entry.map_err(|error| self.damaged(error))?))
    }

    pub(super) fn read_pending(&self) -> Result<(EditId, Pending), RowError> {
        let pending = self.read(|reader| {
            let parts = cbor::array_len(reader)?;
            let settled = EventNumber(reader.u64()?);
            let former_client = if cbor::read_null(reader)? { None } else { Some(cbor::read_client(reader)?) };
            let former_n = EventNumber(reader.u64()?);
            let recorded = maybe(reader)?.map(Seq);
            let sealed = reader.u64()? == 1;
            let Authored { client, n, body, .. } = cbor::read_authored(reader)?;
            let shown = if cbor::read_null(reader)? { None } else { Some(cbor::read_ops(reader)?) };
            let flags = reader.u64()?;
            let command = cbor::read_commanded(reader)?;
            let again = if cbor::read_null(reader)? { None } else { Some(read_again(reader)?) };
            let (lost, absorbed) = if parts > 10 { read_outcome(reader)? } else { Default::default() };
            Ok(Pending {
                shown,
                voided: flags & 1 != 0,
                met: flags & 2 != 0,
                command,
                again,
                lost,
                absorbed,
                seal: sealed.then_some(Seal { client, n, settled, stored: true }),
                former: former_client.map(|client| (client, former_n)),
                recorded,
                ..Pending::new(body)
            })
        })?;
        Ok((self.edit()?, pending))
    }

    pub(super) fn read_kept(&self) -> Result<Kept, RowError> {
        let Authored { client, n, body, .. } = self.read(cbor::read_authored)?;
        Ok(Kept { edit: self.edit()?, client, n, seq: None, body })
    }

    pub(super) fn read_parked(&self) -> Result<(EditId, Parked), RowError> {
        let parked = self.read(|reader| {
            cbor::read_tuple(reader, 2, "a parked edit")?;
            Ok(Parked { refusal: cbor::read_refusal(reader)?, body: cbor::read_authored(reader)?.body })
        })?;
        Ok((self.edit()?, parked))
    }

    pub(super) fn edit(&self) -> Result<EditId, RowError> {
        let bytes = self.key.try_into();
        let bytes = bytes.map_err(|_| self.damaged(CodecError::Cbor("an edit's key has 8 bytes".into()).into()))?;
        Ok(EditId(u64::from_be_bytes(bytes)))
    }

    fn read<T>(&self, read: impl FnOnce(&mut Reader<'_>) -> Result<T, Box<CodecError>>) -> Result<T, RowError> {
        self.read_from(Reader::new(self.value.unwrap_or_default()), read)
    }

    fn read_from<T>(
        &self,
        mut reader: Reader<'_>,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Box<CodecError>>,
    ) -> Result<T, RowError> {
        let value = read(&mut reader).and_then(|value| check_end(&reader, "a row").map(|()| value));
        value.map_err(|error| self.damaged(error))
    }

    fn damaged(&self, error: Box<CodecError>) -> RowError {
        RowError::Damaged { table: self.table.name(), error }
    }
}

impl Seal {
    const NONE: Self = Self { client: ClientId(0), n: EventNumber(0), settled: EventNumber(0), stored: false };
}

fn authored(client: ClientId, n: EventNumber, body: &Body) -> Vec<u8> {
    cbor::encode_authored(&Authored { client, n, settled: EventNumber::default(), body: body.clone() })
}

fn read_tab(reader: &mut Reader<'_>) -> Result<(TabId, EditId), Box<CodecError>> {
    cbor::read_tuple(reader, 2, "a tab")?;
    Ok((TabId(cbor::read_client(reader)?.0), EditId(reader.u64()?)))
}

fn read_again(reader: &mut Reader<'_>) -> Result<Again, Box<CodecError>> {
    cbor::read_tuple(reader, 3, "a refusal")?;
    let (settled, head) = (EventNumber(reader.u64()?), Seq(reader.u64()?));
    Ok(Again { settled, head, tries: reader.u64()?.try_into().unwrap_or(u32::MAX) })
}

/// What of a recorded edit was lost, and which of its ops came in pages.
fn read_outcome(reader: &mut Reader<'_>) -> Result<(Vec<Lost>, Vec<usize>), Box<CodecError>> {
    let place = |reader: &mut Reader<'_>| Ok(usize::try_from(reader.u64()?).unwrap_or(usize::MAX));
    Ok((cbor::read_lost(reader)?, cbor::read_array(reader, "absorbed ops", limits::EVENT_OPS, place)?))
}

fn read_filled(reader: &mut Reader<'_>) -> Result<Option<Filled>, Box<CodecError>> {
    if cbor::read_null(reader)? {
        return Ok(None);
    }
    cbor::read_tuple(reader, 3, "a filling under way")?;
    let at = cbor::read_filling(reader)?;
    let first = cbor::read_array(reader, "first collections", limits::FIRST_COLLECTIONS, cbor::read_collection)?;
    Ok(Some(Filled { at, order: KeyOrder::new(first), progress: cbor::read_progress(reader)? }))
}

fn read_part(reader: &mut Reader<'_>) -> Result<Option<StoredPart>, Box<CodecError>> {
    if cbor::read_null(reader)? {
        return Ok(None);
    }
    let subscriptions = cbor::read_array(reader, "queries", limits::QUERIES, cbor::read_subscription)?;
    Ok(Some(StoredPart { subscriptions, view: View::ALL, by_right: false }))
}

fn maybe(reader: &mut Reader<'_>) -> Result<Option<u64>, Box<CodecError>> {
    if cbor::read_null(reader)? { Ok(None) } else { Ok(Some(reader.u64()?)) }
}

impl Writer {
    fn filled(&mut self, filled: Option<&Filled>) -> &mut Self {
        let Some(Filled { at, order, progress }) = filled else { return self.null() };
        let first = self.array(3).filling(at).array(order.first().len() as u64);
        order.first().iter().fold(first, |first, collection| first.text(collection.as_str())).progress(progress)
    }

    fn maybe(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.uint(number),
            None => self.null(),
        }
    }

    fn maybe_client(&mut self, client: Option<ClientId>) -> &mut Self {
        match client {
            Some(client) => self.client(client),
            None => self.null(),
        }
    }
}
