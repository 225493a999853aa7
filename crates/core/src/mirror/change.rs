//! What a leader tells the mirrors of its view, and what a mirror tells its leader: in memory, and as bytes.
//!
//! ```text
//! change = [version, page, played, [[tab, taken, stored], …], [[collection, id, {field: value, …} | null, conflicts?], …],
//!           [[collection, id, field, splices, tab, edit, number], …], moves]
//! commit = [version, number, authored event without an identity, command | null, drafts, publishes,
//!           [[op, field, text | null], …], heard]
//! ```
//!
//! Drafts have conflicts, of which there are none. The edit is 0 where no tab has spliced a text.

use std::sync::Arc;

use super::typed::TypedOn;
use crate::codec::CodecError;
use crate::codec::cbor::{self, Reader, Writer, check_end, read_array, read_tuple};
use crate::event::{Authored, Body};
use crate::limits;
use crate::name::{FieldName, Key};
use crate::numbers::{EditId, Seq, TabId};
use crate::object::Object;
use crate::op::Op;
use crate::replica::{Commanded, Moved};
use crate::splice::Splices;
use crate::value::Value;

/// The version of these bytes. Tabs that run different versions of an app meet here.
pub const VERSION: u64 = 4;

/// Something that changed in a leader's view.
#[derive(Clone, Debug)]
pub struct ViewChange {
    /// Which part of the view it is.
    pub page: Page,
    /// How many events the leader had played.
    pub played: Seq,
    /// How far it is with the edits of tabs.
    pub tabs: Vec<Heard>,
    /// What is shown under these keys now.
    pub objects: Vec<(Key, Option<Arc<Object>>)>,
    /// What was done to texts to make them what they are now, as far as it was noted.
    pub moved: Vec<Moved>,
    /// How many of those there were so far.
    pub moves: u64,
}

/// Which part of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Only what changed.
    Change,
    /// The first page of the whole view.
    First,
    /// A page after it.
    Next,
    /// The last one. What no page named is no longer there.
    Last,
    /// The only one.
    Only,
    /// What a mirror in the same place lacks of the whole view, and what there shows no longer.
    Rest,
}

/// How far a leader is with the edits of one tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The tab.
    pub tab: TabId,
    /// The last edit that the view includes.
    pub taken: EditId,
    /// The last edit that is on the device.
    pub stored: EditId,
}

/// An edit of a tab on its way to the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The tab's number for it.
    pub number: EditId,
    /// What is to be done.
    pub body: Body,
    /// How a command made it, where one did.
    pub command: Option<Commanded>,
    /// How many of its ops, from the first on, are of drafts.
    pub drafts: usize,
    /// It publishes the draft that its one op names, as that is by then.
    pub publishes: bool,
    /// What its splices were typed on.
    pub typed: Vec<TypedOn>,
    /// Its ops, and what they would be typed on, as they are past what was told to have been done to texts.
    pub(crate) moved: Option<(Vec<Op>, Vec<TypedOn>)>,
    /// How many of what was done to texts its tab had heard of.
    pub heard: u64,
}

impl Page {
    const ALL: [Self; 6] = [Self::Change, Self::First, Self::Next, Self::Last, Self::Only, Self::Rest];

    pub(super) fn begins(self) -> bool {
        matches!(self, Self::First | Self::Only | Self::Rest)
    }

    pub(super) fn ends(self) -> bool {
        matches!(self, Self::Last | Self::Only | Self::Rest)
    }
}

/// A whole view, cut into pages of about [`VIEW_PAGE_BYTES`](limits::VIEW_PAGE_BYTES).
pub(crate) struct Pages {
    pages: Vec<ViewChange>,
    /// How many bytes the last one has.
    bytes: usize,
}

impl Pages {
    pub(crate) fn new(only: ViewChange) -> Self {
        Self { pages: vec![only], bytes: 0 }
    }

    pub(crate) fn push(&mut self, key: Key, object: Arc<Object>) {
        if self.bytes > limits::VIEW_PAGE_BYTES {
            let ViewChange { played, ref tabs, moves, .. } = self.pages[0];
            let next = ViewChange::empty(Page::Next, played, tabs.clone(), moves);
            self.pages.push(next);
            self.bytes = 0;
        }
        self.bytes += object.estimated_bytes();
        if let Some(last) = self.pages.last_mut() {
            last.objects.push((key, Some(object)));
        }
    }

    pub(crate) fn done(mut self) -> Vec<ViewChange> {
        if let [first, .., last] = self.pages.as_mut_slice() {
            (first.page, last.page) = (Page::First, Page::Last);
        }
        self.pages
    }
}

impl ViewChange {
    pub(crate) fn empty(page: Page, played: Seq, tabs: Vec<Heard>, moves: u64) -> Self {
        Self { page, played, tabs, objects: Vec::new(), moved: Vec::new(), moves }
    }

