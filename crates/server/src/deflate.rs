//! Frames that are worth compressing: a zero, which no frame in CBOR begins with, then the frame in raw DEFLATE
//! (RFC 1951).

use flate2::{Compress, Compression, FlushCompress, Status};

use crate::limits;

/// What says that a frame follows in DEFLATE.
const MARK: u8 = 0;

/// A frame, given in parts, as it goes to those who can inflate it.
pub(crate) fn deflate(parts: &[&[u8]]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(limits::DEFLATE_LEVEL), false);
    let size: usize = parts.iter().map(|part| part.len()).sum();
    let mut deflated = Vec::with_capacity(size / 2 + 64);
    deflated.push(MARK);
    for (place, part) in parts.iter().enumerate() {
        let flush = if place + 1 == parts.len() { FlushCompress::Finish } else { FlushCompress::None };
        compress_part(&mut compress, part, flush, &mut deflated);
    }
    deflated
}

fn compress_part(compress: &mut Compress, part: &[u8], flush: FlushCompress, deflated: &mut Vec<u8>) {
    let start = compress.total_in();
    loop {
        let read = (compress.total_in() - start) as usize;
        let status = compress.compress_vec(&part[read..], deflated, flush).expect("what has been begun goes on");
        let is_read = (compress.total_in() - start) as usize == part.len();
        let has_room = deflated.len() < deflated.capacity();
        match (status, flush) {
            (Status::StreamEnd, _) => return,
            (_, FlushCompress::None) if is_read && has_room => return,
            _ => deflated.reserve(deflated.capacity().max(64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};

    use super::*;

    #[test]
    fn what_is_deflated_inflates_to_what_it_was() {
        let random: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(100_000).collect();
        for parts in [[&b""[..], b""], [b"head", b""], [b"head", &[7; 50_000]], [b"head", &random]] {
            let deflated = deflate(&parts);
            assert_eq!(deflated[0], 0);
            let (whole, mut inflated) = (parts.concat(), Vec::with_capacity(200_000));
            let mut decompress = Decompress::new(false);
            let status = decompress.decompress_vec(&deflated[1..], &mut inflated, FlushDecompress::Finish).unwrap();
            assert_eq!((status, inflated == whole), (Status::StreamEnd, true));
            assert!(deflated.len() < whole.len() + 100);
        }
    }
}
