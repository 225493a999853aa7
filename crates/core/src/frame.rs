//! The frames of the protocol: what a client and a server say to each other on one socket.
//!
//! `docs/protocol.md` is the normative text; `codec` turns frames to bytes and back.

mod page;

use crate::block::EventBlock;
use crate::event::{Authored, Lost, OwnVerdict, Refusal};
use crate::hash::{Chain, Digest};
use crate::name::{Collection, StreamName};
use crate::numbers::{
    Channel, ClientId, EventNumber, Incarnation, Millis, PeerId, QueryNumber, SchemaVersion, Seq, View,
};
use crate::value::Value;
use crate::word::Word;

pub use page::{End, Filling, Item, Page, Progress, Subscription};

/// The protocol version this code speaks.
pub const PROTOCOL: u32 = 1;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// The first frame on a socket.
    Hello(Hello),
    /// Opens a stream under a channel number, or opens it anew where the channel is open.
    Open(Open),
    /// Sends events of one's own, in the order of their `n`.
    Push {
        /// The open stream.
        channel: Channel,
        /// The events.
        events: Vec<Authored>,
    },
    /// Asks for a range of recorded events, apart from those that are played live.
    Fetch {
        /// The open stream.
        channel: Channel,
        /// The first.
        from: Seq,
        /// The one after the last.
        to: Seq,
    },
    /// Adds a query to what a partial replica holds, or changes how many objects of it are wanted.
    Subscribe {
        /// The open stream.
        channel: Channel,
        /// The query.
        subscription: Subscription,
    },
    /// Takes a query away.
    Unsubscribe {
        /// The open stream.
        channel: Channel,
        /// The query's number.
        number: QueryNumber,
    },
    /// Closes a stream.
    Close {
        /// The open stream.
        channel: Channel,
    },
    /// Says what peers of this client say of themselves, and asks who else is there.
    Presence(Presence),
    /// Asks for a sign of life.
    Ping,
}

/// The first frame on a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The protocol version the client speaks.
    pub protocol: u32,
    /// What the client is, for people.
    pub agent: String,
    /// Who the client speaks for, where the server asks.
    pub token: Option<String>,
    /// The client can inflate: a frame of the server may come as a zero byte and the raw DEFLATE of the frame.
    pub deflate: bool,
    /// The version of the schema that the app was written for, where it says one.
    pub schema: Option<SchemaVersion>,
}

/// Opens a stream: what the replica holds and who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The number under which the stream is spoken of from now on.
    pub channel: Channel,
    /// The stream.
    pub stream: StreamName,
    /// The replica's client id.
    pub client: ClientId,
    /// Client ids the replica had before, of which it keeps acknowledged events; at most
    /// [`FORMER_CLIENTS`](crate::limits::FORMER_CLIENTS).
    pub former: Vec<ClientId>,
    /// The replica has stored the verdicts on its own events up to this one.
    pub settled: EventNumber,
    /// The incarnation of the stream that the replica has played, where it has played any.
    pub incarnation: Option<Incarnation>,
    /// How many events the replica has played.
    pub played: Seq,
    /// The chain after the last event played.
    pub chain: Chain,
    /// From where events are to be played live.
    pub live: Live,
    /// The client takes pages. Otherwise it gets nothing but events.
    pub pages: bool,
    /// Collections whose objects are to come first where pages come; at most
    /// [`FIRST_COLLECTIONS`](crate::limits::FIRST_COLLECTIONS).
    pub first: Vec<Collection>,
    /// A filling that was cut off.
    pub filling: Option<Filling>,
    /// The queries whose results a partial replica holds; `None` where all of the stream is held. At most
    /// [`QUERIES`](crate::limits::QUERIES).
    pub queries: Option<Vec<Subscription>>,
    /// What of the stream could be read when it was last open, where that was not all.
    pub view: View,
}

impl Open {
    /// The places of the log that the replica has been at, each with the chain there. Where one of them is not so, it
    /// knows another log.
    pub fn claims(&self) -> impl Iterator<Item = (Seq, Chain)> {
        let filling = self.filling.as_ref().map(|filling| (filling.latest, filling.chain));
        std::iter::once((self.played, self.chain)).chain(filling)
    }

