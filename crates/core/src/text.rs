//! Text as fields hold it: short or never edited it is one string; a long one that is edited is kept in pieces, so that
//! a keystroke costs one piece and not the whole text.
//!
//! Which of the two is invisible: a text is what its characters are. Pieces are shared between copies of a text until
//! one of them is edited there. Who reads a text as a whole has it joined, once for each state of it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::short_text::{SmolStr, SmolStrBuilder};

use crate::splice::{Content, Splice, SpliceError};

/// Bytes of a text from which on it is kept in pieces, once it is edited.
const LONG: usize = 2 << 10;
/// The most bytes of one piece.
const PIECE: usize = 1 << 10;
/// Splices of one op past which a text is put together anew rather than edited piece by piece.
const FEW: usize = 16;

/// Unicode text, cheap to copy.
#[derive(Clone)]
pub struct Text(Kept);

#[derive(Clone)]
enum Kept {
    Whole(SmolStr),
    Pieces(Arc<Pieces>),
}

/// A text in pieces: at least one, only the first of them less than a quarter full.
struct Pieces {
    pieces: Vec<Piece>,
    bytes: usize,
    count: usize,
    joined: OnceLock<Box<str>>,
}

/// A piece and how many scalar values it has.
#[derive(Clone)]
struct Piece {
    text: Arc<String>,
    count: usize,
}

impl Text {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Whole(text) => text.len(),
            Kept::Pieces(pieces) => pieces.bytes,
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole of it.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kept::Whole(text) => text,
            Kept::Pieces(pieces) => pieces.joined.get_or_init(|| self.parts().collect::<String>().into()),
        }
    }

    /// The parts it is kept in, in order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &str> {
        let (whole, pieces): (Option<&str>, &[Piece]) = match &self.0 {
            Kept::Whole(text) => (Some(text), &[]),
            Kept::Pieces(pieces) => (None, &pieces.pieces),
        };
        whole.into_iter().chain(pieces.iter().map(|piece| piece.text.as_str()))
    }

    /// How many scalar values it has.
    pub(crate) fn count(&self) -> u64 {
        match &self.0 {
            Kept::Whole(text) => text.chars().count() as u64,
            Kept::Pieces(pieces) => pieces.count as u64,
        }
    }

    /// What is from one offset up to another, both within it.
    pub(crate) fn slice(&self, from: u64, to: u64) -> SmolStr {
        match &self.0 {
            Kept::Whole(text) => slice(text, from, to),
            Kept::Pieces(pieces) => pieces.slice(from as usize, to as usize),
        }
    }

    /// Lets the splices of one op take effect. Nothing has changed where they do not fit.
    pub(crate) fn splice(&mut self, splices: &[Splice]) -> Result<(), SpliceError> {
        if self.len() < LONG || splices.len() > FEW {
            self.0 = Kept::Whole(spliced(self.as_str(), splices)?);
            return Ok(());
        }
        let (end, len) = (splices.last().map_or(0, |last| last.offset + last.delete), self.count());
        if end > len {
            return Err(SpliceError::PastTheEnd { end, len });
        }
        if let Kept::Whole(text) = &self.0 {
            self.0 = Kept::Pieces(Arc::new(Pieces::of(text)));
        }
        if let Kept::Pieces(pieces) = &mut self.0 {
            // From the last to the first: offsets are in the text before the op.
            let pieces = Arc::make_mut(pieces);
            for Splice { offset, delete, insert } in splices.iter().rev() {
                let insert = if let Content::Text(insert) = insert { insert.as_str() } else { "" };
                pieces.splice(*offset as usize, *delete as usize, insert);
            }
        }
        Ok(())
    }
}

impl Pieces {
    fn of(text: &str) -> Self {
        let pieces = cut(text);
        Self { bytes: text.len(), count: pieces.iter().map(|piece| piece.count).sum(), pieces, joined: OnceLock::new() }
    }

    fn splice(&mut self, offset: usize, delete: usize, insert: &str) {
        let (first, from) = self.find(offset);
        let (last, to) = if delete == 0 { (first, from) } else { self.find(offset + delete) };
        let before: usize = self.pieces[first..=last].iter().map(|piece| piece.text.len()).sum();
        if first < last {
            let tail = self.pieces[last].text[to..].to_owned();
            let piece = Arc::make_mut(&mut self.pieces[first].text);
            piece.truncate(from);
            piece.push_str(insert);
            piece.push_str(&tail);
            self.pieces.drain(first + 1..=last);
        } else {
            Arc::make_mut(&mut self.pieces[first].text).replace_range(from..to, insert);
        }
        let piece = &mut self.pieces[first];
        (self.bytes, self.count) = (self.bytes + piece.text.len() - before, self.count - delete);
        let inserted = insert.chars().count();
        piece.count = if first < last { piece.text.chars().count() } else { piece.count - delete + inserted };
        self.count += inserted;
        self.joined = OnceLock::new();
        self.even_out(first);
    }

    /// Cuts a piece that is too long, and joins one that is too short to the one before it.
    fn even_out(&mut self, mut place: usize) {
        if place > 0 && self.pieces[place].text.len() < PIECE / 4 {
            let short = self.pieces.remove(place);
            place -= 1;
            Arc::make_mut(&mut self.pieces[place].text).push_str(&short.text);
            self.pieces[place].count += short.count;
        }
        if self.pieces[place].text.len() > PIECE {
            let parts = cut(&self.pieces[place].text);
            self.pieces.splice(place..=place, parts);
        }
    }

