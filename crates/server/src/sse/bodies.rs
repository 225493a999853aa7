//! From the body of a POST to messages: in JSON one a line, in CBOR each after its length in four bytes.

use tapeline_core::codec::Codec;

use super::doors::Post;
use crate::wire::{Message, Violation};

/// A body that is being taken.
pub(super) struct Body {
    codec: Codec,
    post: Post,
    /// How many bytes of it were read.
    read: usize,
}

impl Body {
    pub(super) fn new(codec: Codec, post: Post) -> Self {
        Self { codec, post, read: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.post.bytes.len()
    }

    /// The next message, of up to `most` bytes.
    pub(super) fn next(&mut self, most: usize) -> Result<Option<Message>, Violation> {
        if std::mem::take(&mut self.post.goodbye) {
            return Ok(Some(Message::Close));
        }
        let rest = &self.post.bytes[self.read..];
        if rest.is_empty() {
            return Ok(None);
        }
        let (frame, read) = match self.codec {
            Codec::Json => line(rest),
            Codec::Cbor => after_its_length(rest)?,
        };
        if frame.len() > most {
            return Err(Violation::TooLarge(most));
        }
        let message = Message::Data(frame.to_vec());
        self.read += read;
        Ok(Some(message))
    }

    /// Tells who sent it that all of it was taken.
    pub(super) fn say_taken(self) {
        // Somebody who no longer waits sends it again, and is told then.
        let _ = self.post.taken.send(());
    }
}

/// The first line, and how many bytes it takes.
fn line(rest: &[u8]) -> (&[u8], usize) {
    let end = rest.iter().position(|&byte| byte == b'\n');
    (&rest[..end.unwrap_or(rest.len())], end.map_or(rest.len(), |end| end + 1))
}

/// The first frame, and how many bytes it takes together with its length.
fn after_its_length(rest: &[u8]) -> Result<(&[u8], usize), Violation> {
    let cut = Violation::Protocol("a body that ends inside a frame");
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(cut)?;
    let length = u32::from_be_bytes(*length) as usize;
    Ok((rest.get(..length).ok_or(cut)?, 4 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(codec: Codec, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Violation> {
        let mut body = Body::new(codec, Post::frames(bytes.to_vec(), None).0);
        let mut messages = Vec::new();
        while let Some(message) = body.next(10)? {
            let Message::Data(message) = message else { panic!("not a frame: {message:?}") };
            messages.push(message);
        }
        Ok(messages)
    }

    #[test]
    fn frames_are_lines_or_come_after_their_length() {
        assert_eq!(messages(Codec::Json, b"{}\n[]\n"), Ok(vec![b"{}".to_vec(), b"[]".to_vec()]));
        assert_eq!(messages(Codec::Json, b"{}\n[]"), Ok(vec![b"{}".to_vec(), b"[]".to_vec()]));
        assert_eq!(messages(Codec::Cbor, &[0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9]), Ok(vec![vec![7, 8], vec![9]]));
        assert_eq!(messages(Codec::Cbor, &[]), Ok(vec![]));
    }

    #[test]
    fn what_is_cut_or_too_large_is_refused() {
        let cut = Err(Violation::Protocol("a body that ends inside a frame"));
        assert_eq!(messages(Codec::Cbor, &[0, 0, 0]), cut);
        assert_eq!(messages(Codec::Cbor, &[0, 0, 0, 2, 7]), cut);
        assert_eq!(messages(Codec::Cbor, &[0xff, 0xff, 0xff, 0xff, 7]), cut);
        assert_eq!(messages(Codec::Cbor, &[&[0, 0, 0, 11][..], &[1; 11]].concat()), Err(Violation::TooLarge(10)));
        assert_eq!(messages(Codec::Json, b"[1,2,3,4,5]"), Err(Violation::TooLarge(10)));
    }
}