    /// Encodes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(256);
        writer.array(7).uint(VERSION).uint(self.page as u64).uint(self.played.0).array(self.tabs.len() as u64);
        for heard in &self.tabs {
            writer.array(3).bits(heard.tab.0).uint(heard.taken.0).uint(heard.stored.0);
        }
        writer.array(self.objects.len() as u64);
        for (key, object) in &self.objects {
            let conflicts = object.as_ref().map_or(&[] as &[_], |object| object.conflicts());
            let has_more = !conflicts.is_empty() || object.as_ref().is_some_and(|object| object.is_draft());
            writer.array(3 + u64::from(has_more)).key(key);
            match object {
                Some(object) => writer.fields(object),
                None => writer.null(),
            };
            if has_more {
                writer.conflicts(conflicts);
            }
        }
        writer.array(self.moved.len() as u64);
        for Moved { key, field, splices, by, number } in &self.moved {
            writer.array(7).key(key).text(field.as_str()).value(&splices.to_value());
            let (tab, edit) = by.unwrap_or((TabId(0), EditId::default()));
            writer.bits(tab.0).uint(edit.0).uint(*number);
        }
        writer.uint(self.moves);
        writer.finish()
    }

    /// Reads one.
    ///
    /// # Errors
    /// Where the bytes are none, or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Box<CodecError>> {
        let mut reader = Reader::new(bytes);
        read_tuple(&mut reader, 7, "a change of a view")?;
        check_version(&mut reader)?;
        let page = reader.u64()?;
        let page = Page::ALL.into_iter().find(|known| *known as u64 == page);
        let change = Self {
            page: page.ok_or(CodecError::Cbor("a page that there is not".into()))?,
            played: Seq(reader.u64()?),
            tabs: read_array(&mut reader, "tabs", limits::TABS, read_heard)?,
            objects: read_array(&mut reader, "objects in a page", usize::MAX, read_object)?,
            moved: read_array(&mut reader, "texts that were edited", limits::TEXT_MOVES, read_moved)?,
            moves: reader.u64()?,
        };
        check_end(&reader, "a change of a view")?;
        Ok(change)
    }
}

impl Commit {
    /// Encodes it.
    pub fn encode(&self) -> Vec<u8> {
        let (client, n, settled) = Default::default();
        let mut writer = Writer::with_capacity(256);
        writer.array(8).uint(VERSION).uint(self.number.0);
        writer.authored(&Authored { client, n, settled, body: self.body.clone() });
        writer.commanded(self.command.as_ref()).uint(self.drafts as u64).uint(u64::from(self.publishes));
        writer.array(self.typed.len() as u64);
        for TypedOn { op, field, value } in &self.typed {
            writer.array(3).uint(*op as u64).text(field.as_str()).value(value.as_ref().unwrap_or(&Value::Null));
        }
        writer.uint(self.heard);
        writer.finish()
    }

    /// Reads one.
    ///
    /// # Errors
    /// Where the bytes are none, or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Box<CodecError>> {
        let mut reader = Reader::new(bytes);
        read_tuple(&mut reader, 8, "an edit of a tab")?;
        check_version(&mut reader)?;
        let number = EditId(reader.u64()?);
        let Authored { body, .. } = cbor::read_authored(&mut reader)?;
        let command = cbor::read_commanded(&mut reader)?;
        let drafts = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
        let publishes = reader.u64()? == 1;
        let typed = read_array(&mut reader, "texts that were edited", usize::MAX, read_typed)?;
        let heard = reader.u64()?;
        check_end(&reader, "an edit of a tab")?;
        Ok(Self { number, body, command, drafts, publishes, typed, moved: None, heard })
    }
}

fn check_version(reader: &mut Reader<'_>) -> Result<(), Box<CodecError>> {
    match reader.u64()? {
        VERSION => Ok(()),
        other => {
            Err(CodecError::Unknown { what: "version of the messages between tabs", found: other.to_string() }.into())
        }
    }
}

fn read_heard(reader: &mut Reader<'_>) -> Result<Heard, Box<CodecError>> {
    read_tuple(reader, 3, "a tab")?;
    let tab = TabId(cbor::read_client(reader)?.0);
    Ok(Heard { tab, taken: EditId(reader.u64()?), stored: EditId(reader.u64()?) })
}

fn read_moved(reader: &mut Reader<'_>) -> Result<Moved, Box<CodecError>> {
    read_tuple(reader, 7, "a text that was edited")?;
    let (key, field) = (cbor::read_key(reader)?, FieldName::new(reader.str()?)?);
    let splices = Splices::from_value(&cbor::read_value(reader)?).map_err(|error| CodecError::Cbor(error.into()))?;
    let by = (TabId(cbor::read_client(reader)?.0), EditId(reader.u64()?));
    let by = Some(by).filter(|(_, edit)| *edit > EditId::default());
    Ok(Moved { key, field, splices, by, number: reader.u64()? })
}

fn read_typed(reader: &mut Reader<'_>) -> Result<TypedOn, Box<CodecError>> {
    read_tuple(reader, 3, "a text that was edited")?;
    let op = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
    let field = FieldName::new(reader.str()?)?;
    Ok(TypedOn { op, field, value: Some(cbor::read_value(reader)?).filter(|value| *value != Value::Null) })
}

fn read_object(reader: &mut Reader<'_>) -> Result<(Key, Option<Arc<Object>>), Box<CodecError>> {
    let parts = reader.array()?;
    let key = cbor::read_key(reader)?;
    let Some(object) = cbor::read_shown(reader)? else { return Ok((key, None)) };
    let conflicts = if parts > 3 { cbor::read_conflicts(reader)? } else { Vec::new() };
    let object = if parts > 3 && conflicts.is_empty() { object.drafted() } else { object };
    Ok((key, Some(Arc::new(object.with(Vec::new(), conflicts)))))
}
