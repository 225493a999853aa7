//! Why a command failed, in words that say what to do, and the exit code that says which kind it is.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use tapeline_server::FileError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was said on the command line cannot be.
    #[error("{0}")]
    Usage(String),
    /// The server cannot be reached.
    #[error("cannot reach the server at {server}: {why}\nIs it running? Start one with: tapeline serve")]
    Unreachable {
        /// Its address.
        server: String,
        /// What went wrong.
        why: String,
    },
    /// The server refused.
    #[error("the server refused: {0}")]
    Refused(String),
    /// A file cannot be read or written.
    #[error("{place}: {error}")]
    File {
        /// Which.
        place: String,
        /// What went wrong.
        error: io::Error,
    },
    /// Stored data are damaged.
    #[error("{0}")]
    Damaged(String),
    /// It did not work, or what was checked is not so.
    #[error("{0}")]
    Failed(String),
    /// The runtime could not be started.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// Nobody reads what is printed any more.
    #[error("the output was closed")]
    PipeClosed,
}

impl Failure {
    /// The exit code for it, as the help lists them.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) | Self::File { .. } | Self::Runtime(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } => 3,
            Self::Refused(_) => 4,
            Self::Damaged(_) => 5,
            Self::PipeClosed => 0,
        })
    }

    /// A file that people write, which is not right or cannot be read.
    pub fn of_file(path: &Path, error: FileError) -> Self {
        match error {
            FileError::Unreadable { path, error } => Self::File { place: path.display().to_string(), error },
            FileError::Wrong(error) => Self::Failed(format!("{}: {error}", path.display())),
        }
    }

    /// Any error that has no better place.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<io::Error> for Failure {
    /// An error while printing.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::PipeClosed,
            _ => Self::File { place: "standard output".into(), error },
        }
    }
}
