//! Writes CBOR to memory: definite lengths, shortest integers, 64-bit floats, nothing else.

use super::major;

/// Writes CBOR to memory, which cannot fail.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self::with_capacity(128)
    }

    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn map(&mut self, entries: u64) -> &mut Self {
        self.head(major::MAP, entries)
    }

    pub(crate) fn array(&mut self, items: u64) -> &mut Self {
        self.head(major::ARRAY, items)
    }

    pub(crate) fn uint(&mut self, number: u64) -> &mut Self {
        self.head(major::UNSIGNED, number)
    }

    pub(crate) fn int(&mut self, number: i64) -> &mut Self {
        match u64::try_from(number) {
            Ok(number) => self.head(major::UNSIGNED, number),
            // CBOR counts negative numbers from -1 down, which is their complement.
            Err(_) => self.head(major::NEGATIVE, !number as u64),
        }
    }

    pub(crate) fn float(&mut self, number: f64) -> &mut Self {
        self.0.push(major::FLOAT_64);
        self.raw(&number.to_be_bytes())
    }

    pub(crate) fn bool(&mut self, truth: bool) -> &mut Self {
        self.raw(&[if truth { major::TRUE } else { major::FALSE }])
    }

    pub(crate) fn null(&mut self) -> &mut Self {
        self.raw(&[major::NULL])
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.head(major::TEXT, text.len() as u64).raw(text.as_bytes())
    }

    /// A text that is there in parts, with its length in bytes.
    pub(crate) fn text_of<'t>(&mut self, len: usize, parts: impl Iterator<Item = &'t str>) -> &mut Self {
        parts.fold(self.head(major::TEXT, len as u64), |writer, part| writer.raw(part.as_bytes()))
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(major::BYTES, bytes.len() as u64).raw(bytes)
    }

    /// 128 bits as 16 bytes, the most significant first.
    pub(crate) fn bits(&mut self, bits: u128) -> &mut Self {
        self.bytes(&bits.to_be_bytes())
    }

    /// Bytes that are CBOR already.
    pub(crate) fn raw(&mut self, cbor: &[u8]) -> &mut Self {
        self.0.extend_from_slice(cbor);
        self
    }

    fn head(&mut self, major: u8, argument: u64) -> &mut Self {
        write_head(&mut self.0, major, argument);
        self
    }
}

fn write_head(to: &mut Vec<u8>, major: u8, argument: u64) {
    match argument {
        0..=23 => to.push(major | argument as u8),
        24..=0xff => to.extend_from_slice(&[major | 24, argument as u8]),
        0x100..=0xffff => {
            to.push(major | 25);
            to.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            to.push(major | 26);
            to.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            to.push(major | 27);
            to.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

/// Appends a byte string.
pub(crate) fn write_bytes(to: &mut Vec<u8>, content: &[u8]) {
    write_head(to, major::BYTES, content.len() as u64);
    to.extend_from_slice(content);
}

/// How many bytes a byte string with this much content takes.
pub(crate) const fn bytes_size(content: usize) -> usize {
    let head = match content as u64 {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    };
    head + content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_string_has_the_size_it_is_said_to_have() {
        for content in [0, 1, 23, 24, 255, 256, 65_535, 65_536] {
            let mut bytes = Vec::new();
            write_bytes(&mut bytes, &vec![7; content]);
            assert_eq!(bytes.len(), bytes_size(content));
        }
    }
}
