//! Planted bugs: each breaks one promise at the edges of the world, to show that the checks would notice.

/// A bug to plant in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A retried event is taken for a new one.
    NoDedupe,
    /// Answers go out before the batch they rest on is durable.
    AckBeforeSync,
    /// Refusals are not on the log, and forgotten in a crash.
    VerdictLost,
    /// After a crash of the server the last batch before a checkpoint is played once more.
    AppliedTwice,
    /// The disk loses what it had reported durable, and its seqs are given anew.
    SeqUsedAgain,
    /// Nobody compares the chain of a replica with that of the log.
    ForkUnnoticed,
    /// Replicas do not hear of refusals.
    RefusalIgnored,
    /// A device stores objects without noting up to where they were played.
    TornTransaction,
    /// A device stores up to where it was filled without what it was filled with.
    CursorBeforeRows,
    /// Pages do not say what is gone.
    GoneUnsaid,
    /// Nobody looks in storage for who has a value.
    HoldersUnseen,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::NoDedupe,
        Self::AckBeforeSync,
        Self::VerdictLost,
        Self::AppliedTwice,
        Self::SeqUsedAgain,
        Self::ForkUnnoticed,
        Self::RefusalIgnored,
        Self::TornTransaction,
        Self::CursorBeforeRows,
        Self::GoneUnsaid,
        Self::HoldersUnseen,
    ];

    /// The word for it on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoDedupe => "no-dedupe",
            Self::AckBeforeSync => "ack-before-sync",
            Self::VerdictLost => "verdict-lost",
            Self::AppliedTwice => "applied-twice",
            Self::SeqUsedAgain => "seq-used-again",
            Self::ForkUnnoticed => "fork-unnoticed",
            Self::RefusalIgnored => "refusal-ignored",
            Self::TornTransaction => "torn-transaction",
            Self::CursorBeforeRows => "cursor-before-rows",
            Self::GoneUnsaid => "gone-unsaid",
            Self::HoldersUnseen => "holders-unseen",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}
