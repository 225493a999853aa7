//! The two codecs: compact CBOR with integer keys, and JSON that a person can read. Both carry the same frames.

pub mod cbor;
pub mod json;

use crate::frame::{AckRun, ClientFrame, ServerFrame};
use crate::limits;
use crate::name::NameError;
use crate::op::FieldMapError;
use crate::value::NotANumber;

/// The largest number that counts something in a frame: what every JSON carries without loss.
pub const LARGEST_COUNT: u64 = 1 << 53;

/// How frames are turned to bytes on one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Binary messages; what clients use unless told otherwise.
    Cbor,
    /// Text messages; readable in a browser's network tab.
    Json,
}

impl Codec {
    /// Both, the preferred one first.
    pub const ALL: [Self; 2] = [Self::Cbor, Self::Json];

    /// The WebSocket subprotocol that selects it.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Cbor => "tapeline.v1.cbor",
            Self::Json => "tapeline.v1.json",
        }
    }

    /// Encodes what a client says.
    pub fn encode_client(self, frame: &ClientFrame) -> Vec<u8> {
        match self {
            Self::Cbor => cbor::encode_client_frame(frame),
            Self::Json => json::encode_client_frame(frame),
        }
    }

    /// Reads what a client says.
    ///
    /// # Errors
    /// Where the bytes are no client frame, or break a limit.
    pub fn decode_client(self, bytes: &[u8]) -> Result<ClientFrame, CodecError> {
        match self {
            Self::Cbor => Ok(cbor::decode_client_frame(bytes)?),
            Self::Json => json::decode_client_frame(bytes),
        }
    }

    /// Encodes what a server says.
    pub fn encode_server(self, frame: &ServerFrame) -> Vec<u8> {
        match self {
            Self::Cbor => cbor::encode_server_frame(frame),
            Self::Json => json::encode_server_frame(frame),
        }
    }

    /// Reads what a server says.
    ///
    /// # Errors
    /// Where the bytes are no server frame, or break a limit.
    pub fn decode_server(self, bytes: &[u8]) -> Result<ServerFrame, CodecError> {
        match self {
            Self::Cbor => Ok(cbor::decode_server_frame(bytes)?),
            Self::Json => json::decode_server_frame(bytes),
        }
    }
}

/// Why bytes could not be read. Reading them again gives the same answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes are not CBOR, or not the CBOR that was expected there.
    #[error("not the expected CBOR: {0}")]
    Cbor(String),
    /// The text is not JSON, or not the JSON that was expected there.
    #[error("not the expected JSON: {0}")]
    Json(String),
    /// A name breaks the rules for names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The fields of an op break the rules for fields.
    #[error(transparent)]
    Fields(#[from] FieldMapError),
    /// A number is none.
    #[error(transparent)]
    Number(#[from] NotANumber),
    /// There is more of something than the limit allows.
    #[error("{found} {what}; the most is {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A value nests too deep.
    #[error("a value nests deeper than {most} levels", most = limits::VALUE_DEPTH)]
    TooDeep,
    /// A part that must be there is not.
    #[error("{what} has no {part}")]
    Missing {
        /// Of what.
        what: &'static str,
        /// Which part.
        part: &'static str,
    },
    /// A word or number stands for nothing that is known.
    #[error("unknown {what}: {found}")]
    Unknown {
        /// What it should have stood for.
        what: &'static str,
        /// The word or number.
        found: String,
    },
    /// A frame of a kind that is not known.
    #[error("unknown frame kind: {0}")]
    UnknownFrame(String),
    /// There are bytes after the end.
    #[error("bytes after the end of {0}")]
    Trailing(&'static str),
}

/// Errors are rare and large; where much is read they travel in a box, so that what is read need not make room for
/// them.
impl From<Box<CodecError>> for CodecError {
    fn from(error: Box<CodecError>) -> Self {
        *error
    }
}

impl From<NameError> for Box<CodecError> {
    fn from(error: NameError) -> Self {
        Box::new(error.into())
    }
}

impl From<FieldMapError> for Box<CodecError> {
    fn from(error: FieldMapError) -> Self {
        Box::new(error.into())
    }
}

impl From<NotANumber> for Box<CodecError> {
    fn from(error: NotANumber) -> Self {
        Box::new(error.into())
    }
}

impl CodecError {
    /// Checks a count against a limit.
    pub(crate) fn check_count(what: &'static str, found: usize, most: usize) -> Result<(), Box<Self>> {
        if found > most {
            return Err(Self::TooMany { what, found, most }.into());
        }
        Ok(())
    }
}

/// Checks a run of acknowledged events, which a client goes through one by one: there cannot be more than wait.
fn check_run(run: AckRun) -> Result<AckRun, CodecError> {
    let count = usize::try_from(run.count).unwrap_or(usize::MAX);
    CodecError::check_count("events in one run", count, limits::UNSETTLED_EVENTS)?;
    Ok(run)
}
