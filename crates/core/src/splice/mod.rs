//! Splices: edits of text and bytes, and how two of them meet.
//!
//! A splice `[offset, delete, insert]` stands at an offset in the content before the op. What it inserts stands to the
//! left of what it deletes. Offsets count Unicode scalar values in text, and bytes in bytes.
//!
//! An op with its splices is read as a run of parts over the content: so much is kept, this is inserted, so much is
//! deleted. [`Splices::then`] and [`Splices::meet`] walk two such runs side by side, in time linear in both. They are
//! the composition and the inclusion transformation of operational transformation (Ellis and Gibbs, 1989; the
//! transformation property 1 of Ressel and others, 1996).
//!
//! At equal offsets the op that was recorded first stands to the left. An insertion within what the other deletes
//! comes to the right of what the other inserts there. To be moved past two ops in turn, or past both as one, must be
//! the same: so a deletion before an insertion stays apart from it (`[2, 3, ""], [5, 0, "x"]`), where an insertion
//! before a deletion is one splice (`[2, 3, "x"]`); and where two ops become one it matters whether they are recorded.

mod difference;
mod parts;

use std::sync::Arc;

use crate::short_text::{SmolStr, SmolStrBuilder};

use crate::limits;
use crate::text::{self, Text};
use crate::value::Value;
use difference::Difference;
use parts::{Builder, Part, Walk};

/// The splices of one op: sorted, none within what another deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Splices(Vec<Splice>);

/// One replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// Where, in the content before the op.
    pub offset: u64,
    /// How much goes.
    pub delete: u64,
    /// What comes, to the left of what goes.
    pub insert: Content,
}

/// Text or bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, measured in Unicode scalar values.
    Text(SmolStr),
    /// Bytes.
    Bytes(Arc<[u8]>),
}

/// Why splices are none, or do not fit what they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// They are not in order.
    #[error("the splices of one op are sorted by offset and do not overlap; offsets are in the content before the op")]
    Unsorted,
    /// There are too many.
    #[error("too many splices in one op; the most is {most}: make several edits", most = limits::EDIT_PARTS)]
    TooMany,
    /// Some are of text and some of bytes, or they meet the other.
    #[error("text takes splices of text, and bytes those of bytes; set the field first where it holds something else")]
    OtherContent,
    /// They do not fit the content.
    #[error("a splice ends at {end}; the content has {len}: offsets of text count Unicode scalar values")]
    PastTheEnd {
        /// Where.
        end: u64,
        /// How long the content is.
        len: u64,
    },
}

impl Splices {
    /// Checks splices. Those that change nothing are left out.
    ///
    /// # Errors
    /// Where they are not sorted, too many, or of text and bytes.
    pub fn new(mut splices: Vec<Splice>) -> Result<Self, SpliceError> {
        splices.retain(|splice| splice.delete > 0 || !splice.insert.is_empty());
        if splices.len() > limits::EDIT_PARTS {
            return Err(SpliceError::TooMany);
        }
        let mut end = 0;
        for splice in &splices {
            if splice.offset < end {
                return Err(SpliceError::Unsorted);
            }
            end = splice.offset.checked_add(splice.delete).ok_or(SpliceError::Unsorted)?;
        }
        match splices.windows(2).all(|pair| pair[0].insert.is_like(&pair[1].insert)) {
            true => Ok(Self(splices)),
            false => Err(SpliceError::OtherContent),
        }
    }

    /// One replacement in a text.
    pub fn text(offset: u64, delete: u64, insert: &str) -> Self {
        // One that would end past all numbers fits no text either.
        let delete = delete.min(u64::MAX - offset);
        let insert = Content::Text(SmolStr::new(insert));
        Self::new(vec![Splice { offset, delete, insert }]).unwrap_or_default()
    }

