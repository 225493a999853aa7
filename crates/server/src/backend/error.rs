//! Why a backend is not asked.

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
