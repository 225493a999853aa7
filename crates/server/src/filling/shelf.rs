//! Pages that many get: who is filled from nothing at about the same time gets the same pages of the same state.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use tapeline_core::catchup::KeyOrder;
use tapeline_core::frame::Progress;
use tapeline_core::name::Key;

use super::Spelling;
use crate::limits;
use crate::lock::lock;

/// The last pages that were made of one state for those who had nothing.
#[derive(Default)]
pub(super) struct Shelf(Mutex<VecDeque<(Place, Shelved)>>);

/// What makes a page what it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) spelling: Spelling,
    pub(super) order: KeyOrder,
    pub(super) after: Option<Key>,
}

/// A page, and where a filling is after it.
#[derive(Clone)]
pub(super) struct Shelved {
    pub(super) message: Bytes,
    pub(super) cursor: Option<Key>,
    pub(super) progress: Progress,
    pub(super) is_over: bool,
}

impl Shelf {
    pub(super) fn find(&self, place: &Place) -> Option<Shelved> {
        let shelf = lock(&self.0);
        shelf.iter().find(|(known, _)| known == place).map(|(_, page)| page.clone())
    }

    pub(super) fn put(&self, place: Place, page: Shelved) {
        let mut shelf = lock(&self.0);
        shelf.push_back((place, page));
        if shelf.len() > limits::SHELVED_PAGES {
            shelf.pop_front();
        }
    }
}
