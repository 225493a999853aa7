//! From messages to bytes: the sending half of RFC 6455, without I/O.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use tapeline_core::codec::Codec;

use crate::wire::Tail;

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// UTF-8.
    Text = 1,
    /// Bytes.
    Binary = 2,
    /// A code and a reason: nothing follows.
    Close = 8,
    /// The answer to a ping.
    Pong = 10,
}

/// Bytes on their way to the client. Small messages are gathered, large shared parts go as they are.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// What goes before `last`.
    parts: VecDeque<Bytes>,
    /// The last part, to which messages are still added, and how much of it was written.
    last: Vec<u8>,
    written: usize,
    size: usize,
}

/// Parts that are written in one go.
const SLICES: usize = 16;
/// Bytes that were written and are kept before it is worth moving what follows them.
const WRITTEN_BYTES: usize = 4 << 10;
/// Bytes of the longest head of a frame.
const HEAD_BYTES: usize = 10;

impl Outgoing {
    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.size
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Adds a message that consists of `head` and `tail`. The tail is shared rather than copied where that pays.
    pub(crate) fn push(&mut self, kind: Kind, head: &[u8], tail: Tail<'_>) {
        let before = self.last.len();
        let copied = tail.copied();
        self.last.reserve(HEAD_BYTES + head.len() + copied.len());
        self.last.push(0b1000_0000 | kind as u8);
        match head.len() + tail.len() {
            short @ 0..126 => self.last.push(short as u8),
            long @ 126..65_536 => {
                self.last.push(126);
                self.last.extend_from_slice(&(long as u16).to_be_bytes());
            }
            longer => {
                self.last.push(127);
                self.last.extend_from_slice(&(longer as u64).to_be_bytes());
            }
        }
        self.last.extend_from_slice(head);
        self.last.extend_from_slice(copied);
        self.size += self.last.len() - before;
        if let Tail::Shared(bytes) = tail {
            self.size += bytes.len();
            let mut last = Bytes::from(std::mem::take(&mut self.last));
            last.advance(std::mem::take(&mut self.written));
            self.parts.extend([last, bytes]);
        }
    }

    /// What is to be written next. Answers how many of the slices are filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let all = self.parts.iter().map(AsRef::as_ref).chain([&self.last[self.written..]]);
        let filled = slices.iter_mut().zip(all.filter(|part| !part.is_empty()));
        filled.map(|(slice, part)| *slice = IoSlice::new(part)).count()
    }

    /// So many bytes were written.
    pub(crate) fn advance(&mut self, mut written: usize) {
        self.size -= written;
        if self.size == 0 {
            *self = Self::default();
            return;
        }
        while let Some(part) = self.parts.front_mut() {
            if written < part.len() {
                return part.advance(written);
            }
            written -= part.len();
            self.parts.pop_front();
        }
        self.written += written;
        // Whoever always has something waiting would else keep all that it was ever sent.
        if self.written > WRITTEN_BYTES && self.written > self.last.len() / 2 {
            self.last.drain(..self.written);
            self.written = 0;
        }
    }
}

impl From<Codec> for Kind {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::Cbor => Self::Binary,
            Codec::Json => Self::Text,
        }
    }
}

/// As many slices as are written in one go.
pub(crate) fn no_slices<'a>() -> [IoSlice<'a>; SLICES] {
    [IoSlice::new(&[]); SLICES]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that takes as much as comes, but is never done.
    #[test]
    fn what_was_written_is_let_go_though_something_always_waits() {
        let mut outgoing = Outgoing::default();
        for _ in 0..10_000 {
            outgoing.push(Kind::Binary, b"head", Tail::Copied(&[7; 1_000]));
            let waiting = outgoing.len();
            outgoing.advance(waiting - 1);
        }
        assert_eq!(outgoing.len(), 1);
        assert!(outgoing.last.capacity() < 16_384, "{} bytes", outgoing.last.capacity());
    }

    #[test]
    fn messages_leave_in_order_however_they_are_cut() {
        let mut outgoing = Outgoing::default();
        let mut expected = Vec::new();
        for size in [0usize, 10, 200, 5_000, 70_000] {
            let tail = vec![size as u8; size];
            match size > 1_000 {
                true => outgoing.push(Kind::Binary, b"head", Tail::Shared(tail.clone().into())),
                false => outgoing.push(Kind::Binary, b"head", Tail::Copied(&tail)),
            }
            let length = match size + 4 {
                short @ 0..126 => vec![short as u8],
                long @ 126..65_536 => [&[126][..], &(long as u16).to_be_bytes()].concat(),
                longer => [&[127][..], &(longer as u64).to_be_bytes()].concat(),
            };
            expected.extend([&[0x82][..], &length, b"head", &tail].concat());
        }
        assert_eq!(outgoing.len(), expected.len());
        let mut sent = Vec::new();
        while !outgoing.is_empty() {
            let mut slices = no_slices();
            let filled = outgoing.slices(&mut slices);
            let all: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            let part = all.len().min(777);
            sent.extend_from_slice(&all[..part]);
            outgoing.advance(part);
        }
        assert_eq!(sent, expected);
    }
}