    /// The splices, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Splice> {
        self.0.iter()
    }

    /// Whether they change nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What becomes of a content. None and null are empty.
    ///
    /// # Errors
    /// Where they do not fit it.
    pub fn apply(&self, content: Option<&Value>) -> Result<Value, SpliceError> {
        let mut content = content.cloned().unwrap_or(Value::Null);
        self.apply_to(&mut content)?;
        Ok(content)
    }

    /// Lets a content become what they make of it. It is as it was where they do not fit.
    pub(crate) fn apply_to(&self, content: &mut Value) -> Result<(), SpliceError> {
        match (self.kind(), content) {
            (None, _) => {}
            (Some(Content::Text(_)), Value::Text(text)) => text.splice(&self.0)?,
            (Some(Content::Text(_)), content @ Value::Null) => {
                let mut text = Text::from("");
                text.splice(&self.0)?;
                *content = Value::Text(text);
            }
            (Some(Content::Bytes(_)), Value::Bytes(bytes)) => *bytes = self.apply_bytes(bytes)?,
            (Some(Content::Bytes(_)), content @ Value::Null) => *content = Value::Bytes(self.apply_bytes(&[])?),
            _ => return Err(SpliceError::OtherContent),
        }
        Ok(())
    }

    /// Whether they fit a content. Answers how many bytes there are after them, at the most.
    pub(crate) fn check(&self, content: Option<&Value>) -> Result<usize, SpliceError> {
        let (len, bytes) = match (self.kind(), content) {
            (None, content) => return Ok(content.map_or(0, Value::estimated_bytes)),
            (Some(_), None | Some(Value::Null)) => (0, 0),
            (Some(Content::Text(_)), Some(Value::Text(text))) => (text.count(), text.len()),
            (Some(Content::Bytes(_)), Some(Value::Bytes(bytes))) => (bytes.len() as u64, bytes.len()),
            _ => return Err(SpliceError::OtherContent),
        };
        let end = self.0.last().map_or(0, |last| last.offset + last.delete);
        if end > len {
            return Err(SpliceError::PastTheEnd { end, len });
        }
        Ok(5 + bytes + self.0.iter().map(|splice| splice.insert.bytes()).sum::<usize>())
    }

    fn apply_bytes(&self, bytes: &[u8]) -> Result<Arc<[u8]>, SpliceError> {
        let (mut built, mut at) = (Vec::with_capacity(bytes.len() + 16), 0);
        let place = |offset: u64| usize::try_from(offset).ok().filter(|&place| place <= bytes.len());
        for Splice { offset, delete, insert } in &self.0 {
            let end = offset + delete;
            let past = SpliceError::PastTheEnd { end, len: bytes.len() as u64 };
            let (from, to) = (place(*offset).ok_or(past)?, place(end).ok_or(past)?);
            built.extend_from_slice(&bytes[at..from]);
            if let Content::Bytes(insert) = insert {
                built.extend_from_slice(insert);
            }
            at = to;
        }
        built.extend_from_slice(&bytes[at..]);
        Ok(built.into())
    }

    /// One op with the effect of this and then a later one, both of them recorded: to move an edit past it is to move it
    /// past one after the other.
    ///
    /// # Errors
    /// Where one is of text and the other of bytes, or there are too many splices.
    pub fn then(&self, later: &Self) -> Result<Self, SpliceError> {
        self.joined(later, Side::Left)
    }

    /// One op with the effect of this and then a later one, neither of them recorded yet: to move it past a recorded one
    /// is to move one after the other.
    ///
    /// # Errors
    /// Where one is of text and the other of bytes, or there are too many splices.
    pub fn then_own(&self, later: &Self) -> Result<Self, SpliceError> {
        self.joined(later, Side::Right)
    }

    /// `side`: where an insertion stands at the place of what the first op deleted. Others who edit there come to its
    /// right where it is recorded, and to its left where it is not.
    fn joined(&self, later: &Self, side: Side) -> Result<Self, SpliceError> {
        self.check_like(later)?;
        let (mut first, mut second) = (Walk::new(self), Walk::new(later));
        let mut both = Builder::like(self.kind().or(later.kind()));
        while !(first.is_done() && second.is_done()) {
            match (first.next(), second.next()) {
                (Part::Delete(count), next) if side == Side::Right || !matches!(next, Part::Insert(_)) => {
                    both.delete(count);
                    first.skip(count);
                }
                (_, Part::Insert(content)) => {
                    both.insert(content);
                    second.skip_insert();
                }
                (Part::Delete(_), _) => {}
                (Part::Insert(content), over) => {
                    let (count, kept) = match over {
                        Part::Delete(count) => (count.min(content.len()), false),
                        Part::Keep(count) => (count.min(content.len()), true),
                        Part::Insert(_) => (0, false),
                    };
                    if kept {
                        both.insert(content.slice(0, count));
                    }
                    first.skip_of_insert(count);
                    second.skip(count);
                }
                (Part::Keep(kept), Part::Delete(count)) => {
                    let count = count.min(kept);
                    both.delete(count);
                    first.skip(count);
                    second.skip(count);
                }
                (Part::Keep(a), Part::Keep(b)) => {
                    let count = a.min(b);
                    both.keep(count);
                    first.skip(count);
                    second.skip(count);
                }
            }
        }
        both.finish()
    }

    /// Two ops that were made on the same content, one of them recorded before the other: the recorded one as it is
    /// past the later one, and the later one as it is past the recorded one.
    ///
    /// # Errors
    /// Where one is of text and the other of bytes, or there are too many splices.
    pub fn meet(recorded: &Self, later: &Self) -> Result<(Self, Self), SpliceError> {
        recorded.check_like(later)?;
        let (mut left, mut right) = (Walk::new(recorded), Walk::new(later));
        let like = || Builder::like(recorded.kind().or(later.kind()));
        let (mut left_past, mut right_past) = (like(), like());
        while !(left.is_done() && right.is_done()) {
            match (left.next(), right.next()) {
                (Part::Insert(content), _) => {
                    right_past.keep(content.len());
                    left_past.insert(content);
                    left.skip_insert();
                }
                (_, Part::Insert(content)) => {
                    left_past.keep(content.len());
                    right_past.insert(content);
                    right.skip_insert();
                }
                (a, b) => {
                    let count = a.len().min(b.len());
                    match (a, b) {
                        (Part::Delete(_), Part::Keep(_)) => left_past.delete(count),
                        (Part::Keep(_), Part::Delete(_)) => right_past.delete(count),
                        (Part::Keep(_), Part::Keep(_)) => {
                            left_past.keep(count);
                            right_past.keep(count);
                        }
                        _ => {}
                    }
                    left.skip(count);
                    right.skip(count);
                }
            }
        }
        Ok((left_past.finish()?, right_past.finish()?))
    }

    /// What undoes it, on the content after it.
    ///
    /// # Errors
    /// Where it does not fit the content before it.
    pub fn inverse(&self, before: Option<&Value>) -> Result<Self, SpliceError> {
        self.check(before)?;
        let (mut inverse, mut inserted, mut deleted) = (Vec::with_capacity(self.0.len()), 0, 0);
        for Splice { offset, delete, insert } in &self.0 {
            let insert_back = match before {
                Some(Value::Text(text)) => Content::Text(text.slice(*offset, offset + delete)),
                Some(Value::Bytes(bytes)) => Content::Bytes(slice_bytes(bytes, *offset, offset + delete)),
                _ => insert.empty(),
            };
            inverse.push(Splice { offset: offset + inserted - deleted, delete: insert.len(), insert: insert_back });
            inserted += insert.len();
            deleted += delete;
        }
        Self::new(inverse)
    }

    /// What makes one content of another: of a text, what has changed at each place where that is little; otherwise all
    /// that is between their common beginning and their common end. `None` where one is no text or bytes, or they are
    /// not alike.
    pub fn between(before: Option<&Value>, after: Option<&Value>) -> Option<Self> {
        let splice = match (before, after) {
            (Some(Value::Bytes(_)), Some(Value::Bytes(after)))
            | (None | Some(Value::Null), Some(Value::Bytes(after))) => {
                let before = if let Some(Value::Bytes(before)) = before { &before[..] } else { &[] };
                let head = same_front(before, after);
                let tail = same_end(&before[head..], &after[head..]);
                let insert = Content::Bytes(after[head..after.len() - tail].into());
                Splice { offset: head as u64, delete: (before.len() - head - tail) as u64, insert }
            }
            (None | Some(Value::Null | Value::Text(_)), Some(Value::Text(after))) => {
                return Difference::of(before.and_then(Value::as_text).unwrap_or_default(), after).splices();
            }
            // Nothing counts as empty.
            (Some(Value::Text(before)), None | Some(Value::Null)) => {
                Splice { offset: 0, delete: before.chars().count() as u64, insert: Content::Text(SmolStr::default()) }
            }
            (Some(Value::Bytes(before)), None | Some(Value::Null)) => {
                Splice { offset: 0, delete: before.len() as u64, insert: Content::Bytes([].into()) }
            }
            _ => return None,
        };
        Self::new(vec![splice]).ok()
    }

    /// The same, made on what a content has become: what they insert comes where it stood, and what they delete of what is
    /// still there goes. `None` as with [`between`](Self::between), and where they are not alike.
    pub fn moved_to(&self, before: Option<&Value>, after: Option<&Value>) -> Option<Self> {
        let texts = before.map_or(Some(""), Value::as_text).zip(after.and_then(Value::as_text));
        let difference = texts.map(|(before, after)| Difference::of(before, after));
        match difference.filter(|difference| !difference.is_large()) {
            Some(difference) => self.moved_along(&difference),
            None => Some(Self::meet(&Self::between(before, after)?, self).ok()?.1),
        }
    }

    fn moved_along(&self, difference: &Difference) -> Option<Self> {
        let (mut inserts, mut deletes) = (self.0.clone(), Vec::new());
        let (places, mut least) = (difference.places(), 0);
        for splice in &mut inserts {
            let range = places.range(splice.offset, splice.delete);
            let from = range.start.max(least);
            least = range.end.max(from);
            // Others have typed within what goes, or taken some of it away.
            let done = difference.within(splice.offset..splice.offset + splice.delete, from..least).splices()?;
            let gone =
                Self::new(vec![Splice { offset: 0, delete: splice.delete, insert: splice.insert.empty() }]).ok()?;
            let (_, Self(gone)) = Self::meet(&done, &gone).ok()?;
            deletes.extend(gone.into_iter().map(|gone| Splice { offset: gone.offset + from, ..gone }));
            (splice.offset, splice.delete) = (from, 0);
        }
        let (inserts, deletes) = (Self::new(inserts).ok()?, Self::new(deletes).ok()?);
        inserts.then_own(&Self::meet(&inserts, &deletes).ok()?.1).ok()
    }

    /// `[[offset, delete, insert], …]`
    pub(crate) fn to_value(&self) -> Value {
        let number = |number: u64| Value::Int(number.min(i64::MAX as u64) as i64);
        let splices = self.0.iter().map(|Splice { offset, delete, insert }| {
            let insert = match insert {
                Content::Text(text) => Value::Text(text.clone().into()),
                Content::Bytes(bytes) => Value::Bytes(bytes.clone()),
            };
            Value::List(Arc::new([number(*offset), number(*delete), insert]))
        });
        Value::List(splices.collect())
    }

    /// Reads what [`to_value`](Self::to_value) wrote.
    pub(crate) fn from_value(value: &Value) -> Result<Self, &'static str> {
        const A_SPLICE: &str = "a splice is [offset, delete, insert]: two numbers from 0 on, and text or bytes";
        let Value::List(items) = value else { return Err(A_SPLICE) };
        let mut splices = Vec::new();
        for item in items.iter() {
            splices.push(Splice::from_value(item).ok_or(A_SPLICE)?);
        }
        Self::new(splices)
            .map_err(|_| "splices are sorted, do not overlap, and are not too many; all text or all bytes")
    }

    fn kind(&self) -> Option<&Content> {
        self.0.first().map(|splice| &splice.insert)
    }

    fn check_like(&self, other: &Self) -> Result<(), SpliceError> {
        match (self.kind(), other.kind()) {
            (Some(a), Some(b)) if !a.is_like(b) => Err(SpliceError::OtherContent),
            _ => Ok(()),
        }
    }
}

