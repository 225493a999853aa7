//! Automerge.

use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjId, ObjType, ROOT, ReadDoc};

use super::{Document, Patch};

pub struct Automerge {
    doc: AutoCommit,
    text: ObjId,
}

impl Document for Automerge {
    fn first(start: &str) -> (Self, Vec<u8>) {
        let mut doc = AutoCommit::new();
        let text = doc.put_object(ROOT, "text", ObjType::Text).expect("a text");
        let mut first = Self { doc, text };
        let update = first.edit(&[Patch(0, 0, start.to_owned())]);
        (first, update)
    }

    fn other(first: &[u8]) -> Self {
        let mut doc = AutoCommit::new();
        doc.load_incremental(first).expect("an update");
        let (_, text) = doc.get(ROOT, "text").expect("a document").expect("a text");
        Self { doc, text }
    }

    fn edit(&mut self, patches: &[Patch]) -> Vec<u8> {
        for Patch(at, delete, insert) in patches {
            self.doc.splice_text(&self.text, *at, *delete as isize, insert).expect("a place in the text");
        }
        self.doc.commit();
        let change = self.doc.get_last_local_change();
        change.map(|change| change.raw_bytes().to_vec()).unwrap_or_default()
    }

    fn take(&mut self, update: &[u8]) {
        self.doc.load_incremental(update).expect("an update");
    }

    fn text(&self) -> String {
        self.doc.text(&self.text).expect("a text")
    }
}
