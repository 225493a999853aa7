//! From the bytes of a message to a frame: as it is, or out of DEFLATE where the server thought it worth that.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};
use tapeline_core::codec::Codec;
use tapeline_core::limits;

use crate::socket::{Heard, SocketError};

/// What says that a frame follows in DEFLATE.
const MARK: u8 = 0;
/// Bytes to begin with for each byte that came.
const GROWTH: usize = 4;

/// Reads a message.
pub(crate) fn read(codec: Codec, message: &[u8]) -> Heard {
    let frame = match (codec, message) {
        (Codec::Cbor, [MARK, deflated @ ..]) => Cow::Owned(inflate(deflated)?),
        (_, message) => Cow::Borrowed(message),
    };
    Ok(codec.decode_server(&frame)?)
}

/// Inflates a frame, unless it is larger than one may be: little can come that would take much.
fn inflate(deflated: &[u8]) -> Result<Vec<u8>, SocketError> {
    let broken = |why: &str| SocketError::Ended(format!("the server said something that {why}").into());
    let mut decompress = Decompress::new(false);
    let mut frame = Vec::with_capacity((deflated.len() * GROWTH).clamp(1 << 10, limits::FRAME_BYTES + 1));
    loop {
        let rest = &deflated[decompress.total_in() as usize..];
        let status = decompress.decompress_vec(rest, &mut frame, FlushDecompress::None);
        match status.map_err(|_| broken("cannot be inflated"))? {
            _ if frame.len() > limits::FRAME_BYTES => return Err(broken("is too large once inflated")),
            Status::StreamEnd => return Ok(frame),
            _ if frame.len() < frame.capacity() => return Err(broken("ends before its end")),
            _ => frame.reserve_exact(frame.capacity().min(limits::FRAME_BYTES + 1 - frame.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use tapeline_core::frame::{ErrorCode, ErrorFrame, ServerFrame};

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(vec![MARK], Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn error(message: &str) -> ServerFrame {
        let message = message.to_owned();
        ServerFrame::Error(ErrorFrame { channel: None, code: ErrorCode::Internal, message, n: None, retry: None })
    }

    #[test]
    fn a_frame_is_the_same_deflated_or_not() {
        for size in [0, 100, 3_000_000] {
            let frame = error(&"x".repeat(size));
            let bytes = Codec::Cbor.encode_server(&frame);
            assert_eq!(read(Codec::Cbor, &bytes).unwrap(), frame);
            assert_eq!(read(Codec::Cbor, &deflated(&bytes)).unwrap(), frame);
        }
    }

    #[test]
    fn what_is_cut_spoilt_or_too_large_ends_the_connection() {
        let bytes = deflated(&Codec::Cbor.encode_server(&error("hello")));
        let ended = |bytes: &[u8]| matches!(read(Codec::Cbor, bytes), Err(SocketError::Ended(_)));
        assert!(ended(&bytes[..bytes.len() - 1]) && ended(&[MARK]) && ended(&[MARK, 0xff, 0xff]));
        assert!(ended(&deflated(&vec![0; limits::FRAME_BYTES + 1])));
        assert!(ended(&deflated(&vec![0; 100 * limits::FRAME_BYTES])));
        assert!(!ended(&deflated(&vec![0; limits::FRAME_BYTES])), "it is read, and found to be no frame");
    }
}
