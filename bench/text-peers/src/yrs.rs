//! yrs, the Rust port of Yjs.

use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, Text, TextRef, Transact, Update};

use super::{Document, Patch};

pub struct Yrs {
    doc: Doc,
    text: TextRef,
}

impl Yrs {
    fn new() -> Self {
        let doc = Doc::new();
        let text = doc.get_or_insert_text("text");
        Self { doc, text }
    }
}

impl Document for Yrs {
    fn first(start: &str) -> (Self, Vec<u8>) {
        let mut first = Self::new();
        let update = first.edit(&[Patch(0, 0, start.to_owned())]);
        (first, update)
    }

    fn other(first: &[u8]) -> Self {
        let mut other = Self::new();
        other.take(first);
        other
    }

    fn edit(&mut self, patches: &[Patch]) -> Vec<u8> {
        let mut transaction = self.doc.transact_mut();
        for Patch(at, delete, insert) in patches {
            if *delete > 0 {
                self.text.remove_range(&mut transaction, *at as u32, *delete as u32);
            }
            if !insert.is_empty() {
                self.text.insert(&mut transaction, *at as u32, insert);
            }
        }
        transaction.encode_update_v1()
    }

    fn take(&mut self, update: &[u8]) {
        let update = Update::decode_v1(update).expect("an update");
        self.doc.transact_mut().apply_update(update).expect("an update that fits");
    }

    fn text(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }
}
