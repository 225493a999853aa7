//! Why a backend is not asked, and why a backend file is none.

use std::path::PathBuf;

/// What is wrong with a backend file. Lines and columns count from 1, columns in characters.
#[derive(Debug, thiserror::Error)]
pub enum BackendFileError {
    /// It says something that cannot be.
    #[error("line {line}, column {column}: {what}")]
    Wrong {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

/// Why somebody outside did not say what they say, for people who run the server. Nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// They cannot be reached, or not now.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// What they say is no answer to what was asked.
    #[error("its answer is wrong: {0}")]
    WrongAnswer(String),
}

impl NotAsked {
    /// Whether the same may be answered a moment later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}
