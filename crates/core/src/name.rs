//! Names of streams, collections, fields and objects: checked once, cheap to copy afterwards.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::short_text::SmolStr;

use crate::limits;

/// Why a name is not one. In a box: names are read everywhere, and what is read need not make room for what is rare.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(Box<Flaw>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Flaw {
    #[error("the {what} is empty; give it at least one character")]
    Empty { what: &'static str },
    #[error("the {what} has {bytes} bytes; the most is {most}")]
    TooLong { what: &'static str, bytes: usize, most: usize },
    #[error("the {what} has the character '{}'; use letters, digits and punctuation without {refused}", found.escape_default())]
    Character { what: &'static str, found: char, refused: &'static str },
    #[error("a stream name has an empty part; write it like lists/groceries")]
    EmptyPart,
}

impl From<Flaw> for NameError {
    #[cold]
    fn from(flaw: Flaw) -> Self {
        Self(flaw.into())
    }
}

fn check(what: &'static str, text: &str, most: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(Flaw::Empty { what }.into());
    }
    if text.len() > most {
        return Err(Flaw::TooLong { what, bytes: text.len(), most }.into());
    }
    match text.chars().find(|c| c.is_control()) {
        Some(found) => Err(Flaw::Character { what, found, refused: "control characters" }.into()),
        None => Ok(()),
    }
}

/// Declares a checked name over a short string.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $most:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) SmolStr);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// Where it is empty, too long or has control characters.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                check($what, text.as_ref(), $most)?;
                Ok(Self(SmolStr::new(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}

name!(
    /// The name of a collection of objects on a stream, like `tasks`.
    Collection, "collection name", limits::NAME_BYTES
);
name!(
    /// The name of a field of an object, like `title`.
    FieldName, "field name", limits::NAME_BYTES
);
name!(
    /// The name of a command, like `move-card`.
    CommandName, "command name", limits::NAME_BYTES
);
name!(
    /// Who a verified token speaks for.
    Subject, "subject", limits::OBJECT_ID_BYTES
);

/// Lets a checked name be parsed, as command lines do.
macro_rules! parse {
    ($($name:ident),*) => {$(
        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
    )*};
}

parse!(Collection, FieldName, CommandName, Subject, StreamName, ObjectId);

/// The name of a stream: parts joined by slashes, like `lists/groceries`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(SmolStr);

impl StreamName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// Where it is empty, too long, has white space or control characters, or an empty part.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        let name = text.as_ref();
        check("stream name", name, limits::STREAM_NAME_BYTES)?;
        if let Some(found) = name.chars().find(|c| c.is_whitespace()) {
            return Err(Flaw::Character { what: "stream name", found, refused: "white space" }.into());
        }
        if name.split('/').any(str::is_empty) {
            return Err(Flaw::EmptyPart.into());
        }
        Ok(Self(SmolStr::new(name)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The id of an object, unique in its collection: any short text, a UUID by default.
///
/// A UUID in its usual lower-case spelling is kept as 16 bytes, in memory and on the wire. That is invisible:
/// equality, order and hash are those of the text.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectId(Id);

#[derive(Clone, Eq)]
enum Id {
    /// The bytes of the number, the most significant first: they need no alignment, and sort as the text does.
    Uuid([u8; 16]),
    Text(SmolStr),
}

// As numbers: a general comparison of bytes goes byte by byte where a program is built to be small.
impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Uuid(a), Self::Uuid(b)) => u128::from_ne_bytes(*a) == u128::from_ne_bytes(*b),
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => false,
        }
    }
}

const UUID_CHARS: usize = 36;

impl ObjectId {
    /// Checks and takes an id.
    ///
    /// # Errors
    /// Where it is empty, too long or has control characters.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        let text = text.as_ref();
        if let Some(uuid) = parse_uuid(text) {
            return Ok(Self::from_uuid(uuid));
        }
        check("object id", text, limits::OBJECT_ID_BYTES)?;
        Ok(Self(Id::Text(SmolStr::new(text))))
    }

    /// The id whose text is this UUID in its usual spelling.
    pub const fn from_uuid(uuid: u128) -> Self {
        Self(Id::Uuid(uuid.to_be_bytes()))
    }

    /// The 128 bits, where the text is a UUID in its usual spelling.
    pub fn as_uuid(&self) -> Option<u128> {
        match self.0 {
            Id::Uuid(uuid) => Some(u128::from_be_bytes(uuid)),
            Id::Text(_) => None,
        }
    }

    /// The id with the bytes of a UUID, the most significant first.
    pub(crate) const fn from_uuid_bytes(uuid: [u8; 16]) -> Self {
        Self(Id::Uuid(uuid))
    }

    /// The bytes of the number, the most significant first, where the text is a UUID in its usual spelling.
    pub(crate) const fn as_uuid_bytes(&self) -> Option<&[u8; 16]> {
        match &self.0 {
            Id::Uuid(uuid) => Some(uuid),
            Id::Text(_) => None,
        }
    }

    /// Calls `read` with the text of the id.
    pub fn with_str<R>(&self, read: impl FnOnce(&str) -> R) -> R {
        match &self.0 {
            Id::Uuid(uuid) => read(std::str::from_utf8(&spell_uuid(uuid)).expect("a UUID is ASCII")),
            Id::Text(text) => read(text),
        }
    }
}

