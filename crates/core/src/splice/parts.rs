//! An op as a run of parts over the content: taken apart, and put together.

use super::{Content, Splice, SpliceError, Splices};
use crate::short_text::SmolStr;

/// What an op does next to the content.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Keep(u64),
    Insert(Content),
    Delete(u64),
}

impl Part {
    /// How much of the content it goes over.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Keep(count) | Self::Delete(count) => *count,
            Self::Insert(_) => 0,
        }
    }
}

/// Walks over an op, part by part.
pub(super) struct Walk<'s> {
    splices: &'s [Splice],
    /// How far it is in the content.
    at: u64,
    /// How much of the insertion of the first splice is behind it; past its end: all of it.
    inserted: u64,
}

impl<'s> Walk<'s> {
    pub(super) fn new(splices: &'s Splices) -> Self {
        Self { splices: &splices.0, at: 0, inserted: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.splices.is_empty()
    }

    pub(super) fn next(&self) -> Part {
        let Some(Splice { offset, delete, insert }) = self.splices.first() else { return Part::Keep(u64::MAX) };
        if self.at < *offset {
            return Part::Keep(offset - self.at);
        }
        match self.inserted {
            0 if !insert.is_empty() => Part::Insert(insert.clone()),
            inserted if inserted < insert.len() => Part::Insert(insert.slice(inserted, insert.len())),
            _ => Part::Delete(offset + delete - self.at),
        }
    }

    /// Goes over so much of the content.
    pub(super) fn skip(&mut self, count: u64) {
        self.at = self.at.saturating_add(count);
        self.settle();
    }

    pub(super) fn skip_insert(&mut self) {
        self.inserted = u64::MAX;
        self.settle();
    }

    pub(super) fn skip_of_insert(&mut self, count: u64) {
        self.inserted += count;
        self.settle();
    }

    /// Leaves a splice that is done.
    fn settle(&mut self) {
        if let [Splice { offset, delete, insert }, rest @ ..] = self.splices
            && self.at >= offset + delete
            && (insert.is_empty() || self.inserted >= insert.len())
        {
            (self.splices, self.inserted) = (rest, 0);
        }
    }
}

/// Puts an op together, part by part.
pub(super) struct Builder {
    splices: Vec<Splice>,
    at: u64,
    /// What a deletion alone inserts.
    empty: Content,
}

impl Builder {
    pub(super) fn like(kind: Option<&Content>) -> Self {
        let empty = kind.map_or(Content::Text(SmolStr::default()), Content::empty);
        Self { splices: Vec::new(), at: 0, empty }
    }

    pub(super) fn keep(&mut self, count: u64) {
        self.at = self.at.saturating_add(count);
    }

    pub(super) fn insert(&mut self, content: Content) {
        match self.splices.last_mut() {
            // What comes after a deletion stays apart from it.
            Some(last) if last.offset == self.at && last.delete == 0 => last.insert = last.insert.plus(&content),
            _ => self.splices.push(Splice { offset: self.at, delete: 0, insert: content }),
        }
    }

    pub(super) fn delete(&mut self, count: u64) {
        match self.splices.last_mut() {
            Some(last) if last.offset + last.delete == self.at => last.delete += count,
            _ => self.splices.push(Splice { offset: self.at, delete: count, insert: self.empty.clone() }),
        }
        self.at = self.at.saturating_add(count);
    }

    pub(super) fn finish(self) -> Result<Splices, SpliceError> {
        Splices::new(self.splices)
    }
}
