//! Receipts: what became of an edit, for whoever cares to wait.

use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;
use tapeline_core::event::{Lost, Refusal};
use tapeline_core::numbers::{EditId, Seq};
use tokio::sync::SetOnce;

use crate::cell::Cell;
use crate::error::Closed;

/// What became of an edit on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on the log, durable, and shown here in its place.
    Recorded {
        /// Its place.
        seq: Seq,
        /// What of it did not take effect, and why.
        lost: Vec<Lost>,
    },
    /// It and a later one cancelled each other out before either was sent.
    Cancelled,
    /// It was refused, and is parked: see [`Stream::parked`](crate::Stream::parked).
    Refused(Refusal),
}

/// The receipt of an edit. The edit goes its way whether or not anybody waits for it.
///
/// ```no_run
/// # async fn example(list: tapeline_client::Stream) -> Result<(), Box<dyn std::error::Error>> {
/// use tapeline_client::Outcome;
///
/// let (_, receipt) = list.collection("tasks")?.insert([("title", "Buy milk".into())])?;
/// receipt.stored().await?;
/// match receipt.recorded().await? {
///     Outcome::Recorded { seq, .. } => println!("event {seq}"),
///     Outcome::Refused(refusal) => println!("refused: {}", refusal.reason),
///     Outcome::Cancelled => println!("taken back before it was sent"),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Receipt {
    edit: EditId,
    outcome: Arc<SetOnce<Outcome>>,
    cell: Arc<Cell>,
}

impl Receipt {
    pub(crate) fn new(edit: EditId, outcome: Arc<SetOnce<Outcome>>, cell: Arc<Cell>) -> Self {
        Self { edit, outcome, cell }
    }

    /// The edit.
    pub fn edit(&self) -> EditId {
        self.edit
    }

    /// Waits until the edit is durable on the device: it survives a crash and a loss of power. A client that keeps
    /// itself in memory stores nothing; there this is at once.
    ///
    /// # Errors
    /// Where the client is closed before.
    pub async fn stored(&self) -> Result<(), Closed> {
        let mut stored = self.cell.stored_through();
        self.cell.unless_closed(stored.wait_for(|&through| through >= self.edit)).await?.map_err(|_| Closed)?;
        Ok(())
    }

    /// Waits for the server's word on the edit, as long as it may take.
    ///
    /// # Errors
    /// Where the client is closed before.
    pub async fn recorded(&self) -> Result<Outcome, Closed> {
        self.cell.unless_closed(self.outcome.wait()).await.cloned()
    }

    /// The server's word on the edit, if it has come.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome.get().cloned()
    }
}

/// The receipts somebody still holds: each goes with the verdict on its edit, and those of drafts, which get none, once
/// nobody holds them.
#[derive(Debug, Default)]
pub(crate) struct Receipts(FxHashMap<EditId, Weak<SetOnce<Outcome>>>);

impl Receipts {
    pub(crate) fn give(&mut self, edit: EditId) -> Arc<SetOnce<Outcome>> {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|_, receipt| receipt.strong_count() > 0);
            self.0.reserve(self.0.len() + 1);
        }
        let outcome = Arc::new(SetOnce::new());
        self.0.insert(edit, Arc::downgrade(&outcome));
        outcome
    }

    pub(crate) fn settle(&mut self, edit: EditId, outcome: impl FnOnce() -> Outcome) {
        if let Some(receipt) = self.0.remove(&edit).and_then(|receipt| receipt.upgrade()) {
            // A first verdict stands.
            receipt.set(outcome()).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_nobody_holds_are_forgotten_though_no_verdict_comes() {
        let mut receipts = Receipts::default();
        let held: Vec<_> = (0..100).map(|edit| (EditId(edit), receipts.give(EditId(edit)))).collect();
        (100..100_000).for_each(|edit| drop(receipts.give(EditId(edit))));
        assert!(receipts.0.len() < 1_000, "there are {}", receipts.0.len());
        for (edit, outcome) in held {
            receipts.settle(edit, || Outcome::Cancelled);
            assert_eq!(outcome.get(), Some(&Outcome::Cancelled));
        }
    }
}