fn parse_uuid(text: &str) -> Option<u128> {
    let bytes: &[u8; UUID_CHARS] = text.as_bytes().try_into().ok()?;
    let (mut uuid, mut digits) = ([0u8; 16], 0);
    for (place, &byte) in bytes.iter().enumerate() {
        let digit = match byte {
            b'-' if is_dash(place) => continue,
            _ if is_dash(place) => return None,
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        uuid[digits / 2] |= if digits % 2 == 0 { digit << 4 } else { digit };
        digits += 1;
    }
    Some(u128::from_be_bytes(uuid))
}

const fn is_dash(place: usize) -> bool {
    matches!(place, 8 | 13 | 18 | 23)
}

fn spell_uuid(uuid: &[u8; 16]) -> [u8; UUID_CHARS] {
    let mut text = [b'-'; UUID_CHARS];
    let mut place = 0;
    for byte in uuid {
        place += usize::from(is_dash(place));
        for digit in [byte >> 4, byte & 15] {
            text[place] = b"0123456789abcdef"[usize::from(digit)];
            place += 1;
        }
    }
    text
}

impl Ord for ObjectId {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Id::Uuid(a), Id::Uuid(b)) => u128::from_be_bytes(*a).cmp(&u128::from_be_bytes(*b)),
            _ => self.with_str(|a| other.with_str(|b| a.cmp(b))),
        }
    }
}

impl PartialOrd for ObjectId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for ObjectId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            // The time of a UUIDv7 stands in its first half and says little: both halves go in as numbers.
            Id::Uuid(uuid) => u128::from_le_bytes(*uuid).hash(state),
            Id::Text(text) => text.hash(state),
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_str(|text| f.write_str(text))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_str(|text| fmt::Debug::fmt(text, f))
    }
}

/// What names an object on its stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The collection the object is in.
    pub collection: Collection,
    /// Its id there.
    pub id: ObjectId,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_kept_short_and_read_as_text() {
        let text = "018f3b2a-0c1d-7e4f-8a9b-0c1d2e3f4a5b";
        let id = ObjectId::new(text).unwrap();
        assert!(id.as_uuid().is_some());
        assert_eq!(id.to_string(), text);
        assert_eq!(ObjectId::from_uuid(id.as_uuid().unwrap()), id);
    }

    #[test]
    fn other_spellings_of_a_uuid_stay_text() {
        for text in [
            "018F3B2A-0C1D-7E4F-8A9B-0C1D2E3F4A5B",
            "018f3b2a00c1d-7e4f-8a9b-0c1d2e3f4a5b",
            "018f3b2a0c1d7e4f8a9b0c1d2e3f4a5b",
        ] {
            let id = ObjectId::new(text).unwrap();
            assert_eq!(id.as_uuid(), None);
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn ids_are_ordered_as_their_texts_are() {
        let mut random = fastrand::Rng::with_seed(7);
        let ids: Vec<ObjectId> = (0..200)
            .map(|_| match random.bool() {
                true => ObjectId::from_uuid(random.u128(..)),
                false => ObjectId::new(format!("{:x}", random.u32(..))).unwrap(),
            })
            .collect();
        for a in &ids {
            for b in &ids {
                assert_eq!(a.cmp(b), a.to_string().cmp(&b.to_string()));
            }
        }
    }

    #[test]
    fn names_that_cannot_be_are_refused_with_the_reason() {
        assert!(StreamName::new("lists/groceries").is_ok());
        assert_eq!(StreamName::new("lists//x").unwrap_err(), Flaw::EmptyPart.into());
        assert_eq!(StreamName::new("/x").unwrap_err(), Flaw::EmptyPart.into());
        assert!(matches!(*StreamName::new("a b").unwrap_err().0, Flaw::Character { found: ' ', .. }));
        assert!(matches!(*Collection::new("").unwrap_err().0, Flaw::Empty { .. }));
        assert!(matches!(*FieldName::new("x".repeat(65)).unwrap_err().0, Flaw::TooLong { bytes: 65, most: 64, .. }));
        assert!(matches!(*ObjectId::new("a\nb").unwrap_err().0, Flaw::Character { found: '\n', .. }));
    }
}
