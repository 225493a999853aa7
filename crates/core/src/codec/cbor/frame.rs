//! What all frames have in common: a map with the frame's kind under 0 and its channel under 1.

use super::value::read_value;
use super::{CodecError, Reader, Writer, check_end, missing, read_array, read_map};
use crate::limits;
use crate::numbers::{Channel, EventNumber};
use crate::value::Value;

/// Frame kinds. Numbers not listed are free.
pub(super) mod kind {
    pub(crate) const HELLO: u64 = 1;
    pub(crate) const OPEN: u64 = 2;
    pub(crate) const PUSH: u64 = 3;
    pub(crate) const FETCH: u64 = 4;
    pub(crate) const PRESENCE: u64 = 5;
    pub(crate) const CLOSE: u64 = 6;
    pub(crate) const PING: u64 = 7;
    pub(crate) const SUBSCRIBE: u64 = 8;
    pub(crate) const UNSUBSCRIBE: u64 = 9;
    pub(crate) const WELCOME: u64 = 17;
    pub(crate) const OPENED: u64 = 18;
    pub(crate) const PAGE: u64 = 19;
    pub(crate) const EVENTS: u64 = 20;
    pub(crate) const ACK: u64 = 21;
    pub(crate) const REFUSED: u64 = 22;
    pub(crate) const PRESENCE_OF: u64 = 23;
    pub(crate) const RESYNC: u64 = 24;
    pub(crate) const ERROR: u64 = 25;
    pub(crate) const PONG: u64 = 26;
}

const KIND: u64 = 0;
const CHANNEL: u64 = 1;
/// Entries of one frame, known or not.
const MOST_ENTRIES: usize = 32;

impl Writer {
    /// The head of a frame with so many entries beside its kind.
    pub(super) fn frame(&mut self, kind: u64, entries: u64) -> &mut Self {
        self.map(1 + entries).uint(KIND).uint(kind)
    }

    pub(super) fn channel(&mut self, channel: Channel) -> &mut Self {
        self.uint(CHANNEL).uint(channel.0.into())
    }

    pub(super) fn numbers(&mut self, numbers: &[EventNumber]) -> &mut Self {
        let array = self.array(numbers.len() as u64);
        numbers.iter().fold(array, |array, n| array.uint(n.0))
    }

    /// An entry that is left out where it is not so.
    pub(super) fn entry_if_so(&mut self, key: u64, so: bool) -> &mut Self {
        if so { self.uint(key).bool(true) } else { self }
    }

    /// An entry that is left out where there is nothing to say.
    pub(super) fn entry_if(&mut self, key: u64, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.uint(key).uint(number),
            None => self,
        }
    }
}

/// The entries of a frame, found before they are read: the kind may stand anywhere in the map.
pub(super) struct Entries<'b> {
    pub(super) kind: u64,
    /// Each with the input up to its end.
    entries: Vec<(u64, Reader<'b>)>,
}

impl<'b> Entries<'b> {
    pub(super) fn find(bytes: &'b [u8]) -> Result<Self, Box<CodecError>> {
        let mut reader = Reader::new(bytes);
        let mut entries = Vec::with_capacity(10);
        let mut kind = None;
        read_map(&mut reader, |key, reader| {
            if key == KIND {
                kind = Some(reader.u64()?);
                return Ok(true);
            }
            CodecError::check_count("entries in one frame", entries.len() + 1, MOST_ENTRIES)?;
            let entry = *reader;
            reader.skip()?;
            entries.push((key, entry.until(reader.position())));
            Ok(true)
        })?;
        check_end(&reader, "a frame")?;
        Ok(Self { kind: kind.ok_or_else(|| missing("a frame", "kind"))?, entries })
    }

    /// Reads an entry where it is there.
    pub(super) fn get<T>(
        &self,
        key: u64,
        read: impl FnOnce(&mut Reader<'b>) -> Result<T, Box<CodecError>>,
    ) -> Result<Option<T>, Box<CodecError>> {
        let entry = self.entries.iter().find(|(found, _)| *found == key);
        match entry {
            Some((_, reader)) => read(&mut reader.clone()).map(Some),
            None => Ok(None),
        }
    }

    /// Reads an entry that must be there.
    pub(super) fn need<T>(
        &self,
        key: u64,
        part: &'static str,
        read: impl FnOnce(&mut Reader<'b>) -> Result<T, Box<CodecError>>,
    ) -> Result<T, Box<CodecError>> {
        self.get(key, read)?.ok_or_else(|| missing("the frame", part))
    }

    /// Reads a count that must be there.
    pub(super) fn count(&self, key: u64, part: &'static str) -> Result<u64, Box<CodecError>> {
        self.need(key, part, Reader::count)
    }

    /// Whether an entry says that something is so.
    pub(super) fn is_so(&self, key: u64) -> Result<bool, Box<CodecError>> {
        Ok(self.get(key, read_value)?.is_some_and(|said| said == Value::Bool(true)))
    }

    pub(super) fn channel(&self) -> Result<Channel, Box<CodecError>> {
        self.need(CHANNEL, "channel", Reader::u32).map(Channel)
    }

    pub(super) fn channel_if_any(&self) -> Result<Option<Channel>, Box<CodecError>> {
        Ok(self.get(CHANNEL, Reader::u32)?.map(Channel))
    }

    pub(super) fn text(&self, key: u64) -> Result<Option<String>, Box<CodecError>> {
        Ok(self.get(key, Reader::str)?.map(String::from))
    }
}

/// Reads the last numbers of the clients that an open named.
pub(super) fn read_numbers(reader: &mut Reader<'_>) -> Result<Vec<EventNumber>, Box<CodecError>> {
    read_array(reader, "clients named", limits::FORMER_CLIENTS + 1, |reader| Ok(EventNumber(reader.count()?)))
}
