//! The numbers of the protocol, each a type of its own so that none is taken for another.

use std::fmt;

/// Declares a number that counts something: ordered, printable, with checked steps.
macro_rules! counting_number {
    ($(#[$doc:meta])* $name:ident, first = $first:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The smallest number that is given out.
            pub const FIRST: Self = Self($first);

            /// The number after this one. Saturates at the end of the range, which is never reached in practice.
            pub const fn next(self) -> Self {
                self.plus(1)
            }

            /// This number moved forward by `count`, saturating.
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }

            /// How far this number is past `earlier`; zero where it is not past it.
            pub const fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counting_number!(
    /// The place of an event on its stream: 0, 1, 2, …, given by the server.
    ///
    /// As a bound it counts events: "played up to `Seq(42)`" means the events 0 to 41 were played.
    Seq,
    first = 0
);

counting_number!(
    /// The `n` of an event: 1, 2, 3, … dense per client and stream. Zero means "none yet".
    EventNumber,
    first = 1
);

counting_number!(
    /// How many batches were appended to a stream. The condition of the next append.
    ///
    /// It counts batches rather than events, so that a batch of refusals alone moves it too.
    Position,
    first = 0
);

counting_number!(
    /// A commit of a replica in the order it was made on the device. Never leaves the device.
    EditId,
    first = 1
);

/// The number under which a client speaks of an open stream on one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(pub u32);

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Tells apart what somebody may read of a stream now and what it was before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct View(pub u64);

impl View {
    /// All of the stream.
    pub const ALL: Self = Self(0);
}

/// The version of an app's schema: 1, 2, 3, … by those who write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaVersion(pub u32);

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number under which a client speaks of a query on an open stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryNumber(pub u32);

impl fmt::Display for QueryNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds. Wall-clock values (since the Unix epoch) are information for people and order nothing;
/// monotonic values drive timers. No computation mixes the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// This time moved forward by `other`, saturating.
    pub const fn plus(self, other: Millis) -> Millis {
        Millis(self.0.saturating_add(other.0))
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub const fn since(self, earlier: Millis) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

/// Names one life of a stream: a stream deleted and created again has another incarnation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// The random id of somebody who is present on a stream: a window, a device. New each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// The random id of one tab of a browser, or of another place that mirrors a replica. Never leaves the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TabId(pub u128);

/// The random id of one replica's store, made once, spelled as 26 characters of Crockford's base 32.
///
/// Packed to the alignment of the numbers it stands beside: every field of every object holds one.
#[repr(Rust, packed(8))]
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u128);

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CLIENT_ID_CHARS: usize = 26;

impl ClientId {
    /// What the ids of [`once`](Self::once) end in.
    const ONCE: u64 = u64::MAX;

    /// The id of an author who speaks once, and never asks again what became of it: nothing is remembered of them.
    pub const fn once(random: u64) -> Self {
        Self((random as u128) << 64 | Self::ONCE as u128)
    }

    /// Whether it is of an author who speaks once.
    pub const fn is_once(self) -> bool {
        self.0 as u64 == Self::ONCE
    }

    /// Reads the 26-character spelling; `None` where it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != CLIENT_ID_CHARS || text.as_bytes()[0] > b'7' {
            return None;
        }
        text.bytes()
            .try_fold(0u128, |id, byte| {
                let digit = CROCKFORD.iter().position(|&c| c == byte)?;
                Some((id << 5) | digit as u128)
            })
            .map(Self)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; CLIENT_ID_CHARS];
        let mut rest = self.0;
        for place in text.iter_mut().rev() {
            *place = CROCKFORD[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).expect("base 32 is ASCII"))
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_read_back_what_they_print() {
        for id in [0, 1, 31, 32, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            assert_eq!(ClientId::parse(&ClientId(id).to_string()), Some(ClientId(id)));
        }
    }

    #[test]
    fn client_ids_refuse_other_spellings() {
        for text in
            ["", "01J", "01ARZ3NDEKTSV4RRFFQ69G5FAU", "81ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav"]
        {
            assert_eq!(ClientId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn counting_saturates() {
        assert_eq!(Seq(u64::MAX).next(), Seq(u64::MAX));
        assert_eq!(Seq(3).since(Seq(5)), 0);
    }
}
