//! Gathering the objects of one page.

use std::sync::Arc;

use tapeline_core::catchup::{self, Said};
use tapeline_core::frame::Item;
use tapeline_core::limits as core_limits;
use tapeline_core::name::Key;
use tapeline_core::numbers::Seq;
use tapeline_core::object::{Entry, Object};
use tapeline_core::query::partial::Changed;

use crate::limits;

/// Bytes that a key takes in a page, roughly.
const KEY_BYTES: usize = 40;

/// Objects of one page.
#[derive(Default)]
pub(crate) struct Gathered {
    items: Vec<Item>,
    gone: Vec<Key>,
    bytes: usize,
    looked_at: usize,
}

impl Gathered {
    /// Whether nothing more belongs into the page.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= core_limits::PAGE_BYTES || self.looked_at >= limits::PAGE_ENTRIES
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.gone.is_empty()
    }

    /// How many entries were looked at.
    pub(crate) fn looked_at(&self) -> usize {
        self.looked_at
    }

    /// How many entries were looked at, or told without a look.
    pub(crate) fn dealt_with(&self) -> usize {
        self.looked_at.max(self.items.len() + self.gone.len())
    }

    /// Bytes of the objects in it.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is in it.
    pub(crate) fn into_parts(self) -> (Vec<Item>, Vec<Key>) {
        (self.items, self.gone)
    }

    /// Takes what somebody is to be told of an entry who has it as of `base`.
    pub(crate) fn take(&mut self, key: &Key, entry: &Entry, base: Seq) {
        self.look();
        match catchup::said(key, entry, base) {
            Some(Said::Item(item)) => self.item(item),
            Some(Said::Gone(key)) => self.is_gone(key),
            None => {}
        }
    }

    /// Takes what has changed of an object since `base`.
    pub(crate) fn change(&mut self, changed: &Changed, base: Seq) {
        let base = if changed.whole { Seq::FIRST } else { base };
        self.item(catchup::item(&changed.key, &changed.object, base));
    }

    /// Takes an object as a whole.
    pub(crate) fn whole(&mut self, key: &Key, object: &Arc<Object>) {
        self.look();
        self.item(catchup::item(key, object, Seq::FIRST));
    }

    /// An object is gone.
    pub(crate) fn is_gone(&mut self, key: Key) {
        self.bytes += KEY_BYTES;
        self.gone.push(key);
    }

    /// An entry was looked at.
    pub(crate) fn look(&mut self) {
        self.looked_at += 1;
    }

    fn item(&mut self, item: Item) {
        self.bytes += KEY_BYTES + item.entry.len();
        self.items.push(item);
    }
}
