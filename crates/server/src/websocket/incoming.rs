//! From bytes to messages: the receiving half of RFC 6455, without I/O.

use tapeline_core::limits;

use crate::wire::{Message, Violation};

/// Bytes received, and what was made of them so far.
#[derive(Debug)]
pub(crate) struct Incoming {
    bytes: Vec<u8>,
    /// How many of them were read.
    read: usize,
    /// The parts of a message that has not ended, and whether it is text.
    begun: Option<(Vec<u8>, bool)>,
    most: usize,
}

/// The head of one frame.
struct Head {
    ends: bool,
    opcode: u8,
    mask: [u8; 4],
    size: usize,
    payload: usize,
}

mod opcode {
    pub(super) const CONTINUATION: u8 = 0;
    pub(super) const TEXT: u8 = 1;
    pub(super) const BINARY: u8 = 2;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const PING: u8 = 9;
    pub(super) const PONG: u8 = 10;
    pub(super) const FIRST_CONTROL: u8 = 8;
}

const MOST_CONTROL_BYTES: usize = 125;

impl Incoming {
    /// Nothing received; messages have up to `most` bytes.
    pub(crate) const fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), read: 0, begun: None, most }
    }

    /// From now on messages have up to as many bytes as a frame may have.
    pub(crate) fn take_whole_frames(&mut self) {
        self.most = limits::FRAME_BYTES;
    }

    /// Takes bytes as they came.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes that wait for more to come.
    pub(crate) fn waiting(&self) -> usize {
        self.bytes.len() - self.read + self.begun.as_ref().map_or(0, |(begun, _)| begun.len())
    }

    /// The next message that is complete.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Violation> {
        while let Some(head) = self.head()? {
            let start = self.read + head.size;
            let Some(payload) = self.bytes.get_mut(start..start + head.payload) else { break };
            unmask(payload, head.mask);
            self.read = start + head.payload;
            if let Some(message) = self.frame(&head, start)? {
                return Ok(Some(message));
            }
        }
        self.let_go();
        Ok(None)
    }

    /// Takes one frame whose payload begins at `start` and ends where reading goes on.
    fn frame(&mut self, head: &Head, start: usize) -> Result<Option<Message>, Violation> {
        let payload = &self.bytes[start..self.read];
        match head.opcode {
            opcode::PING => return Ok(Some(Message::Ping(payload.to_vec()))),
            opcode::PONG => return Ok(None),
            opcode::CLOSE => return Ok(Some(Message::Close)),
            _ => {}
        }
        let (mut message, text) = match (head.opcode, self.begun.take()) {
            (opcode::CONTINUATION, Some(begun)) => begun,
            (opcode::CONTINUATION, None) => return Err(Violation::Protocol("a continuation of nothing")),
            (opcode::TEXT | opcode::BINARY, None) => (Vec::new(), head.opcode == opcode::TEXT),
            (opcode::TEXT | opcode::BINARY, Some(_)) => return Err(Violation::Protocol("a message inside another")),
            _ => return Err(Violation::Protocol("an unknown opcode")),
        };
        if message.len() + payload.len() > self.most {
            return Err(Violation::TooLarge(self.most));
        }
        message.extend_from_slice(payload);
        if !head.ends {
            self.begun = Some((message, text));
            return Ok(None);
        }
        if text && std::str::from_utf8(&message).is_err() {
            return Err(Violation::Unicode);
        }
        // Which of the two it was says nothing that the subprotocol has not said.
        Ok(Some(Message::Data(message)))
    }

    /// Reads the head of the next frame, where it is there.
    fn head(&self) -> Result<Option<Head>, Violation> {
        let bytes = &self.bytes[self.read..];
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first & 0b0111_0000 != 0 {
            return Err(Violation::Protocol("a reserved bit is set"));
        }
        if second & 0b1000_0000 == 0 {
            return Err(Violation::Protocol("a frame without a mask"));
        }
        let (ends, opcode) = (first & 0b1000_0000 != 0, first & 0b1111);
        let (extended, payload) = match second & 0b0111_1111 {
            126 => (2, rest.first_chunk().map(|bytes| u64::from(u16::from_be_bytes(*bytes)))),
            127 => (8, rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))),
            short => (0, Some(u64::from(short))),
        };
        let Some(payload) = payload else { return Ok(None) };
        let payload = usize::try_from(payload).ok().filter(|&payload| payload <= self.most);
        let payload = payload.ok_or(Violation::TooLarge(self.most))?;
        if opcode >= opcode::FIRST_CONTROL && (!ends || payload > MOST_CONTROL_BYTES) {
            return Err(Violation::Protocol("a control frame that is long or in parts"));
        }
        let mask = rest.get(extended..).and_then(<[u8]>::first_chunk);
        Ok(mask.map(|&mask| Head { ends, opcode, mask, size: 2 + extended + 4, payload }))
    }

    /// Lets go of bytes that were read, and of all memory where nothing waits.
    fn let_go(&mut self) {
        if self.read == self.bytes.len() {
            self.bytes = Vec::new();
        } else {
            self.bytes.drain(..self.read);
        }
        self.read = 0;
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    rest.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            long @ 126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend((long as u16).to_be_bytes());
            }
            longer => {
                frame.push(0x80 | 127);
                frame.extend((longer as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        for size in [0, 1, 125, 126, 70_000] {
            let payload = vec![7; size];
            let bytes =
                [frame(0x82, &payload), frame(0x02, &payload), frame(0x89, b"x"), frame(0x80, &payload)].concat();
            for step in [1, 7, 100_000] {
                let mut incoming = Incoming::new(limits::FRAME_BYTES);
                let mut messages = Vec::new();
                for part in bytes.chunks(step) {
                    incoming.extend(part);
                    while let Some(message) = incoming.next().unwrap() {
                        messages.push(message);
                    }
                }
                let twice = [payload.clone(), payload.clone()].concat();
                assert_eq!(
                    messages,
                    [Message::Data(payload.clone()), Message::Ping(b"x".to_vec()), Message::Data(twice)]
                );
                assert_eq!((incoming.waiting(), incoming.bytes.capacity()), (0, 0));
            }
        }
    }

    #[test]
    fn what_breaks_the_protocol_ends_it() {
        let refused = |bytes: &[u8]| {
            let mut incoming = Incoming::new(1_000);
            incoming.extend(bytes);
            incoming.next().unwrap_err().close_code()
        };
        assert_eq!(refused(&[0x82, 0x00]), 1002);
        assert_eq!(refused(&frame(0xc2, b"")), 1002);
        assert_eq!(refused(&frame(0x83, b"")), 1002);
        assert_eq!(refused(&frame(0x80, b"")), 1002);
        assert_eq!(refused(&frame(0x09, b"")), 1002);
        assert_eq!(refused(&frame(0x89, &[0; 126])), 1002);
        assert_eq!(refused(&[frame(0x01, b"a"), frame(0x81, b"b")].concat()), 1002);
        assert_eq!(refused(&frame(0x81, &[0xff])), 1007);
        assert_eq!(refused(&frame(0x82, &[0; 1_001])), 1009);
        assert_eq!(refused(&[frame(0x02, &[0; 600]), frame(0x80, &[0; 600])].concat()), 1009);
    }
}
