//! Recordings of one text, keystroke by keystroke. The format is told in `fixtures/README.md`.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use tapeline_core::splice::{SpliceError, Splices};

use crate::failure::Failure;
use crate::replay::recording::open;

/// A person of a recording, by number.
pub type Person = usize;

/// A whole recording of a text.
#[derive(Debug)]
pub struct TextRecording {
    /// The text before the first transaction.
    pub start: String,
    /// The text after the last one: the right answer.
    pub end: String,
    /// How many people type.
    pub people: usize,
    /// What they typed, each transaction after those it was typed on.
    pub transactions: Vec<Transaction>,
}

/// What one person typed at once.
#[derive(Debug)]
pub struct Transaction {
    /// Who.
    pub person: Person,
    /// How many transactions of each person it was typed on, neither more nor less.
    pub saw: Vec<usize>,
    /// The replacements, one after the other.
    pub patches: Vec<Patch>,
}

/// A replacement: position and count in Unicode scalar values, and what comes.
#[derive(Debug, Deserialize)]
pub struct Patch(pub u64, pub u64, pub String);

impl Transaction {
    /// Its replacements as one edit of the text before it.
    pub fn splices(&self) -> Result<Splices, SpliceError> {
        let all = self.patches.iter().map(|Patch(at, delete, insert)| Splices::text(*at, *delete, insert));
        all.map(Ok).reduce(|all, next| all?.then_own(&next?)).unwrap_or_else(|| Ok(Splices::default()))
    }
}

impl TextRecording {
    /// Reads a recording from a file, gzipped or plain. `None`: it is of another kind.
    pub fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let mut text = String::new();
        let read = open(path).and_then(|mut file| file.read_to_string(&mut text));
        read.map_err(|error| Failure::File { place: path.display().to_string(), error })?;
        let Ok(file) = serde_json::from_str::<File>(&text) else { return Ok(None) };
        file.recording().map(Some).map_err(|what| Failure::Usage(format!("{}: {what}", path.display())))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    start_content: String,
    end_content: String,
    #[serde(default = "one")]
    num_agents: usize,
    txns: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    /// Which transactions it was typed on; where nothing is said, the one before it.
    parents: Option<Vec<usize>>,
    #[serde(default)]
    agent: Person,
    patches: Vec<Patch>,
}

fn one() -> usize {
    1
}

impl File {
    fn recording(self) -> Result<TextRecording, String> {
        let (start, end, people) = (self.start_content, self.end_content, self.num_agents);
        let mut made = vec![0; people];
        let mut transactions: Vec<Transaction> = Vec::with_capacity(self.txns.len());
        for (place, Line { parents, agent, patches }) in self.txns.into_iter().enumerate() {
            let parents = parents.unwrap_or_else(|| place.checked_sub(1).into_iter().collect());
            let saw = saw(&transactions, &parents, people)
                .ok_or_else(|| format!("transaction {place} was typed on one that does not stand before it"))?;
            match made.get_mut(agent) {
                Some(made) if *made == saw[agent] => *made += 1,
                _ => return Err(format!("transaction {place} does not go on where its author's last one ended")),
            }
            transactions.push(Transaction { person: agent, saw, patches });
        }
        Ok(TextRecording { start, end, people, transactions })
    }
}

/// How many transactions of each person stand before one, given those it was typed on.
fn saw(earlier: &[Transaction], parents: &[usize], people: usize) -> Option<Vec<usize>> {
    let mut saw = vec![0; people];
    for &parent in parents {
        let Transaction { person, saw: before, .. } = earlier.get(parent)?;
        saw.iter_mut().zip(before).for_each(|(all, before)| *all = (*all).max(*before));
        saw[*person] = saw[*person].max(before[*person] + 1);
    }
    Some(saw)
}
