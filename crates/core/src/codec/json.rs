//! JSON.

use super::CodecError;
use crate::frame::{ClientFrame, ServerFrame};

/// Encodes what a client says.
pub fn encode_client_frame(_frame: &ClientFrame) -> Vec<u8> {
    todo!()
}

/// Reads what a client says.
///
/// # Errors
/// Where the bytes are no client frame, or break a limit.
pub fn decode_client_frame(_bytes: &[u8]) -> Result<ClientFrame, CodecError> {
    todo!()
}

/// Encodes what a server says.
pub fn encode_server_frame(_frame: &ServerFrame) -> Vec<u8> {
    todo!()
}

/// Reads what a server says.
///
/// # Errors
/// Where the bytes are no server frame.
pub fn decode_server_frame(_bytes: &[u8]) -> Result<ServerFrame, CodecError> {
    todo!()
}
