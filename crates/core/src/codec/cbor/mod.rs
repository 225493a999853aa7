//! CBOR (RFC 8949): maps with small integer keys, definite lengths, shortest integers, 64-bit floats.
//!
//! What is written here is canonical: the same thing always gives the same bytes, so they can be hashed, chained
//! and compared. `docs/protocol.cddl` is the grammar.

mod event;
mod frame;
mod stored;
mod value;

use std::convert::Infallible;

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

pub use event::{EncodedBody, RecordedHead, decode_recorded, encode_body, encode_recorded, encode_recorded_head};
pub(crate) use event::{encode_authored, read_authored, read_refusal, read_tuple, read_verdicts, write_verdicts};
pub use frame::{decode_client_frame, decode_server_frame, encode_client_frame, encode_events_frame, encode_server_frame};
pub use stored::{canonical_object, decode_entry, encode_entry};
pub(crate) use stored::{
    decode_batch, decode_client_state, decode_stream_state, encode_batch, encode_client_state, encode_stream_state,
};
pub use value::{decode_value, encode_value};
pub(crate) use value::{read_client, read_key};

use super::CodecError;

impl From<minicbor::decode::Error> for CodecError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Cbor(error.to_string())
    }
}

/// Writes CBOR to memory, which cannot fail.
pub(crate) struct Writer(Encoder<Vec<u8>>);

fn sure<T>(result: Result<T, minicbor::encode::Error<Infallible>>) {
    if result.is_err() {
        unreachable!("writing to memory cannot fail");
    }
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self::with_capacity(128)
    }

    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Encoder::new(Vec::with_capacity(bytes)))
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_writer()
    }

    pub(crate) fn map(&mut self, entries: u64) -> &mut Self {
        sure(self.0.map(entries));
        self
    }

    pub(crate) fn array(&mut self, items: u64) -> &mut Self {
        sure(self.0.array(items));
        self
    }

    pub(crate) fn uint(&mut self, number: u64) -> &mut Self {
        sure(self.0.u64(number));
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        sure(self.0.str(text));
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        sure(self.0.bytes(bytes));
        self
    }

    pub(crate) fn bool(&mut self, truth: bool) -> &mut Self {
        sure(self.0.bool(truth));
        self
    }

    pub(crate) fn null(&mut self) -> &mut Self {
        sure(self.0.null());
        self
    }

    /// Bytes that are CBOR already.
    pub(crate) fn raw(&mut self, cbor: &[u8]) -> &mut Self {
        self.0.writer_mut().extend_from_slice(cbor);
        self
    }
}

/// Reads CBOR.
pub(crate) type Reader<'b> = Decoder<'b>;

/// Reads a map with integer keys, handing each key to `entry`, which reads the value or answers `false` to skip it.
pub(crate) fn read_map<'b>(
    reader: &mut Reader<'b>,
    mut entry: impl FnMut(u64, &mut Reader<'b>) -> Result<bool, CodecError>,
) -> Result<(), CodecError> {
    for _ in 0..map_len(reader)? {
        let key = reader.u64()?;
        if !entry(key, reader)? {
            reader.skip()?;
        }
    }
    Ok(())
}

/// Reads an array, handing each item to `item`.
pub(crate) fn read_array<'b, T>(
    reader: &mut Reader<'b>,
    what: &'static str,
    most: usize,
    mut item: impl FnMut(&mut Reader<'b>) -> Result<T, CodecError>,
) -> Result<Vec<T>, CodecError> {
    let len = array_len(reader)?;
    CodecError::check_count(what, len, most)?;
    // An array cannot have more items than there are bytes: a lying length allocates nothing.
    let mut items = Vec::with_capacity(len.min(reader.input().len() - reader.position()));
    for _ in 0..len {
        items.push(item(reader)?);
    }
    Ok(items)
}

pub(crate) fn map_len(reader: &mut Reader<'_>) -> Result<usize, CodecError> {
    definite(reader.map()?)
}

pub(crate) fn array_len(reader: &mut Reader<'_>) -> Result<usize, CodecError> {
    definite(reader.array()?)
}

fn definite(len: Option<u64>) -> Result<usize, CodecError> {
    let len = len.ok_or_else(|| CodecError::Cbor("an indefinite length; write definite ones".into()))?;
    usize::try_from(len).map_err(|_| CodecError::Cbor("a length past all limits".into()))
}

/// Whether null stands there; reads it where it does.
pub(crate) fn read_null(reader: &mut Reader<'_>) -> Result<bool, CodecError> {
    let null = reader.datatype()? == Type::Null;
    if null {
        reader.null()?;
    }
    Ok(null)
}

/// Fails where anything is left.
pub(crate) fn check_end(reader: &Reader<'_>, what: &'static str) -> Result<(), CodecError> {
    match reader.position() == reader.input().len() {
        true => Ok(()),
        false => Err(CodecError::Trailing(what)),
    }
}

/// Splits the first byte string off a run of them: its content and the rest. `None` at the end.
pub(crate) fn split_bytes(input: &[u8]) -> Result<Option<(&[u8], &[u8])>, CodecError> {
    if input.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::new(input);
    let content = reader.bytes()?;
    Ok(Some((content, &input[reader.position()..])))
}

/// Appends a byte string.
pub(crate) fn write_bytes(to: &mut Vec<u8>, content: &[u8]) {
    sure(Encoder::new(to).bytes(content));
}

/// How many bytes a byte string with this much content takes.
pub(crate) const fn bytes_size(content: usize) -> usize {
    content
        + match content {
            0..=23 => 1,
            24..=0xff => 2,
            0x100..=0xffff => 3,
            _ => 5,
        }
}
