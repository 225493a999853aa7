//! Loro.

use std::sync::{Arc, Mutex};

use loro::{LoroDoc, LoroText, Subscription};

use super::{Document, Patch};

pub struct Loro {
    doc: LoroDoc,
    text: LoroText,
    made: Arc<Mutex<Vec<u8>>>,
    _subscription: Subscription,
}

impl Loro {
    fn new() -> Self {
        let doc = LoroDoc::new();
        let text = doc.get_text("text");
        let made = Arc::new(Mutex::new(Vec::new()));
        let to = made.clone();
        let subscription = doc.subscribe_local_update(Box::new(move |update| {
            to.lock().expect("a lock").extend_from_slice(update);
            true
        }));
        Self { doc, text, made, _subscription: subscription }
    }
}

impl Document for Loro {
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
        for Patch(at, delete, insert) in patches {
            if *delete > 0 {
                self.text.delete(*at, *delete).expect("a range of the text");
            }
            if !insert.is_empty() {
                self.text.insert(*at, insert).expect("a place in the text");
            }
        }
        self.doc.commit();
        std::mem::take(&mut *self.made.lock().expect("a lock"))
    }

    fn take(&mut self, update: &[u8]) {
        if !update.is_empty() {
            self.doc.import(update).expect("an update");
        }
    }

    fn text(&self) -> String {
        self.text.to_string()
    }
}