    /// An open by a client that holds nothing.
    pub const fn new(channel: Channel, stream: StreamName, client: ClientId, live: Live) -> Self {
        Self {
            channel,
            stream,
            client,
            former: Vec::new(),
            settled: EventNumber(0),
            incarnation: None,
            played: Seq::FIRST,
            chain: Chain::EMPTY,
            live,
            pages: false,
            first: Vec::new(),
            filling: None,
            queries: None,
            view: View::ALL,
        }
    }
}

/// From where events are played live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// Not at all: the client only pushes and fetches.
    No,
    /// From this event on.
    From(Seq),
    /// From the server's head on; what is before it is fetched.
    Head,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    /// The answer to [`Hello`].
    Welcome(Welcome),
    /// The answer to [`Open`].
    Opened(Opened),
    /// Recorded events, played live or fetched.
    Events(Events),
    /// What is different between two places of the stream.
    Page(Page),
    /// Events of one's own are recorded and durable. Comes before the events themselves are played.
    Ack {
        /// The open stream.
        channel: Channel,
        /// Runs of events with dense numbers and dense seqs, in order.
        runs: Vec<AckRun>,
        /// What of them did not take effect; only events of which something was lost.
        lost: Vec<LostOf>,
    },
    /// An event of one's own is refused, durably.
    Refused {
        /// The open stream.
        channel: Channel,
        /// The event.
        n: EventNumber,
        /// Why.
        refusal: Refusal,
    },
    /// The stream cannot be opened from what the replica holds: it must start over, and keeps its outbox.
    Resync(Resync),
    /// Something was wrong. The socket stays open unless the code says otherwise.
    Error(ErrorFrame),
    /// Says who is there.
    Presence(Presence),
    /// The answer to [`ClientFrame::Ping`].
    Pong,
}

/// Who is present on a stream, and what they say of themselves. It never touches the log, and is gone when they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The open stream.
    pub channel: Channel,
    /// From a client: say who is there now, and whenever that changes. From a server: these are all of them.
    pub anew: bool,
    /// Peers, each with what it says of itself; `None` where it is gone.
    pub peers: Vec<(PeerId, Option<Value>)>,
}

/// The answer to [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The protocol version spoken from now on.
    pub protocol: u32,
    /// What the server is, for people.
    pub server: String,
    /// How long the socket may be silent before the server takes it for dead.
    pub silence: Millis,
    /// Bytes of the largest frame the server takes.
    pub frame_bytes: u64,
    /// How long the token is good that the client showed: a client that says hello again before, with a newer one, goes on
    /// without a break. `None`: as long as it likes.
    pub expires_in: Option<Millis>,
}

/// The answer to [`Open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The open stream.
    pub channel: Channel,
    /// Which life of the stream this is.
    pub incarnation: Incarnation,
    /// The server's durable head.
    pub head: Seq,
    /// The digest over all objects at that head.
    pub digest: Digest,
    /// The last number of each client the replica named: its own first, then the former ones, in the order of the open.
    pub last: Vec<EventNumber>,
    /// The verdicts on the client's own events past `settled`.
    pub verdicts: Vec<OwnVerdict>,
    /// What of the stream can be read, where that is not all.
    pub readable: Option<Readable>,
}

/// The part of a stream that can be read by somebody who may not read all of it.
///
/// A replica that opened the stream as a whole opens it again, with a query for each of these collections; one that holds
/// the results of queries gets what it may read of them. Where the view is another one than it was, all of that comes anew,
/// or what the views differ in, where the server knows that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readable {
    /// Which part it is.
    pub view: View,
    /// Whether what is held goes on to count, though the view was another one: what enters and leaves comes next.
    pub continues: bool,
    /// The collections of which something can be read, sorted.
    pub collections: Vec<Collection>,
}

/// A range of recorded events. What is in the range but not in the block does not concern this client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// The open stream.
    pub channel: Channel,
    /// The server's durable head as it sent this.
    pub head: Seq,
    /// The digest over all objects after the last of these events, now and then.
    pub digest: Option<Digest>,
    /// The events.
    pub block: EventBlock,
}

/// Events `n`, `n + 1`, … are recorded as `seq`, `seq + 1`, ….
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckRun {
    /// The first event.
    pub n: EventNumber,
    /// Its place.
    pub seq: Seq,
    /// How many.
    pub count: u64,
}

