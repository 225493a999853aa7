//! Events: what a client authors, what the log records, and what became of an authored event.

use crate::codec::cbor::{self, EncodedBody};
use crate::hash::ContentHash;
use crate::name::{CommandName, FieldName, Key, Subject};
use crate::numbers::{ClientId, EventNumber, Millis, Seq};
use crate::op::Op;
use crate::value::Value;
use crate::word::Word;

/// An event as its author made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authored {
    /// The replica's store that made it.
    pub client: ClientId,
    /// Its number there: with `client`, the identity of the event.
    pub n: EventNumber,
    /// The author has stored the verdicts on its own events up to this one.
    pub settled: EventNumber,
    /// What it says.
    pub body: Body,
}

/// The content of an event, without its identity: what a retry must repeat to the letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// How many events of the stream the author had played when editing: causality.
    pub base: Seq,
    /// The played count that text offsets refer to, where it is not `base`.
    pub on: Option<Seq>,
    /// Wall-clock time at the author, for people.
    pub at: Millis,
    /// The intent, when a command produced the ops.
    pub command: Option<Command>,
    /// Reads this event depends on: refused as `stale` where one has changed since `base`.
    pub unchanged: Vec<Read>,
    /// The changes. All take effect, or the event is not recorded.
    pub ops: Vec<Op>,
}

/// An authored event with the canonical bytes of its body, encoded once for hashing, measuring and recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The event.
    pub event: Authored,
    /// Its body, encoded.
    pub encoded: EncodedBody,
    /// The hash of its content.
    pub hash: ContentHash,
}

impl Sealed {
    /// Encodes and hashes an event's body.
    pub fn new(event: Authored) -> Self {
        let encoded = cbor::encode_body(&event.body);
        let hash = encoded.hash();
        Self { event, encoded, hash }
    }
}

/// A named intent with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The command's name.
    pub name: CommandName,
    /// Its arguments.
    pub args: Value,
}

/// Something an event's author had read: a whole object, or one field of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The object.
    pub key: Key,
    /// The field, or the whole object.
    pub field: Option<FieldName>,
}

/// An event as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its place on the stream.
    pub seq: Seq,
    /// The replica's store that made it.
    pub client: ClientId,
    /// Its number there.
    pub n: EventNumber,
    /// Who made it, from the verified token; none where the server has no authentication.
    pub actor: Option<Subject>,
    /// What it says, with `ops` as they took effect.
    pub body: Body,
    /// What was authored but did not take effect.
    pub lost: Vec<Lost>,
}

/// A part of an event that did not take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The part, as it was authored.
    pub op: Op,
    /// Why.
    pub reason: LostReason,
}

/// Why a part of a recorded event did not take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostReason {
    /// The object was deleted concurrently.
    Gone,
    /// Somebody else had set the field concurrently, and the first one wins there.
    First,
    /// Somebody else had set the field concurrently: it stands on the object as a conflict, for people to decide.
    Conflict,
    /// The text was set anew concurrently: there is nothing left to edit.
    Overwritten,
    /// Somebody else had added the member concurrently: it stays.
    Added,
    /// Something that this version does not know.
    Other(Word),
}

impl LostReason {
    const ALL: [Self; 5] = [Self::Gone, Self::First, Self::Conflict, Self::Overwritten, Self::Added];

    /// The word for it on the wire.
    pub fn code(&self) -> &str {
        match self {
            Self::Gone => "gone",
            Self::First => "first",
            Self::Conflict => "conflict",
            Self::Overwritten => "overwritten",
            Self::Added => "added",
            Self::Other(word) => word.as_str(),
        }
    }

    /// The reason with this word. `None` where it cannot be one.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code).or_else(|| Word::new(code).map(Self::Other))
    }
}

/// What became of an authored event. Durable with the events it came with; a retry gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is on the log.
    Recorded {
        /// Where.
        seq: Seq,
        /// What of it did not take effect.
        lost: Vec<Lost>,
    },
    /// It is not on the log and never will be.
    Refused(Box<Refusal>),
}

/// Why an event was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of reason, for programs.
    pub code: RefusalCode,
    /// The reason, for people: what was wrong with which object.
    pub reason: String,
    /// The object the reason is about.
    pub about: Option<Key>,
    /// The field of it, where it is about one.
    pub field: Option<FieldName>,
    /// Its fields as they are on the server, where it exists: a map.
    pub current: Option<Value>,
    /// How many events were on the stream when this was decided: who has played that many has seen why.
    pub head: Seq,
}

/// The kinds of refusal: decisions on content or rights, never on load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalCode {
    /// An insert of an object that the author knew to exist.
    Exists,
    /// An update of an object that the author knew to be gone.
    NotFound,
    /// A declared read has changed, or a field that does not take concurrent writes.
    Stale,
    /// The text was edited on top of something that did not come to be: move the edit to the present text and send it
    /// again. Replicas do so by themselves.
    Rebase,
    /// The event breaks a rule of the data model, or a limit.
    Invalid,
    /// The author may not do this.
    Forbidden,
    /// The command, run again on what had changed meanwhile, refused. Never sent: it is the device's own word.
    Failed,
    /// The command, run again, failed in a way that its author did not mean: a bug of the app. Never sent.
    Bug,
    /// Something that this version does not know.
    Other(Word),
}

impl RefusalCode {
    const ALL: [Self; 8] = [
        Self::Exists,
        Self::NotFound,
        Self::Stale,
        Self::Rebase,
        Self::Invalid,
        Self::Forbidden,
        Self::Failed,
        Self::Bug,
    ];

    /// The word for it on the wire.
    pub fn code(&self) -> &str {
        match self {
            Self::Exists => "exists",
            Self::NotFound => "not_found",
            Self::Stale => "stale",
            Self::Rebase => "rebase",
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::Failed => "failed",
            Self::Bug => "bug",
            Self::Other(word) => word.as_str(),
        }
    }

    /// The code with this word. `None` where it cannot be one.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code).or_else(|| Word::new(code).map(Self::Other))
    }
}

/// The verdict on one of a client's own events, as the server keeps it until the client has stored it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnVerdict {
    /// Which event.
    pub n: EventNumber,
    /// The content that was decided on.
    pub hash: ContentHash,
    /// What was decided.
    pub verdict: Verdict,
}