impl Splice {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::List(parts) = value else { return None };
        let [Value::Int(offset), Value::Int(delete), insert] = &**parts else { return None };
        let insert = match insert {
            Value::Text(text) => Content::Text(SmolStr::new(text.as_str())),
            Value::Bytes(bytes) => Content::Bytes(bytes.clone()),
            _ => return None,
        };
        Some(Self { offset: (*offset).try_into().ok()?, delete: (*delete).try_into().ok()?, insert })
    }
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.chars().count() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// Nothing of the same kind.
    fn empty(&self) -> Self {
        match self {
            Self::Text(_) => Self::Text(SmolStr::default()),
            Self::Bytes(_) => Self::Bytes([].into()),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Text(_), Self::Text(_)) | (Self::Bytes(_), Self::Bytes(_)))
    }

    /// What is from one offset up to another, both within it.
    fn slice(&self, from: u64, to: u64) -> Self {
        match self {
            Self::Text(text) => Self::Text(text::slice(text, from, to)),
            Self::Bytes(bytes) => Self::Bytes(slice_bytes(bytes, from, to)),
        }
    }

    fn plus(&self, more: &Self) -> Self {
        match (self, more) {
            (Self::Text(text), Self::Text(more)) => {
                let mut both = SmolStrBuilder::new();
                both.push_str(text);
                both.push_str(more);
                Self::Text(both.finish())
            }
            (Self::Bytes(bytes), Self::Bytes(more)) => Self::Bytes([&bytes[..], more].concat().into()),
            _ => self.clone(),
        }
    }
}

fn slice_bytes(bytes: &[u8], from: u64, to: u64) -> Arc<[u8]> {
    bytes.get(from as usize..to as usize).unwrap_or_default().into()
}

/// How many bytes two contents have in common at the front.
fn same_front(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// How many bytes they have in common at the end.
fn same_end(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// A side of what is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}