/// What of an acknowledged event did not take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostOf {
    /// The event.
    pub n: EventNumber,
    /// Its lost parts.
    pub lost: Vec<Lost>,
}

/// The stream cannot be opened from what the replica holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resync {
    /// The stream that was to be opened.
    pub channel: Channel,
    /// Why.
    pub reason: ResyncReason,
    /// The last number of each client the replica named, as in [`Opened::last`].
    pub last: Vec<EventNumber>,
}

/// Why a replica must start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResyncReason {
    /// The server's log is another one than the replica played: it was restored from a backup and written on.
    Forked,
    /// The stream was deleted and created again.
    Recreated,
    /// Something that this version does not know: to be taken as a fork, which loses nothing.
    Other(Word),
}

impl ResyncReason {
    /// The word for it on the wire.
    pub fn code(&self) -> &str {
        match self {
            Self::Forked => "forked",
            Self::Recreated => "recreated",
            Self::Other(word) => word.as_str(),
        }
    }

    /// The reason with this word. `None` where it cannot be one.
    pub fn from_code(code: &str) -> Option<Self> {
        let known = [Self::Forked, Self::Recreated].into_iter().find(|known| known.code() == code);
        known.or_else(|| Word::new(code).map(Self::Other))
    }
}

/// Something was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorFrame {
    /// The stream it concerns, or the whole socket.
    pub channel: Option<Channel>,
    /// The kind, for programs.
    pub code: ErrorCode,
    /// What was wrong and what to do, for people.
    pub message: String,
    /// With `resume`, `forked` and `later`: the event from which on nothing was decided.
    pub n: Option<EventNumber>,
    /// With `later`: how long to wait before sending again.
    pub retry: Option<Millis>,
}

/// The kinds of errors. None of them is a verdict on an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The frame cannot be read or breaks a limit. Sending it again will not help.
    BadFrame,
    /// The frame's kind is not known to the server.
    UnknownFrame,
    /// The channel is not open.
    NotOpen,
    /// The event does not go on where this client's last one ended: go on from `n`.
    Resume,
    /// Another event was recorded under this client's `n`: the store was copied. Take a new client id.
    Forked,
    /// Not now: overload, no quorum, shutting down. Nothing was decided from `n` on; send it again.
    Later,
    /// The client id belongs to somebody else.
    Forbidden,
    /// Nothing of the stream may be read by this client. What may be can change.
    Denied,
    /// The token is missing, has expired or is none of the server's: connect with another one. The socket is closed.
    Unauthorized,
    /// The client speaks a protocol version that the server no longer does, or the app was written for a schema version
    /// that it no longer serves.
    UpgradeRequired,
    /// A newer socket of the same client took over. The socket is closed.
    Displaced,
    /// Something is wrong with the server. It has logged what.
    Internal,
    /// Something that this version does not know: to be taken as `Later`.
    Other(Word),
}

impl ErrorCode {
    /// All that have a meaning here.
    pub const ALL: [Self; 12] = [
        Self::BadFrame,
        Self::UnknownFrame,
        Self::NotOpen,
        Self::Resume,
        Self::Forked,
        Self::Later,
        Self::Forbidden,
        Self::Denied,
        Self::Unauthorized,
        Self::UpgradeRequired,
        Self::Displaced,
        Self::Internal,
    ];

    /// The word for it on the wire.
    pub fn code(&self) -> &str {
        match self {
            Self::BadFrame => "bad_frame",
            Self::UnknownFrame => "unknown_frame",
            Self::NotOpen => "not_open",
            Self::Resume => "resume",
            Self::Forked => "forked",
            Self::Later => "later",
            Self::Forbidden => "forbidden",
            Self::Denied => "denied",
            Self::Unauthorized => "unauthorized",
            Self::UpgradeRequired => "upgrade_required",
            Self::Displaced => "displaced",
            Self::Internal => "internal",
            Self::Other(word) => word.as_str(),
        }
    }

    /// The code with this word. `None` where it cannot be one.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code).or_else(|| Word::new(code).map(Self::Other))
    }

    /// Whether the same may succeed when sent again.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Resume
                | Self::Later
                | Self::Denied
                | Self::Unauthorized
                | Self::Displaced
                | Self::Internal
                | Self::Other(_)
        )
    }
}
