//! The replica of one stream: what a client holds, shows, and has yet to send.
//!
//! A state machine without I/O, clock or threads. It takes local edits, inbound frames, storage completions and the
//! time; it gives frames to send ([`Replica::poll_frame`]), rows to store ([`Replica::poll_store`]) and notices of what
//! changed ([`Replica::take_changed`], [`Replica::poll_notice`]). Native, browser and simulated clients all run it.
//!
//! ```text
//!            commit                              events, in seq order
//!              │                                          │
//!              ▼                                          ▼
//!   view = confirmed + pending ◀── re-apply what ──── confirmed
//!              │                   both touch
//!              ▼
//!   outbox ─ seal ─ store ─ push ──▶ ack | refused ──▶ settled | parked
//! ```
//!
//! One file an idea: `outbox` holds what is not yet on the log, `view` shows it, `connect` opens the stream and finds
//! out whether both sides still speak of the same history, `play` takes events in and `filling` what they came to,
//! `part` holds the results of queries alone, `related` what those refer to, `rights` no more than may be read, `verdict`
//! takes answers in, `identity` changes who the replica is where
//! its store was copied or the server restored, `storing` writes to the device and `restoring` reads back, `coalesce`
//! keeps the outbox short, `texts` moves pending splices past what others have done, `trail` to what comes of the edits
//! before them, `moves` tells cursors of it, `checking` says what is not valid before it is taken, `commands` has commands run again, `drafts` holds what never leaves the
//! device, `tabs` takes edits from mirrors and tells them what changed, `presence` knows who else is there.

mod checking;
mod coalesce;
mod commands;
mod connect;
mod drafts;
mod edit;
mod filling;
mod holding;
mod identity;
mod moves;
mod outbox;
mod overwritten;
mod part;
mod play;
mod presence;
mod related;
mod restoring;
mod rights;
mod rows;
mod status;
mod storing;
mod tabs;
mod texts;
mod trail;
mod verdict;
mod view;

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashSet;

pub(crate) use checking::check_one;
pub use commands::{Ran, Run};
pub use connect::Start;
pub(crate) use edit::rehearse;
pub use edit::{Commanded, EditError, NewEdit, Reads};
pub use moves::Moved;
pub use outbox::Parked;
pub use part::SubscribeError;
pub use presence::PresenceError;
pub use restoring::Restoring;
pub use rows::{Row, RowError, StoredRow, Table};
pub use status::Status;
pub use storing::{Keeping, StoreBatch};

use crate::block::EventBlock;
use crate::catchup::KeyOrder;
use crate::event::{Lost, Refusal};
use crate::frame::ResyncReason;
use crate::hash::{Chain, Digest};
use crate::name::{Collection, FieldName, Key, ObjectId, StreamName, Subject};
use crate::names::Names;
use crate::numbered::Numbered;
use crate::numbers::{ClientId, EditId, Incarnation, Millis, Seq};
use crate::object::Object;
use crate::objects::Objects;
use crate::queue::Queue;
use crate::valid::Validity;
use crate::value::Value;
use commands::Commands;
use connect::Link;
use drafts::Drafts;
use filling::Filled;
use identity::Identity;
use moves::Moves;
use outbox::Outbox;
use part::Part;
use presence::Peers;
use storing::Storing;
use tabs::Tabs;
use view::View;

/// The replica of one stream.
#[derive(Debug)]
pub struct Replica {
    stream: StreamName,
    start: Start,
    identity: Identity,
    history: History,
    confirmed: Objects,
    /// What of that is void, the last first, while all comes anew.
    void: Vec<Key>,
    view: View,
    outbox: Outbox,
    commands: Commands,
    /// What edits are checked by.
    validity: Option<Arc<dyn Validity>>,
    drafts: Drafts,
    link: Link,
    storing: Storing,
    tabs: Tabs,
    peers: Peers,
    /// The queries, where it holds only what they find.
    part: Option<Part>,
    /// Whose objects are wanted first, and were when the stream was last opened.
    first: KeyOrder,
    first_sent: KeyOrder,
    /// The events that it asked for are no longer there: it takes pages, whatever it would rather.
    trimmed: bool,
    /// Why nothing of the stream may be read, where that is so.
    denied: Option<Box<str>>,
    /// An event on the log says what this version does not know.
    outdated: bool,
    /// How many events were played when mirrors were last told.
    told: Seq,
    names: Names,
    changed: FxHashSet<Key>,
    moves: Moves,
    notices: Queue<Notice>,
}

