//! Gathering the objects of one page.

use std::sync::Arc;

use tapeline_core::catchup;
use tapeline_core::frame::Item;
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
    looked_at: u64,
}
