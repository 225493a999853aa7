//! CBOR (RFC 8949): maps with small integer keys, definite lengths, shortest integers, 64-bit floats.
//!
//! What is written here is canonical: the same thing always gives the same bytes, so they can be hashed, chained
//! and compared. `docs/protocol.cddl` is the grammar.

mod client_frame;
mod event;
mod frame;
mod local;
mod op;
mod page;
mod presence;
mod reader;
mod server_frame;
mod stored;
mod value;
mod verdict;
mod writer;

pub(crate) use client_frame::read_collection;
pub use client_frame::{decode_client_frame, encode_client_frame};
pub use event::{
    EncodedBody, RecordedHead, decode_recorded, encode_body, encode_recorded, encode_recorded_head, recorded_keys,
};
pub(crate) use event::{encode_authored, read_authored, read_recorded};
pub use local::{
    decode_change, decode_key, decode_new_edit, decode_ops, decode_ran, decode_record, encode_change, encode_moved,
    encode_notice, encode_parked, encode_record, encode_row, encode_rows, encode_run,
};
pub(crate) use local::{read_all_ops, read_commanded, read_ops, read_shown};
pub(crate) use op::{encode_key, read_client, read_key};
pub(crate) use page::{read_filling, read_progress, read_subscription};
pub use presence::{encode_peers, encode_presence_head};
pub(crate) use reader::{
    Reader, array_len, byte_strings, check_end, missing, read_array, read_map, read_null, read_tuple, unknown, wrong,
};
pub use server_frame::{
    Glance, decode_server_frame, encode_events_frame, encode_events_head, encode_server_frame, glance,
};
pub use stored::{canonical_object, decode_entry, encode_entry};
pub(crate) use stored::{
    decode_batch, decode_client_state, decode_stream_state, encode_batch, encode_client_state, encode_stream_state,
    read_conflicts, read_entry, read_values,
};
pub(crate) use value::read_value;
pub use value::{decode_value, encode_named, encode_value};
pub(crate) use verdict::{read_lost, read_refusal};
pub(crate) use writer::{Writer, bytes_size, write_bytes};

use super::CodecError;

/// What the first three bits of an item say, and the initial bytes that stand for themselves.
mod major {
    pub(super) const MASK: u8 = 0b111_00000;
    pub(super) const UNSIGNED: u8 = 0 << 5;
    pub(super) const NEGATIVE: u8 = 1 << 5;
    pub(super) const BYTES: u8 = 2 << 5;
    pub(super) const TEXT: u8 = 3 << 5;
    pub(super) const ARRAY: u8 = 4 << 5;
    pub(super) const MAP: u8 = 5 << 5;
    pub(super) const TAG: u8 = 6 << 5;
    pub(super) const FALSE: u8 = 0xf4;
    pub(super) const TRUE: u8 = 0xf5;
    pub(super) const NULL: u8 = 0xf6;
    pub(super) const FLOAT_16: u8 = 0xf9;
    pub(super) const FLOAT_32: u8 = 0xfa;
    pub(super) const FLOAT_64: u8 = 0xfb;
}
