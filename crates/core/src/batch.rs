//! Batches: what a sequencer appends to the log in one go, all of it or nothing.

use crate::block::EventBlock;
use crate::codec::{CodecError, cbor};
use crate::event::{OwnVerdict, Recorded};
use crate::hash::Chain;
use crate::name::Subject;
use crate::numbers::{ClientId, Seq};

/// Events, and the verdicts that do not follow from them.
///
/// A recorded event whose ops took effect as they were authored is its own verdict. The others stand here: refusals,
/// and events that lost a part, with the hash of what was authored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The events, with dense seqs from the head on. May be empty.
    pub block: EventBlock,
    /// The verdicts that do not follow from the events, in the order they were reached.
    pub verdicts: Vec<ClientVerdict>,
}

/// A verdict and whose event it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientVerdict {
    /// The client whose event it is.
    pub client: ClientId,
    /// Who sent it.
    pub subject: Option<Subject>,
    /// The verdict.
    pub own: OwnVerdict,
}

impl Batch {
    /// Nothing, at a place on the log.
    pub const fn empty(at: Seq, chain: Chain) -> Self {
        Self { block: EventBlock::empty(at, chain), verdicts: Vec::new() }
    }

    /// Whether there is nothing to append.
    pub fn is_empty(&self) -> bool {
        self.block.is_empty() && self.verdicts.is_empty()
    }

    /// Its events, read.
    ///
    /// # Errors
    /// Where they cannot be.
    pub fn events(&self) -> Result<Vec<Recorded>, CodecError> {
        self.block.events().collect()
    }

    /// The bytes in which a log keeps it.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode_batch(self)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// Where the bytes are something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        Ok(cbor::decode_batch(bytes)?)
    }
}
