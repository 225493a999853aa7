//! What can go wrong, one narrow type for each thing that is done.

use std::path::PathBuf;

use tapeline_core::difference::DifferenceError;
use tapeline_core::name::{NameError, StreamName};
use tapeline_core::op::FieldMapError;
use tapeline_core::replica;
use tapeline_core::valid::Objection;

/// The client was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client was closed")]
pub struct Closed;

/// Why a client could not be opened. Nothing on the device has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The address is none.
    #[error("{address} is no address of a server: write it like ws://127.0.0.1:7070 ({why})")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The schema that edits are to be checked by is none.
    #[error("the schema is wrong in {0}")]
    Schema(String),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    /// Whether the same may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }
}

/// Why a stream could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What is stored of it cannot be read. The store is kept as it is.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device holds all of it, or did; or this client has it open so.
    #[error("the device holds all of {0}: open it with stream, or keep its parts in another store")]
    Whole(StreamName),
    /// The device holds a part of it, or this client has it open so.
    #[error("the device holds a part of {0}: open it with part, or keep all of it in another store")]
    Part(StreamName),
    /// The client was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Why a query is not held. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// The collection's name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The query has no form that can travel.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// It is no query, there are too many, or the stream is held as a whole.
    #[error(transparent)]
    Refused(#[from] replica::SubscribeError),
    /// The client was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl StreamError {
    /// Whether the same may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }
}

/// Why an edit was not taken. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// A name in it is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The fields of an op are not right.
    #[error(transparent)]
    Fields(#[from] FieldMapError),
    /// What is wanted cannot be.
    #[error(transparent)]
    Wanted(#[from] DifferenceError),
    /// A value of the program has no form that can travel.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// It does not fit what is shown, is not valid, or breaks a limit.
    #[error(transparent)]
    Refused(#[from] replica::EditError),
    /// The client was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl EditError {
    /// Whether the same edit may be taken later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Refused(error) if error.is_retryable())
    }

    /// What of it is not valid, with the field and the reason, where it was [checked](crate::Builder::checked_by).
    pub const fn objection(&self) -> Option<&Objection> {
        match self {
            Self::Refused(replica::EditError::Invalid(objection)) => Some(objection),
            _ => None,
        }
    }
}

/// Why a value of the program and an object do not fit each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The program's type and the data differ.
    #[error("the data does not have the shape of the type: {0}")]
    Mismatch(String),
    /// Something other than a struct or map with text keys stands for a whole object.
    #[error("an object is a struct or a map; this is neither")]
    NotAnObject,
    /// A number has no exact form.
    #[error("the number {0} does not fit 64 signed bits: send it as text")]
    Number(String),
}

/// What is wrong with the store on the device. It is kept as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another client of this one, has it open.
    #[error("the store {} is open elsewhere: close the other program, or use another store", path.display())]
    InUse {
        /// Where it is.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a store of Tapeline: it is left alone, choose another file", path.display())]
    NotAStore {
        /// Where it is.
        path: PathBuf,
    },
    /// The store belongs to another app or another person.
    #[error("the store {} is of app {app:?} and subject {subject:?}: it is left alone, choose another file", path.display())]
    Foreign {
        /// Where it is.
        path: PathBuf,
        /// Whose app's.
        app: String,
        /// Whose.
        subject: String,
    },
    /// A newer program wrote it.
    #[error("the store {} has format {found}, newer than this program reads: use a newer program", path.display())]
    Newer {
        /// Where it is.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// It cannot be read whole.
    #[error("the store {} is damaged: {why}; it is left alone, keep it and start another one", path.display())]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// In which way.
        why: String,
    },
    /// The device does not let it be read or written.
    #[error("the store {} cannot be read or written: {why}", path.display())]
    Device {
        /// Where it is.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl StoreError {
    /// Whether the same may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Device { .. })
    }
}
