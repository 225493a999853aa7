//! One replica of a replay: a real client, offline unless it syncs.

use std::time::Duration;

use tapeline_client::{Outcome, Receipt, Stream, Tapeline};
use tapeline_core::edit::edited;
use tapeline_core::hash::Digest;
use tapeline_core::name::{Key, StreamName};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::value::Value;

use super::recording::RecordedEdit;
use crate::failure::Failure;
use crate::http;

/// How long one sync may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// One replica.
pub struct Player {
    tapeline: Tapeline,
    stream: Stream,
    receipts: Vec<Receipt>,
    counts: Counts,
}

/// What became of edits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// On the log.
    pub recorded: u64,
    /// Refused.
    pub refused: u64,
    /// Writes that did not take effect, of events that were recorded.
    pub lost: u64,
    /// Ops made as upserts, since the object had come or gone meanwhile.
    pub upserts: u64,
    /// Events of which nothing was left to do.
    pub skipped: u64,
}

impl Counts {
    /// The sum of both.
    pub fn plus(self, other: &Self) -> Self {
        Self {
            recorded: self.recorded + other.recorded,
            refused: self.refused + other.refused,
            lost: self.lost + other.lost,
            upserts: self.upserts + other.upserts,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl Player {
    /// A replica with nothing in it, offline.
    pub async fn new(server: &str, stream: &StreamName) -> Result<Self, Failure> {
        let tapeline = http::client(server).offline().open().await.map_err(Failure::failed)?;
        let stream = tapeline.stream(stream.as_str()).await.map_err(Failure::failed)?;
        Ok(Self { tapeline, stream, receipts: Vec::new(), counts: Counts::default() })
    }

    /// Makes events offline.
    pub fn edit(&mut self, events: &[RecordedEdit]) -> Result<(), Failure> {
        for event in events {
            let ops = self.as_a_person_would(&event.ops);
            if ops.is_empty() {
                self.counts.skipped += 1;
                continue;
            }
            self.receipts.push(self.stream.edit(ops).map_err(Failure::failed)?);
        }
        Ok(())
    }

    /// Goes online, sends everything, comes to hold all that is recorded, and goes offline again.
    pub async fn sync(&mut self) -> Result<(), Failure> {
        self.tapeline.go_online();
        let synced = tokio::time::timeout(PATIENCE, self.settle_all()).await;
        self.tapeline.go_offline();
        synced.map_err(|_| Failure::Failed(format!("a replica was not in step after {} s", PATIENCE.as_secs())))?
    }

    /// The digest over what it holds.
    pub fn digest(&self) -> Digest {
        self.stream.digest()
    }

    /// What became of its edits.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Ends it.
    pub async fn close(self) {
        let _ = self.tapeline.close().await;
    }

    async fn settle_all(&mut self) -> Result<(), Failure> {
        for receipt in self.receipts.drain(..) {
            match receipt.recorded().await.map_err(Failure::failed)? {
                Outcome::Recorded { lost, .. } => {
                    self.counts.recorded += 1;
                    self.counts.lost += lost.len() as u64;
                }
                Outcome::Cancelled => self.counts.recorded += 1,
                Outcome::Refused(_) => self.counts.refused += 1,
            }
        }
        self.stream.caught_up().await.map_err(Failure::failed)
    }

    /// Edits what is there: an update of what has gone, and an insert of what has come, are made as upserts, and a
    /// delete of what has gone is not made.
    fn as_a_person_would(&mut self, ops: &[Op]) -> Vec<Op> {
        let mut there: Vec<(&Key, bool)> = Vec::new();
        let mut made = Vec::new();
        for op in ops {
            let known = there.iter().rev().find(|(key, _)| *key == &op.key).map(|&(_, live)| live);
            let live = known.unwrap_or_else(|| self.stream.get(&op.key).is_some());
            let action = match (&op.action, live) {
                (Action::Insert(set), true) => Action::Upsert(set.clone()),
                (Action::Update(edits), false) => Action::Upsert(assignments(edits)),
                (Action::Delete, false) => continue,
                (action, _) => action.clone(),
            };
            self.counts.upserts += u64::from(action.name() != op.action.name());
            there.push((&op.key, action != Action::Delete));
            made.push(Op { key: op.key.clone(), seen: None, action });
        }
        made
    }
}

fn assignments(edits: &FieldMap<Edit>) -> FieldMap<Value> {
    let set = edits.iter().filter_map(|(name, edit)| Some((name.clone(), edited(None, edit).ok()?)));
    FieldMap::new(set.collect()).expect("at most as many fields, each once")
}
