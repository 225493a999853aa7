//! What a node says of itself whenever it renews its lease: for people, and for [spreading](super::spread) hot streams. JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tapeline_core::name::StreamName;
use tapeline_log::cluster::{Member, NodeId};

use super::heat::Load;

/// What a node says. One of another version may say less or more.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Says {
    /// Where it listens.
    pub(super) address: Option<String>,
    /// Streams that it has in memory.
    pub(super) streams: i64,
    /// Of how many the log has more than it has.
    pub(super) streams_behind: u64,
    /// How many batches that is at most.
    pub(super) batches_behind: u64,
    /// Events that it decides on, of all streams.
    pub(super) events_per_s: u64,
    /// The same of its hottest streams.
    pub(super) hot: BTreeMap<String, u64>,
    /// Its streams that other nodes decide on.
    pub(super) given: BTreeMap<String, String>,
}

impl Says {
    /// What a member says. Nothing where it cannot be read.
    pub(super) fn of(member: &Member) -> Self {
        serde_json::from_slice(&member.says).unwrap_or_default()
    }

    pub(super) fn set_load(&mut self, load: &Load) {
        self.events_per_s = load.events_per_s;
        self.hot = load.hot.iter().map(|(stream, rate)| (stream.as_str().to_owned(), *rate)).collect();
    }

    pub(super) fn load(&self) -> Load {
        let hot = self.hot.iter().filter_map(|(stream, rate)| Some((StreamName::new(stream).ok()?, *rate)));
        Load { events_per_s: self.events_per_s, hot: hot.collect() }
    }

    pub(super) fn set_given<'a>(&mut self, given: impl Iterator<Item = (&'a StreamName, NodeId)>) {
        self.given = given.map(|(stream, to)| (stream.as_str().to_owned(), to.to_string())).collect();
    }

    pub(super) fn given(&self) -> impl Iterator<Item = (StreamName, NodeId)> {
        self.given.iter().filter_map(|(stream, to)| Some((StreamName::new(stream).ok()?, NodeId::parse(to)?)))
    }
}
