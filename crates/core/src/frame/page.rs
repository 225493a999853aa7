//! Pages: what is different at one place of a stream for somebody who holds another, cut into frames.
//!
//! A snapshot, a coalesced delta, the result of a query, and what enters, changes in and leaves a partial replica are
//! all the same: a *filling*, whose pages go over the keys in order. A snapshot is the delta for somebody who holds
//! nothing. What a filling has done stands in its cursor: everything up to it is as of `to`, everything past it as of
//! `from`. So it can be cut off anywhere, and goes on there.

use crate::hash::{Chain, Digest, KeyHash};
use crate::name::Key;
use crate::numbers::{Channel, QueryNumber, Seq};
use crate::value::Value;

/// Objects as they are at one place of the stream, for somebody who holds them as of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The open stream.
    pub channel: Channel,
    /// The server's durable head as it sent this.
    pub head: Seq,
    /// The state that the receiver is taken to have for keys past the cursor; 0 where it has nothing.
    pub from: Seq,
    /// The state that the items are of: the same for all pages of one filling, unless it was pinned anew.
    pub to: Seq,
    /// The chain of the log at `to`.
    pub chain: Chain,
    /// What the receiver held before is void: it drops all that is confirmed, and keeps its outbox.
    pub fresh: bool,
    /// A newly added query whose objects these are, beside all others.
    pub query: Option<QueryNumber>,
    /// Objects, in the order of the filling.
    pub items: Vec<Item>,
    /// Objects that are no longer there, or in none of the receiver's queries.
    pub gone: Vec<Key>,
    /// Such objects, too, where the receiver may not know of all that are.
    pub gone_unnamed: Vec<KeyHash>,
    /// The cursor: everything up to this key is as of `to` now. `None` where all is.
    pub after: Option<Key>,
    /// With the last page.
    pub end: Option<End>,
    /// How far it is, for people.
    pub progress: Option<Progress>,
}

/// One object in a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Which.
    pub key: Key,
    /// It takes the place of what is there. Otherwise only those fields are in it whose versions are not older than what
    /// the receiver has, and all others stay as they are; its own version and its conflicts are all there is of them.
    pub whole: bool,
    /// The live object, as [`encode_entry`](crate::codec::cbor::encode_entry) encodes it.
    pub entry: Vec<u8>,
}

/// What ends a filling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The digest over all objects at `to`, for those who hold all.
    pub digest: Option<Digest>,
    /// Objects that are in none of the receiver's queries are to be dropped: its windows were sent anew.
    pub purge: bool,
}

/// How far a filling is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Objects done.
    pub objects: u64,
    /// Objects in all, as far as is known.
    pub of: u64,
    /// Bytes done, encoded, before any compression.
    pub bytes: u64,
}

/// A filling that was cut off: where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filling {
    /// The state of all keys up to `after`.
    pub to: Seq,
    /// The newest state that any key is of: a filling that was cut off goes over the same keys again.
    pub latest: Seq,
    /// The chain of the log at `latest`.
    pub chain: Chain,
    /// The cursor.
    pub after: Key,
}

impl Filling {
    /// Where a filling stands after a page, which goes up to a key.
    pub fn after(page: &Page, after: Key) -> Self {
        Self { to: page.to, latest: page.to, chain: page.chain, after }
    }
}

/// A query that a partial replica holds the result of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its number on this channel, which the client gives. A number that is there already stands for the query anew.
    pub number: QueryNumber,
    /// The query, as [`Query::from_value`](crate::query::Query::from_value) reads it.
    pub query: Value,
    /// Its whole result as of `played` is held.
    pub ready: bool,
}