/// What the replica knows of the stream's log.
#[derive(Debug, Default)]
struct History {
    incarnation: Option<Incarnation>,
    /// How many events were played, and the chain after them.
    played: Seq,
    chain: Chain,
    /// The server's head as last heard.
    head: Seq,
    /// Blocks beyond a gap, by their first seq.
    held: Numbered<Seq, EventBlock>,
    /// Where the next live events begin.
    live: Seq,
    /// The filling under way, where there is one.
    filling: Option<Filled>,
    /// The range that was asked for and has not wholly come.
    fetching: Option<Range<Seq>>,
    /// Digests the server named and the replica has yet to reach, in order.
    digests: Queue<(Seq, Digest)>,
    /// Where and when the digest last agreed.
    agreed: Option<(Seq, Millis)>,
    /// How often it did not.
    diverged: u64,
}

/// What an app should hear of beside changed objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A commit is on the log, durable, and played.
    Recorded {
        /// The commit.
        edit: EditId,
        /// Its place.
        seq: Seq,
        /// What of it did not take effect.
        lost: Vec<Lost>,
    },
    /// A commit was refused. It is parked.
    Refused {
        /// The commit.
        edit: EditId,
        /// Why.
        refusal: Refusal,
    },
    /// A commit and a later one cancelled each other out before either was sent.
    Cancelled {
        /// The commit.
        edit: EditId,
    },
    /// Somebody who had not seen it has written over what was one's own.
    Overwritten {
        /// The event that did.
        seq: Seq,
        /// The object.
        key: Key,
        /// What was one's own there.
        fields: Vec<(FieldName, Value)>,
        /// The event's author.
        by: ClientId,
        /// Who that is, where the server knows.
        actor: Option<Subject>,
    },
    /// The client id turned out to be in use elsewhere, or the server's log to be another. The replica goes on under
    /// a new one.
    NewIdentity(ClientId),
    /// The server's log is not the one that was played. All is played anew; what is pending, and what of one's own the
    /// server has lost, will be sent again.
    StartedOver(ResyncReason),
    /// An event on the log says what this version does not know. Nothing is played or sent until a newer program opens
    /// the store; what is pending is kept.
    Outdated {
        /// The event.
        seq: Seq,
    },
    /// The objects are not what the server has. They are fetched anew; please report it.
    Diverged {
        /// Where it showed.
        seq: Seq,
    },
}

/// The time and a fresh random number, drawn by whoever runs the replica.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Milliseconds since the Unix epoch.
    pub now: Millis,
    /// Random bits, other ones each time.
    pub random: u128,
}

impl Replica {
    /// A replica with nothing in it yet.
    pub fn new(stream: StreamName, client: ClientId, start: Start, keeping: Keeping) -> Self {
        Self {
            stream,
            start,
            identity: Identity::new(client),
            history: History::default(),
            confirmed: Objects::default(),
            void: Vec::new(),
            view: View::default(),
            outbox: Outbox::default(),
            commands: Commands::default(),
            validity: None,
            drafts: Drafts::default(),
            link: Link::Down,
            storing: Storing::new(keeping),
            tabs: Tabs::default(),
            peers: Peers::default(),
            part: None,
            first: KeyOrder::default(),
            first_sent: KeyOrder::default(),
            trimmed: false,
            denied: None,
            outdated: false,
            told: Seq::FIRST,
            names: Names::default(),
            changed: FxHashSet::default(),
            moves: Moves::default(),
            notices: Queue::default(),
        }
    }

    /// Checks edits by this from now on, where there is any: what is not valid is not taken. The server has the last word all
    /// the same.
    pub fn check_by(&mut self, validity: Option<Arc<dyn Validity>>) {
        self.validity = validity;
    }

    /// The stream.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// The client id under which the replica now sends.
    pub fn client(&self) -> ClientId {
        self.identity.client
    }

    /// An object as it is shown: confirmed, with what is pending on top.
    pub fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        if let Some(draft) = self.drafts.get(key) {
            return Some(draft);
        }
        match self.view.shown(key) {
            Some(entry) => entry?.live(),
            None => self.confirmed.get(key),
        }
    }

    /// All objects of a collection as they are shown, in no particular order.
    pub fn collection(&self, collection: &Collection) -> impl Iterator<Item = (&ObjectId, &Arc<Object>)> {
        let untouched = self.confirmed.collection(collection);
        let untouched = untouched.filter(move |(id, _)| !self.view.touches(collection, id));
        let sent = untouched.chain(self.view.collection(collection));
        let drafts = self.drafts.collection(collection);
        sent.filter(move |(id, _)| !self.drafts.has(collection, id)).chain(drafts)
    }

    /// The names of all collections in which something is or was shown, sorted.
    pub fn collections(&self) -> Vec<Collection> {
        let mut names: Vec<_> = self.confirmed.collections().cloned().collect();
        names.extend(self.view.collections().cloned());
        names.extend(self.drafts.collections().cloned());
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The digest over the confirmed objects.
    pub fn digest(&mut self) -> Digest {
        self.confirmed.digest()
    }

    /// The keys whose shown object may have changed since this was last called.
    pub fn take_changed(&mut self) -> impl Iterator<Item = Key> + use<> {
        std::mem::take(&mut self.changed).into_iter()
    }

    /// The next notice.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }
}
