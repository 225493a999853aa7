//! Who does what next in a replay: drawn from a seed, among what the recording allows.
//!
//! A replica edits offline as long as what it had seen when it was recorded is what it holds. It goes online only to
//! get what it has yet to see, or because another replica has yet to see its edits: the concurrency of the recording
//! stays real.

use super::recording::{Recording, ReplicaIndex};

/// What a replica is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make its next edits, offline, until one needs something it has not seen.
    Edit(ReplicaIndex),
    /// Go online, send what it has, and come to hold all that is recorded.
    Sync(ReplicaIndex),
}

impl Step {
    /// The replica.
    pub fn replica(self) -> ReplicaIndex {
        match self {
            Self::Edit(replica) | Self::Sync(replica) => replica,
        }
    }
}

/// How far a replay is.
#[derive(Debug)]
pub struct Schedule<'r> {
    recording: &'r Recording,
    random: fastrand::Rng,
    /// For each replica, how many of its events it has made.
    made: Vec<usize>,
    /// For each replica, how many of its events are on the log.
    sent: Vec<usize>,
    /// For each replica, how many events of each other replica it has seen.
    seen: Vec<Vec<usize>>,
    busy: Vec<bool>,
}

impl<'r> Schedule<'r> {
    /// The start of a replay.
    pub fn new(recording: &'r Recording, seed: u64) -> Self {
        let count = recording.replicas.len();
        Self {
            recording,
            random: fastrand::Rng::with_seed(seed),
            made: vec![0; count],
            sent: vec![0; count],
            seen: vec![vec![0; count]; count],
            busy: vec![false; count],
        }
    }

    /// A step that may be done now beside those under way. `None`: wait for one of them, or all is done.
    pub fn next(&mut self) -> Option<Step> {
        let idle: Vec<_> = (0..self.made.len()).filter(|&replica| !self.busy[replica]).collect();
        let steps: Vec<_> = idle.into_iter().filter_map(|replica| self.step_of(replica)).collect();
        let step = *steps.get(self.random.usize(..steps.len().max(1)))?;
        self.busy[step.replica()] = true;
        Some(step)
    }

    /// How many of its next events a replica can make with what it has seen.
    pub fn can_make(&self, replica: ReplicaIndex) -> usize {
        let next = &self.recording.events[replica][self.made[replica]..];
        let makes = next.iter().take_while(|event| event.saw.iter().all(|&(other, n)| self.seen[replica][other] >= n));
        makes.count()
    }

    /// How many of its events a replica has made.
    pub fn made(&self, replica: ReplicaIndex) -> usize {
        self.made[replica]
    }

    /// A replica has made `count` more events.
    pub fn edited(&mut self, replica: ReplicaIndex, count: usize) {
        self.made[replica] += count;
        self.busy[replica] = false;
    }

    /// How many events of each replica are on the log: what one that goes online now comes to see at the least.
    pub fn on_log(&self) -> Vec<usize> {
        self.sent.clone()
    }

    /// A replica has sent all it had made, and seen at least what was on the log when it went online.
    pub fn synced(&mut self, replica: ReplicaIndex, on_log: Vec<usize>) {
        self.sent[replica] = self.made[replica];
        self.seen[replica] = on_log;
        self.busy[replica] = false;
    }

    /// Whether everything was made and sent.
    pub fn is_done(&self) -> bool {
        self.recording.events.iter().zip(&self.sent).all(|(events, &sent)| events.len() == sent)
    }

    fn step_of(&self, replica: ReplicaIndex) -> Option<Step> {
        if self.can_make(replica) > 0 {
            return Some(Step::Edit(replica));
        }
        let missing = self.recording.events[replica].get(self.made[replica]);
        let gets_on = missing.is_some_and(|event| event.saw.iter().all(|&(other, n)| self.sent[other] >= n));
        let owes = self.sent[replica] < self.made[replica];
        (gets_on || owes && self.is_awaited(replica)).then_some(Step::Sync(replica))
    }

    /// Whether somebody, or the end of the replay, waits for what a replica has made.
    fn is_awaited(&self, replica: ReplicaIndex) -> bool {
        let ended = self.made[replica] == self.recording.events[replica].len();
        let waits = |other: ReplicaIndex| {
            let next = self.recording.events[other].get(self.made[other]);
            next.is_some_and(|event| event.saw.iter().any(|&(of, n)| of == replica && n > self.sent[replica]))
        };
        ended || (0..self.made.len()).any(waits)
    }
}
