//! From the bytes of an event stream (WHATWG HTML, "Server-sent events") to its events, without I/O.

use tapeline_core::limits;

use crate::socket::SocketError;

/// Bytes of the longest line: the largest frame in base 64, with room to spare.
const LINE_BYTES: usize = 2 * limits::FRAME_BYTES;

/// What was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) data: String,
}

/// Bytes that came, and what was made of them so far.
#[derive(Debug, Default)]
pub(super) struct Events {
    bytes: Vec<u8>,
    /// How many of them were read.
    read: usize,
    /// How many of them were searched for the end of a line.
    searched: usize,
    /// The event whose lines are coming.
    begun: Event,
}

impl Events {
    /// Takes bytes as they came.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<(), SocketError> {
        self.bytes.drain(..self.read);
        self.searched -= std::mem::take(&mut self.read);
        self.bytes.extend_from_slice(bytes);
        match self.bytes.len() + self.begun.data.len() > LINE_BYTES {
            true => Err(SocketError::Ended("the server sent an event that is too large".into())),
            false => Ok(()),
        }
    }

    /// The next event that is complete.
    pub(super) fn next(&mut self) -> Result<Option<Event>, SocketError> {
        while let Some(line) = self.line()? {
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => self.begun.kind = value.into(),
                "data" => self.begun.data.push_str(value),
                "" if line.is_empty() && self.begun != Event::default() => {
                    let Event { kind, data } = std::mem::take(&mut self.begun);
                    return Ok(Some(Event { kind: if kind.is_empty() { "message".into() } else { kind }, data }));
                }
                // A comment, or something newer.
                _ => {}
            }
        }
        Ok(None)
    }

    /// The next line that is complete, without its end.
    fn line(&mut self) -> Result<Option<String>, SocketError> {
        let Some(end) = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n') else {
            self.searched = self.bytes.len();
            return Ok(None);
        };
        let end = self.searched + end;
        let line = &self.bytes[self.read..end];
        let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line));
        let line =
            line.map_err(|_| SocketError::Ended("the server sent an event that is not UTF-8".into()))?.to_owned();
        (self.read, self.searched) = (end + 1, end + 1);
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        "event: session\ndata: abc\n\n: a comment\n\ndata:{\"x\":1}\r\n\r\nid: 7\nevent: goodbye\ndata\n\n";

    #[test]
    fn events_come_whole_however_they_are_cut() {
        for step in [1, 7, 1_000] {
            let (mut events, mut found) = (Events::default(), Vec::new());
            for part in STREAM.as_bytes().chunks(step) {
                events.extend(part).unwrap();
                while let Some(Event { kind, data }) = events.next().unwrap() {
                    found.push((kind, data));
                }
            }
            let expected = [("session", "abc"), ("message", "{\"x\":1}"), ("goodbye", "")];
            assert_eq!(found, expected.map(|(kind, data)| (kind.to_owned(), data.to_owned())));
        }
    }

    #[test]
    fn what_never_ends_or_is_no_text_is_refused() {
        let mut events = Events::default();
        events.extend(b"data: \xff\n").unwrap();
        assert!(events.next().is_err());
        let mut events = Events::default();
        let mut parts = 0;
        while events.extend(&[b'x'; 1 << 20]).is_ok() {
            assert_eq!(events.next().unwrap(), None);
            parts += 1;
        }
        assert_eq!(parts, LINE_BYTES >> 20);
    }
}
