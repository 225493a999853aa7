//! Who wrote, and when: of an event, of what is there, and of what was there before.

use crate::event::Recorded;
use crate::name::Subject;
use crate::numbers::{ClientId, Millis, Seq};

/// Who wrote, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The event.
    pub seq: Seq,
    /// Its author.
    pub client: ClientId,
}

impl Stamp {
    /// The stamp of what stays on the device: nobody's, as it meets nothing of others.
    pub(crate) const DRAFT: Self = Self::pending(ClientId(u128::MAX));

    /// The stamp of an edit that is on no log yet.
    pub const fn pending(client: ClientId) -> Self {
        Self { seq: Seq(u64::MAX), client }
    }

    pub(super) const fn is_pending(self) -> bool {
        self.seq.0 == u64::MAX
    }
}

/// A write: whose it is, and what its author had seen.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The event and its author.
    pub stamp: Stamp,
    /// How many events the author had played.
    pub base: Seq,
    /// Wall-clock time at the author, for people.
    pub at: Millis,
    /// Who it was, where the server knows.
    pub actor: Option<&'a Subject>,
}

impl<'a> Write<'a> {
    /// The write of a recorded event.
    pub const fn of(event: &'a Recorded) -> Self {
        let stamp = Stamp { seq: event.seq, client: event.client };
        Self { stamp, base: event.body.base, at: event.body.at, actor: event.actor.as_ref() }
    }

    /// The write of an edit that is on no log yet.
    pub const fn pending(client: ClientId, base: Seq, at: Millis) -> Self {
        Self { stamp: Stamp::pending(client), base, at, actor: None }
    }

    /// The write of what stays on the device.
    pub const fn draft(at: Millis) -> Self {
        Self { stamp: Stamp::DRAFT, base: Seq::FIRST, at, actor: None }
    }
}

/// Who wrote last, and when somebody else had last written before that: one's own write must not hide a foreign one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The last write.
    pub last: Stamp,
    /// The last write by another client than that one.
    pub other: Option<Seq>,
}

impl Version {
    /// The version of something written for the first time.
    pub const fn first(stamp: Stamp) -> Self {
        Self { last: stamp, other: None }
    }

    /// The version after one more write.
    pub fn then(self, stamp: Stamp) -> Self {
        let other = if self.last.client == stamp.client { self.other } else { Some(self.last.seq) };
        Self { last: stamp, other }
    }

    /// Whether another client than `client` has written at or past `base`.
    pub fn changed_since(&self, base: Seq, client: ClientId) -> bool {
        let foreign = if self.last.client == client { self.other } else { Some(self.last.seq) };
        foreign.is_some_and(|seq| seq >= base)
    }
}
