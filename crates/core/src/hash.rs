//! The hashes: an event's content, the chain over a log, the digest of objects, and a key's. All are xxh3, over the
//! canonical CBOR of what they cover; none is meant to withstand someone who forges on purpose.

use std::fmt;

use crate::codec::cbor;
use crate::name::Key;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

/// Tells whether two events of one `(client, n)` have the same content. Over the canonical bytes of the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContentHash(pub u64);

impl ContentHash {
    /// The hash of a body's canonical bytes.
    pub fn of(body: &[u8]) -> Self {
        Self(xxh3_64(body))
    }
}

/// Stands for a key before somebody who may not know of it: it means something only to who holds the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub u64);

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &Key) -> Self {
        Self(xxh3_64(&cbor::encode_key(key)))
    }
}

/// Extended by every recorded event: two logs with equal chains at a seq hold the same events below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Chain(pub u64);

impl Chain {
    /// The chain of an empty log.
    pub const EMPTY: Self = Self(0);

    /// The chain after one more recorded event, given its bytes.
    pub fn extend(self, recorded: &[u8]) -> Self {
        Self(xxh3_64_with_seed(recorded, self.0))
    }
}

/// The sum of the hashes of objects: equal for equal sets of objects, whatever the order they came in.
///
/// Packed like [`ClientId`](crate::numbers::ClientId), and closer: one stands beside every object.
#[repr(Rust, packed(4))]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Digest(pub u128);

impl Digest {
    /// The digest of no objects.
    pub const EMPTY: Self = Self(0);

    /// The digest of one object, given its canonical bytes.
    pub fn of(object: &[u8]) -> Self {
        Self(xxh3_128(object))
    }

    /// The digest with those objects added.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The digest with those objects taken away.
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    /// Reads the 32 hexadecimal digits that [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let hexadecimal = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        hexadecimal.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", { self.0 })
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
