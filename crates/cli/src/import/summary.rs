//! What an import did, or would do, in one line.

use serde_json::{Value, json};
use tapeline_client::Difference;

use crate::arguments::Import;
use crate::failure::Failure;
use crate::output;

/// What an import did, or would do.
#[derive(Debug)]
pub struct Summary {
    stream: String,
    dry_run: bool,
    inserted: usize,
    updated: usize,
    deleted: usize,
    unchanged: usize,
    /// Events it took.
    pub events: usize,
    /// Changes that did not take effect.
    pub lost: usize,
    /// What a dry run would do, for programs.
    pub ops: Vec<Value>,
}

impl Summary {
    /// Of an import that has done nothing yet.
    pub fn new(import: &Import) -> Self {
        Self {
            stream: import.stream.to_string(),
            dry_run: import.dry_run,
            inserted: 0,
            updated: 0,
            deleted: 0,
            unchanged: 0,
            events: 0,
            lost: 0,
            ops: Vec::new(),
        }
    }

    /// One more collection differs so.
    pub fn count(&mut self, difference: &Difference) {
        self.inserted += difference.inserted();
        self.updated += difference.updated();
        self.deleted += difference.deleted();
        self.unchanged += difference.unchanged;
    }

    /// Prints it.
    pub fn print(self, json: bool) -> Result<(), Failure> {
        output::line(if json { self.to_json().to_string() } else { self.in_words() })
    }

    fn in_words(&self) -> String {
        let Self { stream, inserted, updated, deleted, unchanged, lost, .. } = self;
        let counts = format!("{inserted} new, {updated} changed, {deleted} deleted, {unchanged} as they were");
        let more = match (self.dry_run, lost) {
            (true, _) => "; nothing was sent".into(),
            (false, 0) => String::new(),
            (false, _) => {
                format!(
                    "; {lost} changes met those of others and did not take effect: import again to see what differs"
                )
            }
        };
        format!("{stream}: {counts}{more}")
    }

    fn to_json(&self) -> Value {
        let mut told = json!({
            "stream": self.stream,
            "dry_run": self.dry_run,
            "inserted": self.inserted,
            "updated": self.updated,
            "deleted": self.deleted,
            "unchanged": self.unchanged,
        });
        let more = if self.dry_run {
            vec![("ops", json!(self.ops))]
        } else {
            vec![("events", json!(self.events)), ("lost", json!(self.lost))]
        };
        more.into_iter().for_each(|(name, value)| told[name] = value);
        told
    }
}
