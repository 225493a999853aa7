//! Writes JSON to memory, on one line and without spaces.

use std::fmt::Write;

/// Writes JSON to memory, which cannot fail.
#[derive(Default)]
pub(super) struct Writer(String);

impl Writer {
    pub(super) fn finish(self) -> String {
        self.0
    }

    /// The key of the next member.
    pub(super) fn key(&mut self, key: &str) -> &mut Self {
        self.text(key).raw(":")
    }

    pub(super) fn object(&mut self, members: impl FnOnce(&mut Self)) -> &mut Self {
        self.next().raw("{");
        members(self);
        self.raw("}")
    }

    pub(super) fn list(&mut self, items: impl FnOnce(&mut Self)) -> &mut Self {
        self.next().raw("[");
        items(self);
        self.raw("]")
    }

    /// A list with one item, written by `item`, for each of `all`.
    pub(super) fn list_of<T>(
        &mut self,
        all: impl IntoIterator<Item = T>,
        item: impl Fn(&mut Self, T) -> &mut Self,
    ) -> &mut Self {
        self.list(|list| {
            all.into_iter().fold(list, item);
        })
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.next().raw("null")
    }

    pub(super) fn bool(&mut self, truth: bool) -> &mut Self {
        self.next().raw(if truth { "true" } else { "false" })
    }

    pub(super) fn int(&mut self, number: i64) -> &mut Self {
        self.next().formatted(format_args!("{number}"))
    }

    pub(super) fn uint(&mut self, number: u64) -> &mut Self {
        self.next().formatted(format_args!("{number}"))
    }

    /// A finite number, in the shortest spelling that reads back as the same.
    pub(super) fn float(&mut self, number: f64) -> &mut Self {
        self.next().formatted(format_args!("{number:?}"))
    }

    /// 64 bits as 16 hexadecimal digits.
    pub(super) fn hex_64(&mut self, bits: u64) -> &mut Self {
        self.next().formatted(format_args!("\"{bits:016x}\""))
    }

    /// 128 bits as 32 hexadecimal digits.
    pub(super) fn hex_128(&mut self, bits: u128) -> &mut Self {
        self.next().formatted(format_args!("\"{bits:032x}\""))
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.next().raw("\"");
        let mut rest = text;
        while let Some(place) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
            self.raw(&rest[..place]).escaped(rest.as_bytes()[place]);
            rest = &rest[place + 1..];
        }
        self.raw(rest).raw("\"")
    }

    fn escaped(&mut self, byte: u8) -> &mut Self {
        match byte {
            b'"' => self.raw("\\\""),
            b'\\' => self.raw("\\\\"),
            b'\n' => self.raw("\\n"),
            b'\r' => self.raw("\\r"),
            b'\t' => self.raw("\\t"),
            other => self.formatted(format_args!("\\u{other:04x}")),
        }
    }

    /// Writes the comma that stands between what was written and what comes next.
    fn next(&mut self) -> &mut Self {
        match self.0.as_bytes().last() {
            None | Some(b'{' | b'[' | b':') => self,
            Some(_) => self.raw(","),
        }
    }

    fn raw(&mut self, json: &str) -> &mut Self {
        self.0.push_str(json);
        self
    }

    fn formatted(&mut self, json: std::fmt::Arguments<'_>) -> &mut Self {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(json);
        self
    }
}
