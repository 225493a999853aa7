//! A session with S2 lite: one HTTP request whose body, and one answer whose body, are frames that come and go.
//!
//! ```text
//! frame = length (3 bytes, big endian, of all that follows), flags (1 byte), message (Protocol Buffers)
//! ```

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use super::process::Socket;
use crate::failure::Failure;

/// The flag of a frame that ends a session: a status and its reason follow.
const LAST: u8 = 0x80;

/// A session.
pub struct Session {
    socket: Socket,
    /// What has come of the answer's body and is not taken yet.
    body: Vec<u8>,
}

impl Session {
    /// Sends the request's head and takes the answer's.
    pub async fn begin(mut socket: Socket, head: &str) -> Result<Self, Failure> {
        let head = format!("{head}authorization: Bearer none\r\ncontent-type: s2s/proto\r\n\r\n");
        socket.write_all(head.as_bytes()).await.map_err(Failure::failed)?;
        let status = line(&mut socket).await?;
        if !status.contains(" 200 ") {
            return Err(Failure::Failed(format!("S2 lite answered {}", status.trim_end())));
        }
        while !line(&mut socket).await?.trim_end().is_empty() {}
        Ok(Self { socket, body: Vec::new() })
    }

    /// Sends a message: one frame, in a chunk of its own.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), Failure> {
        let length = u32::try_from(message.len() + 1).map_err(Failure::failed)?;
        let mut chunk = format!("{:x}\r\n", message.len() + 4).into_bytes();
        chunk.extend_from_slice(&length.to_be_bytes()[1..]);
        chunk.push(0);
        chunk.extend_from_slice(message);
        chunk.extend_from_slice(b"\r\n");
        self.socket.write_all(&chunk).await.map_err(Failure::failed)
    }

    /// Waits for the next message.
    pub async fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        let length = self.take(3).await?;
        let frame =
            self.take(usize::from(length[0]) << 16 | usize::from(length[1]) << 8 | usize::from(length[2])).await?;
        match frame.split_first() {
            Some((flags, message)) if flags & LAST == 0 => Ok(message.to_vec()),
            _ => Err(Failure::Failed(format!("S2 lite ended the session: {}", String::from_utf8_lossy(&frame)))),
        }
    }

    async fn take(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        while self.body.len() < count {
            let size = line(&mut self.socket).await?;
            let size = usize::from_str_radix(size.trim_end(), 16).map_err(Failure::failed)?;
            let mut chunk = vec![0; size + 2];
            self.socket.read_exact(&mut chunk).await.map_err(Failure::failed)?;
            if size == 0 {
                return Err(Failure::failed("S2 lite ended its answer"));
            }
            self.body.extend_from_slice(&chunk[..size]);
        }
        let rest = self.body.split_off(count);
        Ok(std::mem::replace(&mut self.body, rest))
    }
}

async fn line(socket: &mut Socket) -> Result<String, Failure> {
    let mut line = String::new();
    match socket.read_line(&mut line).await.map_err(Failure::failed)? {
        0 => Err(Failure::failed("S2 lite closed the socket")),
        _ => Ok(line),
    }
}

/// Writes a field that holds bytes or a message.
pub fn write_field(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    let mut length = bytes.len();
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
}

/// The fields of a message; those that are not there are 0 or empty.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The number in a field.
    pub fn number(mut self, field: u64) -> u64 {
        self.find(|(name, ..)| *name == field).map_or(0, |(_, number, _)| number)
    }

    /// The bytes in a field.
    pub fn bytes(mut self, field: u64) -> &'a [u8] {
        self.find(|(name, ..)| *name == field).map_or(&[], |(.., bytes)| bytes)
    }

    /// How often a field is there.
    pub fn count(self, field: u64) -> u64 {
        self.filter(|(name, ..)| *name == field).count() as u64
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// Each field with its number, and what it holds: a number, or bytes.
impl<'a> Iterator for Fields<'a> {
    type Item = (u64, u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let number = self.varint()?;
        match tag & 7 {
            0 => Some((tag >> 3, number, &[])),
            2 => {
                let (bytes, rest) = self.0.split_at_checked(usize::try_from(number).ok()?)?;
                self.0 = rest;
                Some((tag >> 3, number, bytes))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, write_field};

    #[test]
    fn what_is_written_is_read() {
        let mut message = vec![1 << 3, 0x96, 0x01];
        for bytes in [&[7; 300][..], b"a", b""] {
            write_field(&mut message, 2, bytes);
        }
        assert_eq!((Fields(&message).number(1), Fields(&message).number(3)), (150, 0));
        assert_eq!((Fields(&message).bytes(2), Fields(&message).bytes(4)), (&[7; 300][..], &[][..]));
        assert_eq!(Fields(&message).count(2), 3);
        assert_eq!(Fields(&message[..9]).count(2), 0, "cut in the middle");
    }
}