    /// In which piece an offset is, and at which byte of it. Between two it is at the end of the first.
    fn find(&self, mut offset: usize) -> (usize, usize) {
        let mut place = 0;
        while place + 1 < self.pieces.len() && offset > self.pieces[place].count {
            offset -= self.pieces[place].count;
            place += 1;
        }
        let Piece { text, count } = &self.pieces[place];
        let byte = if *count == text.len() { offset } else { byte_place(text, offset as u64).unwrap_or(text.len()) };
        (place, byte)
    }

    fn slice(&self, from: usize, to: usize) -> SmolStr {
        let ((first, start), (last, end)) = (self.find(from), self.find(to));
        if first == last {
            return SmolStr::new(&self.pieces[first].text[start..end]);
        }
        let mut slice = SmolStrBuilder::new();
        slice.push_str(&self.pieces[first].text[start..]);
        self.pieces[first + 1..last].iter().for_each(|piece| slice.push_str(&piece.text));
        slice.push_str(&self.pieces[last].text[..end]);
        slice.finish()
    }
}

/// Cuts a text into pieces of about the same length, at least one.
fn cut(text: &str) -> Vec<Piece> {
    let (mut rest, mut pieces) = (text, Vec::new());
    let each = text.len() / (text.len() / PIECE + 1) + 1;
    while rest.len() > each {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(each));
        pieces.push(Piece::of(piece));
        rest = after;
    }
    pieces.push(Piece::of(rest));
    pieces
}

impl Piece {
    fn of(text: &str) -> Self {
        Self { text: Arc::new(text.to_owned()), count: text.chars().count() }
    }
}

impl Clone for Pieces {
    fn clone(&self) -> Self {
        Self { pieces: self.pieces.clone(), joined: OnceLock::new(), ..*self }
    }
}

/// As that of the text as a whole: pieces do not show.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        let same = matches!((&self.0, &other.0), (Kept::Pieces(a), Kept::Pieces(b)) if Arc::ptr_eq(a, b));
        same || self.len() == other.len() && self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<SmolStr> for Text {
    fn from(text: SmolStr) -> Self {
        Self(Kept::Whole(text))
    }
}

impl From<Text> for SmolStr {
    fn from(text: Text) -> Self {
        match text.0 {
            Kept::Whole(text) => text,
            Kept::Pieces(_) => Self::new(text.as_str()),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        SmolStr::new(text).into()
    }
}

/// A text with the splices of one op, in time linear in both.
fn spliced(text: &str, splices: &[Splice]) -> Result<SmolStr, SpliceError> {
    let mut built = SmolStrBuilder::new();
    let mut rest = Rest { text, at: 0, ascii: text.is_ascii() };
    for Splice { offset, delete, insert } in splices {
        built.push_str(rest.take(*offset)?);
        if let Content::Text(insert) = insert {
            built.push_str(insert);
        }
        rest.take(offset + delete)?;
    }
    built.push_str(rest.text);
    Ok(built.finish())
}

/// What is from one offset of a text up to another, both within it.
pub(crate) fn slice(text: &str, from: u64, to: u64) -> SmolStr {
    let mut rest = Rest { text, at: 0, ascii: text.is_ascii() };
    SmolStr::new(rest.take(from).and_then(|_| rest.take(to)).unwrap_or_default())
}

/// What is left of a text.
struct Rest<'t> {
    text: &'t str,
    /// How many scalar values are gone.
    at: u64,
    ascii: bool,
}

impl<'t> Rest<'t> {
    /// Takes what is before an offset.
    fn take(&mut self, offset: u64) -> Result<&'t str, SpliceError> {
        let count = offset.saturating_sub(self.at);
        let past = |rest: &str, at| SpliceError::PastTheEnd { end: offset, len: at + rest.chars().count() as u64 };
        let place = if self.ascii { usize::try_from(count).ok() } else { byte_place(self.text, count) };
        let place = place.filter(|&place| place <= self.text.len()).ok_or_else(|| past(self.text, self.at))?;
        let (taken, rest) = self.text.split_at(place);
        (self.text, self.at) = (rest, self.at + count);
        Ok(taken)
    }
}

/// Where so many scalar values of a text end, in bytes.
fn byte_place(text: &str, count: u64) -> Option<usize> {
    /// Bytes that are counted at once, which processors do fast.
    const CHUNK: usize = 64;
    let mut left = usize::try_from(count).ok()?;
    let (mut place, bytes) = (0, text.as_bytes());
    let begins = |byte: &&u8| **byte & 0b1100_0000 != 0b1000_0000;
    for chunk in bytes.chunks_exact(CHUNK) {
        let here = chunk.iter().filter(begins).count();
        if here > left {
            break;
        }
        left -= here;
        place += CHUNK;
    }
    // The last of them may go on past the chunk.
    let mut starts = bytes[place..].iter().enumerate().filter(|(_, byte)| begins(byte)).map(|(start, _)| place + start);
    match starts.nth(left) {
        Some(place) => Some(place),
        None => (bytes[place..].iter().filter(begins).count() == left).then_some(bytes.len()),
    }
}
