//! Recordings: what people did, on which replica, having seen what. The format is told in `fixtures/README.md`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use tapeline_core::codec::json;
use tapeline_core::op::Op;

use crate::failure::Failure;

/// A replica of a recording, by its place in [`Recording::replicas`].
pub type ReplicaIndex = usize;

/// A whole recording.
#[derive(Debug)]
pub struct Recording {
    /// The names of the replicas.
    pub replicas: Vec<String>,
    /// The events of each replica, in the order it made them.
    pub events: Vec<Vec<RecordedEdit>>,
}

/// One event of a recording.
#[derive(Debug)]
pub struct RecordedEdit {
    /// How many events of each other replica its author had seen.
    pub saw: Vec<(ReplicaIndex, usize)>,
    /// What it did.
    pub ops: Vec<Op>,
}

#[derive(Deserialize)]
struct Line {
    replica: String,
    n: usize,
    saw: BTreeMap<String, usize>,
    ops: Vec<Box<RawValue>>,
}

impl Recording {
    /// Reads a recording from a file, gzipped or plain.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let place = || path.display().to_string();
        let file_error = |error| Failure::File { place: place(), error };
        let mut recording = Self { replicas: Vec::new(), events: Vec::new() };
        for (number, line) in open(path).map_err(file_error)?.lines().enumerate() {
            let line = line.map_err(file_error)?;
            let added = recording.add(&line);
            added.map_err(|what| Failure::Usage(format!("{}, line {}: {what}", place(), number + 1)))?;
        }
        Ok(recording)
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.events.iter().map(Vec::len).sum()
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let author = self.index(&line.replica);
        if line.n != self.events[author].len() + 1 {
            return Err(format!("event {} of {} does not go on where its last one ended", line.n, line.replica));
        }
        let others = line.saw.iter().filter(|(name, _)| **name != line.replica);
        let saw = others.map(|(name, &count)| {
            let other = self.index(name);
            match count <= self.events[other].len() {
                true => Ok((other, count)),
                false => Err(format!("it saw event {count} of {name}, which stands after it")),
            }
        });
        let saw = saw.collect::<Result<_, _>>()?;
        let ops = line.ops.iter().map(|op| json::op_from_json(op.get()).map_err(|error| error.to_string()));
        let ops = ops.collect::<Result<_, _>>()?;
        self.events[author].push(RecordedEdit { saw, ops });
        Ok(())
    }

    fn index(&mut self, name: &str) -> ReplicaIndex {
        if let Some(place) = self.replicas.iter().position(|known| known == name) {
            return place;
        }
        self.replicas.push(name.to_owned());
        self.events.push(Vec::new());
        self.replicas.len() - 1
    }
}

/// Opens a file to be read, gzipped or plain.
pub fn open(path: &Path) -> std::io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::new(File::open(path)?);
    let gzipped = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> = if gzipped { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    Ok(Box::new(BufReader::new(reader)))
}
